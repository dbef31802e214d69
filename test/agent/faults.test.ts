import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createPlain, type ServerResponse } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type AddressInfo, connect, createServer as createTcp, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { gunzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startAdmin } from '../../agent/admin.ts'
import { type Agent, startAgent } from '../../agent/agent.ts'
import { openWebSocket } from '../../agent/channel.ts'
import { agentFinding } from '../../agent/doctor/agent.ts'
import { diagnose } from '../../agent/doctor/doctor.ts'
import { metricsOf } from '../../agent/metrics.ts'
import { pause, systemClock } from '../../shared/relay/clock.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { type Bundle, bundle } from '../support/bundle.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'
import { type Journal, journal } from '../support/relay-stand-in/journal.ts'
import {
	ca,
	certificate,
	clock,
	type Lab,
	outcome,
	request,
	serversWith,
	settings,
	startLab,
} from '../support/relay-stand-in/lab.ts'
import { json, noise, resource, startOrigin } from '../support/relay-stand-in/origin.ts'
import { scaledClock } from '../support/relay-stand-in/scaled-clock.ts'
import { sendTo } from '../support/relay-stand-in/sender.ts'
import { entraToken } from '../support/relay-stand-in/tokens.ts'

let lab: Lab
let program: Bundle
const running: { stop(): unknown }[] = []

beforeAll(async () => {
	program = await bundle('agent/main.ts')
})
afterAll(() => program.remove())
beforeEach(async () => {
	lab = await startLab()
})
afterEach(async () => {
	for (const { stop } of running.splice(0)) await stop()
	await lab.stop()
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
})

const first = '11111111-1111-4111-8111-111111111111'
const second = '22222222-2222-4222-8222-222222222222'
const post = (more = {}) => request({ method: 'POST', body: Buffer.from('{}'), ...more })
const readResult = { status: 200, body: { method: 'GET', target: '/scim/Users', length: 0 } } as const
const writeResult = { status: 200, body: { method: 'POST', target: '/scim/Users', length: 2 } }
const failed = (detail: RegExp) => ({
	status: 503,
	detail: expect.stringMatching(detail),
	headers: { 'Retry-After': '30' },
})

/** Expects that no listener has violated the protocol. */
const expectNoViolations = () => expect(lab.standIn.journal.violations()).toEqual([])

/** Makes the SCIM server hold every answer until `release`. */
function holdAnswers() {
	const waiting: (() => void)[] = []
	lab.origin.answer = (_, response, body) => waiting.push(() => json(response, 200, { length: body.length }))
	const release = () => {
		for (const answer of waiting.splice(0)) answer()
	}
	return { release }
}

/** What /ready and the doctor report about the agent. */
async function ready(agent: Agent) {
	const config = lab.config()
	const sources = {
		servers: () => serversWith(config, agent),
		reload: async () => [],
		metrics: metricsOf(() => undefined),
		version: '',
	}
	const { port, close } = await startAdmin(0, sources)
	const response = await fetch(`http://127.0.0.1:${port}/ready`)
	const body = (await response.json()) as Record<string, unknown> // sound: the agent writes JSON
	const finding = await agentFinding(lab.config({ admin: { port } }), { isListening: false, canRun: true }, clock)
	await close()
	return { status: response.status, ...body, finding }
}

const hash = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

const find = (log: Journal, event: string) => log.entries.find((entry) => entry.event === event)

/** Resolves when the SCIM server has received `count` requests. */
async function requestsArrived(count: number): Promise<void> {
	while (lab.origin.requests.length < count) await new Promise((resolve) => setImmediate(resolve))
}

