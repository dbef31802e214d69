import { once } from 'node:events'
import { Agent, request } from 'node:https'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type Clock, pause } from '../../shared/relay/clock.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { authority } from '../support/relay-stand-in/certificates.ts'
import { journal } from '../support/relay-stand-in/journal.ts'
import { scaledClock } from '../support/relay-stand-in/scaled-clock.ts'
import { sendTo } from '../support/relay-stand-in/sender.ts'
import { type StandIn, startStandIn } from '../support/relay-stand-in/stand-in.ts'
import { entraToken } from '../support/relay-stand-in/tokens.ts'

const ca = authority()
const certificate = ca.issue(['DNS:localhost', 'IP:127.0.0.1'])
const clock = scaledClock(50)
const running: { stop(): unknown }[] = []

afterEach(async () => {
	for (const { stop } of running.splice(0)) await stop()
})

type Options = { readonly clock?: Clock; readonly isLenient?: boolean; readonly grace?: number }

async function start(more: Options = {}): Promise<StandIn> {
	const standIn = await startStandIn({ certificate, clock, ...more })
	running.push(standIn)
	return standIn
}

const token = (keyName: string, key: string, path = 'demo', seconds = 3600) =>
	sasToken({ uri: `http://localhost/${path}`, keyName, key, expires: clock.now() + seconds * 1000 }).token
const listenToken = () => token('listen', 'listenkey')
const sendToken = () => token('send', 'sendkey')

type Message = Record<string, Record<string, unknown>>

/** A listener that the test controls. */
async function listener(
	standIn: StandIn,
	{ id = 'one', held = listenToken(), entity = 'demo', action = 'listen' } = {},
) {
	const url = `wss://localhost:${standIn.port}/$hc/${entity}?sb-hc-action=${action}&sb-hc-id=${id}`
	return open(url, { ServiceBusAuthorization: held })
}

async function open(url: string, headers = {}) {
	const socket = new WebSocket(url, { ca: ca.cert, headers })
	running.push({ stop: () => socket.terminate() })
	const waiting: ((message: Message | Buffer) => void)[] = []
	const arrived: (Message | Buffer)[] = []
	socket.on('message', (bytes: Buffer, isBinary) => {
		const message = isBinary ? bytes : JSON.parse(String(bytes))
		const next = waiting.shift()
		if (next === undefined) arrived.push(message)
		else next(message)
	})
	// A WebSocket does not report errors of its TCP socket.
	const errors: unknown[] = []
	socket.once('upgrade', (response) => {
		response.socket.on('error', (error: Error & { code: string }) => errors.push(error.code))
	})
	await once(socket, 'open')
	const next = (): Promise<Message | Buffer> => {
		const message = arrived.shift()
		return message === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(message)
	}
	return {
		socket,
		errors,
		next,
		request: async () => ((await next()) as Message).request ?? {}, // sound: what the tests await is a text
		answer: (requestId: unknown, statusCode: number, body?: Buffer, responseHeaders = {}) => {
			socket.send(JSON.stringify({ response: { requestId, statusCode, responseHeaders, body: body !== undefined } }))
			if (body !== undefined) socket.send(body, { binary: true })
		},
	}
}

const send = (standIn: StandIn, path = '/demo/scim/Users', more = {}) =>
	sendTo({ port: standIn.port, ca: ca.cert, path, headers: { ServiceBusAuthorization: sendToken() }, ...more })

