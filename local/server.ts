import { randomUUID } from 'node:crypto'
import {
	createServer,
	type IncomingMessage,
	type RequestListener,
	type Server,
	type ServerResponse,
	STATUS_CODES,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { HttpResponseInit } from '@azure/functions'
import { type RequestEvent, type Respond, refusal, responseOf } from '../functions/respond.ts'
import type { ScimRequest } from '../shared/http/request.ts'
import { invalidSyntax, methodNotAllowed, ScimError } from '../shared/scim/error.ts'
import { limits } from '../shared/scim/service-provider-config.ts'

export type ServerOptions = {
	/** 0 takes any free port. */
	readonly port: number
	/** Certificate and private key in PEM. */
	readonly tls?: { readonly cert: Buffer; readonly key: Buffer }
	readonly respond: Respond
	readonly log?: (event: RequestEvent) => void
}

export type RunningServer = {
	/** `http://127.0.0.1:<port>` */
	readonly url: string
	/** Takes no more requests and ends when those under way are answered. */
	close(): Promise<void>
}

/** As the Functions host's own server. */
const maxHeaderSize = 32 * 1024
const requestTimeout = 60_000

/** What is read and thrown away of a body that is too large, so that its sender gets to see the answer. */
const maxDiscarded = 64 * 1024 * 1024

/**
 * Plays the Functions host on 127.0.0.1: every request goes to `respond`.
 *
 * @throws Error with the code EADDRINUSE for a port that is taken
 */
export async function startServer({ port, tls, respond, log = () => {} }: ServerOptions): Promise<RunningServer> {
	const listener: RequestListener = (incoming, outgoing) => {
		answer(incoming, { scheme: tls === undefined ? 'http' : 'https', respond, log })
			.then((response) => {
				// A connection that stays open would keep a server that closes from ending.
				if (!server.listening) outgoing.shouldKeepAlive = false
				send(outgoing, incoming, response)
			})
			// The client has gone away in the middle of its request: nobody is left to be told.
			.catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : undefined))
	}
	const options = { maxHeaderSize, requestTimeout, keepAliveTimeout: 120_000 }
	const server = tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener)
	server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseRaw(socket, clientErrorOf(error)))
	server.on('connect', (_, socket) => refuseRaw(socket, methodNotAllowed('CONNECT is not supported here', [])))
	await listen(server, port)
	const address = server.address() as AddressInfo // sound: it listens on a port, not on a pipe
	return {
		url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
		close: () => close(server),
	}
}

const listen = (server: Server, port: number): Promise<void> =>
	new Promise((resolve, reject) => {
		server.once('error', reject)
		server.listen(port, '127.0.0.1', () => {
			server.off('error', reject)
			resolve()
		})
	})

const close = (server: Server): Promise<void> =>
	new Promise((resolve, reject) => {
		server.close((error) => (error === undefined ? resolve() : reject(error)))
		server.closeIdleConnections()
	})

type Host = Pick<ServerOptions, 'respond'> & {
	readonly scheme: 'http' | 'https'
	readonly log: (event: RequestEvent) => void
}

async function answer(incoming: IncomingMessage, { scheme, respond, log }: Host): Promise<HttpResponseInit> {
	const body = await readBody(incoming)
	const url = urlOf(incoming, scheme)
	if (url === undefined) return responseOf(refusal(invalidSyntax('the request target or the Host header is malformed')))
	return respond(requestOf(incoming, { url, body }), randomUUID(), log)
}

function urlOf({ url = '/', headers }: IncomingMessage, scheme: string): string | undefined {
	const origin = `${scheme}://${headers.host ?? '127.0.0.1'}`
	// A target that begins with two slashes would be read as another host.
	const target = url.startsWith('/') ? `${origin}${url}` : url
	return URL.canParse(target) && /^https?:/i.test(target) ? target : undefined
}

function requestOf(
	{ method = 'GET', headers }: IncomingMessage,
	{ url, body }: { readonly url: string; readonly body: ArrayBuffer },
): ScimRequest {
	const get = (name: string): string | null => {
		const value = headers[name.toLowerCase()]
		return Array.isArray(value) ? value.join(', ') : (value ?? null)
	}
	return { method, url, headers: { get, has: (name) => get(name) !== null }, arrayBuffer: async () => body }
}

/** The body, cut off behind the limit: what is too large is so whatever follows. */
async function readBody(incoming: IncomingMessage): Promise<ArrayBuffer> {
	if (!hasBody(incoming)) return new ArrayBuffer(0)
	const chunks: Buffer[] = []
	let size = 0
	for await (const chunk of incoming as AsyncIterable<Buffer>) {
		// sound: no encoding is set, so the chunks are buffers
		if (size <= limits.maxPayloadSize) chunks.push(chunk)
		size += chunk.length
		if (size > maxDiscarded) break
	}
	const body = new ArrayBuffer(chunks.reduce((total, chunk) => total + chunk.length, 0))
	const bytes = new Uint8Array(body)
	let offset = 0
	for (const chunk of chunks) {
		bytes.set(chunk, offset)
		offset += chunk.length
	}
	return body
}

/** Most requests have no body, and to wait for the end of nothing costs a tenth of a millisecond. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
	headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'

function send(outgoing: ServerResponse, { method, complete }: IncomingMessage, response: HttpResponseInit): void {
	const { status = 200, headers = {}, body } = response
	const content = typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : undefined
	outgoing.writeHead(status, {
		...(headers as Record<string, string>), // sound: respond writes plain objects
		...(content !== undefined && { 'Content-Length': content.length }),
		...(!complete && { Connection: 'close' }),
	})
	outgoing.end(method === 'HEAD' ? undefined : content)
}

function clientErrorOf({ code }: NodeJS.ErrnoException): ScimError {
	switch (code) {
		case 'HPE_HEADER_OVERFLOW':
			return new ScimError(431, `the headers are larger than ${maxHeaderSize} bytes`)
		case 'ERR_HTTP_REQUEST_TIMEOUT':
			return new ScimError(408, 'the request did not arrive in time')
		default:
			return invalidSyntax('the request is not HTTP')
	}
}

/** Answers where no request came to be. */
function refuseRaw(socket: Duplex, error: ScimError): void {
	if (!socket.writable) return void socket.destroy()
	const { status = 400, headers = {}, body } = responseOf(refusal(error))
	const content = Buffer.from(typeof body === 'string' ? body : '')
	const fields = Object.entries({ ...headers, 'Content-Length': content.length, Connection: 'close' })
	const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
	socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${content}`)
}
