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
import { ca, clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json, noise, startOrigin } from '../support/relay-stand-in/origin.ts'
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
const answered = { status: 200, body: { method: 'GET', target: '/scim/Users', length: 0 } } as const
const made = { status: 200, body: { method: 'POST', target: '/scim/Users', length: 2 } }
const failed = (detail: RegExp) => ({
	status: 503,
	detail: expect.stringMatching(detail),
	headers: { 'Retry-After': '30' },
})

/** Whatever was done, no listener of ours may have broken the protocol. */
const isClean = () => expect(lab.standIn.journal.violations()).toEqual([])

/** A SCIM server that holds every answer until it is let go. */
function held() {
	const waiting: (() => void)[] = []
	lab.origin.answer = (_, response, body) => waiting.push(() => json(response, 200, { length: body.length }))
	const letGo = () => {
		for (const answer of waiting.splice(0)) answer()
	}
	return { letGo }
}

/** What the machine's administrator and whoever watches the agent are told. */
async function ready(agent: Agent) {
	const watched = { agent: () => agent, metrics: metricsOf(() => undefined), version: '' }
	const { port, close } = await startAdmin(0, watched)
	const response = await fetch(`http://127.0.0.1:${port}/ready`)
	const body = (await response.json()) as Record<string, unknown> // sound: the agent writes JSON
	const finding = await agentFinding(lab.config({ admin: { port } }), false, clock)
	await close()
	return { status: response.status, ...body, finding }
}

const hash = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

const find = (log: Journal, event: string) => log.entries.find((entry) => entry.event === event)

/** Resolves when the SCIM server has so many requests. */
async function arrived(count: number): Promise<void> {
	while (lab.origin.requests.length < count) await new Promise((resolve) => setImmediate(resolve))
}