describe('a listener', () => {
	test.each([
		['no token', { held: '' }, 401],
		['a wrong key', { held: token('listen', 'other') }, 401],
		['the token of another hybrid connection', { held: token('listen', 'listenkey', 'deep') }, 401],
		['an expired token', { held: token('listen', 'listenkey', 'demo', -1) }, 401],
		['a token with invalid escapes', { held: listenToken().replace('sr=', 'sr=%') }, 401],
		['another signature', { held: listenToken().replace('sig=', 'sig=%') }, 401],
		['only the right to send', { held: token('send', 'sendkey') }, 403],
		[
			'a token of another audience',
			{ held: entraToken({ expires: clock.now() + 1e6, rights: ['listen'], audience: 'x' }) },
			401,
		],
		['an expired token of Entra', { held: entraToken({ expires: clock.now() - 1000, rights: ['listen'] }) }, 401],
		[
			'an identity with only the right to send',
			{ held: entraToken({ expires: clock.now() + 1e6, rights: ['send'] }) },
			403,
		],
		['an unknown hybrid connection', { entity: 'absent' }, 404],
		['an unknown action', { action: 'dance' }, 400],
		['the address of an unknown request', { action: 'request' }, 403],
		['the address of an unknown hybrid connection', { action: 'request', entity: 'absent' }, 404],
		['the address of an unknown WebSocket', { action: 'accept' }, 403],
	])('with %s is refused', async (_, options, status) => {
		await expect(listener(await start(), options)).rejects.toThrow(`Unexpected server response: ${status}`)
	})

	test('is accepted with a token of Entra', async () => {
		const standIn = await start()
		await listener(standIn, { held: entraToken({ expires: clock.now() + 3_600_000, rights: ['listen'] }) })
		expect(standIn.listeners()).toEqual(['one'])
	})

	test.each(['http://localhost:443/demo', 'sb://LocalHost/Demo/', 'http://localhost', 'http://localhost/demo'])(
		'is accepted with a token for %s',
		async (uri) => {
			const standIn = await start()
			const { token: held } = sasToken({ uri, keyName: 'listen', key: 'listenkey', expires: clock.now() + 3_600_000 })
			await listener(standIn, { held })
			expect(standIn.listeners()).toEqual(['one'])
		},
	)

	test('is refused if 25 listeners are connected', async () => {
		const standIn = await start()
		for (let id = 1; id <= 25; id++) await listener(standIn, { id: String(id) })
		await expect(listener(standIn, { id: '26' })).rejects.toThrow('503')
	})

	test('is closed when its token expires, and a renewal extends the time', async () => {
		const standIn = await start()
		const { socket } = await listener(standIn, { held: token('listen', 'listenkey', 'demo', 60) })
		socket.send(JSON.stringify({ renewToken: { token: token('listen', 'listenkey', 'demo', 120) } }))
		const before = clock.now()
		const [code] = await once(socket, 'close')
		expect(code).toBe(1008)
		expect(clock.now() - before).toBeGreaterThan(100_000)
	})

	test('stays connected during the grace period of an expired token', async () => {
		const manualClock = scaledClock(1)
		const rule = { uri: 'http://localhost/demo', keyName: 'listen', key: 'listenkey' }
		const { token: held } = sasToken({ ...rule, expires: manualClock.now() + 60_000 })
		const { socket } = await listener(await start({ clock: manualClock, grace: 300_000 }), { held })
		manualClock.forward(350_000)
		await pong(socket)
		manualClock.forward(10_000)
		expect((await once(socket, 'close'))[0]).toBe(1008)
	})

	test('is closed after a renewal with a wrong token', async () => {
		const { socket } = await listener(await start())
		socket.send(JSON.stringify({ renewToken: { token: token('listen', 'other') } }))
		const [code, reason] = await once(socket, 'close')
		expect([code, String(reason)]).toEqual([1008, expect.stringMatching(/^InvalidSignature/)])
	})

	test('is dropped after a day', async () => {
		const manualClock = scaledClock(1)
		const { socket } = await listener(await start({ clock: manualClock }), {
			held: token('listen', 'listenkey', 'demo', 100_000),
		})
		manualClock.forward(24 * 3_600_000 - 10_000)
		await pong(socket)
		manualClock.forward(10_000)
		const [code, reason] = await once(socket, 'close')
		expect([code, String(reason)]).toEqual([
			1011,
			expect.stringMatching(/^InternalServerError: NameRenewalFailed\. TrackingId:/),
		])
	})

	test('gets pongs for its pings, and no compression', async () => {
		const { socket } = await listener(await start())
		await pong(socket)
		expect(socket.extensions).toBe('')
	})

	test('can be reset, frozen and sent an invalid message', async () => {
		const standIn = await start()
		const { socket, next, request, answer, errors } = await listener(standIn)
		standIn.say('{}')
		expect(await next()).toEqual({})

		const thaw = standIn.freeze()
		const response = send(standIn)
		await standIn.journal.until('request')
		const thawed = request()
		expect(await Promise.race([thawed, pause(clock, 20_000)])).toBeUndefined()
		thaw()
		answer((await thawed).id, 204)
		expect((await response).status).toBe(204)

		standIn.reset()
		await once(socket, 'close')
		expect(errors).toEqual(['ECONNRESET'])
	})
})

