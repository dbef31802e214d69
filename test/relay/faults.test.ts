import { createServer as createPlain, type ServerResponse } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type AddressInfo, connect, createServer as createTcp, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sasToken } from '../../shared/relay/sas.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'
import { ca, clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json, startOrigin } from '../support/relay-stand-in/origin.ts'
import { sendTo } from '../support/relay-stand-in/sender.ts'

let lab: Lab
const running: { stop(): unknown }[] = []

beforeEach(async () => {
	lab = await startLab()
})
afterEach(async () => {
	await lab.stop()
	for (const { stop } of running.splice(0)) await stop()
})

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

/** Resolves when the SCIM server has so many requests. */
async function arrived(count: number): Promise<void> {
	while (lab.origin.requests.length < count) await new Promise((resolve) => setImmediate(resolve))
}

describe('the control channel', () => {
	test('1: dropped by the daily recycle, the same agent is back within a quarter of a second', async () => {
		await lab.agent()
		const before = clock.now()
		lab.standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
		await lab.standIn.journal.until('listening', 2)
		const [first, again] = lab.standIn.journal.entries.filter(({ event }) => event === 'listening')
		expect(again?.id).toBe(first?.id)
		// 250 ms on this clock are 4 ms of the machine's, which a handshake takes longer than; the wait itself is what counts.
		expect(lab.log.count('offline')).toBe(0)
		expect(clock.now() - before).toBeLessThan(15_000)
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
	})

	test('2: renewed before a day has passed, a second one is open before the first is left', async () => {
		const agent = lab.start({ agentId: second })
		await agent.online
		lab.clockForward(20.5 * 3_600_000)
		await lab.standIn.journal.until('left')
		const events = lab.standIn.journal.entries
			.map(({ event }) => event)
			.filter((event) => event === 'listening' || event === 'left')
		expect(events).toEqual(['listening', 'listening', 'left'])
		expect(lab.log.count('offline')).toBe(0)
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

	test('4: frozen, it is found out within half a minute', async () => {
		await lab.agent()
		const before = clock.now()
		const thaw = lab.standIn.freeze()
		await lab.log.until('half_open')
		expect(clock.now() - before).toBeLessThan(40_000)
		await lab.standIn.journal.until('listening', 2)
		thaw()
		await lab.standIn.journal.until('left')
		expect(await outcome(lab.sender()(request()))).toEqual(answered)
	})

	test('5: a handshake that is never answered is given up after 10 s', async () => {
		lab.standIn.faults.nextListens = ['hang']
		const before = clock.now()
		await lab.agent()
		expect(clock.now() - before).toBeGreaterThanOrEqual(10_000)
		expect(lab.log.entries[0]).toMatchObject({
			event: 'offline',
			trouble: 'network',
			detail: 'no handshake within 10000 ms',
		})
	})

	test('6: the token expires while no other is to be had; it goes on trying', async () => {
		await lab.agent()
		lab.write('listen.key', '')
		lab.standIn.drop(1008, 'The token expired.')
		await lab.log.until('offline')
		expect(lab.log.entries.find(({ event }) => event === 'offline')).toMatchObject({ trouble: 'auth_failed' })
		lab.write('listen.key', 'listenkey')
		await lab.log.until('online', lab.log.count('online') + 1)
	})

	test('7: a token is renewed at three quarters of its own life, and the channel stays', async () => {
		await lab.agent()
		lab.clockForward(46 * 60_000)
		await lab.standIn.journal.until('renewed')
		expect(lab.standIn.journal.entries.find(({ event }) => event === 'renewed')).toEqual({
			event: 'renewed',
			accepted: true,
		})
		expect(lab.log.count('closed')).toBe(0)
	})

	test.each([
		[401, 'auth_failed', 22_500],
		[403, 'auth_failed', 22_500],
		[404, 'entity_missing', 45_000],
	])('8: refused with %i it is %s, tried again slowly', async (status, trouble, least) => {
		lab.standIn.faults.nextListens = [status]
		lab.start()
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({ event: 'offline', trouble })
		expect(lab.log.entries[0]?.retryIn).toBeGreaterThanOrEqual(least)
		await lab.log.until('online')
	})

	test('28: what is no message, or an unknown one, or a WebSocket of a sender, does no harm', async () => {
		await lab.agent()
		lab.standIn.say('{"weather":{"is":"fine"}}')
		await lab.log.until('ignored')
		lab.standIn.say(
			JSON.stringify({ accept: { address: `wss://${lab.standIn.host}/$hc/demo?sb-hc-action=accept&sb-hc-id=1` } }),
		)
		await lab.log.until('accept_rejected')
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
		lab.start({ agentId: second })
		await lab.log.until('offline')
		expect(lab.log.entries.find(({ event }) => event === 'offline')).toMatchObject({ trouble: 'quota' })
	})

	test('33: a clock that is off is a token that is refused, with the reason of the service', async () => {
		lab.write('listen.key', 'another')
		lab.start()
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({
			trouble: 'auth_failed',
			detail: expect.stringMatching(/^401 InvalidSignature.*TrackingId:/),
		})
	})
})

describe('the answer', () => {
	test.each(['refuse', 'expire', 'hang'] as const)(
		'9: too large for the control channel and the rendezvous fails (%s): a write is known to be done',
		async (fate) => {
			await lab.agent()
			lab.standIn.faults.rendezvous = fate
			const noise = Array.from({ length: 120_000 }, () => Math.random().toString(36).slice(2, 4)).join('')
			lab.origin.answer = (_, response) => json(response, 201, { noise })
			expect(await outcome(lab.sender()(post()))).toEqual(failed(/\(rendezvous_failed\): the request was carried out/))
			expect(lab.origin.requests.length).toBe(1)
			lab.standIn.faults.rendezvous = 'open'
			lab.origin.answer = (_, response) => json(response, 200, {})
			expect(await outcome(lab.sender()(request()))).toEqual({ status: 200, body: {} })
			expect(lab.log.count('online')).toBe(1)
		},
	)

	test('a rendezvous that nothing has come by for ten minutes is left, one that is used is not', async () => {
		await lab.agent()
		const noise = Array.from({ length: 120_000 }, () => Math.random().toString(36).slice(2, 4)).join('')
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
		held()
		const before = clock.now()
		expect(await outcome(lab.sender()(post()))).toEqual(failed(/outcome_unknown.*origin_timeout/))
		expect(clock.now() - before).toBeLessThan(60_000)
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
		['more than 8 MB', (response) => json(response, 200, 'x'.repeat(8 * 2 ** 20))],
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
			const text = `"${'x'.repeat(length - 2)}"`
			lab.origin.answer = (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(text)
			expect((await raw('GET', '/demo/scim/Users')).body.toString()).toBe(text)
		}
		const ways = lab.standIn.journal.entries.filter(({ event }) => event === 'answer').map(({ by }) => by)
		expect(ways).toEqual(['control', 'control', 'rendezvous'])
		isClean()
	})

	test('30: headers of the connection and of the SCIM server itself do not come through', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) => {
			response.setHeader('Set-Cookie', ['a=1', 'b=2'])
			json(response, 200, {}, { 'x-foo': 'y', 'keep-alive': 'timeout=1', 'x-powered-by': 'z', etag: '"1"' })
		}
		const { headers } = await raw('GET', '/demo/scim/Users', {
			Connection: 'x-foo',
			'X-Foo': 'y',
			'X-Forwarded-For': '1.2.3.4',
			Range: 'bytes=0-1',
		})
		const own = Object.keys(headers).filter(
			(name) => !name.startsWith('x-scim-relay-') && !['date', 'connection', 'keep-alive'].includes(name),
		)
		expect(own.sort()).toEqual(['content-length', 'content-type', 'etag', 'via'])
		expect(Object.keys(lab.origin.requests[0]?.headers ?? {}).sort()).toEqual([
			'accept-encoding',
			'authorization',
			'connection',
			'host',
		])
		isClean()
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
		await lab.agent(at(`https://localhost:${origin.port}/scim`, tls))
		expect(await outcome(lab.sender()(post()))).toEqual(failed(new RegExp(`\\(${code}\\)`)))
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

	test('20: two hundred at once are at most sixteen there, and none gets the answer of another', async () => {
		await lab.agent()
		lab.origin.answer = (incoming, response) => setImmediate(() => json(response, 200, { target: incoming.url }))
		const send = lab.sender()
		const sent = Array.from(
			{ length: 200 },
			async (_, at) => [at, await outcome(send(request({ path: `/Users/${at}` })))] as const,
		)
		for (const [number, answer] of await Promise.all(sent)) {
			if (answer.status === 200) expect(answer).toEqual({ status: 200, body: { target: `/scim/Users/${number}` } })
			else expect(answer).toEqual(failed(/agent_busy/))
		}
		expect(lab.origin.peak()).toBeLessThanOrEqual(16)
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
		expect(closed).toBe(1)
		await lab.standIn.journal.until('rendezvous-left', 2)
		for (const answer of waiting) answer()
		await lab.log.until('response_lost', 2)
	})
})

describe('two agents', () => {
	test('23: one is gone in the middle of a write, which is not repeated at the other', async () => {
		const first = lab.start()
		await first.online
		await lab.agent({ agentId: second })
		held()
		lab.standIn.faults.lostListener = 'fail'
		const sent = outcome(lab.sender()(post()))
		await arrived(1)
		lab.standIn.faults.nextListens = Array(20).fill(500)
		lab.standIn.reset()
		expect(await sent).toMatchObject({ status: 503, detail: expect.stringMatching(/outcome_unknown/) })
		expect(lab.origin.requests.length).toBe(1)
	})

	test('24: the SCIM server of one is down and the other answers', async () => {
		await lab.agent({ origin: { ...settings(lab.standIn, lab.origin).origin, url: 'https://localhost:1/scim' } })
		await lab.agent({ agentId: second })
		const send = lab.sender()
		for (let at = 0; at < 4; at++) expect(await outcome(send(post()))).toEqual(made)
		expect(lab.origin.requests.length).toBe(4)
	})

	test('27: one stops under load and nothing is lost', async () => {
		const first = await lab.agent()
		await lab.agent({ agentId: second })
		const send = lab.sender()
		const sent = Array.from({ length: 60 }, async (_, at) => {
			if (at === 20) await first.drain()
			return outcome(send(post()))
		})
		expect(await Promise.all(sent)).toEqual(Array(60).fill(made))
		expect(lab.origin.requests.length).toBe(60)
		isClean()
	})
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
		return { port: await listen(server), cut }
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

	test('32: its demand for credentials is named', async () => {
		const { port } = await proxy('me:secret')
		lab.start(by(`http://127.0.0.1:${port}`))
		await lab.log.until('offline')
		expect(lab.log.entries[0]).toMatchObject({ event: 'offline', proxyStatus: 407 })
	})
})
