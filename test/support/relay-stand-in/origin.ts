import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

export type Origin = {
	readonly port: number
	/** Method and target of each request, in order of arrival. */
	readonly requests: {
		readonly method: string
		readonly target: string
		readonly headers: IncomingMessage['headers']
		readonly body: Buffer
	}[]
	/** Requests that were under way at one time, at most. */
	peak(): number
	answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => unknown
	stop(): Promise<void>
}

/** Answers as a SCIM server would, in so far as JSON is concerned. */
export const json = (response: ServerResponse, status: number, value: unknown, headers = {}) =>
	response.writeHead(status, { 'content-type': 'application/scim+json', ...headers }).end(JSON.stringify(value))

/** Random text: nothing that packs it makes it small enough for the control channel. */
export const noise = randomBytes(90_000).toString('base64')

/** A SCIM server on loopback that does what a test says; by default it echoes. */
export async function startOrigin(options: ServerOptions): Promise<Origin> {
	const sockets = new Set<Duplex>()
	let inside = 0
	let peak = 0
	const server = createServer(options, async (request, response) => {
		inside++
		peak = Math.max(peak, inside)
		response.once('close', () => inside--)
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
		stop: () =>
			new Promise((resolve) => {
				for (const socket of sockets) socket.destroy()
				server.close(() => resolve())
			}),
	}
	return origin
}