const pong = async (socket: WebSocket): Promise<void> => {
	socket.ping()
	await once(socket, 'pong')
}

describe('a WebSocket of a sender', () => {
	const connect = (standIn: StandIn, held = sendToken()) =>
		open(`wss://localhost:${standIn.port}/$hc/demo?sb-hc-action=connect`, { ServiceBusAuthorization: held })

	test('is offered to a listener, which refuses it', async () => {
		const standIn = await start()
		const { next } = await listener(standIn)
		const connected = connect(standIn).catch((error: Error) => error.message)
		const { accept } = (await next()) as Message // sound: what comes first is a text
		expect(accept?.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_G1$/)
		const address = `${accept?.address}&sb-hc-statusCode=501&sb-hc-statusDescription=HTTP%20only`
		await expect(open(address)).rejects.toThrow('410')
		expect(await connected).toBe('Unexpected server response: 501')
		await expect(open(address)).rejects.toThrow('403')
	})

	test.each([
		['that no listener accepts', 504, 1, sendToken()],
		['without a listener', 404, 0, sendToken()],
		['without the right to send', 403, 1, listenToken()],
		['without a token', 401, 1, ''],
	])('%s is refused with %i', async (_, status, listeners, held) => {
		const standIn = await start()
		if (listeners > 0) await listener(standIn)
		await expect(connect(standIn, held)).rejects.toThrow(`Unexpected server response: ${status}`)
	})
})

