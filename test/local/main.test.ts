import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { lastUrl } from '../../local/last-url.ts'
import { builtFolder } from '../support/built.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'

let built = ''
let folder = ''
const running = new Map<ChildProcess, Promise<unknown>>()

beforeAll(async () => {
	built = await builtFolder()
})

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), 'rollcall-local-'))
})
afterEach(async () => {
	for (const child of running.keys()) child.kill('SIGKILL')
	await Promise.all(running.values())
	await rm(folder, { recursive: true })
})

/** The program, started as by `npm start`. */
function start(...args: string[]) {
	const child = spawn(process.execPath, [join(built, 'local/main.js'), ...args], {
		env: { ...process.env, TMPDIR: folder },
	})
	const seen = { out: '', err: '' }
	child.stderr.on('data', (text) => {
		seen.err += text
	})
	const exited = once(child, 'close').then(([code, signal]) => {
		running.delete(child)
		return code ?? signal
	})
	running.set(child, exited)
	const serving = new Promise<void>((resolveServing, reject) => {
		child.stdout.on('data', (text) => {
			seen.out += text
			if (seen.out.includes('Ctrl-C stops.\n')) resolveServing()
		})
		exited.then(() => reject(new Error(`it ended: ${seen.err}`)), reject)
	})
	// A test that waits for the end must not wait for this.
	serving.catch(() => {})
	return { child, seen, exited, serving }
}

/** Starts the program and waits until it serves. */
async function serve(...args: string[]) {
	const program = start('--port', '0', ...args)
	await program.serving
	const url = /^Tenant URL {4}(\S+)$/m.exec(program.seen.out)?.[1] ?? ''
	const token = /^Secret Token {2}(\S+)$/m.exec(program.seen.out)?.[1] ?? ''
	const call = (path: string, init: RequestInit = {}) =>
		fetch(`${url}${path}`, {
			...init,
			headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/scim+json' },
		})
	return { ...program, url, token, call }
}

const canConnect = (port: number, hostname: string): Promise<boolean> =>
	new Promise((resolveConnected) => {
		const socket = connect(port, hostname, () => {
			socket.destroy()
			resolveConnected(true)
		})
		socket.on('error', () => resolveConnected(false))
	})

const idIn = async (response: Response) => z.object({ id: z.string() }).parse(await response.json()).id
const totalIn = async (response: Response) =>
	z.object({ totalResults: z.int() }).parse(await response.json()).totalResults

const joy = { method: 'POST', body: JSON.stringify({ userName: 'joy@example.com' }) }

async function endOf(program: { exited: Promise<unknown>; child: ChildProcess }, signal: NodeJS.Signals) {
	program.child.kill(signal)
	return program.exited
}

