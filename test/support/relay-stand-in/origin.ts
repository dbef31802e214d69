import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Certificate } from './certificates.ts'

export type Origin = {
	readonly port: number
	/** Method and target of each request, in order of arrival. */
	readonly requests: {
		readonly method: string
		readonly target: string
		readonly headers: IncomingMessage['headers']
		readonly body: Buffer
	}[]
	/** The largest number of concurrent requests. */
	peak(): number
	answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => unknown
	/** Uses another certificate for new connections. */
	renew(certificate: Certificate): void
	stop(): Promise<void>
}

/** Answers JSON as a SCIM server does. */
export const json = (response: ServerResponse, status: number, value: unknown, headers = {}) =>
	response.writeHead(status, { 'content-type': 'application/scim+json', ...headers }).end(JSON.stringify(value))

/** Answers a resource as a SCIM server does: it names its schemas. */
export const resource = (response: ServerResponse, status: number, value = {}) =>
	json(response, status, { schemas: ['urn:example:resource'], ...value })

/** Random text, which stays too large for the control channel when compressed. */
export const noise = randomBytes(90_000).toString('base64')

/** A SCIM server on loopback. It echoes the request unless a test sets `answer`. */
export async function startOrigin(options: ServerOptions): Promise<Origin> {
	const sockets = new Set<Duplex>()
	let running = 0
	let peak = 0
	const server = createServer(options, async (request, response) => {
		running++
		peak = Math.max(peak, running)
		response.once('close', () => running--)
		const chunks: Buffer[] = []
		for await (const chunk of request) chunks.push(chunk)
		const body = Buffer.concat(chunks)
		const { method = '', url: target = '', headers } = request
		origin.requests.push({ method, target, headers, body })
		await origin.answer(request, response, body)
	})
	server.on('connection', (socket) => {
		sockets.add(socket)
		socket.once('close', () => sockets.delete(socket))
	})
	server.on('tlsClientError', () => undefined)
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	const origin: Origin = {
		port,
		requests: [],
		peak: () => peak,
		answer: (request, response, body) =>
			json(response, 200, { method: request.method, target: request.url, length: body.length }),
		renew: (certificate) => server.setSecureContext({ ...options, ...certificate }),
		stop: () =>
			new Promise((resolve) => {
				for (const socket of sockets) socket.destroy()
				server.close(() => resolve())
			}),
	}
	return origin
}