describe('a request', () => {
	test('arrives on the control channel without headers and parameters of the relay', async () => {
		const standIn = await start()
		const { request, answer, next } = await listener(standIn)
		const response = send(standIn, '/demo/scim/Users?sb-hc-x=1&a=%c3&sb-hc-token=no', {
			method: 'POST',
			body: 'hello',
			headers: {
				ServiceBusAuthorization: sendToken(),
				Authorization: 'Bearer application',
				'X-One': ['a', 'b'],
				via: '1.1 gateway',
				TE: 'trailers',
				'Microsoft-Relay-DisallowedListeners': 'two',
			},
		})
		const { id, address, ...received } = await request()
		expect(received).toEqual({
			requestTarget: '/demo/scim/Users?a=%c3',
			method: 'POST',
			remoteEndpoint: { address: '127.0.0.1', port: expect.any(Number) },
			requestHeaders: {
				Authorization: 'Bearer application',
				'X-One': 'a, b',
				Host: `127.0.0.1:${standIn.port}`,
				Via: `1.1 gateway, 1.1 ${standIn.host}`,
			},
			body: true,
		})
		expect(address).toMatch(/^wss:\/\/localhost:\d+\/\$hc\/demo\?sb-hc-action=request&sb-hc-id=/)
		expect(String(await next())).toBe('hello')
		answer(id, 201, Buffer.from('made'), { etag: '"1"', via: '1.1 agent' })
		const { status, headers, body } = await response
		expect([status, headers.etag, headers.via, String(body)]).toEqual([
			201,
			'"1"',
			`1.1 agent, 1.1 ${standIn.host}`,
			'made',
		])
		expect(standIn.journal.violations()).toEqual([])
	})

	test('with only an application token is refused', async () => {
		const standIn = await start()
		await listener(standIn)
		const { status } = await send(standIn, '/demo/x', { headers: { Authorization: 'Bearer application' } })
		expect(status).toBe(401)
	})

	test('without a listener is refused', async () => {
		const standIn = await start()
		expect((await send(standIn)).status).toBe(404)
		standIn.faults.noListenerStatus = 502
		expect((await send(standIn)).status).toBe(502)
		expect((await send(standIn, '/absent')).reason).toMatch(/^EntityNotFound.*TrackingId:/)
	})

	test('goes to the listeners in turn', async () => {
		const standIn = await start()
		const both = [await listener(standIn, { id: 'one' }), await listener(standIn, { id: 'two' })]
		const sent = Array.from({ length: 6 }, () => send(standIn))
		for (const { request, answer } of both) for (let at = 0; at < 3; at++) answer((await request()).id, 204)
		expect((await Promise.all(sent)).map(({ status }) => status)).toEqual(Array(6).fill(204))
	})

	test('can select and exclude listeners', async () => {
		const standIn = await start()
		const [one, two] = [await listener(standIn, { id: 'one' }), await listener(standIn, { id: 'two' })]
		const headers = { ServiceBusAuthorization: sendToken() }
		const first = send(standIn, '/demo', { headers: { ...headers, 'Microsoft-Relay-AllowedListeners': 'two' } })
		two.answer((await two.request()).id, 204)
		const second = send(standIn, '/demo', { headers: { ...headers, 'Microsoft-Relay-DisallowedListeners': 'two' } })
		one.answer((await one.request()).id, 204)
		expect([(await first).status, (await second).status]).toEqual([204, 204])
		const third = await send(standIn, '/demo', { headers: { ...headers, 'Microsoft-Relay-AllowedListeners': 'three' } })
		expect([third.status, third.reason]).toEqual([
			404,
			expect.stringContaining('None of the connected listeners meet the AllowedListeners/DisallowedListeners criteria'),
		])
	})

	test('over 64 kB arrives as a pointer, is fetched once and answered on the rendezvous', async () => {
		const standIn = await start()
		const control = await listener(standIn)
		const large = Buffer.alloc(70_000, 'x')
		const response = send(standIn, '/demo', { method: 'PUT', body: large })
		const pointer = await control.request()
		expect(Object.keys(pointer)).toEqual(['address'])
		const rendezvous = await open(String(pointer.address))
		const { id } = await rendezvous.request()
		expect(large.equals((await rendezvous.next()) as Buffer)).toBe(true) // sound: a body follows the text
		await expect(open(String(pointer.address))).rejects.toThrow('403')
		rendezvous.answer(id, 200, large)
		expect(large.equals((await response).body)).toBe(true)
		expect(standIn.journal.violations()).toEqual([])
	})

	test('uses the rendezvous that is kept for its connection', async () => {
		const standIn = await start()
		const control = await listener(standIn)
		const agent = new Agent({ keepAlive: true, maxSockets: 1 })
		const first = send(standIn, '/demo', { agent })
		const request = await control.request()
		const rendezvous = await open(String(request.address))
		rendezvous.answer(request.id, 200, Buffer.alloc(70_000))
		await first
		const second = send(standIn, '/demo', { agent })
		rendezvous.answer((await rendezvous.request()).id, 204)
		expect((await second).status).toBe(204)
		agent.destroy()
		expect(await once(rendezvous.socket, 'close')).toEqual([1001, expect.anything()])
	})

	test('can be delivered with a rewritten query, twice, in short frames, or without its body', async () => {
		const standIn = await start()
		const { request, answer, next } = await listener(standIn)
		Object.assign(standIn.faults, { mangle: true, duplicate: true, fragment: 2 })
		const response = send(standIn, '/demo/%c3?a="%c3%b8"&b=<+', { method: 'POST', body: 'hello' })
		const first = await request()
		expect(first.requestTarget).toBe('/demo/%c3?a=%22%C3%B8%22&b=%3C+')
		expect([String(await next()), await request(), String(await next())]).toEqual(['hello', first, 'hello'])
		answer(first.id, 204)
		expect((await response).status).toBe(204)
		expect(framesOf(standIn, 'service').slice(0, 4)).toEqual([
			[1, true, expect.any(Number)],
			[2, false, 2],
			[0, false, 2],
			[0, true, 1],
		])

		Object.assign(standIn.faults, { duplicate: false, omitBody: true })
		const bodiless = send(standIn, '/demo', { method: 'POST', body: 'hello' })
		const { id, body } = await request()
		answer(id, 204)
		expect([(await bodiless).status, body]).toEqual([204, true])
	})

	test('can be slow in both directions, and its pieces stay together', async () => {
		const standIn = await start()
		const { request, answer, next } = await listener(standIn)
		const drip = { bytes: 10, pause: 5000 }
		standIn.faults.drip = drip
		const before = clock.now()
		const slow = send(standIn, '/demo', { method: 'POST', body: 'x'.repeat(50) })
		const { id } = await request()
		standIn.faults.drip = undefined
		const behind = send(standIn)
		await standIn.journal.until('request', 2)
		expect(String(await next())).toBe('x'.repeat(50))
		expect(clock.now() - before).toBeGreaterThan(18_000)
		answer((await request()).id, 204)
		expect((await behind).status).toBe(204)

		standIn.faults.drip = drip
		const answeredAt = clock.now()
		answer(id, 200, Buffer.alloc(40, 'y'))
		expect(String((await slow).body)).toBe('y'.repeat(40))
		expect(clock.now() - answeredAt).toBeGreaterThan(14_000)
	})

	test('can be refused if it is PATCH, or answered with a given status', async () => {
		const standIn = await start()
		await listener(standIn)
		standIn.faults.refusePatch = true
		standIn.faults.nextSends = [500]
		expect((await send(standIn)).status).toBe(500)
		expect(await send(standIn, '/demo', { method: 'PATCH' })).toMatchObject({ status: 405, headers: {} })
	})

	test('over 32 kB of headers is refused', async () => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		const headers = (length: number) => ({ ServiceBusAuthorization: sendToken(), 'X-Long': 'x'.repeat(length) })
		const response = send(standIn, '/demo', { headers: headers(30_000) })
		answer((await request()).id, 204)
		expect((await response).status).toBe(204)
		expect((await send(standIn, '/demo', { headers: headers(33_000) })).status).toBe(431)
	})

	test('without an answer for a minute is 504, and a late answer is recorded', async () => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		const before = clock.now()
		const response = send(standIn)
		const { id } = await request()
		expect((await response).status).toBe(504)
		expect(clock.now() - before).toBeGreaterThanOrEqual(60_000)
		answer(id, 200)
		await standIn.journal.until('late-answer')
		expect(standIn.journal.violations()).toEqual([])
	})
})