describe('the control channel', () => {
	test('after the daily drop, the same agent reconnects within a quarter of a second', async () => {
		const gaps: number[] = []
		const working = scaledClock(1)
		for (let round = 1; round <= 3; round++) {
			const separate = await startLab({ factor: 1 })
			running.push(separate)
			await separate.agent()
			const before = working.now()
			separate.standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
			const sent = outcome(separate.sender()(post()))
			await separate.standIn.journal.until('listening', 2)
			gaps.push(working.now() - before)
			expect(await sent).toEqual(writeResult)
			expect(separate.origin.requests.length).toBe(1)
			const ids = separate.standIn.journal.entries.filter(({ event }) => event === 'listening').map(({ id }) => id)
			expect(ids).toEqual([first, first])
			expect(separate.log.entries.map(({ event }) => event)).toEqual(['online', 'closed', 'online', 'request'])
			expect(find(separate.log, 'closed')).toMatchObject({
				code: 1011,
				reason: expect.stringMatching(/NameRenewalFailed/),
			})
		}
		// On a busy machine a round may take longer, but not every round.
		expect(Math.min(...gaps)).toBeLessThan(250)
	})

	test('is replaced within a day; the new channel opens before the old one closes', async () => {
		const agent = lab.start({ agentId: second })
		await agent.online
		const send = lab.sender({ clock: systemClock })
		let isOver = false
		const results: unknown[] = []
		const load = (async () => {
			while (!isOver) results.push(await outcome(send(post())))
		})()
		lab.clockForward(20.5 * 3_600_000)
		await lab.standIn.journal.until('left')
		isOver = true
		await load
		const events = lab.standIn.journal.entries
			.map(({ event }) => event)
			.filter((event) => event === 'listening' || event === 'left')
		expect(events).toEqual(['listening', 'listening', 'left'])
		expect(lab.log.count('offline') + lab.standIn.journal.count('relay-error')).toBe(0)
		expect(results.length).toBeGreaterThan(0)
		expect(results).toEqual(results.map(() => writeResult))
		expectNoViolations()
	})

	test('an agent that is stopped while it connects does not listen', async () => {
		const agent = lab.start()
		await agent.drain()
		await lab.standIn.journal.until('left')
		expect([lab.standIn.listeners(), agent.status()]).toEqual([
			[],
			expect.objectContaining({ state: 'stopped', channels: 0 }),
		])
	})

	test('an agent that is stopped during an unanswered handshake stops within half a minute', async () => {
		lab.standIn.faults.nextListens = ['hang']
		const agent = lab.start()
		await lab.standIn.journal.until('hang')
		const before = clock.now()
		await agent.drain()
		expect(clock.now() - before).toBeLessThan(15_000)
	})

	test('after a reset, ten requests in progress are answered by rendezvous', async () => {
		await lab.agent()
		const { release } = holdAnswers()
		const sent = Array.from({ length: 10 }, () => outcome(lab.sender()(post())))
		await requestsArrived(10)
		lab.standIn.reset()
		await lab.standIn.journal.until('listening', 2)
		release()
		expect(await Promise.all(sent)).toEqual(Array(10).fill({ status: 200, body: { length: 2 } }))
		expect(lab.origin.requests.length).toBe(10)
		const channels = lab.standIn.journal.entries.filter(({ event }) => event === 'answer').map(({ by }) => by)
		expect(channels).toEqual(Array(10).fill('rendezvous'))
		expectNoViolations()
	})

	test('after a reset without a rendezvous, the outcome of a write is looked up instead of repeating the write', async () => {
		await lab.agent()
		const { release } = holdAnswers()
		const sent = outcome(lab.sender()(post()))
		await requestsArrived(1)
		lab.standIn.faults.lostListener = 'fail'
		lab.standIn.faults.rendezvous = 'refuse'
		lab.standIn.reset()
		await lab.standIn.journal.until('listening', 2)
		release()
		expect(await sent).toEqual({ status: 200, body: { length: 2 } })
		expect(lab.origin.requests.length).toBe(1)
		await lab.log.until('response_lost')
	})

	test('a half-open channel is detected within half a minute, and its requests are lost', async () => {
		await lab.agent()
		lab.standIn.faults.lostListener = 'fail'
		const before = clock.now()
		const thaw = lab.standIn.freeze()
		await pause(clock, 15_000)
		const [read, written] = [outcome(lab.sender()(request())), outcome(lab.sender()(post()))]
		await lab.log.until('half_open')
		expect(clock.now() - before).toBeLessThan(35_000)
		const silentFor = find(lab.log, 'half_open')?.silentFor
		expect(silentFor).toBeGreaterThanOrEqual(10_000)
		expect(silentFor).toBeLessThan(35_000)
		await lab.standIn.journal.until('listening', 2)
		expect(lab.origin.requests).toEqual([])
		// Now the service detects the disconnection, too.
		thaw()
		await lab.standIn.journal.until('left')
		expect(await read).toEqual(readResult)
		expect(await written).toEqual(failed(/\(outcome_unknown\)/))
		expect(lab.origin.requests.map(({ method }) => method)).toEqual(['GET'])
		const statuses = lab.standIn.journal.entries
			.filter(({ event }) => event === 'relay-error')
			.map(({ status }) => status)
		expect(statuses.slice(0, 2)).toEqual([504, 504])
	})

	test('an unanswered handshake times out after 10 s', async () => {
		lab.standIn.faults.nextListens = ['hang']
		const before = clock.now()
		const agent = lab.start()
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/\(no_agent\)/))
		await agent.online
		expect(clock.now() - before).toBeGreaterThanOrEqual(10_000)
		expect(lab.log.entries[0]).toMatchObject({
			event: 'offline',
			trouble: 'network',
			detail: 'no handshake within 10000 ms',
			retryIn: 100,
		})
	})

	test('if no new token is available before the old one expires, the agent keeps trying', async () => {
		const service = scaledClock(20)
		const separate = await startLab({ serviceClock: service })
		running.push(separate)
		const pass = (milliseconds: number) => {
			service.forward(milliseconds)
			separate.clockForward(milliseconds)
		}
		await separate.agent()
		separate.write('listen.key', '')
		pass(46 * 60_000)
		await separate.log.until('token_failed', 3)
		expect(separate.log.count('closed')).toBe(0)
		expect(await outcome(separate.sender()(request()))).toEqual(readResult)
		pass(15 * 60_000)
		await separate.log.until('offline')
		expect(find(separate.log, 'closed')).toMatchObject({ code: 1008, reason: 'The token expired.' })
		expect(find(separate.log, 'offline')).toMatchObject({
			trouble: 'auth_failed',
			detail: expect.stringMatching(/^no token: /),
		})
		expect(await outcome(separate.sender()(post()))).toEqual(failed(/\(no_agent\)/))
		separate.clockForward(60_000)
		await separate.log.until('offline', 2)
		separate.write('listen.key', 'listenkey')
		separate.clockForward(300_000)
		await separate.log.until('online', 2)
		expect(await outcome(separate.sender()(post()))).toEqual(writeResult)
	})

	/** A lab in which a stand-in for Azure Arc issues tokens with this lifetime. `issuedAt` has the times of issue. */
	async function shortLived(seconds: number) {
		const service = scaledClock(20)
		const separate = await startLab({ serviceClock: service })
		const issuedAt: number[] = []
		const port = await listen(
			createPlain((_, response) => {
				issuedAt.push(service.now())
				const token = entraToken({ expires: service.now() + seconds * 1000, rights: ['listen'] })
				response.end(JSON.stringify({ access_token: token, expires_in: String(seconds) }))
			}),
		)
		running.unshift(separate)
		process.env.IDENTITY_ENDPOINT = `http://127.0.0.1:${port}/metadata/identity/oauth2/token`
		await separate.agent({ credentials: { type: 'arc' } })
		return { separate, issuedAt, forward: service.forward }
	}

	test.each([
		[3600, 2700, 1],
		[80, 60, 1],
		[40, 30, 2],
	])('a token with a lifetime of %i s is renewed after %i s, and the channel stays open', async (life, due, rounds) => {
		const { separate, issuedAt, forward } = await shortLived(life)
		const skipped = due > 1000 ? (due - 30) * 1000 : 0
		forward(skipped)
		separate.clockForward(skipped)
		await separate.standIn.journal.until('renewed', rounds)
		expect(issuedAt.length).toBe(rounds + 1)
		for (const [round, at] of issuedAt.slice(1).entries()) {
			const wait = at - (issuedAt[round] ?? 0)
			expect(wait).toBeGreaterThan(due * 1000 - 1500)
			expect(wait).toBeLessThan(Math.min(life, due + 15) * 1000)
		}
		expect(find(separate.standIn.journal, 'renewed')).toEqual({ event: 'renewed', accepted: true })
		// A ping is due with the renewal. If the clock jumped before the pong, the channel would look half-open.
		await pause(clock, 3000)
		forward((life - due / 2) * 1000)
		separate.clockForward((life - due / 2) * 1000)
		expect(await outcome(separate.sender()(request()))).toEqual(readResult)
		expect([separate.log.count('closed'), separate.standIn.journal.count('left')]).toEqual([0, 0])
	})

	test('a token with a very short lifetime is not requested continuously', async () => {
		const { separate, issuedAt } = await shortLived(10)
		await separate.log.until('online', 2)
		expect(find(separate.log, 'closed')).toMatchObject({ code: 1008 })
		expect(issuedAt.length).toBe(2)
	})

	test.each([
		[401, 'auth_failed', 22_500],
		[403, 'auth_failed', 22_500],
		[404, 'entity_missing', 45_000],
	])('a refusal with %i is %s and is retried slowly', async (status, trouble, least) => {
		lab.standIn.faults.nextListens = [status]
		const agent = lab.start()
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({ event: 'offline', trouble })
		expect(lab.log.entries[0]?.retryIn).toBeGreaterThanOrEqual(least)
		expect(await ready(agent)).toMatchObject({
			status: 503,
			state: 'connecting',
			trouble: { kind: trouble, detail: expect.stringMatching(new RegExp(`^${status} Refused by the test`)) },
			finding: { code: 'A3', verdict: 'FAIL', seen: expect.stringContaining(trouble) },
		})
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/\(no_agent\)/))
		lab.clockForward(least)
		await lab.log.until('online')
		expect(await ready(agent)).toMatchObject({ status: 200, state: 'online', finding: { verdict: 'PASS' } })
	})

	test('an invalid message, an unknown message and a WebSocket of a sender are harmless', async () => {
		await lab.agent()
		lab.standIn.say('{"weather":{"is":"fine"}}')
		await lab.log.until('ignored')
		const connected = openWebSocket(`wss://${lab.standIn.host}/$hc/demo?sb-hc-action=connect`, {
			ca: ca.cert,
			headers: { ServiceBusAuthorization: sendToken() },
			maxPayload: 1000,
		})
		await expect(connected).rejects.toThrow(/^501 HTTP only/)
		await lab.log.until('accept_rejected')
		expect(find(lab.log, 'accept_rejected')).toMatchObject({ detail: expect.stringMatching(/^410 Gone/) })
		lab.standIn.say('{"request":')
		await lab.log.until('protocol')
		await lab.standIn.journal.until('listening', 2)
		expect(await outcome(lab.sender()(request()))).toEqual(readResult)
		expectNoViolations()
	})

	test('if an announced body is missing, the next message closes the channel', async () => {
		await lab.agent()
		lab.standIn.faults.omitBody = true
		void outcome(lab.sender()(post()))
		await lab.standIn.journal.until('request')
		lab.standIn.faults.omitBody = false
		lab.standIn.say('{"weather":1}')
		await lab.log.until('protocol')
		await lab.log.until('online', 2)
		expect(await outcome(lab.sender()(request()))).toEqual(readResult)
	})

	test('the 26th listener is refused with quota and retries', async () => {
		const id = (at: number) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`
		await Promise.all(Array.from({ length: 25 }, (_, at) => lab.agent({ agentId: id(at) })))
		const agent = lab.start({ agentId: second })
		await lab.log.until('offline')
		const offline = find(lab.log, 'offline')
		expect(offline).toMatchObject({ trouble: 'quota' })
		expect(offline?.retryIn).toBeGreaterThanOrEqual(45_000)
		expect(agent.status()).toMatchObject({ state: 'connecting', trouble: { kind: 'quota' } })
	})

	const machine = { platform: 'linux', folder: '/absent', run: () => 'LoadState=not-found\n' } as const

	test.each([
		['ahead', 10],
		['behind', -10],
	])('the doctor reports a clock that is ten minutes %s', async (_, minutes) => {
		const separate = await startLab({ serviceClock: systemClock })
		running.push(separate)
		separate.origin.answer = (_, response) => resource(response, 200)
		const wrongClock = { ...systemClock, now: () => Date.now() + minutes * 60_000 }
		const file = separate.write('relay.json', JSON.stringify(settings(separate.standIn, separate.origin)))
		const findings = await diagnose(file, { clock: wrongClock, machine })
		expect(findings.filter(({ verdict }) => verdict === 'FAIL')).toEqual([
			{
				code: 'H2',
				verdict: 'FAIL',
				seen: expect.stringMatching(/\b(600|599|601) s\b/),
				remedy: expect.stringMatching(/clock|time/i),
			},
		])
	})

	test('with a clock that is wrong by more than the lifetime of a token, the reason of the service is reported', async () => {
		const separate = scaledClock(20, Date.now() - 70 * 60_000)
		const agent = startAgent(lab.config(), { clock: separate, log: lab.log.write, random: () => 0.5 })
		running.push({ stop: () => agent.drain() })
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({
			trouble: 'auth_failed',
			detail: expect.stringMatching(/^401 ExpiredToken: The token is expired\. TrackingId:/),
		})
		expect(await ready(agent)).toMatchObject({
			status: 503,
			finding: {
				verdict: 'FAIL',
				seen: expect.stringMatching(/401 ExpiredToken/),
				remedy: expect.stringMatching(/Check the clock \(H2\)/),
			},
		})
	})
})

describe('the answer', () => {
	test.each([
		['refuse', 0],
		['expire', 0],
		['hang', 10_000],
	] as const)(
		'that is too large, with a failed rendezvous (%s), reports the write as carried out',
		async (fate, least) => {
			await lab.agent()
			lab.standIn.faults.rendezvous = fate
			lab.origin.answer = (_, response) => json(response, 201, { noise })
			const before = clock.now()
			expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(rendezvous_failed\): the request was carried out/))
			expect(clock.now() - before).toBeGreaterThanOrEqual(least)
			expect(lab.origin.requests.length).toBe(1)
			const { status, headers } = await raw('POST', '/demo/scim/Users', {}, Buffer.from('{}'))
			expect([status, headers['x-scim-relay-error'], headers['x-scim-relay-outcome']]).toEqual([
				503,
				'rendezvous_failed',
				'completed',
			])
			lab.standIn.faults.rendezvous = 'open'
			lab.origin.answer = (_, response) => json(response, 200, {})
			expect(await outcome(lab.sender()(request()))).toEqual({ status: 200, body: {} })
			expect([lab.log.count('online'), lab.log.count('closed')]).toEqual([1, 0])
			expectNoViolations()
		},
	)

	test('that is too large, and too late for a rendezvous, reports the write as carried out', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => void pause(clock, 32_000).then(() => json(response, 201, { noise }))
		expect(await outcome(lab.sender()(post()))).toEqual(
			failed(/\(rendezvous_failed\): the request was carried out.*403 Forbidden: the address was used or has expired/),
		)
		expect(lab.origin.requests.length).toBe(1)
		expect(lab.log.count('closed')).toBe(0)
	})

	test('an idle rendezvous is closed after ten minutes, a used one is not', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => json(response, 200, { noise })
		const send = lab.sender()
		await send(request())
		for (let round = 0; round < 3; round++) {
			lab.clockForward(5 * 60_000)
			await send(request())
		}
		expect([lab.standIn.journal.count('rendezvous'), lab.standIn.journal.count('rendezvous-left')]).toEqual([1, 0])
		lab.clockForward(11 * 60_000)
		await lab.standIn.journal.until('rendezvous-left')
		expect((await send(request())).status).toBe(200)
		expectNoViolations()
	})

	test('that is slower than the deadline is given up, and is waited for ten more minutes', async () => {
		await lab.agent()
		const aborted = new Promise<void>((resolve) => {
			lab.origin.answer = (incoming) => incoming.socket.once('close', resolve)
		})
		const before = clock.now()
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/outcome_unknown.*origin_timeout/))
		expect(clock.now() - before).toBeGreaterThanOrEqual(44_000)
		expect(clock.now() - before).toBeLessThan(52_000)
		expect(lab.origin.requests.length).toBe(1)
		lab.clockForward(600_000)
		await aborted
	})

	test('that is lost to a reset after the write makes the outcome unknown', async () => {
		await lab.agent()
		lab.origin.answer = (incoming) => incoming.socket.destroy()
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/outcome_unknown.*origin_reset/))
		expect(lab.origin.requests.length).toBe(1)
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/origin_reset/))
		expect(lab.origin.requests.length).toBe(3)
	})

	test.each<[string, (response: ServerResponse) => unknown]>([
		['HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>It works!')],
		['truncated JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":')],
		[
			'an endless body',
			(response) => {
				response.writeHead(200, { 'content-type': 'application/json' })
				const go = () => {
					while (!response.destroyed && response.write('x'.repeat(65_536)));
				}
				response.on('drain', go)
				go()
			},
		],
		[
			'a flood of interim answers',
			(response) => {
				for (let at = 0; at < 50; at++) response.writeProcessing()
				json(response, 200, {})
			},
		],
		['an invalid header', (response) => response.socket?.end('HTTP/1.1 200 OK\r\nBad\u0000Header: x\r\n\r\n')],
	])('%s is a bad response', async (_, answer) => {
		await lab.agent()
		lab.origin.answer = (_request, response) => answer(response)
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/origin_bad_response/))
	})

	test('that rejects a write with text is that rejection, so that the client does not repeat the write', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => response.writeHead(409, { 'content-type': 'text/plain' }).end('joy exists')
		expect(await outcome(lab.sender()(post()))).toMatchObject({ status: 409, body: { detail: 'joy exists' } })
	})

	test.each([403, 404, 409, 412, 429])('with %i from the SCIM server passes unchanged', async (status) => {
		await lab.agent()
		lab.origin.answer = (_, response) => json(response, status, { status: String(status) }, { 'retry-after': '7' })
		const answer = await lab.sender()(post())
		expect([answer.status, answer.headers['retry-after'], answer.body.toString()]).toEqual([
			status,
			'7',
			`{"status":"${status}"}`,
		])
		expect(lab.origin.requests.length).toBe(1)
	})

	test.each([
		['bearer', { type: 'bearer', tokenFile: 'origin.token' }],
		['clientCertificate', { type: 'clientCertificate' }],
	])('with 401 for credentials of the agent (%s) is 503, never 401', async (_, authorization) => {
		const { origin } = settings(lab.standIn, lab.origin)
		await lab.agent({ origin: { ...origin, authorization } })
		lab.origin.answer = (_request, response) => json(response, 401, { status: '401' })
		expect(await outcome(lab.sender()(post()))).toEqual(
			failed(/\(origin_auth\): .*refuses the credentials of the agent/),
		)
	})

	test('with 401 for the token of the client passes unchanged', async () => {
		const { origin } = settings(lab.standIn, lab.origin)
		await lab.agent({ origin: { ...origin, authorization: { type: 'passThrough' } } })
		lab.origin.answer = (_, response) => json(response, 401, { status: '401' }, { 'www-authenticate': 'Bearer' })
		const { status, headers } = await lab.sender({ isAuthorizationPassed: true })(post())
		expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer'])
	})

	test.each([
		[301, /\(origin_redirect\)/],
		[302, /outcome_unknown.*origin_bad_response.*redirect/],
		[303, /outcome_unknown/],
		[307, /\(origin_redirect\)/],
		[308, /\(origin_redirect\)/],
	])('with the redirect %i is 503 without the internal address', async (status, detail) => {
		await lab.agent()
		const location = 'https://appsrv01.corp.local/login'
		lab.origin.answer = (_, response) => json(response, status, { location }, { location })
		const answer = await outcome(lab.sender()(post()))
		expect(answer).toEqual(failed(detail))
		expect(JSON.stringify(answer)).not.toContain('corp.local')
		expect(lab.origin.requests.length).toBe(1)
	})

	test('with 304 passes unchanged', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => response.writeHead(304, { etag: '"1"' }).end()
		const { status, headers } = await lab.sender()(request())
		expect([status, headers.etag]).toEqual([304, '"1"'])
	})

	test.each([502, 504])('with %i from a gateway in front of the SCIM server becomes 503', async (status) => {
		await lab.agent()
		lab.origin.answer = (_, response) => response.writeHead(status).end('Bad Gateway')
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/origin_unavailable/))
		const { status: statuses, headers } = await raw('GET', '/demo/scim/Users')
		expect([statuses, headers['x-scim-relay-error'], headers['x-scim-relay-origin-status']]).toEqual([
			503,
			'origin_unavailable',
			String(status),
		])
		expectNoViolations()
	})

	test('a request of about 64 kB with its headers uses the channel for its size', async () => {
		await lab.agent()
		lab.origin.answer = (_, response, body) => json(response, 200, { hash: hash(body) })
		const sent = async (length: number) => {
			const body = randomBytes(length)
			const { status, body: statuses } = await raw('POST', '/demo/scim/Users', {}, body, new HttpsAgent())
			expect([status, JSON.parse(statuses.toString())]).toEqual([200, { hash: hash(body) }])
		}
		await sent(1)
		// sound: the first message is the request
		const message = find(lab.standIn.journal, 'message')?.message as { request: { requestHeaders: object } } | undefined
		const available = 65_536 - JSON.stringify(message?.request.requestHeaders ?? {}).length
		for (const length of [available - 1, available, available + 1, 2 ** 20]) await sent(length)
		const channels = lab.standIn.journal.entries.filter(({ event }) => event === 'request').map(({ by }) => by)
		expect(channels).toEqual(['control', 'control', 'control', 'pointer', 'pointer'])
		expectNoViolations()
	})

	test('a request of 8 MB arrives, and one more byte is 413', async () => {
		await lab.agent()
		const limit = 8 * 2 ** 20
		expect(await outcome(lab.sender()(post({ body: Buffer.alloc(limit) })))).toMatchObject({
			status: 200,
			body: { length: limit },
		})
		expect(await outcome(lab.sender()(post({ body: Buffer.alloc(limit + 1) })))).toMatchObject({ status: 413 })
		const direct = await raw('POST', '/demo/scim/Users', {}, Buffer.alloc(limit + 1))
		expect([direct.status, direct.headers['x-scim-relay-error']]).toEqual([413, 'body_too_large'])
		expect(lab.origin.requests.length).toBe(1)
	})

	test('of about 64 kB arrives complete', async () => {
		await lab.agent()
		for (const length of [65_535, 65_536, 65_537]) {
			const text = `"${noise.slice(0, length - 2)}"`
			lab.origin.answer = (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text)
			expect(hash((await raw('GET', '/demo/scim/Users')).body)).toBe(hash(text))
		}
		const channels = lab.standIn.journal.entries.filter(({ event }) => event === 'answer').map(({ by }) => by)
		expect(channels).toEqual(['control', 'control', 'rendezvous'])
		expectNoViolations()
	})

	test('of 5 MB arrives complete, with and without compression', async () => {
		await lab.agent()
		const text = JSON.stringify({ Resources: Array.from({ length: 60 }, () => randomBytes(60_000).toString('base64')) })
		lab.origin.answer = (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text)
		const { headers, body } = await raw('GET', '/demo/scim/Users')
		expect([headers['content-encoding'], hash(body)]).toEqual([undefined, hash(text)])
		const packed = await raw('GET', '/demo/scim/Users', { 'Accept-Encoding': 'gzip' })
		expect([packed.headers['content-encoding'], hash(gunzipSync(packed.body))]).toEqual(['gzip', hash(text)])
		expect(hash((await lab.sender()(request())).body)).toBe(hash(text))
		expectNoViolations()
	})

	test('hop-by-hop headers and headers about the server software are removed', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => {
			response.setHeader('Set-Cookie', ['a=1', 'b=2'])
			json(
				response,
				200,
				{},
				{
					Connection: 'x-foo, keep-alive',
					'X-Foo': 'y',
					'Keep-Alive': 'timeout=1',
					Trailer: 'x-foo',
					TE: 'trailers',
					'Proxy-Authenticate': 'Basic',
					Via: '1.0 inside',
					Server: 'z',
					'X-Powered-By': 'z',
					ETag: '"1"',
				},
			)
		}
		const { headers } = await raw('GET', '/demo/scim/Users', {
			Connection: 'x-foo',
			'X-Foo': 'y',
			TE: 'trailers',
			'Keep-Alive': 'timeout=9',
			'Proxy-Authorization': 'Basic x',
			'X-Forwarded-For': '1.2.3.4',
			Forwarded: 'for=1.2.3.4',
			Cookie: 'a=1',
			Range: 'bytes=0-1',
			Via: '1.0 outside',
		})
		const separate = Object.keys(headers).filter(
			(name) => !name.startsWith('x-scim-relay-') && !['date', 'connection', 'keep-alive'].includes(name),
		)
		expect(separate.sort()).toEqual(['content-length', 'content-type', 'etag', 'via'])
		expect(headers.via).toBe(`1.1 ${lab.standIn.host}`)
		expect(Object.keys(lab.origin.requests[0]?.headers ?? {}).sort()).toEqual([
			'accept-encoding',
			'authorization',
			'connection',
			'host',
		])
		expectNoViolations()
	})

	test.each([
		['a line that ends in CR', 'ETag: "a"\rX-Split: 1'],
		['a line that ends in LF', 'ETag: "a"\nX-Split: 1'],
		['a line that is folded', 'ETag: "a"\r\n X-Split: 1'],
		['an invalid end of the headers', 'ETag: "a"\n\n{"split":1}'],
		['escaped line breaks', 'ETag: "a%0d%0aX-Split: 1"'],
	])('%s does not split an answer', async (_, line) => {
		await lab.agent()
		lab.origin.answer = (_request, response) =>
			response.socket?.end(
				`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${line}\r\nContent-Length: 2\r\n\r\n{}`,
			)
		const { status, headers, body } = await raw('GET', '/demo/scim/Users')
		expect(headers).not.toHaveProperty('x-split')
		if (status === 200) expect(body.toString()).toBe('{}')
		else expect([status, headers['x-scim-relay-error']]).toEqual([503, 'origin_bad_response'])
		expectNoViolations()
	})

	test('a second answer to one request is not used for the next request', async () => {
		await lab.agent()
		const { answer } = lab.origin
		lab.origin.answer = (_, response) => {
			const part = (text: string) =>
				`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
			response.socket?.write(part('{"n":1}') + part('{"split":1}'))
		}
		expect(await outcome(lab.sender()(request()))).toEqual({ status: 200, body: { n: 1 } })
		lab.origin.answer = answer
		for (let at = 0; at < 3; at++) expect(await outcome(lab.sender()(request()))).toEqual(readResult)
	})
})

