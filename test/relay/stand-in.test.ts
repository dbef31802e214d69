import { once } from 'node:events'
import { Agent } from 'node:https'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { sasToken } from '../../shared/relay/sas.ts'
import { authority } from '../support/relay-stand-in/certificates.ts'
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

async function start(): Promise<StandIn> {
	const standIn = await startStandIn({ certificate, clock })
	running.push(standIn)
	return standIn
}

const token = (keyName: string, key: string, path = 'demo', seconds = 3600) =>
	sasToken({ uri: `http://localhost/${path}`, keyName, key, expires: clock.now() + seconds * 1000 }).token
const listenToken = () => token('listen', 'listenkey')
const sendToken = () => token('send', 'sendkey')

type Message = Record<string, Record<string, unknown>>

/** A listener that does exactly what a test says. */
async function listener(
	standIn: StandIn,
	{ id = 'one', held = listenToken(), entity = 'demo', action = 'listen' } = {},
) {
	const url = `wss://localhost:${standIn.port}/$hc/${entity}?sb-hc-action=${action}&sb-hc-id=${id}`
	return open(url, { ServiceBusAuthorization: held })
}

async function open(url: string, headers = {}) {
	const socket = new WebSocket(url, { ca: ca.cert, headers, perMessageDeflate: false })
	running.push({ stop: () => socket.terminate() })
	const waiting: ((message: Message | Buffer) => void)[] = []
	const arrived: (Message | Buffer)[] = []
	socket.on('message', (bytes: Buffer, isBinary) => {
		const message = isBinary ? bytes : JSON.parse(String(bytes))
		const next = waiting.shift()
		if (next === undefined) arrived.push(message)
		else next(message)
	})
	await once(socket, 'open')
	const next = (): Promise<Message | Buffer> => {
		const message = arrived.shift()
		return message === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(message)
	}
	return {
		socket,
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
		['the token of another connection', { held: token('listen', 'listenkey', 'deep') }, 401],
		['an expired token', { held: token('listen', 'listenkey', 'demo', -1) }, 401],
		['the right to send only', { held: token('send', 'sendkey') }, 403],
		[
			'a token of another audience',
			{ held: entraToken({ expires: clock.now() + 1e6, rights: ['listen'], audience: 'x' }) },
			401,
		],
		['a connection that is not there', { entity: 'absent' }, 404],
		['an unknown action', { action: 'dance' }, 400],
	])('with %s is refused', async (_, options, status) => {
		await expect(listener(await start(), options)).rejects.toThrow(`Unexpected server response: ${status}`)
	})

	test('is let in by a token of Entra', async () => {
		const standIn = await start()
		await listener(standIn, { held: entraToken({ expires: clock.now() + 3_600_000, rights: ['listen'] }) })
		expect(standIn.listeners()).toEqual(['one'])
	})

	test('is the last of 25', async () => {
		const standIn = await start()
		for (let id = 1; id <= 25; id++) await listener(standIn, { id: String(id) })
		await expect(listener(standIn, { id: '26' })).rejects.toThrow('503')
	})

	test('is closed when its token expires, later when it renewed it', async () => {
		const standIn = await start()
		const { socket } = await listener(standIn, { held: token('listen', 'listenkey', 'demo', 60) })
		socket.send(JSON.stringify({ renewToken: { token: token('listen', 'listenkey', 'demo', 120) } }))
		const before = clock.now()
		const [code] = await once(socket, 'close')
		expect(code).toBe(1008)
		expect(clock.now() - before).toBeGreaterThan(100_000)
	})
})

