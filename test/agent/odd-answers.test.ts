import { createServer as createPlain } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forwardTo } from '../../agent/forward.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { exchangeWith } from '../../shared/relay/exchange.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { ca, certificate, type Lab, settings, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab
const running: (() => unknown)[] = []

beforeEach(async () => {
	lab = await startLab({ factor: 1 })
})
afterEach(async () => {
	Reflect.deleteProperty(process.env, 'IDENTITY_ENDPOINT')
	for (const stop of running.splice(0)) stop()
	await lab.stop()
})

/** Starts a server that sends these answers in turn, then none. Returns its port. */
async function startServer(...answers: string[]): Promise<number> {
	const sockets: TLSSocket[] = []
	const server = createServer(certificate, (socket) => {
		sockets.push(socket)
		socket.on('error', () => undefined)
		socket.on('data', () => socket.write(answers.shift() ?? ''))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	running.push(() => {
		for (const socket of sockets) socket.destroy()
		server.close()
	})
	return (server.address() as AddressInfo).port // sound: it listens on TCP
}

const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'
const fine = 'HTTP/1.1 204 No Content\r\n\r\n'

const forwardTowards = (port: number) => {
	const { origin } = settings(lab.standIn, lab.origin)
	return forwardTo(
		lab.config({ concurrency: 1, origin: { ...origin, url: `https://localhost:${port}/scim` } }),
		systemClock,
	)
}

const post = { method: 'POST', path: '/scim/Users', headers: {}, body: Buffer.from('{}'), deadline: 2000 }
const sent = { ...post, headers: { 'content-length': '2' }, limit: 2000 }

test('a SCIM server that switches protocols is origin_bad_response', async () => {
	const forward = forwardTowards(await startServer(switching, switching, switching, fine))
	for (let at = 0; at < 3; at++)
		expect(await forward(post)).toEqual({
			fault: 'origin_bad_response',
			detail: 'the status is 101',
			originStatus: 101,
		})
	expect(await forward(post)).toMatchObject({ status: 204 })
})

test('a relay that switches protocols is a lost exchange', async () => {
	const exchange = exchangeWith(`localhost:${await startServer(...Array(40).fill(switching), fine)}`, { ca: ca.cert })
	const results = await Promise.all(Array.from({ length: 40 }, () => exchange(sent)))
	expect(results).toEqual(Array(40).fill({ lost: 'the answer is 101', isSent: true }))
	expect(await exchange(sent)).toMatchObject({ status: 204 })
})

test('a token with a lifetime of months is not renewed at once', async () => {
	const { token } = sasToken({
		uri: 'http://localhost/demo',
		keyName: 'listen',
		key: 'listenkey',
		expires: Date.now() + 3_600_000,
	})
	let tokenRequests = 0
	const server = createPlain((_, response) => {
		tokenRequests++
		response.end(JSON.stringify({ access_token: token, expires_in: 60 * 86_400 }))
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	running.push(() => server.close())
	process.env.IDENTITY_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}/` // sound: it listens on TCP
	await lab.agent({ credentials: { type: 'arc' } })
	await new Promise((resolve) => setTimeout(resolve, 100))
	expect(tokenRequests).toBe(1)
})

test('an unsolicited answer is not used for the next request', async () => {
	const port = await startServer(
		'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n',
		fine,
	)
	const forward = forwardTowards(port)
	expect(await forward(post)).toMatchObject({ status: 200 })
	await new Promise((resolve) => setTimeout(resolve, 50))
	expect(await forward(post)).toMatchObject({ status: 204 })
})