const sendToken = () =>
	sasToken({ uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey', expires: clock.now() + 3_600_000 }).token

/** Sends a request with the right to send, but without the sender of Rollcall. */
const raw = (method: string, path: string, headers = {}, body?: Buffer, agent?: HttpsAgent) =>
	sendTo({
		port: lab.standIn.port,
		ca: ca.cert,
		method,
		path,
		headers: { ServiceBusAuthorization: sendToken(), ...headers },
		...(body && { body }),
		...(agent && { agent }),
	})

describe('the SCIM server', () => {
	const at = (url: string, tls: object = { mode: 'ca', caFile: 'ca.pem' }, more = {}) => ({
		origin: { ...settings(lab.standIn, lab.origin).origin, url, tls, ...more },
	})

	test('refuses connections', async () => {
		await lab.agent(at('https://localhost:1/scim'))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_refused\)/))
	})

	test('has no address', async () => {
		await lab.agent(at('https://absent.invalid/scim'))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_dns\)/))
	})

	test('disconnects before the request', async () => {
		const tcp = await listen(createTcp((socket) => socket.destroy()))
		await lab.agent(at(`https://localhost:${tcp}/scim`))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_refused\)/))
	})

	const separate = selfSigned(['DNS:localhost'])
	const other = selfSigned(['DNS:localhost'])
	test.each([
		['self-signed', separate, { mode: 'system' }, {}, 'origin_tls_untrusted'],
		['of an unknown authority', ca.issue(['DNS:localhost']), { mode: 'system' }, {}, 'origin_tls_untrusted'],
		['of another name', ca.issue(['DNS:appsrv01.corp.local']), { mode: 'ca', caFile: 'ca.pem' }, {}, 'origin_tls_name'],
		['expired', ca.issue(['DNS:localhost'], -1), { mode: 'ca', caFile: 'ca.pem' }, {}, 'origin_tls_expired'],
		['not the pinned one', other, { mode: 'pin', certificateFile: 'own.pem' }, {}, 'origin_tls_pin'],
		[
			'issued by the pinned one',
			ca.issue(['DNS:localhost']),
			{ mode: 'pin', certificateFile: 'ca.pem' },
			{},
			'origin_tls_pin',
		],
		[
			'on an old protocol',
			separate,
			{ mode: 'pin', certificateFile: 'own.pem' },
			{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
			'origin_tls_protocol',
		],
		[
			'and a required client certificate',
			ca.issue(['DNS:localhost']),
			{ mode: 'ca', caFile: 'ca.pem' },
			{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
			'origin_tls_client_cert',
		],
	] as const)('with a certificate %s receives no request', async (_, certificate, tls, options, code) => {
		lab.write('own.pem', separate.cert)
		const origin = await startOrigin({ ...certificate, ...options })
		running.push(origin)
		const agent = await lab.agent(at(`https://localhost:${origin.port}/scim`, tls))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(new RegExp(`\\(${code}\\)`)))
		expect(await ready(agent)).toMatchObject({ status: 503, state: 'degraded', origin: { fault: code } })
		expect(origin.requests).toEqual([])
	})

	test.each([
		[{ mode: 'pin', certificateFile: 'origin.token' }, {}, /origin\.token is not a certificate/],
		[
			{ mode: 'system' },
			{ clientCertificate: { certificateFile: 'ca.pem', keyFile: 'origin.token' } },
			/origin\.clientCertificate cannot be used/,
		],
	])('with invalid certificate files the agent does not start', (tls, more, message) => {
		const { url } = settings(lab.standIn, lab.origin).origin
		expect(() => lab.start(at(url, tls, more))).toThrow(
			expect.objectContaining({
				name: 'UsageError',
				message: expect.stringMatching(message),
				hint: 'Name a PEM file.',
			}),
		)
	})

	test('without TLS receives no request', async () => {
		const port = await listen(createPlain((_, response) => response.end()))
		await lab.agent(at(`https://localhost:${port}/scim`))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_not_tls\)/))
	})

	test('that does not answer the handshake times out after 5 s', async () => {
		const port = await listen(createTcp(() => undefined))
		await lab.agent(at(`https://localhost:${port}/scim`))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_connect_timeout\)/))
	})

	test.each([
		['self-signed and pinned', separate, { mode: 'pin', certificateFile: 'own.pem' }, {}, {}],
		['without a name and pinned', selfSigned([], 'appsrv01'), { mode: 'pin', certificateFile: 'own.pem' }, {}, {}],
		['issued and pinned', ca.issue(['DNS:other']), { mode: 'pin', certificateFile: 'own.pem' }, {}, {}],
		[
			'for the name in serverName',
			ca.issue(['DNS:appsrv01.corp.local']),
			{ mode: 'ca', caFile: 'ca.pem', serverName: 'appsrv01.corp.local' },
			{},
			{},
		],
		[
			'and a required client certificate that the agent has',
			ca.issue(['DNS:localhost']),
			{ mode: 'ca', caFile: 'ca.pem' },
			{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
			{ clientCertificate: { certificateFile: 'client.pem', keyFile: 'client.key' } },
		],
	])('with a certificate %s receives the request', async (_, certificate, tls, options, more) => {
		lab.write('own.pem', certificate.cert)
		const client = ca.issue(['DNS:agent'])
		lab.write('client.pem', client.cert)
		lab.write('client.key', client.key)
		const origin = await startOrigin({ ...certificate, ...options })
		running.push(origin)
		await lab.agent(at(`https://localhost:${origin.port}/scim`, tls, more))
		expect(await outcome(lab.sender()(post()))).toEqual(writeResult)
	})

	test('passes the health check while all concurrent requests are in use', async () => {
		const agent = await lab.agent({ concurrency: 1 })
		const { release } = holdAnswers()
		const sent = outcome(lab.sender()(post()))
		await requestsArrived(1)
		lab.origin.answer = (_, response) => json(response, 200, {})
		expect(await agent.probe()).toEqual({ status: 200 })
		release()
		expect(await sent).toMatchObject({ status: 200 })
	})

	test('that takes 10 s and gets two hundred writes at once is busy, not unreachable', async () => {
		const slower = scaledClock(5)
		const separate = await startLab({ factor: 5 })
		running.push(separate)
		await separate.agent()
		separate.origin.answer = (_, response) => slower.after(10_000, () => json(response, 201, {}))
		const send = separate.sender()
		const began = slower.now()
		const sent = Array.from({ length: 200 }, async () => ({
			...(await outcome(send(post()))),
			after: slower.now() - began,
		}))
		const all = await Promise.all(sent)
		const busy = all.filter(({ status }) => status === 503)
		for (const answer of busy)
			expect(answer).toMatchObject({
				detail: expect.stringMatching(/\((busy|agent_busy)\)/),
				headers: { 'Retry-After': expect.stringMatching(/^[15]$/) },
			})
		// What does not fit into the queue is refused at once, before the first write is done.
		expect(busy.filter(({ after }) => after < 10_000).length).toBeGreaterThanOrEqual(100)
		expect(all.filter(({ status }) => status === 201).length).toBe(200 - busy.length)
		expect(separate.origin.requests.length).toBe(200 - busy.length)
		expect(separate.origin.requests.length).toBeGreaterThanOrEqual(32)
		separate.origin.answer = (_, response) => json(response, 201, {})
		expect(await outcome(send(post()))).toEqual({ status: 201, body: {} })
	})

	test('gets at most sixteen of two hundred concurrent requests, and no answers are mixed up', async () => {
		const separate = await startLab({ factor: 1 })
		running.push(separate)
		await separate.agent()
		separate.origin.answer = async (incoming, response, body) => {
			await pause(systemClock, 100)
			// A busy machine may be too slow to ever have sixteen requests at once.
			while (separate.origin.peak() < 16) await pause(systemClock, 10)
			// Every other answer is too large for the control channel.
			const more = Number(/\d+$/.exec(incoming.url ?? '')) % 2 === 0 ? noise : ''
			json(response, 200, { target: incoming.url, hash: hash(body), more })
		}
		const senders = Array.from({ length: 8 }, () => separate.sender())
		const sent = Array.from({ length: 200 }, async (_, at) => {
			const body = randomBytes(at % 3 === 0 ? 70_000 : 100 + at)
			const send = senders[at % senders.length] ?? separate.sender()
			const answer = await outcome(send(post({ path: `/Users/${at}`, body })))
			return { answer, expected: { target: `/scim/Users/${at}`, hash: hash(body), more: at % 2 === 0 ? noise : '' } }
		})
		const all = await Promise.all(sent)
		for (const { answer, expected } of all) {
			if (answer.status === 200) expect(answer).toEqual({ status: 200, body: expected })
			else expect(answer).toEqual({ ...failed(/\(agent_busy\)/), headers: { 'Retry-After': '1' } })
		}
		expect(separate.origin.peak()).toBe(16)
		const served = all.filter(({ answer }) => answer.status === 200).length
		expect(served).toBeGreaterThanOrEqual(80)
		expect(separate.origin.requests.length).toBe(served)
		expect(separate.standIn.journal.violations()).toEqual([])
	})
})