describe('npm start', () => {
	test('prints the addresses, logs one line for each request, and ends at a signal without leftovers', async () => {
		const program = await serve('--ephemeral')
		expect(program.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/scim\/demo$/)
		expect(program.token).toMatch(/^[A-Za-z0-9_-]{43}$/)
		expect(program.seen.out).toContain('\nThe data is in memory only and is lost at the end.\n')
		expect(program.seen.out).toMatch(/^Console {7}http:\/\/127\.0\.0\.1:\d+\/#[\w-]{43}$/m)
		const { length } = program.seen.out
		expect((await program.call('/Users', joy)).status).toBe(201)
		expect(await totalIn(await program.call('/Users?filter=userName+eq+"JOY@example.com"'))).toBe(1)
		expect((await program.call('/Users', joy)).status).toBe(409)
		expect((await fetch(`${program.url}/Users`)).status).toBe(401)
		expect(await endOf(program, 'SIGTERM')).toBe(0)
		expect(program.seen.out.slice(length).replaceAll(/\d+ ms/g, 'n ms')).toBe(
			[
				'POST demo /Users 201 n ms',
				'GET demo /Users 200 n ms',
				'POST demo /Users 409 uniqueness n ms: userName "…" is already taken',
				'GET - - 401 n ms: the request has no bearer token: send "…", a space and the token',
				'',
			].join('\n'),
		)
		expect(program.seen.err).toBe('')
		expect(await readdir(folder)).toEqual([])
	})

	test('has no limit of requests', async () => {
		const program = await serve('--ephemeral')
		const statuses = await Promise.all(
			Array.from({ length: 800 }, async () => (await program.call('/ServiceProviderConfig')).status),
		)
		expect(new Set(statuses)).toEqual(new Set([200]))
		expect(await endOf(program, 'SIGTERM')).toBe(0)
	})

	test('serves a tenant at the rate that --rate says', async () => {
		const program = await serve('--ephemeral', '--rate', '25')
		const Operations = Array.from({ length: 1000 }, () => ({ method: 'DELETE', path: '/Users/nobody' }))
		const bulk = { method: 'POST', body: JSON.stringify({ Operations }) }
		const started = Date.now()
		// Each bulk request takes 100 units, and the bucket has 100. The last request begins 100 units later.
		for (let count = 0; count < 2; count++) expect((await program.call('/Bulk', bulk)).status).toBe(200)
		expect((await program.call('/ServiceProviderConfig')).status).toBe(200)
		expect(Date.now() - started).toBeGreaterThanOrEqual(3900)
		expect(await endOf(program, 'SIGTERM')).toBe(0)
	})

	test.each(['SIGINT', 'SIGHUP'] as const)('still has its users and its token after %s', async (signal) => {
		const data = join(folder, 'data')
		const first = await serve('--data', data)
		const id = await idIn(await first.call('/Users', joy))
		expect(await endOf(first, signal)).toBe(0)
		expect((await readdir(data)).sort()).toEqual(['tables.json', 'tokens.json'])
		const tokens = await readFile(join(data, 'tokens.json'), 'utf8')

		const second = await serve('--data', data)
		expect(second.token).toBe(first.token)
		expect(second.seen.out).toContain(`\nThe data is in ${data}.\n`)
		expect(await readFile(join(data, 'tokens.json'), 'utf8')).toBe(tokens)
		expect(await (await second.call(`/Users/${id}`)).json()).toMatchObject({ userName: 'joy@example.com' })
		expect(await endOf(second, 'SIGTERM')).toBe(0)
	})

	test('keeps its URL in the data folder for the Tenant URLs of rollcall, if the user has chosen the port', async () => {
		const server = createServer().listen(0, '127.0.0.1')
		await once(server, 'listening')
		const { port } = server.address() as AddressInfo // sound: it listens on a port, not on a pipe
		await new Promise((resolveClosed) => server.close(resolveClosed))
		const data = join(folder, 'data')
		const program = start('--data', data, '--port', String(port))
		await program.serving
		expect(await lastUrl(data)).toBe(`http://127.0.0.1:${port}`)
		await endOf(program, 'SIGTERM')
		await endOf(await serve('--data', data), 'SIGTERM')
		expect(await lastUrl(data)).toBe(`http://127.0.0.1:${port}`)
	})

	test('answers requests in progress after a signal', async () => {
		const program = await serve('--data', folder)
		const { hostname, port } = new URL(program.url)
		const user = JSON.stringify({ userName: 'joy@example.com' })
		const headers = [
			'POST /scim/demo/Users HTTP/1.1',
			`Host: ${hostname}`,
			`Authorization: Bearer ${program.token}`,
			'Content-Type: application/scim+json',
			`Content-Length: ${user.length}`,
			'Expect: 100-continue',
		]
		const socket = connect(Number(port), hostname)
		socket.write(`${headers.join('\r\n')}\r\n\r\n`)
		const [interim] = await once(socket, 'data')
		expect(String(interim)).toMatch(/^HTTP\/1\.1 100 /)

		program.child.kill('SIGTERM')
		while (await canConnect(Number(port), hostname));
		socket.write(user)
		const [response] = await once(socket, 'data')
		expect(String(response)).toMatch(/^HTTP\/1\.1 201 /)
		expect(await program.exited).toBe(0)
		expect(await readFile(join(folder, 'tables.json'), 'utf8')).toContain('joy@example.com')
	})

	test('starts after kill -9 with the data that was written before', async () => {
		const data = join(folder, 'data')
		const first = await serve('--data', data)
		const id = await idIn(await first.call('/Users', joy))
		await endOf(first, 'SIGTERM')
		const second = await serve('--data', data)
		expect(await endOf(second, 'SIGKILL')).toBe('SIGKILL')
		expect(existsSync(join(data, 'lock'))).toBe(true)

		const third = await serve('--data', data)
		expect((await third.call(`/Users/${id}`)).status).toBe(200)
		expect(await endOf(third, 'SIGTERM')).toBe(0)
	})

	test('serves several tenants with separate users, and accepts a given token beside its own', async () => {
		const data = join(folder, 'data')
		const first = await serve('--data', data, '--tenant', 'acme')
		expect((await first.call('/Users', joy)).status).toBe(201)
		await endOf(first, 'SIGTERM')

		const token = 'given-on-the-command-line'
		const second = await serve('--data', data, '--tenant', 'acme', '--tenant', 'globex', '--token', token)
		const urls = [...second.seen.out.matchAll(/^Tenant URL {4}(\S+)$/gm)].map(([, url]) => url)
		expect(urls.map((url) => url?.split('/').at(-1))).toEqual(['acme', 'globex'])
		const totals = async (bearer: string) =>
			Promise.all(
				urls.map(async (url) => {
					const response = await fetch(`${url}/Users`, { headers: { Authorization: `Bearer ${bearer}` } })
					return response.ok ? totalIn(response) : response.status
				}),
			)
		expect(second.token).toBe(token)
		expect(await totals(token)).toEqual([1, 0])
		expect(await totals(first.token)).toEqual([1, 401])
		await endOf(second, 'SIGTERM')
		const { tokens } = JSON.parse(await readFile(join(data, 'tokens.json'), 'utf8'))
		expect(tokens.acme).toHaveLength(2)
		expect(tokens.globex).toHaveLength(1)
	})

	test('does not show a token that has expired', async () => {
		const expired = { value: 'expired-token', created: '2026-01-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' }
		await writeFile(join(folder, 'tokens.json'), JSON.stringify({ tokens: { demo: [expired] } }))
		const program = await serve('--data', folder)
		expect(program.token).not.toBe('expired-token')
		expect((await program.call('/Users')).status).toBe(200)
	})

	test('serves HTTPS with a certificate', async () => {
		const { cert, key } = selfSigned(['IP:127.0.0.1'])
		await writeFile(join(folder, 'cert.pem'), cert)
		await writeFile(join(folder, 'key.pem'), key)
		const files = ['--tls-cert', join(folder, 'cert.pem'), '--tls-key', join(folder, 'key.pem')]
		const { url, token, seen } = await serve('--ephemeral', ...files)
		expect(seen.out).not.toContain('Console')
		expect(url).toMatch(/^https:\/\/127\.0\.0\.1:/)
		const status = await new Promise((resolveStatus, reject) => {
			request(`${url}/Users`, { ca: cert, headers: { Authorization: `Bearer ${token}` } }, (response) => {
				resolveStatus(response.resume().statusCode)
			})
				.on('error', reject)
				.end()
		})
		expect(status).toBe(200)
	})
})

describe('npm start ends with a line for the problem and a line for the fix', () => {
	test('for a folder that another process serves, which keeps running', async () => {
		const first = await serve('--data', folder)
		const second = start('--port', '0', '--data', folder)
		expect(await second.exited).toBe(2)
		expect(second.seen).toEqual({
			out: '',
			err: `error: process ${first.child.pid} already serves the folder ${folder}
hint: stop it, choose another folder with --data, or delete ${join(folder, 'lock')} if it is another program
`,
		})
		expect((await first.call('/Users')).status).toBe(200)
	})

	test('for a port that is in use, and releases the folder', async () => {
		const other = createServer()
		await new Promise<void>((resolveListening) => other.listen(0, '127.0.0.1', resolveListening))
		const { port } = other.address() as AddressInfo // sound: it listens on a port
		const program = start('--port', String(port), '--data', folder)
		expect(await program.exited).toBe(2)
		expect(program.seen).toEqual({
			out: '',
			err: `error: port ${port} is in use\nhint: choose another port with --port\n`,
		})
		expect((await readdir(folder)).sort()).toEqual(['tables.json', 'tokens.json'])
		other.close()
	})

	test('for tokens that cannot be read, and shows none of them', async () => {
		const file = join(folder, 'tokens.json')
		await writeFile(file, '{"tokens": {"demo": [{"value": "top-secret"')
		const program = start('--port', '0', '--data', folder)
		expect(await program.exited).toBe(2)
		expect(program.seen).toEqual({
			out: '',
			err: `error: the tokens cannot be used: ${file} is not JSON
hint: correct the file, or choose another folder with --data
`,
		})
		expect(await readFile(file, 'utf8')).toBe('{"tokens": {"demo": [{"value": "top-secret"')
	})

	test.each([
		[['--prot', '80'], 'error: unknown option --prot\nhint: did you mean --port?\n'],
		[
			['--tls-cert', '/absent/cert.pem', '--tls-key', 'x'],
			/^error: \/absent\/cert.pem cannot be read: .*\nhint: .*\n$/,
		],
		[['--data', '/dev/null/data'], /^error: the folder \/dev\/null\/data cannot be written: .*\nhint: .*\n$/],
	])('for %j', async (args, err) => {
		const program = start(...args)
		expect(await program.exited).toBe(2)
		expect(program.seen).toEqual({ out: '', err: typeof err === 'string' ? err : expect.stringMatching(err) })
	})

	test('and with its options if the user asks for help', async () => {
		const program = start('--help')
		expect(await program.exited).toBe(0)
		expect(program.seen).toEqual({
			out: expect.stringMatching(/^Serves SCIM on this machine\.\n\n(.*\n)*? +--port N /),
			err: '',
		})
	})
})
