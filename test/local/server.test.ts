import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RequestEvent, type Respond, refusal, responseOf } from '../../functions/respond.ts'
import { type RunningServer, startServer } from '../../local/server.ts'
import { Fault } from '../../shared/fault.ts'
import { readBytes } from '../../shared/http/body.ts'
import { ScimError } from '../../shared/scim/error.ts'
import { limits } from '../../shared/scim/service-provider-config.ts'

let server: RunningServer
let respond: Respond
let events: RequestEvent[]
let onEvent: () => void
const sockets: Socket[] = []

/** Answers with the request as the host has read it. */
const echo: Respond = async (request, requestId, log) => {
	const { method, url, headers } = request
	log({ requestId, method, status: 200, milliseconds: 0 })
	const body = Buffer.from(await request.arrayBuffer()).toString()
	return responseOf({ status: 200, body: { method, url, accept: headers.get('Accept'), body } }, method)
}

/** Refuses a body that is too large, as the app does. */
const measure: Respond = async (request) => {
	const size = await readBytes(request).catch((error: ScimError) => error)
	return responseOf(size instanceof ScimError ? refusal(size) : { status: 200, body: size.byteLength })
}

beforeEach(async () => {
	events = []
	onEvent = () => {}
	respond = echo
	const log = (event: RequestEvent): void => {
		events.push(event)
		onEvent()
	}
	server = await startServer({ port: 0, respond: (...args) => respond(...args), log })
})

afterEach(async () => {
	for (const socket of sockets.splice(0)) socket.destroy()
	await server.close()
})

/** A client that writes any bytes, and reads only when the test asks for it. */
async function open(): Promise<Socket> {
	const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
	socket.pause()
	sockets.push(socket)
	await once(socket, 'connect')
	return socket
}

/** All bytes that arrive until the host ends the connection. Rejects if the host resets the connection. */
async function readAll(socket: Socket): Promise<string> {
	let text = ''
	for await (const chunk of socket) text += chunk
	return text
}

/** The bytes that arrive, up to and including the text. */
async function readUntil(socket: Socket, part: string): Promise<string> {
	let text = ''
	while (!text.includes(part)) text += (await once(socket.resume(), 'data'))[0]
	socket.pause()
	return text
}

async function exchange(text: string): Promise<string> {
	const socket = await open()
	socket.write(text)
	return readAll(socket)
}

const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`

function parse(text: string) {
	const [top = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
	const [statusLine = '', ...fields] = top.split('\r\n')
	const headers = Object.fromEntries(fields.map((field) => field.toLowerCase().split(/: (.*)/s)))
	return { status: Number(statusLine.split(' ')[1]), headers, body: body === '' ? undefined : JSON.parse(body) }
}

const error = 'urn:ietf:params:scim:api:messages:2.0:Error'
const megabyte = Buffer.alloc(1024 * 1024, ' ')

async function write(socket: Socket, chunk: Buffer | string): Promise<void> {
	if (!socket.write(chunk)) await once(socket, 'drain')
}

const nextEvent = (): Promise<void> =>
	new Promise((resolve) => {
		onEvent = resolve
	})

/** A respond that waits until `go` is called. `arrived` resolves when it has a request. */
function waiting(response: Awaited<ReturnType<Respond>>) {
	let go = (): void => {}
	const gone = new Promise<void>((resolve) => {
		go = resolve
	})
	const arrived = new Promise<void>((resolve) => {
		respond = async () => {
			resolve()
			await gone
			return response
		}
	})
	return { arrived, go }
}

/** Checks that the host still answers. */
async function expectAlive() {
	respond = echo
	expect((await fetch(`${server.url}/alive`)).status).toBe(200)
}

describe('a request', () => {
	it('is passed on completely', async () => {
		const response = await fetch(`${server.url}/scim/demo//Users?a=1&a=2`, {
			method: 'PATCH',
			body: '{"päth": 1}',
			headers: { accept: 'application/scim+json' },
		})
		expect(await response.json()).toEqual({
			method: 'PATCH',
			url: `${server.url}/scim/demo//Users?a=1&a=2`,
			accept: 'application/scim+json',
			body: '{"päth": 1}',
		})
		expect(events).toEqual([
			{ requestId: expect.stringMatching(/^[0-9a-f-]{36}$/), method: 'PATCH', status: 200, milliseconds: 0 },
		])
	})

	it('in chunks is joined', async () => {
		const answer = await exchange(
			`${head('PUT / HTTP/1.1', 'Host: h', 'Connection: close', 'Transfer-Encoding: chunked')}2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n`,
		)
		expect(parse(answer).body).toMatchObject({ url: `${server.url}/`, body: 'abcde' })
	})

	it('is answered in order if several are sent at once', async () => {
		const requests = ['/1', '/2', '/3'].map((path) => head(`GET ${path} HTTP/1.1`, 'Host: h'))
		const socket = await open()
		socket.write(requests.join(''))
		const text = await readUntil(socket, `${server.url}/3`)
		expect([...text.matchAll(/"http:[^"]*\/(\d)"/g)].map(([, number]) => number)).toEqual(['1', '2', '3'])
	})

	it('with the method HEAD is answered without a body', async () => {
		expect(parse(await exchange(head('HEAD / HTTP/1.1', 'Host: h', 'Connection: close')))).toMatchObject({
			status: 200,
			headers: { 'content-type': 'application/scim+json; charset=utf-8' },
			body: undefined,
		})
	})

	it('of a path that begins with two slashes, or of a whole URL, is for this host', async () => {
		expect(parse(await exchange(head('GET //evil/scim HTTP/1.1', 'Host: h', 'Connection: close'))).body.url).toBe(
			`${server.url}//evil/scim`,
		)
		expect(parse(await exchange(head('GET http://other/scim HTTP/1.1', 'Host: h', 'Connection: close'))).body.url).toBe(
			`${server.url}/scim`,
		)
	})

	it('of HTTP/1.0 needs no Host', async () => {
		expect(parse(await exchange(head('GET /scim HTTP/1.0'))).body.url).toBe(`${server.url}/scim`)
	})
})