describe('the address of a rendezvous', () => {
	test('is valid for 30 s', async () => {
		const manualClock = scaledClock(1)
		const standIn = await start({ clock: manualClock })
		const { request, answer } = await listener(standIn)
		const [first, second] = [send(standIn), send(standIn)]
		const [one, other] = [await request(), await request()]
		manualClock.forward(28_000)
		const rendezvous = await open(String(one.address))
		rendezvous.answer(one.id, 204)
		expect((await first).status).toBe(204)
		manualClock.forward(2000)
		await expect(open(String(other.address))).rejects.toThrow('403')
		answer(other.id, 204)
		expect((await second).status).toBe(204)
	})

	test('is 400 without an id, and 403 for another hybrid connection', async () => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		const response = send(standIn)
		const { id, address } = await request()
		await expect(open(String(address).replace(/&sb-hc-id=.*/, ''))).rejects.toThrow('400')
		await expect(open(String(address).replace('/demo', '/deep/name'))).rejects.toThrow('403')
		answer(id, 204)
		await response
	})

	test.each([
		['refuse', /403/],
		['expire', /403/],
	] as const)('can be made to %s', async (fate, message) => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		standIn.faults.rendezvous = fate
		const response = send(standIn)
		const { id, address } = await request()
		await expect(open(String(address))).rejects.toThrow(message)
		answer(id, 204)
		await response
	})
})