describe('the control channel', () => {
	test('1: dropped by the daily recycle, the same agent is back within a quarter of a second', async () => {
		const gaps: number[] = []
		for (let round = 1; round <= 3; round++) {
			const own = await startLab({ factor: 1 })
			running.push(own)
			await own.agent()
			const before = performance.now()
			own.standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
			const sent = outcome(own.sender()(post()))
			await own.standIn.journal.until('listening', 2)
			gaps.push(performance.now() - before)
			expect(await sent).toEqual(made)
			expect(own.origin.requests.length).toBe(1)
			const ids = own.standIn.journal.entries.filter(({ event }) => event === 'listening').map(({ id }) => id)
			expect(ids).toEqual([first, first])
			expect(own.log.entries.map(({ event }) => event)).toEqual(['online', 'closed', 'online', 'request'])
			expect(find(own.log, 'closed')).toMatchObject({ code: 1011, reason: expect.stringMatching(/NameRenewalFailed/) })
		}
		// A busy machine takes its time, but not always.
		expect(Math.min(...gaps)).toBeLessThan(250)
	})

	test('2: renewed before a day has passed, a second one is open before the first is left', async () => {
		const agent = lab.start({ agentId: second })
		await agent.online
		const send = lab.sender({ clock: systemClock })
		let isOver = false
		const seen: unknown[] = []
		const load = (async () => {
			while (!isOver) seen.push(await outcome(send(post())))
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
		expect(seen.length).toBeGreaterThan(0)
		expect(seen).toEqual(seen.map(() => made))
		isClean()
	})

	test('told to stop while it connects, it listens no more', async () => {
		const agent = lab.start()
		await agent.drain()
		await lab.standIn.journal.until('left')
		expect([lab.standIn.listeners(), agent.status()]).toEqual([
			[],
			expect.objectContaining({ state: 'stopped', channels: 0 }),
		])
	})

	test('told to stop while nobody answers its handshake, it has stopped after half a minute', async () => {
		lab.standIn.faults.nextListens = ['hang']
		const agent = lab.start()
		await lab.standIn.journal.until('hang')
		const before = clock.now()
		await agent.drain()
		expect(clock.now() - before).toBeLessThan(15_000)
	})

	test('3: reset with ten requests under way, they are answered by rendezvous', async () => {
		await lab.agent()
		const { letGo } = held()
		const sent = Array.from({ length: 10 }, () => outcome(lab.sender()(post())))
		await arrived(10)
		lab.standIn.reset()
		await lab.standIn.journal.until('listening', 2)
		letGo()
		expect(await Promise.all(sent)).toEqual(Array(10).fill({ status: 200, body: { length: 2 } }))
		expect(lab.origin.requests.length).toBe(10)
		const ways = lab.standIn.journal.entries.filter(({ event }) => event === 'answer').map(({ by }) => by)
		expect(ways).toEqual(Array(10).fill('rendezvous'))
		isClean()
	})

	test('3: reset and no rendezvous to be had, a write is asked about and not repeated', async () => {
		await lab.agent()
		const { letGo } = held()
		const sent = outcome(lab.sender()(post()))
		await arrived(1)
		lab.standIn.faults.lostListener = 'fail'
		lab.standIn.faults.rendezvous = 'refuse'
		lab.standIn.reset()
		await lab.standIn.journal.until('listening', 2)
		letGo()
		expect(await sent).toEqual({ status: 200, body: { length: 2 } })
		expect(lab.origin.requests.length).toBe(1)
		await lab.log.until('response_lost')
	})

	test('4: frozen, it is found out within half a minute, and what went into it was lost', async () => {
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
		// Now the service notices, too.
		thaw()
		await lab.standIn.journal.until('left')
		expect(await read).toEqual(answered)
		expect(await written).toEqual(failed(/\(outcome_unknown\)/))
		expect(lab.origin.requests.map(({ method }) => method)).toEqual(['GET'])
		const told = lab.standIn.journal.entries.filter(({ event }) => event === 'relay-error').map(({ status }) => status)
		expect(told.slice(0, 2)).toEqual([504, 504])
	})

	test('5: a handshake that is never answered is given up after 10 s', async () => {
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

	test('6: the token expires while no other is to be had; it goes on trying', async () => {
		const service = scaledClock(20)
		const own = await startLab({ serviceClock: service })
		running.push(own)
		const pass = (milliseconds: number) => {
			service.forward(milliseconds)
			own.clockForward(milliseconds)
		}
		await own.agent()
		own.write('listen.key', '')
		pass(46 * 60_000)
		await own.log.until('token_failed', 3)
		expect(own.log.count('closed')).toBe(0)
		expect(await outcome(own.sender()(request()))).toEqual(answered)
		pass(15 * 60_000)
		await own.log.until('offline')
		expect(find(own.log, 'closed')).toMatchObject({ code: 1008, reason: 'The token expired.' })
		expect(find(own.log, 'offline')).toMatchObject({
			trouble: 'auth_failed',
			detail: expect.stringMatching(/^no token: /),
		})
		expect(await outcome(own.sender()(post()))).toEqual(failed(/\(no_agent\)/))
		own.clockForward(60_000)
		await own.log.until('offline', 2)
		own.write('listen.key', 'listenkey')
		own.clockForward(300_000)
		await own.log.until('online', 2)
		expect(await outcome(own.sender()(post()))).toEqual(made)
	})

	/** A lab whose agents are let in by tokens of such a life, which the identity of the machine gives them, and when it did. */
	async function shortLived(seconds: number) {
		const service = scaledClock(20)
		const own = await startLab({ serviceClock: service })
		const given: number[] = []
		const port = await listen(
			createPlain((_, response) => {
				given.push(service.now())
				const token = entraToken({ expires: service.now() + seconds * 1000, rights: ['listen'] })
				response.end(JSON.stringify({ access_token: token, expires_in: String(seconds) }))
			}),
		)
		running.unshift(own)
		process.env.IDENTITY_ENDPOINT = `http://127.0.0.1:${port}/metadata/identity/oauth2/token`
		await own.agent({ credentials: { type: 'arc' } })
		return { own, given, forward: service.forward }
	}

	test.each([
		[3600, 2700, 1],
		[80, 60, 1],
		[40, 30, 2],
	])('7: a token with %i s to live is renewed after %i s, and the channel stays', async (life, due, rounds) => {
		const { own, given, forward } = await shortLived(life)
		const skipped = due > 1000 ? (due - 30) * 1000 : 0
		forward(skipped)
		own.clockForward(skipped)
		await own.standIn.journal.until('renewed', rounds)
		expect(given.length).toBe(rounds + 1)
		for (const [round, at] of given.slice(1).entries()) {
			const wait = at - (given[round] ?? 0)
			expect(wait).toBeGreaterThan(due * 1000 - 1500)
			expect(wait).toBeLessThan(Math.min(life, due + 15) * 1000)
		}
		expect(find(own.standIn.journal, 'renewed')).toEqual({ event: 'renewed', accepted: true })
		// A ping is due with the renewal; a jump of the clock before its answer would be a silence.
		await new Promise((resolve) => setTimeout(resolve, 150))
		forward((life - due / 2) * 1000)
		own.clockForward((life - due / 2) * 1000)
		expect(await outcome(own.sender()(request()))).toEqual(answered)
		expect([own.log.count('closed'), own.standIn.journal.count('left')]).toEqual([0, 0])
	})

	test('7: a token with less to live than may be waited is no reason to ask all the time', async () => {
		const { own, given } = await shortLived(10)
		await own.log.until('online', 2)
		expect(find(own.log, 'closed')).toMatchObject({ code: 1008 })
		expect(given.length).toBe(2)
	})

	test.each([
		[401, 'auth_failed', 22_500],
		[403, 'auth_failed', 22_500],
		[404, 'entity_missing', 45_000],
	])('8: refused with %i it is %s, tried again slowly', async (status, trouble, least) => {
		lab.standIn.faults.nextListens = [status]
		const agent = lab.start()
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({ event: 'offline', trouble })
		expect(lab.log.entries[0]?.retryIn).toBeGreaterThanOrEqual(least)
		expect(await ready(agent)).toMatchObject({
			status: 503,
			state: 'connecting',
			trouble: { kind: trouble, detail: expect.stringMatching(new RegExp(`^${status} Refused as told`)) },
			finding: { code: 'A3', verdict: 'FAIL', seen: expect.stringContaining(trouble) },
		})
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/\(no_agent\)/))
		lab.clockForward(least)
		await lab.log.until('online')
		expect(await ready(agent)).toMatchObject({ status: 200, state: 'online', finding: { verdict: 'PASS' } })
	})

	test('28: what is no message, or an unknown one, or a WebSocket of a sender, does no harm', async () => {
		await lab.agent()
		lab.standIn.say('{"weather":{"is":"fine"}}')
		await lab.log.until('ignored')
		const connected = openWebSocket(`wss://${lab.standIn.host}/$hc/demo?sb-hc-action=connect`, {
			...{ ca: ca.cert, headers: { ServiceBusAuthorization: sendToken() }, maxPayload: 1000 },
		})
		await expect(connected).rejects.toThrow(/^501 HTTP only/)
		await lab.log.until('accept_rejected')
		expect(find(lab.log, 'accept_rejected')).toMatchObject({ detail: expect.stringMatching(/^410 Gone/) })
		lab.standIn.say('{"request":')
		await lab.log.until('protocol')
		await lab.standIn.journal.until('listening', 2)
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
		isClean()
	})

	test('28: a body that never comes ends the channel with the next message', async () => {
		await lab.agent()
		lab.standIn.faults.omitBody = true
		void outcome(lab.sender()(post()))
		await lab.standIn.journal.until('request')
		lab.standIn.faults.omitBody = false
		lab.standIn.say('{"weather":1}')
		await lab.log.until('protocol')
		await lab.log.until('online', 2)
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
	})

	test('31: the 26th listener waits for its turn', async () => {
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
	])('33: a clock that is ten minutes %s is found by doctor', async (_, minutes) => {
		const own = await startLab({ serviceClock: systemClock })
		running.push(own)
		const off = { ...systemClock, now: () => Date.now() + minutes * 60_000 }
		const file = own.write('relay.json', JSON.stringify(settings(own.standIn, own.origin)))
		const findings = await diagnose(file, { clock: off, machine })
		expect(findings.filter(({ verdict }) => verdict === 'FAIL')).toEqual([
			{
				code: 'H2',
				verdict: 'FAIL',
				seen: expect.stringMatching(/\b(600|599|601) s\b/),
				remedy: expect.stringMatching(/clock|time/i),
			},
		])
	})

	test('33: a clock that is off by more than a token lives is one that is refused, with the reason of the service', async () => {
		const own = scaledClock(20, Date.now() - 70 * 60_000)
		const agent = startAgent(lab.config(), { clock: own, log: lab.log.write, random: () => 0.5 })
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
				remedy: expect.stringMatching(/clock is wrong \(H2\)/),
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
		'9: too large for the control channel and the rendezvous fails (%s): a write is known to be done',
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
			isClean()
		},
	)

	test('9: too large for the control channel and too late for a rendezvous: a write is known to be done', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => void pause(clock, 32_000).then(() => json(response, 201, { noise }))
		expect(await outcome(lab.sender()(post()))).toEqual(
			failed(/\(rendezvous_failed\): the request was carried out.*403 Forbidden: the address was used or has expired/),
		)
		expect(lab.origin.requests.length).toBe(1)
		expect(lab.log.count('closed')).toBe(0)
	})

	test('a rendezvous that nothing has come by for ten minutes is left, one that is used is not', async () => {
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
		isClean()
	})

	test('10: slower than the deadline, it is given up and the write not repeated', async () => {
		await lab.agent()
		let abortedAt = 0
		lab.origin.answer = (incoming) =>
			incoming.socket.once('close', () => {
				abortedAt = clock.now()
			})
		const before = clock.now()
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/outcome_unknown.*origin_timeout/))
		expect(abortedAt - before).toBeGreaterThanOrEqual(44_000)
		expect(abortedAt - before).toBeLessThan(50_000)
		expect(lab.origin.requests.length).toBe(1)
	})

	test('12: reset after the write was sent, whether it was done is unknown', async () => {
		await lab.agent()
		lab.origin.answer = (incoming) => incoming.socket.destroy()
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/outcome_unknown.*origin_reset/))
		expect(lab.origin.requests.length).toBe(1)
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/origin_reset/))
		expect(lab.origin.requests.length).toBe(3)
	})

	test.each<[string, (response: ServerResponse) => unknown]>([
		['HTML', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>It works!')],
		['cut JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":')],
		[
			'what never ends',
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
		['bytes that are no header', (response) => response.socket?.end('HTTP/1.1 200 OK\r\nBad\u0000Header: x\r\n\r\n')],
	])('14: %s is not an answer', async (_, answer) => {
		await lab.agent()
		lab.origin.answer = (_request, response) => answer(response)
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/origin_bad_response/))
	})

	test.each([401, 403, 404, 409, 412, 429])('15, 16: %i of the SCIM server is passed on as it is', async (status) => {
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

	test.each([502, 504])('17: %i of a gateway before the SCIM server is 503', async (status) => {
		await lab.agent()
		lab.origin.answer = (_, response) => response.writeHead(status).end('Bad Gateway')
		expect(await outcome(lab.sender()(request()))).toEqual(failed(/origin_unavailable/))
		const { status: told, headers } = await raw('GET', '/demo/scim/Users')
		expect([told, headers['x-scim-relay-error'], headers['x-scim-relay-origin-status']]).toEqual([
			503,
			'origin_unavailable',
			String(status),
		])
		isClean()
	})

	test('18: a request of 64 kB more or less, with its headers, comes by the way that it needs', async () => {
		await lab.agent()
		lab.origin.answer = (_, response, body) => json(response, 200, { hash: hash(body) })
		const sent = async (length: number) => {
			const body = randomBytes(length)
			const { status, body: told } = await raw('POST', '/demo/scim/Users', {}, body, new HttpsAgent())
			expect([status, JSON.parse(told.toString())]).toEqual([200, { hash: hash(body) }])
		}
		await sent(1)
		// sound: the first message is the request
		const message = find(lab.standIn.journal, 'message')?.message as { request: { requestHeaders: object } } | undefined
		const room = 65_536 - JSON.stringify(message?.request.requestHeaders ?? {}).length
		for (const length of [room - 1, room, room + 1, 2 ** 20]) await sent(length)
		const ways = lab.standIn.journal.entries.filter(({ event }) => event === 'request').map(({ by }) => by)
		expect(ways).toEqual(['control', 'control', 'control', 'pointer', 'pointer'])
		isClean()
	})

	test('18: a request of 8 MB arrives, one of a byte more is 413', async () => {
		await lab.agent()
		const most = 8 * 2 ** 20
		expect(await outcome(lab.sender()(post({ body: Buffer.alloc(most) })))).toMatchObject({
			status: 200,
			body: { length: most },
		})
		expect(await outcome(lab.sender()(post({ body: Buffer.alloc(most + 1) })))).toMatchObject({ status: 413 })
		const direct = await raw('POST', '/demo/scim/Users', {}, Buffer.alloc(most + 1))
		expect([direct.status, direct.headers['x-scim-relay-error']]).toEqual([413, 'body_too_large'])
		expect(lab.origin.requests.length).toBe(1)
	})

	test('19: of 64 kB more or less, it comes whole', async () => {
		await lab.agent()
		for (const length of [65_535, 65_536, 65_537]) {
			const text = `"${noise.slice(0, length - 2)}"`
			lab.origin.answer = (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text)
			expect(hash((await raw('GET', '/demo/scim/Users')).body)).toBe(hash(text))
		}
		const ways = lab.standIn.journal.entries.filter(({ event }) => event === 'answer').map(({ by }) => by)
		expect(ways).toEqual(['control', 'control', 'rendezvous'])
		isClean()
	})

	test('19: a list of 5 MB comes whole, packed or not', async () => {
		await lab.agent()
		const text = JSON.stringify({ Resources: Array.from({ length: 60 }, () => randomBytes(60_000).toString('base64')) })
		lab.origin.answer = (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text)
		const { headers, body } = await raw('GET', '/demo/scim/Users')
		expect([headers['content-encoding'], hash(body)]).toEqual([undefined, hash(text)])
		const packed = await raw('GET', '/demo/scim/Users', { 'Accept-Encoding': 'gzip' })
		expect([packed.headers['content-encoding'], hash(gunzipSync(packed.body))]).toEqual(['gzip', hash(text)])
		expect(hash((await lab.sender()(request())).body)).toBe(hash(text))
		isClean()
	})

	test('30: headers of the connection and of the SCIM server itself do not come through', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => {
			response.setHeader('Set-Cookie', ['a=1', 'b=2'])
			json(
				response,
				200,
				{},
				{
					...{
						Connection: 'x-foo, keep-alive',
						'X-Foo': 'y',
						'Keep-Alive': 'timeout=1',
						Trailer: 'x-foo',
						TE: 'trailers',
					},
					...{ 'Proxy-Authenticate': 'Basic', Via: '1.0 inside', Server: 'z', 'X-Powered-By': 'z', ETag: '"1"' },
				},
			)
		}
		const { headers } = await raw('GET', '/demo/scim/Users', {
			...{
				Connection: 'x-foo',
				'X-Foo': 'y',
				TE: 'trailers',
				'Keep-Alive': 'timeout=9',
				'Proxy-Authorization': 'Basic x',
			},
			...{
				'X-Forwarded-For': '1.2.3.4',
				Forwarded: 'for=1.2.3.4',
				Cookie: 'a=1',
				Range: 'bytes=0-1',
				Via: '1.0 outside',
			},
		})
		const own = Object.keys(headers).filter(
			(name) => !name.startsWith('x-scim-relay-') && !['date', 'connection', 'keep-alive'].includes(name),
		)
		expect(own.sort()).toEqual(['content-length', 'content-type', 'etag', 'via'])
		expect(headers.via).toBe(`1.1 ${lab.standIn.host}`)
		expect(Object.keys(lab.origin.requests[0]?.headers ?? {}).sort()).toEqual([
			'accept-encoding',
			'authorization',
			'connection',
			'host',
		])
		isClean()
	})

	test.each([
		['a line that ends in CR', 'ETag: "a"\rX-Split: 1'],
		['a line that ends in LF', 'ETag: "a"\nX-Split: 1'],
		['a line that is folded', 'ETag: "a"\r\n X-Split: 1'],
		['an end of the headers that is none', 'ETag: "a"\n\n{"split":1}'],
		['escapes of its end', 'ETag: "a%0d%0aX-Split: 1"'],
	])('30: %s splits no answer', async (_, line) => {
		await lab.agent()
		lab.origin.answer = (_request, response) =>
			response.socket?.end(
				`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${line}\r\nContent-Length: 2\r\n\r\n{}`,
			)
		const { status, headers, body } = await raw('GET', '/demo/scim/Users')
		expect(headers).not.toHaveProperty('x-split')
		if (status === 200) expect(body.toString()).toBe('{}')
		else expect([status, headers['x-scim-relay-error']]).toEqual([503, 'origin_bad_response'])
		isClean()
	})

	test('30: a second answer to one request is not taken for that to the next', async () => {
		await lab.agent()
		const { answer } = lab.origin
		lab.origin.answer = (_, response) => {
			const part = (text: string) =>
				`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
			response.socket?.write(part('{"n":1}') + part('{"split":1}'))
		}
		expect(await outcome(lab.sender()(request()))).toEqual({ status: 200, body: { n: 1 } })
		lab.origin.answer = answer
		for (let at = 0; at < 3; at++) expect(await outcome(lab.sender()(request()))).toEqual(answered)
	})
})

const sendToken = () =>
	sasToken({ uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey', expires: clock.now() + 3_600_000 }).token

/** A request of whoever may send, by the cloud or not. */
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

	test('11: not listening or without an address, it was never asked', async () => {
		await lab.agent(at('https://localhost:1/scim'))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_refused\)/))
	})

	test('11: a name that has no address', async () => {
		await lab.agent(at('https://absent.invalid/scim'))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_dns\)/))
	})

	test('11: gone before a byte is sent', async () => {
		const tcp = await listen(createTcp((socket) => socket.destroy()))
		await lab.agent(at(`https://localhost:${tcp}/scim`))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_refused\)/))
	})

	const own = selfSigned(['DNS:localhost'])
	const other = selfSigned(['DNS:localhost'])
	test.each([
		['self-signed', own, { mode: 'system' }, {}, 'origin_tls_untrusted'],
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
			'shown by an old protocol',
			own,
			{ mode: 'pin', certificateFile: 'own.pem' },
			{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
			'origin_tls_protocol',
		],
		[
			'in need of one of the agent',
			ca.issue(['DNS:localhost']),
			{ mode: 'ca', caFile: 'ca.pem' },
			{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
			'origin_tls_client_cert',
		],
	] as const)('13: with a certificate %s it is not asked', async (_, certificate, tls, options, code) => {
		lab.write('own.pem', own.cert)
		const origin = await startOrigin({ ...certificate, ...options })
		running.push(origin)
		const agent = await lab.agent(at(`https://localhost:${origin.port}/scim`, tls))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(new RegExp(`\\(${code}\\)`)))
		expect(await ready(agent)).toMatchObject({ status: 503, state: 'degraded', origin: { fault: code } })
		expect(origin.requests).toEqual([])
	})

	test.each([
		[{ mode: 'pin', certificateFile: 'origin.token' }, {}, /origin\.token is no certificate/],
		[
			{ mode: 'system' },
			{ clientCertificate: { certificateFile: 'ca.pem', keyFile: 'origin.token' } },
			/origin\.clientCertificate cannot be used/,
		],
	])('13: with files that are none of certificates it does not start', (tls, more, message) => {
		const { url } = settings(lab.standIn, lab.origin).origin
		expect(() => lab.start(at(url, tls, more))).toThrow(
			expect.objectContaining({
				name: 'UsageError',
				message: expect.stringMatching(message),
				hint: 'Name a PEM file.',
			}),
		)
	})

	test('13: without TLS it is not asked', async () => {
		const port = await listen(createPlain((_, response) => response.end()))
		await lab.agent(at(`https://localhost:${port}/scim`))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_not_tls\)/))
	})

	test('13: silent, it is given up after 5 s', async () => {
		const port = await listen(createTcp(() => undefined))
		await lab.agent(at(`https://localhost:${port}/scim`))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(origin_connect_timeout\)/))
	})

	test.each([
		['self-signed and pinned', own, { mode: 'pin', certificateFile: 'own.pem' }, {}, {}],
		['with no name but pinned', selfSigned([], 'appsrv01'), { mode: 'pin', certificateFile: 'own.pem' }, {}, {}],
		['issued and pinned', ca.issue(['DNS:other']), { mode: 'pin', certificateFile: 'own.pem' }, {}, {}],
		[
			'of the name that is expected',
			ca.issue(['DNS:appsrv01.corp.local']),
			{ mode: 'ca', caFile: 'ca.pem', serverName: 'appsrv01.corp.local' },
			{},
			{},
		],
		[
			'that asks for one of the agent',
			ca.issue(['DNS:localhost']),
			{ mode: 'ca', caFile: 'ca.pem' },
			{ requestCert: true, rejectUnauthorized: true, ca: ca.cert },
			{ clientCertificate: { certificateFile: 'client.pem', keyFile: 'client.key' } },
		],
	])('13: with a certificate %s it is asked', async (_, certificate, tls, options, more) => {
		lab.write('own.pem', certificate.cert)
		const client = ca.issue(['DNS:agent'])
		lab.write('client.pem', client.cert)
		lab.write('client.key', client.key)
		const origin = await startOrigin({ ...certificate, ...options })
		running.push(origin)
		await lab.agent(at(`https://localhost:${origin.port}/scim`, tls, more))
		expect(await outcome(lab.sender()(post()))).toEqual(made)
	})

	test('is found to be well though all that it may be asked at once is under way', async () => {
		const agent = await lab.agent({ concurrency: 1 })
		const { letGo } = held()
		const sent = outcome(lab.sender()(post()))
		await arrived(1)
		lab.origin.answer = (_, response) => json(response, 200, {})
		expect(await agent.probe()).toEqual({ status: 200 })
		letGo()
		expect(await sent).toMatchObject({ status: 200 })
	})

	test('20: two hundred at once are sixteen there, and none gets the answer of another', async () => {
		const own = await startLab({ factor: 1 })
		running.push(own)
		await own.agent()
		own.origin.answer = async (incoming, response, body) => {
			await pause(systemClock, 100)
			// A busy machine may take so long over what is sent that there would never be sixteen.
			while (own.origin.peak() < 16) await pause(systemClock, 10)
			// Every other answer is too large for the control channel.
			const more = Number(/\d+$/.exec(incoming.url ?? '')) % 2 === 0 ? noise : ''
			json(response, 200, { target: incoming.url, hash: hash(body), more })
		}
		const senders = Array.from({ length: 8 }, () => own.sender())
		const sent = Array.from({ length: 200 }, async (_, at) => {
			const body = randomBytes(at % 3 === 0 ? 70_000 : 100 + at)
			const send = senders[at % senders.length] ?? own.sender()
			const answer = await outcome(send(post({ path: `/Users/${at}`, body })))
			return { answer, expected: { target: `/scim/Users/${at}`, hash: hash(body), more: at % 2 === 0 ? noise : '' } }
		})
		const all = await Promise.all(sent)
		for (const { answer, expected } of all) {
			if (answer.status === 200) expect(answer).toEqual({ status: 200, body: expected })
			else expect(answer).toEqual({ ...failed(/\(agent_busy\)/), headers: { 'Retry-After': '1' } })
		}
		expect(own.origin.peak()).toBe(16)
		const done = all.filter(({ answer }) => answer.status === 200).length
		expect(done).toBeGreaterThanOrEqual(80)
		expect(own.origin.requests.length).toBe(done)
		expect(own.standIn.journal.violations()).toEqual([])
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
	test('21: delivered twice is carried out once', async () => {
		await lab.agent()
		lab.standIn.faults.duplicate = true
		expect(await outcome(lab.sender()(post()))).toEqual(made)
		await lab.log.until('duplicate')
		expect(lab.origin.requests.length).toBe(1)
		expect([lab.standIn.journal.count('answer'), lab.standIn.journal.count('late-answer')]).toEqual([1, 0])
		isClean()
	})

	test('22: sent twice under one key is carried out once, while it runs and after', async () => {
		await lab.agent()
		const { letGo } = held()
		const send = () => raw('POST', '/demo/scim/Users', { 'x-scim-relay-key': 'k' }, Buffer.from('{}'))
		const both = [send(), send()]
		await lab.standIn.journal.until('request', 2)
		await arrived(1)
		letGo()
		const [one, other, third] = await Promise.all([...both, both[0]?.then(send)])
		expect([other?.body, third?.body]).toEqual([one?.body, one?.body])
		expect(lab.origin.requests.length).toBe(1)
	})

	test.each([404, 502, 503] as const)(
		'25: with no agent it is 503 whether the relay says %i, and after five nobody is asked for a while',
		async (status) => {
			lab.standIn.faults.noListenerStatus = status
			const send = lab.sender()
			for (let at = 0; at < 5; at++) expect(await outcome(send(request()))).toEqual(failed(/\(no_agent\)/))
			const asked = lab.standIn.journal.count('relay-error')
			expect(asked).toBe(20)
			expect(await outcome(send(request()))).toEqual(failed(/no_agent.*a moment ago/))
			expect(lab.standIn.journal.count('relay-error')).toBe(asked)
			lab.clockForward(6000)
			await lab.agent()
			expect(await outcome(send(request()))).toEqual(answered)
		},
	)

	test('25: in the gap of a reconnection it is tried again', async () => {
		const sent = outcome(lab.sender()(post()))
		await lab.standIn.journal.until('relay-error')
		await lab.agent()
		expect(await sent).toEqual(made)
	})

	test('26: answered by an agent that is not trusted is refused', async () => {
		await lab.agent()
		expect(await outcome(lab.sender({ agents: [second] })(request()))).toEqual(
			failed(/\(unknown_agent\).*11111111-1111/),
		)
	})

	test('29: to whatever else the network has is refused, and nobody else is connected to', async () => {
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

	test('29: that is to be fetched from another host is not', async () => {
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
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
		expect(connections).toBe(0)
	})

	test('29: of a method that SCIM does not have is refused', async () => {
		await lab.agent()
		expect((await raw('TRACE', '/demo/scim/Users')).status).toBe(405)
		expect(lab.origin.requests).toEqual([])
	})

	test('34: read by nobody any more, it is given up at the SCIM server, but a write is not', async () => {
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
			await arrived(before + 1)
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

/** The agent as it is installed, in a process of its own that listens. */
async function startProcess(agentId: string) {
	const own = { ...settings(lab.standIn, lab.origin), agentId }
	const file = lab.write(`${agentId}.json`, JSON.stringify(own))
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
		['told at once', 'fail', 2, /outcome_unknown.*the relay answered 504 The listener is gone/],
		['cut off', 'rendezvous', 100_000, /outcome_unknown.*the connection to the relay broke/],
		['never told', 'wait', 2, /outcome_unknown.*no answer within 50 s/],
	] as const)(
		'23: one is killed in the middle of a write, which is not repeated at the other (%s)',
		async (_, policy, size, detail) => {
			const agents = new Map<unknown, ChildProcess>()
			for (const id of [first, second]) agents.set(id, (await startProcess(id)).child)
			lab.standIn.faults.lostListener = policy
			const { answer } = lab.origin
			lab.origin.answer = (incoming, response, body) =>
				incoming.method === 'GET' ? answer(incoming, response, body) : undefined
			const send = lab.sender()
			const sent = outcome(send(post({ body: Buffer.alloc(size, 'x') })))
			await arrived(1)
			const holder = find(lab.standIn.journal, 'request')?.listener
			agents.get(holder)?.kill('SIGKILL')
			expect(await sent).toEqual(failed(detail))
			for (let at = 0; at < 4; at++) expect(await outcome(send(request()))).toEqual(answered)
			expect(lab.standIn.listeners()).toEqual([first, second].filter((id) => id !== holder))
			expect(lab.origin.requests.map(({ method }) => method)).toEqual(['POST', ...Array(4).fill('GET')])
			isClean()
		},
	)

	test('24: the SCIM server of one is down and the other answers', async () => {
		await lab.agent({ origin: { ...settings(lab.standIn, lab.origin).origin, url: 'https://localhost:1/scim' } })
		await lab.agent({ agentId: second })
		const send = lab.sender()
		for (let at = 0; at < 4; at++) expect(await outcome(send(post()))).toEqual(made)
		expect(lab.origin.requests.length).toBe(4)
		const asked = lab.standIn.journal.entries.filter(({ event }) => event === 'request').map(({ listener }) => listener)
		expect(asked.filter((id) => id === second).length).toBe(4)
		expect(asked.filter((id) => id === first).length).toBeGreaterThan(0)
	})

	test('27: the process of one is told to stop under load, ends well and nothing is lost', async () => {
		const { child, exited, log } = await startProcess(first)
		await startProcess(second)
		lab.origin.answer = (_, response, body) => setTimeout(() => json(response, 200, { hash: hash(body) }), 20)
		const send = lab.sender({ clock: systemClock })
		let next = 0
		const work = async () => {
			while (next < 300) {
				const number = next++
				// Some are too large for the control channel, and bind the connection to the agent.
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
		const asked = lab.standIn.journal.entries.filter(({ event }) => event === 'request').map(({ listener }) => listener)
		expect(new Set(asked)).toEqual(new Set([first, second]))
		isClean()
	})
})

test('35: an agent that is to read settings which are broken keeps those it has, and says so', async () => {
	const { child, log, configure } = await startProcess(first)
	for (const [times, text, detail] of [
		[1, '{"relay":', /JSON/],
		[2, JSON.stringify({ ...settings(lab.standIn, lab.origin), concurency: 4 }), /concurency is no setting/],
	] as const) {
		configure(text)
		child.kill('SIGHUP')
		await log.until('config_refused', times)
		expect(log.entries.findLast(({ event }) => event === 'config_refused')).toMatchObject({
			detail: expect.stringMatching(detail),
		})
		expect(await outcome(lab.sender()(post()))).toEqual(made)
	}
	expect(lab.standIn.journal.count('listening')).toBe(1)
	isClean()
})

describe('the proxy', () => {
	/** An HTTP proxy that knows CONNECT and nothing else. */
	async function proxy(secret?: string) {
		const open = new Set<Socket>()
		const server = createPlain()
		server.on('connect', (incoming, socket: Socket) => {
			const wanted = secret === undefined ? undefined : `Basic ${Buffer.from(secret).toString('base64')}`
			if (incoming.headers['proxy-authorization'] !== wanted)
				return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
			const onward = connect(Number(incoming.url?.split(':')[1]), '127.0.0.1', () => {
				socket.write('HTTP/1.1 200 OK\r\n\r\n')
				socket.pipe(onward).pipe(socket)
			})
			open.add(socket)
			for (const end of [socket, onward]) end.on('error', () => end.destroy())
			return undefined
		})
		const cut = () => {
			for (const socket of open) socket.destroy()
		}
		/** From now on it leaves what nothing passes by for so many milliseconds. */
		const limit = (milliseconds: number) => {
			for (const socket of open) socket.setTimeout(milliseconds / 20, () => socket.destroy())
		}
		return { port: await listen(server), cut, limit }
	}
	const by = (address: string) => ({ relay: { ...settings(lab.standIn, lab.origin).relay, proxy: address } })

	test('32: all goes through it, and when it cuts the connection the agent is back', async () => {
		const { port, cut } = await proxy('me:p@ss')
		await lab.agent(by(`http://me:p%40ss@127.0.0.1:${port}`))
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
		cut()
		await lab.log.until('online', 2)
		expect(await outcome(lab.sender()(post({ body: Buffer.alloc(100_000) })))).toMatchObject({ status: 200 })
	})

	test('32: it leaves connections that are idle, of which that of an agent is none', async () => {
		const { port, limit } = await proxy()
		await lab.agent(by(`http://127.0.0.1:${port}`))
		limit(40_000)
		await pause(clock, 90_000)
		expect([lab.log.count('closed'), lab.standIn.journal.count('listening')]).toEqual([0, 1])
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
	})

	test('32: its demand for credentials is named', async () => {
		const { port } = await proxy('me:secret')
		lab.start(by(`http://127.0.0.1:${port}`))
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({ event: 'offline', proxyStatus: 407 })
	})
})