describe('a body that is too large', () => {
	const size = limits.maxPayloadSize + 1
	const tooLarge = { schemas: [error], status: '413', detail: `the body is larger than ${limits.maxPayloadSize} bytes` }

	it.each([
		['declared', `Content-Length: ${100 * size}`, ''],
		['in chunks', 'Transfer-Encoding: chunked', `${(100 * size).toString(16)}\r\n`],
	])('and %s is refused while the client still sends', async (_, header, prefix) => {
		respond = measure
		const socket = await open()
		socket.write(head('POST / HTTP/1.1', 'Host: h', header) + prefix)
		socket.write(Buffer.alloc(size))
		const answer = parse(await readUntil(socket, '}'))
		expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' }, body: tooLarge })
		// The connection stays open and takes what the client still sends.
		for (let sent = 0; sent < 8; sent++) await write(socket, megabyte)
		expect(socket.destroyed).toBe(false)
		socket.destroy()
		await expectAlive()
	})

	it.each([
		['keeps', 'Keep-Alive'],
		['does not keep', 'Close'],
	])('is refused to a client that sends all of it before it reads, and %s the connection', async (_, connection) => {
		respond = measure
		const socket = await open()
		socket.write(
			head('POST / HTTP/1.1', 'Host: h', `Connection: ${connection}`, `Content-Length: ${96 * megabyte.length}`),
		)
		for (let sent = 0; sent < 96; sent++) await write(socket, megabyte)
		expect(parse(await readAll(socket))).toMatchObject({ status: 413, body: tooLarge })
	})

	it('is not too large at the limit', async () => {
		respond = measure
		const response = await fetch(server.url, { method: 'POST', body: Buffer.alloc(limits.maxPayloadSize) })
		expect([response.status, await response.json()]).toEqual([200, limits.maxPayloadSize])
	})
})

describe('a client that goes away', () => {
	it.each([
		['declared', 'Content-Length: 1000'],
		['in chunks', 'Transfer-Encoding: chunked'],
	])('in the middle of a body %s is logged, and other requests are answered', async (_, header) => {
		const socket = await open()
		socket.write(head('POST / HTTP/1.1', 'Host: h', header, 'Expect: 100-continue'))
		await readUntil(socket, '100 Continue')
		socket.resetAndDestroy()
		await nextEvent()
		expect(events).toEqual([
			{ requestId: expect.any(String), method: 'POST', status: 499, milliseconds: expect.any(Number) },
		])
		await expectAlive()
	})

	it('before it is answered does not affect other requests', async () => {
		const { arrived, go } = waiting({ status: 200, body: 'x'.repeat(1_000_000) })
		const socket = await open()
		socket.write(head('GET / HTTP/1.1', 'Host: h'))
		await arrived
		socket.resetAndDestroy()
		await once(socket, 'close')
		go()
		await expectAlive()
	})

	it('with half of its answer does not affect other requests', async () => {
		respond = async () => ({ status: 200, body: 'x'.repeat(50_000_000) })
		const socket = await open()
		socket.write(head('GET / HTTP/1.1', 'Host: h'))
		await readUntil(socket, 'xxx')
		socket.resetAndDestroy()
		await expectAlive()
	})

	it('after a request to CONNECT does not affect other requests', async () => {
		const socket = await open()
		socket.write(head('CONNECT other:443 HTTP/1.1', 'Host: other:443'))
		socket.resetAndDestroy()
		await expectAlive()
	})
})