describe('an answer', () => {
	/** Sends the head and the first byte of an answer. */
	async function begin(channel: 'control' | 'rendezvous') {
		const standIn = await start()
		const control = await listener(standIn)
		const response = send(standIn)
		const { id, address } = await control.request()
		const { socket } = channel === 'control' ? control : await open(String(address))
		socket.send(JSON.stringify({ response: { requestId: id, statusCode: 200, body: true } }))
		socket.send('x', { binary: true, fin: false })
		return { standIn, response, go: (isLast: boolean) => socket.send('x', { binary: true, fin: isLast }) }
	}

	test.each(['control', 'rendezvous'] as const)('that keeps sending data arrives complete (%s)', async (channel) => {
		const { response, go } = await begin(channel)
		for (let at = 1; at <= 3; at++) {
			await pause(clock, 35_000)
			go(at === 3)
		}
		expect(String((await response).body)).toBe('xxxx')
	})

	test.each(['control', 'rendezvous'] as const)(
		'that stops in the middle is broken off after a minute (%s)',
		async (channel) => {
			const { standIn, response, go } = await begin(channel)
			const before = clock.now()
			await expect(response).rejects.toThrow('aborted')
			expect(clock.now() - before).toBeGreaterThanOrEqual(60_000)
			expect(standIn.journal.count('idle')).toBe(1)
			if (channel === 'rendezvous') return
			go(true)
			await standIn.journal.until('late-answer')
			expect(standIn.journal.violations()).toEqual([])
		},
	)

	test.each([
		[
			'a large body on the control channel',
			{ body: Buffer.alloc(65_537) },
			500,
			'more than 64 kB on the control channel',
		],
		['a hop-by-hop header', { headers: { Connection: 'close' } }, 200, 'forbidden header Connection'],
		['a header with a line break', { headers: { 'x-a': 'b\r\nx-c: d' } }, 200, 'invalid header "x-a"'],
		['a status that is forbidden to listeners', { status: 502 }, 502, 'status 502 of a listener'],
		['an invalid status', { status: 42 }, 500, 'invalid status 42'],
		['too many headers', { headers: { 'x-a': 'x'.repeat(33_000) } }, 200, 'more than 32 kB of headers'],
	])(
		'with %s is a violation',
		async (_, {
			status = 200,
			body = Buffer.from('x'),
			headers = {},
		}: { status?: number; body?: Buffer; headers?: object }, expectedStatus, what) => {
			const standIn = await start()
			const { request, answer } = await listener(standIn)
			const response = sendTo({
				port: standIn.port,
				ca: ca.cert,
				path: '/demo',
				maxHeaderSize: 65_536,
				headers: { ServiceBusAuthorization: sendToken() },
			})
			answer((await request()).id, status, body, headers)
			expect((await response).status).toBe(expectedStatus)
			expect((await response).headers).not.toHaveProperty('x-c')
			expect(standIn.journal.violations()).toEqual([{ event: 'violation', what }])
		},
	)

	test('given twice is a violation, and so is an answer to an unknown request', async () => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		const response = send(standIn)
		const { id } = await request()
		answer(id, 204)
		await response
		answer(id, 204)
		answer('never', 204)
		await standIn.journal.until('violation', 2)
		expect(whatOf(standIn)).toEqual(['second answer to a request', 'answer to an unknown request'])
	})

	test('on the wrong channel is a violation and is ignored', async () => {
		const standIn = await start()
		const [one, two] = [await listener(standIn, { id: 'one' }), await listener(standIn, { id: 'two' })]
		const headers = { ServiceBusAuthorization: sendToken(), 'Microsoft-Relay-AllowedListeners': 'one' }
		const small = send(standIn, '/demo', { headers })
		const { id } = await one.request()
		two.answer(id, 500)
		await standIn.journal.until('violation')
		one.answer(id, 204)
		expect((await small).status).toBe(204)

		const large = { method: 'PUT', body: Buffer.alloc(70_000), headers }
		const both = [send(standIn, '/demo', large), send(standIn, '/demo', large)]
		const openRendezvous = async () => open(String((await one.request()).address))
		const [first, second] = [await openRendezvous(), await openRendezvous()]
		const [mine, other] = [await first.request(), await second.request()]
		one.answer(mine.id, 500)
		second.answer(mine.id, 500)
		await standIn.journal.until('violation', 3)
		first.answer(mine.id, 204)
		second.answer(other.id, 204)
		expect(await Promise.all(both)).toMatchObject([{ status: 204 }, { status: 204 }])
		expect(whatOf(standIn)).toEqual([
			'answer on another control channel',
			'answer on the control channel to a request by rendezvous',
			'answer on the wrong rendezvous',
		])
	})

	test.each([
		['a text that is not JSON', ['{"response":'], ['text that is not a message']],
		['a text that is not an object', ['null'], ['text that is not a message']],
		['a message of another kind', ['{"weather":1}'], ['unknown message']],
		['an answer without content', ['{"response":null}'], ['unknown message']],
		['a body that was not announced', [Buffer.from('x')], ['body that was not announced']],
		['an empty body that was not announced', [Buffer.alloc(0)], ['body that was not announced']],
		[
			'a text instead of the announced body',
			[
				'{"response":{"requestId":"a","statusCode":200,"body":true}}',
				'{"response":{"requestId":"b","statusCode":200}}',
			],
			['text instead of the announced body', 'answer to an unknown request'],
		],
	])('cannot be %s', async (_, pieces, expected) => {
		const standIn = await start()
		const { socket } = await listener(standIn)
		for (const piece of pieces) socket.send(piece)
		await standIn.journal.until('violation', expected.length)
		expect(whatOf(standIn)).toEqual(expected)
	})

	test('may be followed by an empty body if the stand-in is lenient', async () => {
		const standIn = await start({ isLenient: true })
		const { socket } = await listener(standIn)
		socket.send(Buffer.alloc(0))
		socket.send(Buffer.from('x'))
		await standIn.journal.until('violation')
		await pong(socket)
		expect(whatOf(standIn)).toEqual(['body that was not announced'])
	})

	test('by rendezvous can close the rendezvous and the connection of the sender', async () => {
		const standIn = await start()
		standIn.faults.rendezvousAfterAnswer = 'closed'
		const control = await listener(standIn)
		const agent = new Agent({ keepAlive: true, maxSockets: 1 })
		const closedSockets: unknown[] = []
		agent.on('free', (socket: Socket) => socket.once('close', () => closedSockets.push(socket)))
		const first = send(standIn, '/demo', { agent })
		const { id, address } = await control.request()
		const rendezvous = await open(String(address))
		rendezvous.answer(id, 200, Buffer.alloc(70_000))
		expect((await first).body.length).toBe(70_000)
		expect(await once(rendezvous.socket, 'close')).toEqual([1000, expect.anything()])
		await vi.waitFor(() => expect(closedSockets.length).toBe(1), { timeout: 60_000 })
		const second = send(standIn, '/demo', { agent })
		control.answer((await control.request()).id, 204)
		expect((await second).status).toBe(204)
		agent.destroy()
	})

	test('by rendezvous can close the rendezvous and leave the connection of the sender open', async () => {
		const standIn = await start()
		standIn.faults.rendezvousAfterAnswer = 'released'
		const control = await listener(standIn)
		const agent = new Agent({ keepAlive: true, maxSockets: 1 })
		const first = send(standIn, '/demo', { agent })
		const { id, address, remoteEndpoint } = await control.request()
		const rendezvous = await open(String(address))
		rendezvous.answer(id, 200, Buffer.alloc(70_000))
		expect((await first).body.length).toBe(70_000)
		expect(await once(rendezvous.socket, 'close')).toEqual([1000, expect.anything()])
		const second = send(standIn, '/demo', { agent, method: 'POST', body: 'x' })
		const next = await control.request()
		expect(next).toMatchObject({ method: 'POST', remoteEndpoint })
		control.answer(next.id, 204)
		expect((await second).status).toBe(204)
		agent.destroy()
	})

	test('by rendezvous is complete for a slow sender, even if the listener closes the rendezvous at once', async () => {
		const standIn = await start()
		const control = await listener(standIn)
		const headers = { ServiceBusAuthorization: sendToken() }
		const outgoing = request({ host: 'localhost', port: standIn.port, path: '/demo', headers, ca: ca.cert }).end()
		const { id, address } = await control.request()
		const rendezvous = await open(String(address))
		rendezvous.answer(id, 200, Buffer.alloc(16 * 2 ** 20))
		rendezvous.socket.close(1000, 'NormalClosure')
		const [response] = await once(outgoing, 'response')
		await standIn.journal.until('rendezvous-left')
		let received = 0
		for await (const chunk of response) received += chunk.length
		expect(received).toBe(16 * 2 ** 20)
	})
})

