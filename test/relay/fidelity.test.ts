import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

// Whether the stand-in is what Microsoft's own library takes for Azure Relay. The library is no dependency: it would bring
// packages called https and crypto into the tree. It is installed beside, as it was published.

const folder = join('node_modules', '.cache', 'hyco-https-1.4.5')
const script = 'test/support/relay-stand-in/hyco.cjs'
const run = promisify(execFile)

let lab: Lab
const running: { stop(): unknown }[] = []

beforeAll(async () => {
	if (existsSync(join(folder, 'node_modules/hyco-https/package.json'))) return
	mkdirSync(folder, { recursive: true })
	const options = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save']
	await run('npm', ['install', ...options, 'hyco-https@1.4.5']).catch((error: unknown) => {
		throw new Error('hyco-https 1.4.5 could not be installed from the registry', { cause: error })
	})
}, 60_000)
afterEach(async () => {
	for (const { stop } of running.splice(0)) await stop()
	await lab.stop()
})

const environment = () => ({ ...process.env, NODE_EXTRA_CA_CERTS: lab.write('ca.pem', lab.ca) })

const listeners = {
	theirs: async () => {
		const args = [script, 'listen', join(process.cwd(), folder), String(lab.standIn.port)]
		const child = spawn(process.execPath, args, { env: environment(), stdio: 'inherit' })
		const closed = new Promise((resolve) => child.once('close', resolve))
		running.push({ stop: () => child.kill() && closed })
		await lab.standIn.journal.until('listening')
	},
	ours: async () => {
		lab.origin.answer = (incoming, response, body) => {
			const { method, url = '' } = incoming
			if (method === 'DELETE') return response.writeHead(204).end()
			const filler = 'x'.repeat(Number(/fill=(\d+)/.exec(url)?.[1] ?? 0))
			const hash = createHash('sha256').update(body).digest('hex')
			return json(response, 200, { method, target: url, length: body.length, hash, filler })
		}
		await lab.agent()
	},
}

type Send = (method: string, path: string, length: number) => Promise<unknown>

const senders: Record<string, () => Send> = {
	theirs: () => async (method, path, length) => {
		const args = [
			script,
			'send',
			join(process.cwd(), folder),
			String(lab.standIn.port),
			method,
			`/demo/scim${path}`,
			String(length),
		]
		return JSON.parse((await run(process.execPath, args, { env: environment(), maxBuffer: 2 ** 26 })).stdout)
	},
	ours: () => {
		const send = lab.sender()
		return async (method, path, length) => {
			const { status, body } = (await outcome(
				send(request({ method, path, ...(length > 0 && { body: Buffer.alloc(length, 'x') }) })),
			)) as { status: number; body?: unknown } // sound: an error has no body, and is then told from what is expected
			return { status, ...(body !== undefined && { body }) }
		}
	},
}

describe.each(['theirs', 'ours'] as const)('listener %s', (listener) => {
	test.each(['theirs', 'ours'])('sender %s', async (sender) => {
		lab = await startLab({ isLenient: listener === 'theirs' })
		await listeners[listener]()
		const send = senders[sender]?.() as Send // sound: one of the two names above
		for (const [method, path, length, fill] of [
			['GET', '/Users', 0, 0],
			['GET', '/Users?filter=userName%20eq%20%22a%26b%22', 0, 0],
			['POST', '/Users', 1, 0],
			['POST', '/Users', 65_000, 0],
			['PUT', '/Users/1', 65_537, 0],
			['PUT', '/Users/1', 1_000_000, 0],
			['PATCH', '/Users/1', 20, 0],
			['GET', '/Users?fill=60000', 0, 60_000],
			['GET', '/Users?fill=70000', 0, 70_000],
			['PUT', '/Users/1?fill=1000000', 200_000, 1_000_000],
		] as const) {
			expect([method, path, await send(method, path, length)]).toEqual([
				method,
				path,
				{
					status: 200,
					body: {
						method,
						target: `/scim${path}`,
						length,
						hash: createHash('sha256').update('x'.repeat(length)).digest('hex'),
						filler: 'x'.repeat(fill),
					},
				},
			])
		}
		expect(await send('DELETE', '/Users/1', 0)).toEqual({ status: 204 })
		expect(lab.standIn.journal.violations()).toEqual([])
	})
})