async function listen(server: Server): Promise<number> {
	const sockets = new Set<Socket>()
	server.on('connection', (socket) => {
		sockets.add(socket)
		socket.on('error', () => sockets.delete(socket))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	running.push({
		stop: () =>
			new Promise((resolve) => {
				for (const socket of sockets) socket.destroy()
				server.close(resolve)
			}),
	})
	return (server.address() as AddressInfo).port // sound: it listens on TCP
}

describe('a request', () => {
	test('that is delivered twice is carried out once', async () => {
		await lab.agent()
		lab.standIn.faults.duplicate = true
		expect(await outcome(lab.sender()(post()))).toEqual(writeResult)
		await lab.log.until('duplicate')
		expect(lab.origin.requests.length).toBe(1)
		expect([lab.standIn.journal.count('answer'), lab.standIn.journal.count('late-answer')]).toEqual([1, 0])
		expectNoViolations()
	})

	test('that is sent twice with one key is carried out once, during and after the first', async () => {
		await lab.agent()
		const { release } = holdAnswers()
		const send = () => raw('POST', '/demo/scim/Users', { 'x-scim-relay-key': 'k' }, Buffer.from('{}'))
		const both = [send(), send()]
		await lab.standIn.journal.until('request', 2)
		await requestsArrived(1)
		release()
		const [one, other, third] = await Promise.all([...both, both[0]?.then(send)])
		expect([other?.body, third?.body]).toEqual([one?.body, one?.body])
		expect(lab.origin.requests.length).toBe(1)
	})

	test.each([404, 502, 503] as const)(
		'without an agent is 503 if the relay answers %i, and after five failures the relay is not asked for a while',
		async (status) => {
			lab.standIn.faults.noListenerStatus = status
			const send = lab.sender()
			for (let at = 0; at < 5; at++) expect(await outcome(send(request()))).toEqual(failed(/\(no_agent\)/))
			const requestsBefore = lab.standIn.journal.count('relay-error')
			expect(requestsBefore).toBe(20)
			expect(await outcome(send(request()))).toEqual(failed(/no_agent.*a moment ago/))
			expect(lab.standIn.journal.count('relay-error')).toBe(requestsBefore)
			lab.clockForward(6000)
			await lab.agent()
			expect(await outcome(send(request()))).toEqual(readResult)
		},
	)

	test('during a reconnection is retried', async () => {
		const sent = outcome(lab.sender()(post()))
		await lab.standIn.journal.until('relay-error')
		await lab.agent()
		expect(await sent).toEqual(writeResult)
	})

	test('that an untrusted agent answers is refused', async () => {
		await lab.agent()
		expect(await outcome(lab.sender({ agents: [second] })(request()))).toEqual(
			failed(/\(unknown_agent\).*11111111-1111/),
		)
	})

	test('with an id that contains a slash or backslash is refused with a sentence', async () => {
		await lab.agent()
		for (const id of ['DOMAIN%5Cuser', 'a%2Fb', 'a%255cb'])
			expect(await outcome(lab.sender()(request({ path: `/Users/${id}` })))).toMatchObject({
				status: 400,
				detail: expect.stringMatching(/path_refused: the path contains .* as %2F or %5C/),
			})
		expect(lab.origin.requests).toEqual([])
	})

	test('with a path and query that are too long is refused', async () => {
		await lab.agent()
		const { status, headers } = await raw('GET', `/demo/scim/Users?${'x'.repeat(8192)}`)
		expect([status, headers['x-scim-relay-error']]).toEqual([414, 'target_too_long'])
	})

	test.each([
		['3', /Rollcall speaks version 3 of the contract and this agent version 2; update the agent/],
		['0', /Rollcall speaks version 0 of the contract and this agent version 2; deploy a newer Rollcall/],
	])('of version %s of the contract is refused with a sentence', async (version, sentence) => {
		await lab.agent()
		const { status, headers, body } = await raw('POST', '/demo/scim/Users', { 'x-scim-relay-v': version })
		expect([status, headers['x-scim-relay-error'], headers['x-scim-relay-outcome']]).toEqual([
			503,
			'version_refused',
			'not-sent',
		])
		expect(JSON.parse(body.toString()).detail).toMatch(sentence)
		expect(lab.origin.requests).toEqual([])
	})

	test('outside of /scim is refused', async () => {
		await lab.agent()
		for (const path of [
			'/demo/http://evil/x',
			'/demo/scim/%2e%2e/admin',
			'/demo/scim/..;/admin',
			'/demo/scim//evil/x',
			'/demo/admin',
			'/demo/scim/a%2fb',
		]) {
			const { status, headers } = await raw('GET', path)
			expect([path, status, headers['x-scim-relay-error']]).toEqual([path, 400, 'path_refused'])
		}
		expect(lab.origin.requests).toEqual([])
	})

	test('is not fetched from a host outside of the service', async () => {
		await lab.agent()
		let connections = 0
		const port = await listen(
			createTcp((socket) => {
				connections++
				socket.destroy()
			}),
		)
		const address = `wss://127.0.0.1:${port}/$hc/demo?sb-hc-action=request&sb-hc-id=1`
		lab.standIn.say(JSON.stringify({ accept: { address } }))
		lab.standIn.say(JSON.stringify({ accept: { address: 'no address' } }))
		lab.standIn.say(JSON.stringify({ request: { address } }))
		lab.standIn.say(JSON.stringify({ request: { address: 'no address' } }))
		await lab.log.until('rendezvous_failed', 2)
		expect(await outcome(lab.sender()(request()))).toEqual(readResult)
		expect(connections).toBe(0)
	})

	test('with a method other than those of SCIM is refused', async () => {
		await lab.agent()
		expect((await raw('TRACE', '/demo/scim/Users')).status).toBe(405)
		expect(lab.origin.requests).toEqual([])
	})

	test('of a disconnected sender is cancelled at the SCIM server, unless it is a write', async () => {
		await lab.agent()
		let closed = 0
		const waiting: (() => void)[] = []
		lab.origin.answer = (_, response) => {
			response.once('close', () => closed++)
			waiting.push(() => json(response, 200, {}))
		}
		for (const method of ['GET', 'POST']) {
			const agent = new HttpsAgent()
			const chunked = { 'Transfer-Encoding': 'chunked' }
			const before = lab.origin.requests.length
			const sent = raw(method, '/demo/scim/Users', chunked, Buffer.from('{}'), agent).catch(() => undefined)
			await requestsArrived(before + 1)
			agent.destroy()
			await sent
			await lab.standIn.journal.until('abandoned', before + 1)
			if (method === 'GET') await lab.log.until('response_lost')
		}
		await lab.standIn.journal.until('rendezvous-left', 2)
		await pause(clock, 5000)
		expect(closed).toBe(1)
		const codes = lab.standIn.journal.entries.filter(({ event }) => event === 'rendezvous-left').map(({ code }) => code)
		expect(codes).toEqual([1001, 1001])
		for (const answer of waiting) answer()
		await lab.log.until('response_lost', 2)
	})
})

/** Starts the built agent in its own process, and waits until it listens. */
async function startProcess(agentId: string) {
	const separate = { ...settings(lab.standIn, lab.origin), agentId }
	const file = lab.write(`${agentId}.json`, JSON.stringify(separate))
	const listening = lab.standIn.journal.until('listening', lab.standIn.journal.count('listening') + 1)
	const child = spawn(process.execPath, [program.file, 'run', '--config', file])
	const exited = once(child, 'exit')
	const log = journal()
	createInterface(child.stderr).on('line', (line) => {
		const { event, ...details } = JSON.parse(line)
		log.write(event, details)
	})
	running.push({ stop: () => child.kill('SIGKILL') && exited })
	await listening
	return { child, exited, log, configure: (text: string) => lab.write(`${agentId}.json`, text) }
}

describe('two agents', () => {
	test.each([
		['with a status at once', 'fail', 2, /outcome_unknown.*the relay answered 504 The listener is gone/],
		['with a broken connection', 'rendezvous', 100_000, /outcome_unknown.*the connection to the relay broke/],
		['without a sign', 'wait', 2, /outcome_unknown.*no answer within 50 s/],
	] as const)(
		'if one is killed during a write, the write is not repeated at the other (%s)',
		async (_, policy, size, detail) => {
			const agents = new Map<unknown, ChildProcess>()
			for (const id of [first, second]) agents.set(id, (await startProcess(id)).child)
			lab.standIn.faults.lostListener = policy
			const { answer } = lab.origin
			lab.origin.answer = (incoming, response, body) =>
				incoming.method === 'GET' ? answer(incoming, response, body) : undefined
			const send = lab.sender()
			const sent = outcome(send(post({ body: Buffer.alloc(size, 'x') })))
			await requestsArrived(1)
			const holder = find(lab.standIn.journal, 'request')?.listener
			agents.get(holder)?.kill('SIGKILL')
			expect(await sent).toEqual(failed(detail))
			for (let at = 0; at < 4; at++) expect(await outcome(send(request()))).toEqual(readResult)
			expect(lab.standIn.listeners()).toEqual([first, second].filter((id) => id !== holder))
			expect(lab.origin.requests.map(({ method }) => method)).toEqual(['POST', ...Array(4).fill('GET')])
			expectNoViolations()
		},
	)

	test('if the SCIM server of one is down, the other answers', async () => {
		await lab.agent({ origin: { ...settings(lab.standIn, lab.origin).origin, url: 'https://localhost:1/scim' } })
		await lab.agent({ agentId: second })
		const send = lab.sender()
		for (let at = 0; at < 4; at++) expect(await outcome(send(post()))).toEqual(writeResult)
		expect(lab.origin.requests.length).toBe(4)
		const requestsBefore = lab.standIn.journal.entries
			.filter(({ event }) => event === 'request')
			.map(({ listener }) => listener)
		expect(requestsBefore.filter((id) => id === second).length).toBe(4)
		expect(requestsBefore.filter((id) => id === first).length).toBeGreaterThan(0)
	})

	test('if the answer to a write with If-Match is cut, the answer of the first one is fetched, never a 412 of the second', async () => {
		await lab.agent()
		await lab.agent({ agentId: second })
		let version = 1
		lab.origin.answer = (incoming, response) => {
			const isCurrent = incoming.headers['if-match'] === `W/"${version}"`
			return json(response, isCurrent ? 200 : 412, { version: isCurrent ? ++version : version })
		}
		lab.standIn.faults.cutAnswerAt = 0
		const headers = new Headers({ 'if-match': 'W/"1"' })
		const sent = outcome(lab.sender()(request({ method: 'PUT', path: '/Users/1', headers })))
		await lab.standIn.journal.until('answer')
		lab.standIn.faults.cutAnswerAt = undefined
		expect(await sent).toEqual({ status: 200, body: { version: 2 } })
		expect(lab.origin.requests.length).toBe(1)
	})

	test('if one is frozen with a write, the write is not carried out after a newer one through the other', async () => {
		const ownClock = scaledClock(20)
		const frozen = startAgent(lab.config(), { clock: ownClock, log: lab.log.write, random: () => 0.5 })
		running.push({ stop: () => frozen.drain() })
		await frozen.online
		await lab.agent({ agentId: second })
		const thaw = lab.standIn.freeze(first)
		ownClock.suspend()
		const send = lab.sender()
		const both = await Promise.all(['a', 'b'].map((body) => outcome(send(post({ body: Buffer.from(body) })))))
		expect(both.map(({ status }) => status).sort()).toEqual([200, 503])
		ownClock.wake(false)
		thaw()
		await lab.standIn.journal.until('late-answer')
		expect(lab.origin.requests.length).toBe(1)
	})

	test('if the SCIM server answers too late, the repetition gets the answer, whichever agent has it', async () => {
		await lab.agent()
		await lab.agent({ agentId: second })
		const { release } = holdAnswers()
		const send = lab.sender()
		expect(await outcome(send(post()))).toEqual(failed(/outcome_unknown.*origin_timeout/))
		const late = lab.log.until('late_answer')
		release()
		await late
		expect(await outcome(send(post()))).toEqual({ status: 200, body: { length: 2 } })
		expect(lab.origin.requests.length).toBe(1)
	})

	test('if one does not reach its SCIM server with its own token, the other answers', async () => {
		const expired = await startOrigin(certificate)
		running.push(expired)
		expired.answer = (_, response) => json(response, 401, {})
		const { origin } = settings(lab.standIn, lab.origin)
		await lab.agent({ origin: { ...origin, url: `https://localhost:${expired.port}/scim` } })
		await lab.agent({ agentId: second })
		const send = lab.sender()
		for (let at = 0; at < 4; at++) expect(await outcome(send(post()))).toEqual(writeResult)
		expect(expired.requests.length).toBeGreaterThan(0)
	})

	test('if one is stopped under load, it exits with 0 and nothing is lost', async () => {
		// Processes and sender have the clock of the machine, so the service has it, too.
		await lab.stop()
		lab = await startLab({ serviceClock: systemClock })
		const { child, exited, log } = await startProcess(first)
		await startProcess(second)
		lab.origin.answer = (_, response, body) => setTimeout(() => json(response, 200, { hash: hash(body) }), 20)
		const send = lab.sender({ clock: systemClock })
		let next = 0
		const work = async () => {
			while (next < 300) {
				const number = next++
				// Some bodies are too large for the control channel, and bind the connection to the agent.
				const body = Buffer.from(`${number} ${number % 20 === 0 ? noise : ''}`)
				expect(await outcome(send(post({ body })))).toEqual({ status: 200, body: { hash: hash(body) } })
				if (number === 100) child.kill('SIGTERM')
			}
		}
		await Promise.all(Array.from({ length: 12 }, work))
		expect(await exited).toEqual([0, null])
		expect(log.entries.slice(-1).map(({ event }) => event)).toEqual(['stopped'])
		const numbers = lab.origin.requests.map(({ body }) => Number.parseInt(body.toString('latin1', 0, 8), 10))
		expect(numbers.sort((one, other) => one - other)).toEqual(Array.from({ length: 300 }, (_, at) => at))
		const requestsBefore = lab.standIn.journal.entries
			.filter(({ event }) => event === 'request')
			.map(({ listener }) => listener)
		expect(new Set(requestsBefore)).toEqual(new Set([first, second]))
		expectNoViolations()
	})
})

test('a reload of invalid settings changes nothing and is logged', async () => {
	const { child, log, configure } = await startProcess(first)
	for (const [times, text, detail] of [
		[1, '{"relay":', /JSON/],
		[2, JSON.stringify({ ...settings(lab.standIn, lab.origin), concurency: 4 }), /concurency is an unknown setting/],
	] as const) {
		configure(text)
		child.kill('SIGHUP')
		await log.until('config_refused', times)
		expect(log.entries.findLast(({ event }) => event === 'config_refused')).toMatchObject({
			detail: expect.stringMatching(detail),
		})
		expect(await outcome(lab.sender()(post()))).toEqual(writeResult)
	}
	expect(lab.standIn.journal.count('listening')).toBe(1)
	expectNoViolations()
})

describe('the proxy', () => {
	/** An HTTP proxy that supports only CONNECT. */
	async function proxy(secret?: string) {
		const open = new Map<Socket, Socket>()
		let attempts = 0
		const server = createPlain()
		server.on('connect', (incoming, socket: Socket) => {
			attempts++
			const expected = secret === undefined ? undefined : `Basic ${Buffer.from(secret).toString('base64')}`
			if (incoming.headers['proxy-authorization'] !== expected)
				return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
			const onward = connect(Number(incoming.url?.split(':')[1]), '127.0.0.1', () => {
				socket.write('HTTP/1.1 200 OK\r\n\r\n')
				socket.pipe(onward).pipe(socket)
			})
			open.set(socket, onward)
			for (const end of [socket, onward]) end.on('error', () => end.destroy())
			return undefined
		})
		const cut = () => {
			for (const socket of open.keys()) socket.destroy()
		}
		/** Closes connections that are idle for so many milliseconds, from now on. */
		const limit = (milliseconds: number) => {
			for (const [socket, onward] of open) {
				const wait = () => clock.after(milliseconds, () => socket.destroy())
				let cancel = wait()
				for (const end of [socket, onward])
					end.on('data', () => {
						cancel()
						cancel = wait()
					})
			}
		}
		return { port: await listen(server), cut, limit, attempts: () => attempts }
	}
	const viaProxy = (address: string) => ({ relay: { ...settings(lab.standIn, lab.origin).relay, proxy: address } })

	test('carries all traffic, and the agent reconnects after the proxy cuts the connection', async () => {
		const { port, cut } = await proxy('me:p@ss')
		await lab.agent(viaProxy(`http://me:p%40ss@127.0.0.1:${port}`))
		expect(await outcome(lab.sender()(request()))).toEqual(readResult)
		cut()
		await lab.log.until('online', 2)
		expect(await outcome(lab.sender()(post({ body: Buffer.alloc(100_000) })))).toMatchObject({ status: 200 })
	})

	test('does not cut the agent as idle', async () => {
		const { port, limit } = await proxy()
		await lab.agent(viaProxy(`http://127.0.0.1:${port}`))
		limit(40_000)
		await pause(clock, 90_000)
		expect([lab.log.count('closed'), lab.standIn.journal.count('listening')]).toEqual([0, 1])
		expect(await outcome(lab.sender()(request()))).toEqual(readResult)
	})

	test('that refuses credentials does not get them again and again', async () => {
		const { port, attempts } = await proxy('me:secret')
		lab.start(viaProxy(`http://me:wrong@127.0.0.1:${port}`))
		for (let round = 1; round <= 9; round++) {
			await lab.log.until('offline', round)
			lab.clockForward(300_000)
		}
		expect(attempts()).toBe(1)
	})

	test('that requires credentials is reported', async () => {
		const { port } = await proxy('me:secret')
		lab.start(viaProxy(`http://127.0.0.1:${port}`))
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({ event: 'offline', proxyStatus: 407 })
	})
})
