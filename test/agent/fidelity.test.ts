import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { pause, systemClock } from '../../shared/relay/clock.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { type DotnetAnswer, listenAsDotnet } from '../support/relay-stand-in/dotnet.ts'
import { ca, certificate, type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'
import { scaledClock } from '../support/relay-stand-in/scaled-clock.ts'
import { sendTo } from '../support/relay-stand-in/sender.ts'
import { type StandIn, startStandIn } from '../support/relay-stand-in/stand-in.ts'

// Tests that Microsoft's own library works with the stand-in as with Azure Relay. The library is not a dependency,
// because it needs packages named https and crypto. It is installed in a separate folder with its own tests and Jest.

const folder = join('node_modules', '.cache', 'hyco-https-1.4.5')
const packages = { 'hyco-https': '1.4.5', jest: '29.7.0' }
const script = 'test/support/relay-stand-in/hyco.cjs'
const run = promisify(execFile)

let lab: Lab
const running: { stop(): unknown }[] = []

beforeAll(async () => {
	if (Object.keys(packages).every((name) => existsSync(join(folder, 'node_modules', name, 'package.json')))) return
	mkdirSync(folder, { recursive: true })
	// A registry that is slow for a while does not stop the tests.
	const patient = ['--prefer-offline', '--fetch-timeout=30000', '--fetch-retries=6']
	const options = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', ...patient]
	const wanted = Object.entries(packages).map(([name, version]) => `${name}@${version}`)
	await run('npm', ['install', ...options, ...wanted]).catch((error: unknown) => {
		throw new Error(`${wanted.join(' and ')} could not be installed from the registry`, { cause: error })
	})
}, 300_000)
afterEach(async () => {
	for (const { stop } of running.splice(0)) await stop()
})

const environment = () => ({ ...process.env, NODE_EXTRA_CA_CERTS: lab.write('ca.pem', lab.ca) })

const listeners = {
	theirs: async () => {
		const args = [script, 'listen', join(process.cwd(), folder), String(lab.standIn.port)]
		const child = spawn(process.execPath, args, { env: environment(), stdio: 'inherit' })
		const closed = new Promise((resolve) => child.once('close', resolve))
		running.unshift({ stop: () => child.kill() && closed })
		await lab.standIn.journal.until('listening')
	},
	'as .NET does': async () => {
		const handle = (method: string, requestTarget: string, body: Buffer) => {
			const headers = {
				'Content-Type': 'application/json',
				'x-scim-relay-agent': '33333333-3333-4333-8333-333333333333;v=1;hc=demo',
				'x-scim-relay-outcome': 'completed',
				'x-scim-relay-base': '/scim',
			}
			if (method === 'DELETE') return { status: 204, headers }
			const target = requestTarget.slice(requestTarget.indexOf('/scim'))
			const filler = 'x'.repeat(Number(/fill=(\d+)/.exec(target)?.[1] ?? 0))
			const hash = createHash('sha256').update(body).digest('hex')
			const answer = { method, target, length: body.length, hash, filler }
			return { status: 200, headers, body: Buffer.from(JSON.stringify(answer)) }
		}
		running.unshift(await listenAsDotnet({ port: lab.standIn.port, ca: lab.ca, handle }))
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

const senders: Record<string, (keepsConnections: boolean) => Send> = {
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
	ours: (keepsConnections) => {
		const shared = lab.sender()
		return async (method, path, length) => {
			// Otherwise the connection of the last request may just be closing.
			const send = keepsConnections ? shared : lab.sender()
			const { status, body } = (await outcome(
				send(request({ method, path, ...(length > 0 && { body: Buffer.alloc(length, 'x') }) })),
			)) as { status: number; body?: unknown } // sound: an error has no body, which the expectation then reports
			return { status, ...(body !== undefined && { body }) }
		}
	},
}

// Microsoft's listener for Node keeps a rendezvous for the next request, and the one for .NET closes it. What the service
// does is not documented.
const settings = (['theirs', 'as .NET does', 'ours'] as const).flatMap((listener) =>
	(['kept', 'closed', 'released'] as const).map((rendezvous) => [listener, rendezvous] as const),
)

describe.each(settings)('listener %s, and a rendezvous is %s after its answer', (listener, rendezvous) => {
	test.each(['theirs', 'ours'])('sender %s', async (sender) => {
		lab = await startLab({ isLenient: listener === 'theirs' })
		lab.standIn.faults.rendezvousAfterAnswer = rendezvous
		running.push(lab)
		await listeners[listener]()
		const keepsConnections = rendezvous === 'released' || (rendezvous === 'kept' && listener !== 'as .NET does')
		const send = senders[sender]?.(keepsConnections) as Send // sound: one of the two names above
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

/** What the listener of .NET does by default, and the one for Node does not. Each was seen with the library itself. */
describe('a listener as .NET does', () => {
	const text = (answer: Partial<DotnetAnswer>) => ({ status: 200, headers: {}, ...answer })

	async function start(answer: DotnetAnswer, options: Parameters<typeof startLab>[0] = {}) {
		lab = await startLab(options)
		running.push(lab)
		lab.standIn.faults.rendezvousAfterAnswer = 'released'
		const { standIn, ca } = lab
		const clock = options.commonClock ?? systemClock
		running.unshift(await listenAsDotnet({ port: standIn.port, ca, clock, handle: () => answer }))
		return standIn
	}

	const ask = async (method = 'GET', body?: Buffer) => {
		const { token } = sasToken({
			uri: 'http://localhost/demo',
			keyName: 'send',
			key: 'sendkey',
			expires: Date.now() + 4 * 3_600_000,
		})
		const headers = { ServiceBusAuthorization: token }
		const {
			status,
			reason,
			body: received,
		} = await sendTo({
			port: lab.standIn.port,
			ca: lab.ca,
			path: '/demo/scim/Users',
			method,
			headers,
			...(body && { body }),
		})
		return [status, reason, received.length]
	}
	const ways = (standIn: StandIn) =>
		standIn.journal.entries.filter(({ event }) => event === 'answer').map(({ by }) => by)

	test.each([
		['writes nothing', text({}), [200, 'OK', 0], ['control', 'rendezvous']],
		['writes zero bytes', text({ body: Buffer.alloc(0) }), [200, 'OK', 0], ['control', 'rendezvous']],
		['is slow', text({ body: Buffer.from('x'), isSlow: true }), [200, 'OK', 1], ['rendezvous', 'rendezvous']],
		['names no usual status', text({ status: 450 }), [450, '', 0], ['control', 'rendezvous']],
		['refuses', text({ status: 404 }), [404, 'Not Found', 0], ['control', 'rendezvous']],
	])('%s', async (_, answer, expected, by) => {
		const standIn = await start(answer)
		expect(await ask()).toEqual(expected)
		expect(await ask('PUT', Buffer.alloc(70_000))).toEqual(expected)
		expect(ways(standIn)).toEqual(by)
		expect(standIn.journal.violations()).toEqual([])
	})

	test('renews its token when the token expires, which a service with a grace period allows', async () => {
		const commonClock = scaledClock(1)
		const standIn = await start(text({}), { commonClock, grace: 60_000 })
		commonClock.forward(3_600_000)
		await standIn.journal.until('renewed')
		commonClock.forward(120_000)
		expect(await ask()).toEqual([200, 'OK', 0])
		expect(standIn.journal.entries.filter(({ event }) => event === 'renewed')).toEqual([
			{ event: 'renewed', accepted: true },
		])
		expect(standIn.journal.count('left')).toBe(0)
	})

	test('listens again at once if the service closes its channel when the token expires', async () => {
		const commonClock = scaledClock(1)
		const standIn = await start(text({}), { commonClock })
		commonClock.forward(3_600_000)
		await standIn.journal.until('listening', 2)
		expect(standIn.journal.entries.find(({ event }) => event === 'left')).toMatchObject({ code: 1008 })
		expect(await ask()).toEqual([200, 'OK', 0])
	})

	test('keeps its channel alive with pongs', async () => {
		const commonClock = scaledClock(1)
		const standIn = await start(text({}), { commonClock })
		commonClock.forward(210_000)
		await vi.waitFor(() => expect(standIn.journal.entries).toContainEqual(expect.objectContaining({ opcode: 10 })))
		expect(standIn.journal.count('ping')).toBe(0)
		expect(await ask()).toEqual([200, 'OK', 0])
	})

	test('listens again after a drop and after refusals, until a 404', async () => {
		const commonClock = scaledClock(20)
		const standIn = await start(text({}), { commonClock })
		standIn.faults.nextListens = [503, 401]
		standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
		await standIn.journal.until('listening', 2)
		expect(await ask()).toEqual([200, 'OK', 0])
		standIn.faults.nextListens = [404]
		standIn.reset()
		await standIn.journal.until('refused', 3)
		await pause(commonClock, 10_000)
		expect(standIn.journal.count('listening')).toBe(2)
		expect((await ask())[0]).toBe(404)
	})

	test('opens a WebSocket for that of a sender, which the stand-in refuses to both', async () => {
		const standIn = await start(text({}))
		const { token } = sasToken({
			uri: 'http://localhost/demo',
			keyName: 'send',
			key: 'sendkey',
			expires: Date.now() + 4 * 3_600_000,
		})
		const url = `wss://localhost:${standIn.port}/$hc/demo?sb-hc-action=connect`
		const sender = new WebSocket(url, { ca: lab.ca, headers: { ServiceBusAuthorization: token } })
		expect(String((await once(sender, 'error'))[0])).toContain('Unexpected server response: 501')
		await standIn.journal.until('refused', 2)
		expect(await ask()).toEqual([200, 'OK', 0])
	})
})

describe("Microsoft's own tests", () => {
	type Report = {
		readonly numTotalTests: number
		readonly testResults: {
			readonly name: string
			readonly assertionResults: { readonly fullName: string; readonly status: string }[]
		}[]
	}

	/** The tests use port 443, so their connections are redirected. They were written for an older Node. */
	const preloaded = ['test/support/azure/redirect.cjs', 'test/support/relay-stand-in/no-keep-alive.cjs']

	/** Runs the published tests unchanged. */
	async function theirTests(port: number, ca: string): Promise<Report> {
		const settings = {
			rootDir: join(process.cwd(), folder, 'node_modules/hyco-https'),
			// By default, Jest skips tests below node_modules.
			haste: { retainAllFiles: true },
			testPathIgnorePatterns: [],
			transform: {},
			cacheDirectory: join(process.cwd(), folder, 'jest'),
		}
		const args = [join(folder, 'node_modules/jest/bin/jest.js'), '--runInBand', '--forceExit', '--json']
		const env = {
			...process.env,
			NODE_OPTIONS: preloaded.map((file) => `--require "${join(process.cwd(), file)}"`).join(' '),
			NODE_EXTRA_CA_CERTS: ca,
			REDIRECT: JSON.stringify({ localhost: port }),
			SB_HC_NAMESPACE: 'localhost',
			SB_HC_PATH: 'a2',
			SB_HC_KEYRULE: 'lab',
			SB_HC_KEY: 'labkey',
		}
		const options = { env, maxBuffer: 2 ** 26, timeout: 240_000 }
		// Jest exits with an error if a test fails, and has printed the results by then.
		const result = await run(process.execPath, [...args, '--config', JSON.stringify(settings)], options).catch(
			(failed: { stdout: string; stderr: string }) => failed,
		)
		if (result.stdout === '') throw new Error(`Jest did not finish: ${result.stderr.slice(0, 2000)}`)
		return JSON.parse(result.stdout)
	}

	test('all 39 pass', async () => {
		const standIn = await startStandIn({ certificate, clock: systemClock, entities: ['a2'] })
		const place = mkdtempSync(join(tmpdir(), 'rollcall-hyco-'))
		running.push(standIn, { stop: () => rmSync(place, { recursive: true }) })
		const file = join(place, 'ca.pem')
		writeFileSync(file, ca.cert)
		const { numTotalTests, testResults } = await theirTests(standIn.port, file)
		const failed = testResults.flatMap(({ assertionResults }) =>
			assertionResults.filter(({ status }) => status !== 'passed').map(({ fullName }) => fullName),
		)
		expect(failed).toEqual([])
		expect(numTotalTests).toBe(39)
		const counts = testResults.map(({ name, assertionResults }) => [basename(name), assertionResults.length])
		expect(Object.fromEntries(counts)).toEqual({
			'get.test.js': 1,
			'post.test.js': 25,
			'chunkedpost.test.js': 5,
			'pipe.test.js': 8,
		})
		expect(standIn.journal.violations()).toEqual([])
	}, 300_000)
})