const whatOf = (standIn: StandIn) => standIn.journal.violations().map(({ what }) => what)

describe('a listener that disconnects with a request', () => {
	/** Sends a request on this channel, and disconnects its listener. */
	async function loseListener(policy: 'fail' | 'rendezvous' | 'wait', channel: 'control' | 'rendezvous') {
		const standIn = await start()
		standIn.faults.lostListener = policy
		const control = await listener(standIn)
		const body = Buffer.alloc(channel === 'control' ? 1 : 70_000)
		const before = clock.now()
		const sent = send(standIn, '/demo', { method: 'POST', body }).then(
			({ status, headers }) => [status, headers.via],
			(error: Error & { code: string }) => error.code,
		)
		const request = await control.request()
		const rendezvous = channel === 'control' ? undefined : await open(String(request.address))
		await rendezvous?.request()
		for (const { socket } of [control, rendezvous].filter((end) => end !== undefined)) socket.terminate()
		await standIn.journal.until('left')
		return { standIn, request, sent, duration: () => clock.now() - before }
	}

	test.each(['control', 'rendezvous'] as const)('can be detected at once, with 504 (%s)', async (channel) => {
		const { sent, duration } = await loseListener('fail', channel)
		expect(await sent).toEqual([504, undefined])
		expect(duration()).toBeLessThan(50_000)
	})

	test.each(['control', 'rendezvous'] as const)('can be waited for for a minute, with 504 (%s)', async (channel) => {
		const { standIn, request, sent, duration } = await loseListener('wait', channel)
		await expect(open(String(request.address))).rejects.toThrow('403')
		expect(await sent).toEqual([504, undefined])
		expect(duration()).toBeGreaterThanOrEqual(60_000)
		expect(standIn.journal.count('abandoned')).toBe(0)
	})

	test('can answer by rendezvous without its control channel', async () => {
		const { request, sent } = await loseListener('rendezvous', 'control')
		const rendezvous = await open(String(request.address))
		rendezvous.answer(request.id, 204)
		expect(await sent).toEqual([204, expect.anything()])
	})

	test('can close the connection of the sender with the rendezvous', async () => {
		const { sent, duration } = await loseListener('rendezvous', 'rendezvous')
		expect(await sent).toBe('ECONNRESET')
		expect(duration()).toBeLessThan(50_000)
	})
})

