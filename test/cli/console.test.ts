import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { useAzure } from '../support/azure/azure.ts'
import { useFolder } from '../support/folder.ts'
import { useBuiltPath, useBuiltRollcall } from '../support/rollcall.ts'

const azure = useAzure()
const path = useBuiltPath()
const rollcall = useBuiltRollcall(path)
const folder = useFolder('rollcall-cli-console-')

const running = new Map<ChildProcess, Promise<unknown>>()
afterEach(async () => {
	for (const child of running.keys()) child.kill('SIGKILL')
	await Promise.all(running.values())
})

/** Starts a program of the build, such as `cli/main.js`, and waits until it has printed `words`. */
async function start(program: string, args: readonly string[], words: RegExp, env = {}) {
	const child = spawn(process.execPath, [resolve(path(), '../..', program), ...args], {
		env: { ...process.env, ...env },
	})
	const seen = { out: '', err: '' }
	const exited = once(child, 'close').then(([code]) => {
		running.delete(child)
		return code
	})
	running.set(child, exited)
	child.stderr.on('data', (text) => {
		seen.err += text
	})
	const said = (expected: RegExp): Promise<void> =>
		new Promise((done, reject) => {
			const look = () => expected.test(seen.out) && done()
			child.stdout.on('data', look)
			look()
			exited.then(() => reject(new Error(`it ended: ${seen.err}`)), reject)
		})
	child.stdout.on('data', (text) => {
		seen.out += text
	})
	await said(words)
	return { child, seen, exited, said }
}