describe('a failure', () => {
	const isConstant = (requestId: string) => ({
		status: 500,
		headers: { 'content-type': 'application/scim+json; charset=utf-8' },
		body: {
			schemas: [error],
			status: '500',
			detail: `Something failed on our side. It is logged as request ${requestId}.`,
		},
	})

	it.each<[string, Respond, string]>([
		['to create an answer', () => Promise.reject(new TypeError('a secret')), 'TypeError'],
		[
			'to send an answer',
			async () => ({ status: 200, headers: { Location: 'a\nb' }, body: 'a secret' }),
			'TypeError ERR_INVALID_CHAR',
		],
	])('%s is logged, and answered with a constant 500', async (_, failing, message) => {
		respond = failing
		const answer = parse(await exchange(head('GET / HTTP/1.1', 'Host: h', 'Connection: close')))
		expect(events).toEqual([
			{
				requestId: expect.any(String),
				method: 'GET',
				status: 500,
				milliseconds: expect.any(Number),
				error: new Fault(message),
			},
		])
		expect(answer).toMatchObject(isConstant(events[0]?.requestId ?? ''))
		await expectAlive()
	})
})

describe('data that is not a valid request', () => {
	it.each([
		['nonsense', head('nonsense'), 400, 'the request is not HTTP'],
		['an unknown method', head('SING / HTTP/1.1', 'Host: h'), 400, 'the request is not HTTP'],
		['no Host', head('GET / HTTP/1.1'), 400, 'the request target or the Host header is malformed'],
		[
			'a malformed Host',
			head('GET / HTTP/1.1', 'Host: a b'),
			400,
			'the request target or the Host header is malformed',
		],
		[
			'a malformed target',
			head('GET http://[/ HTTP/1.1', 'Host: h'),
			400,
			'the request target or the Host header is malformed',
		],
		[
			'a target that is not HTTP',
			head('OPTIONS * HTTP/1.1', 'Host: h'),
			400,
			'the request target or the Host header is malformed',
		],
		[
			'two lengths',
			head('POST / HTTP/1.1', 'Host: h', 'Content-Length: 1', 'Content-Length: 2'),
			400,
			'the request is not HTTP',
		],
		[
			'a length and chunks',
			head('POST / HTTP/1.1', 'Host: h', 'Content-Length: 1', 'Transfer-Encoding: chunked'),
			400,
			'the request is not HTTP',
		],
		[
			'a broken chunk',
			`${head('POST / HTTP/1.1', 'Host: h', 'Transfer-Encoding: chunked')}zz\r\n`,
			400,
			'the request is not HTTP',
		],
		[
			'too many headers',
			head('GET / HTTP/1.1', 'Host: h', `X-Long: ${'x'.repeat(400_000)}`),
			431,
			'the headers are larger than 32768 bytes',
		],
		[
			'a huge path',
			head(`GET /${'x'.repeat(40_000)} HTTP/1.1`, 'Host: h'),
			431,
			'the headers are larger than 32768 bytes',
		],
		['CONNECT', head('CONNECT other:443 HTTP/1.1', 'Host: other:443'), 405, 'CONNECT is not supported here'],
	])('is refused: %s', async (_, text, status, detail) => {
		const answer = parse(await exchange(text.replace('HTTP/1.1\r\n', 'HTTP/1.1\r\nConnection: close\r\n')))
		expect(answer).toMatchObject({
			status,
			headers: { 'content-type': 'application/scim+json; charset=utf-8', connection: 'close' },
			body: { schemas: [error], status: String(status), detail },
		})
		expect(events.filter(({ requestId }) => requestId === answer.headers['x-request-id'])).toMatchObject([
			{ status, detail },
		])
		await expectAlive()
	})

	it('does not replace the answer to the request before it', async () => {
		const text = await exchange(`${head('POST / HTTP/1.1', 'Host: h', 'Content-Length: 2')}abc d e`)
		expect(parse(text)).toMatchObject({ status: 200, headers: { connection: 'close' }, body: { body: 'ab' } })
	})
})

describe('the end', () => {
	it('waits for answers in progress, and not for idle connections', async () => {
		const idle = await open()
		idle.write(head('GET / HTTP/1.1', 'Host: h'))
		await readUntil(idle, '}')
		const { arrived, go } = waiting({ status: 200, body: '"done"' })
		const socket = await open()
		socket.write(head('GET / HTTP/1.1', 'Host: h'))
		await arrived
		const closing = server.close()
		go()
		expect(parse(await readAll(socket))).toMatchObject({ status: 200, headers: { connection: 'close' }, body: 'done' })
		await closing
		server = await startServer({ port: 0, respond: echo })
	})
})