const framesOf = (standIn: StandIn, side: 'listener' | 'service') =>
	standIn.journal.entries
		.filter(({ event, from }) => event === 'frame' && from === side)
		.map(({ opcode, fin, length }) => [opcode, fin, length])

describe('the journal', () => {
	test('records the frames of a message', async () => {
		const standIn = await start()
		const { socket } = await listener(standIn)
		socket.send('{"nonsense"', { fin: false })
		socket.send(':1}', { fin: true })
		await standIn.journal.until('violation')
		expect(framesOf(standIn, 'listener')).toEqual([
			[1, false, 11],
			[0, true, 3],
		])
	})

	test('records the messages of both sides without secrets', async () => {
		const standIn = await start()
		const held = listenToken()
		const { socket, request, answer } = await listener(standIn, { held })
		socket.send(JSON.stringify({ renewToken: { token: held } }))
		const headers = { ServiceBusAuthorization: sendToken(), authorization: 'Bearer of the application' }
		const response = send(standIn, '/demo', { headers })
		const { id, address } = await request()
		answer(id, 200, Buffer.from('content'), { etag: '"1"' })
		await response
		const pieces = standIn.journal.entries
			.filter(({ event }) => event === 'message')
			.map(({ event: _, ...entry }) => entry)
		expect(pieces).toEqual([
			{ channel: 'control', from: 'listener', message: { renewToken: { token: 'SharedAccess…' } } },
			{
				channel: 'control',
				from: 'service',
				message: {
					request: expect.objectContaining({
						id,
						address: 'wss://localh…',
						requestTarget: '/demo',
						requestHeaders: expect.objectContaining({ authorization: 'Bearer of th…' }),
					}),
				},
			},
			{
				channel: 'control',
				from: 'listener',
				message: { response: { requestId: id, statusCode: 200, responseHeaders: { etag: '"1"' }, body: true } },
			},
		])
		const all = JSON.stringify(standIn.journal.entries)
		for (const secret of [held, String(address), sendToken(), 'of the application', 'content'])
			expect(all).not.toContain(secret)
	})

	test('drops the oldest entries, but no violation, and keeps counting', () => {
		const manualClock = journal()
		manualClock.write('violation', { what: 'first' })
		for (let at = 0; at < 100_000; at++) manualClock.write('frame', { at })
		expect(manualClock.entries.length).toBeLessThanOrEqual(10_000)
		expect([manualClock.entries.at(-1), manualClock.count('frame'), manualClock.violations().length]).toEqual([
			{ event: 'frame', at: 99_999 },
			100_000,
			1,
		])
	})
})