describe('a request', () => {
	test('goes over the control channel without what belongs to the relay', async () => {
		const standIn = await start()
		const { request, answer, next } = await listener(standIn)
		const answered = send(standIn, '/demo/scim/Users?sb-hc-x=1&a=%c3&sb-hc-token=no', {
			method: 'POST',
			body: 'hello',
			headers: { ServiceBusAuthorization: sendToken(), Authorization: 'Bearer application', 'X-One': ['a', 'b'] },
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
				Via: `1.1 ${standIn.host}`,
			},
			body: true,
		})
		expect(address).toMatch(/^wss:\/\/localhost:\d+\/\$hc\/demo\?sb-hc-action=request&sb-hc-id=/)
		expect(String(await next())).toBe('hello')
		answer(id, 201, Buffer.from('made'), { etag: '"1"' })
		const { status, headers, body } = await answered
		expect([status, headers.etag, headers.via, String(body)]).toEqual([201, '"1"', `1.1 ${standIn.host}`, 'made'])
		expect(standIn.journal.violations()).toEqual([])
	})

	test('of the application token alone has it eaten', async () => {
		const standIn = await start()
		await listener(standIn)
		const { status } = await send(standIn, '/demo/x', { headers: { Authorization: 'Bearer application' } })
		expect(status).toBe(401)
	})

	test('to nobody is told so', async () => {
		const standIn = await start()
		expect((await send(standIn)).status).toBe(404)
		standIn.faults.noListenerStatus = 502
		expect((await send(standIn)).status).toBe(502)
		expect((await send(standIn, '/absent')).reason).toMatch(/^EntityNotFound.*TrackingId:/)
	})

	test('picks and rules out listeners', async () => {
		const standIn = await start()
		const [one, two] = [await listener(standIn, { id: 'one' }), await listener(standIn, { id: 'two' })]
		const headers = { ServiceBusAuthorization: sendToken() }
		const first = send(standIn, '/demo', { headers: { ...headers, 'Microsoft-Relay-AllowedListeners': 'two' } })
		two.answer((await two.request()).id, 204)
		const second = send(standIn, '/demo', { headers: { ...headers, 'Microsoft-Relay-DisallowedListeners': 'two' } })
		one.answer((await one.request()).id, 204)
		expect([(await first).status, (await second).status]).toEqual([204, 204])
		const third = await send(standIn, '/demo', { headers: { ...headers, 'Microsoft-Relay-AllowedListeners': 'three' } })
		expect([third.status, third.reason]).toEqual([404, expect.stringContaining('None of the connected listeners meet')])
	})

	test('over 64 kB comes as a pointer, is fetched once and answered there', async () => {
		const standIn = await start()
		const control = await listener(standIn)
		const large = Buffer.alloc(70_000, 'x')
		const answered = send(standIn, '/demo', { method: 'PUT', body: large })
		const pointer = await control.request()
		expect(Object.keys(pointer)).toEqual(['address'])
		const rendezvous = await open(String(pointer.address))
		const { id } = await rendezvous.request()
		expect(await rendezvous.next()).toEqual(large)
		await expect(open(String(pointer.address))).rejects.toThrow('403')
		rendezvous.answer(id, 200, large)
		expect((await answered).body).toEqual(large)
		expect(standIn.journal.violations()).toEqual([])
	})

	test('follows an earlier one over the rendezvous that was kept for its connection', async () => {
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

	test('unanswered for a minute is 504, and a late answer is noted', async () => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		const before = clock.now()
		const answered = send(standIn)
		const { id } = await request()
		expect((await answered).status).toBe(504)
		expect(clock.now() - before).toBeGreaterThanOrEqual(60_000)
		answer(id, 200)
		await standIn.journal.until('late-answer')
	})
})

test.each([
	['a large body on the control channel', { body: Buffer.alloc(65_537) }, 'more than 64 kB on the control channel'],
	['a header of the connection', { headers: { Connection: 'close' } }, 'forbidden header Connection'],
	['a status that is forbidden to listeners', { status: 502 }, 'status 502 of a listener'],
])(
	'the journal holds %s',
	async (_, {
		status = 200,
		body = Buffer.from('x'),
		headers = {},
	}: { status?: number; body?: Buffer; headers?: object }, what) => {
		const standIn = await start()
		const { request, answer } = await listener(standIn)
		const answered = send(standIn)
		answer((await request()).id, status, body, headers)
		await answered
		expect(standIn.journal.violations()).toEqual([{ event: 'violation', what }])
	},
)

test('the frames of a message are seen as they were cut', async () => {
	const standIn = await start()
	const { socket } = await listener(standIn)
	socket.send('{"nonsense"', { fin: false })
	socket.send(':1}', { fin: true })
	await standIn.journal.until('violation')
	const frames = standIn.journal.entries.filter(({ event }) => event === 'frame')
	expect(frames.map(({ opcode, fin, length }) => [opcode, fin, length])).toEqual([
		[1, false, 11],
		[0, true, 3],
	])
})