const linksIn = (text: string): readonly string[] => text.match(/http:\/\/127\.0\.0\.1:\d+\/#[\w-]{43}/g) ?? []

/** Exchanges a link for a session, and asks the API. */
async function visit(link = '') {
	const { origin, hash } = new URL(link)
	const exchange = await fetch(`${origin}/console/session`, {
		method: 'POST',
		headers: { Authorization: `Link ${hash.slice(1)}`, Origin: origin },
	})
	const { session } = (await exchange.json()) as { session?: string } // sound: the console's answer
	const ask = async (apiPath: string) => {
		const response = await fetch(`${origin}/console/api${apiPath}`, { headers: { Authorization: `Bearer ${session}` } })
		return { status: response.status, body: await response.json() }
	}
	return { status: exchange.status, origin, ask }
}

const ready = /Ctrl-C stops\.\n/

describe('rollcall console', () => {
	test('serves a data folder until a signal, and prints another link at Enter', async () => {
		const data = join(folder(), 'data')
		expect((await rollcall(['tenant', 'add', 'acme', '--data', data])).code).toBe(0)
		const program = await start('cli/main.js', ['console', '--data', data, '--port', '0', '--no-open'], ready)
		const [first] = linksIn(program.seen.out)
		const page = await fetch(new URL('/', first))
		expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
		program.child.stdin.write('\n')
		await program.said(/Console[\s\S]*Console/)
		const [, second] = linksIn(program.seen.out)
		expect((await visit(first)).status).toBe(401)
		const { status, origin, ask } = await visit(second)
		expect(status).toBe(200)
		expect((await ask('/tenants')).body).toMatchObject({ tenants: [{ name: 'acme', mode: 'store' }] })
		expect((await ask('/about')).body).toEqual({ place: `the folder ${data}`, version: expect.any(String) })
		program.child.kill('SIGTERM')
		expect(await program.exited).toBe(0)
		expect(program.seen.err).toBe('')
		await expect(fetch(origin)).rejects.toThrow()
		expect(await readdir(data)).not.toContain('lock')
	})

	test('opens the console of npm start, if that serves the folder', async () => {
		const data = join(folder(), 'data')
		const host = await start('local/main.js', ['--data', data, '--port', '0'], ready)
		const [first] = linksIn(host.seen.out)
		const { code, out, err } = await rollcall(['console', '--data', data, '--no-open'])
		expect({ code, err }).toEqual({ code: 0, err: '' })
		const [second] = linksIn(out)
		expect((await visit(first)).status).toBe(401)
		const { ask } = await visit(second)
		expect((await ask('/tenants')).body).toMatchObject({ tenants: [{ name: 'demo', mode: 'store' }] })
		expect(await rollcall(['console', '--data', data, '--port', '0'])).toMatchObject({
			code: 2,
			err: expect.stringContaining(`its console is at ${new URL(second ?? '').origin}`),
		})
		host.child.kill('SIGTERM')
		expect(await host.exited).toBe(0)
		expect(await readdir(data)).not.toContain('console.json')
	})

	test('gives the browser the link in a file of the owner, and not in its command line', async () => {
		const data = join(folder(), 'data')
		await start('local/main.js', ['--data', data, '--port', '0'], ready)
		const seen = join(folder(), 'seen')
		const script = `#!/bin/sh\nfile="\${1#file://}"\nls -l "$file" > '${seen}'\ncat "$file" >> '${seen}'\necho "$1" >> '${seen}'\n`
		await writeFile(join(folder(), 'xdg-open'), script, { mode: 0o755 })
		const env = { PATH: `${folder()}:${process.env.PATH}`, TMPDIR: folder() }
		const { code, out, err } = await rollcall(['console', '--data', data], { env })
		expect({ code, err }).toEqual({ code: 0, err: '' })
		const [link = ''] = linksIn(out)
		const [mode, content, words] = (await readFile(seen, 'utf8')).trim().split('\n')
		expect(mode).toMatch(/^-rw------- /)
		expect(content).toBe(`<!doctype html><meta http-equiv="refresh" content="0; url=${link}">`)
		expect(words).toMatch(/^file:\/\/\S+\/console\.html$/)
		expect((await readdir(folder())).filter((name) => name.startsWith('rollcall-link-'))).toEqual([])
		expect((await visit(link)).status).toBe(200)
	})

	test('says so if npm start serves the folder without a console', async () => {
		const data = join(folder(), 'data')
		const host = await start('local/main.js', ['--data', data, '--port', '0', '--no-console'], ready)
		expect(linksIn(host.seen.out)).toEqual([])
		expect(await rollcall(['console', '--data', data, '--no-open'])).toEqual({
			code: 1,
			out: '',
			err: `error: process ${host.child.pid} uses the folder ${data} and has no console\nhint: start npm start without --no-console, or stop it\n`,
		})
	})

	test('serves a deployment in Azure, also with a role that only reads', async () => {
		const { env, tables, vault } = azure()
		expect((await rollcall(['tenant', 'add', 'acme', '--resource-group', 'rollcall'], { env })).code).toBe(0)
		tables.isReadOnly = true
		vault.faultOf = () => ({ status: 403, code: 'Forbidden', innerCode: 'ForbiddenByRbac' })
		const words = ['console', '--resource-group', 'rollcall', '--port', '0', '--no-open']
		const program = await start('cli/main.js', words, ready, env)
		const { ask } = await visit(linksIn(program.seen.out)[0])
		expect((await ask('/tenants')).body).toMatchObject({
			tenants: [{ name: 'acme', url: 'https://rollcall-app.azurewebsites.net/scim/acme' }],
		})
		expect((await ask('/tenants/acme/summary')).body).toMatchObject({
			people: 0,
			credentialsProblem: expect.stringMatching(/^the vault refused the request: /),
		})
		expect((await ask('/about')).body).toMatchObject({
			place: 'the resource group rollcall',
			missingRole: 'Storage Table Data Contributor',
		})
	})

	test.each([
		['--port', '99999'],
		['--port', 'x'],
	])('refuses %s %s', async (...words) => {
		expect(await rollcall(['console', ...words])).toMatchObject({
			code: 2,
			err: `error: ${words.join(' ')} is not a valid port\nhint: use a number from 0 to 65535\n`,
		})
	})

	test('a port of its own is never replaced by another one', async () => {
		const data = join(folder(), 'data')
		const host = await start('local/main.js', ['--data', data, '--port', '0'], ready)
		const { port } = new URL(linksIn(host.seen.out)[0] ?? '')
		const other = join(folder(), 'other')
		expect((await rollcall(['tenant', 'add', 'acme', '--data', other])).code).toBe(0)
		expect(await rollcall(['console', '--data', other, '--port', port, '--no-open'])).toMatchObject({
			code: 2,
			err: `error: port ${port} is in use\nhint: choose another port with --port\n`,
		})
	})
})
