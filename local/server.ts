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
import { fault, identified, type RequestEvent, type Respond, refusal, responseOf } from '../functions/respond.ts'
import { loggable } from '../shared/fault.ts'
import type { ScimRequest } from '../shared/http/request.ts'
import { invalidSyntax, methodNotAllowed, ScimError } from '../shared/scim/error.ts'
import { limits } from '../shared/scim/service-provider-config.ts'

export type ServerOptions = {
	/** 0 for any free port. */
	readonly port: number
	/** Certificate and private key in PEM. */
	readonly tls?: { readonly cert: Buffer; readonly key: Buffer }
	readonly respond: Respond
	readonly log?: (event: RequestEvent) => void
}

export type RunningServer = {
	/** `http://127.0.0.1:<port>` */
	readonly url: string
	/** Accepts no more requests. Resolves when the requests in progress are answered. */
	close(): Promise<void>
}

/** The limits of the server in the Functions host. */
const maxHeaderSize = 32 * 1024
const requestTimeout = 60_000

/**
 * Takes the place of the Functions host on 127.0.0.1: every request goes to `respond`.
 *
 * @throws Error with the code EADDRINUSE if the port is in use
 */
export async function startServer({ port, tls, respond, log = () => {} }: ServerOptions): Promise<RunningServer> {
	const scheme = tls === undefined ? 'http' : 'https'
	let origin = ''
	const host: HostContext = {
		origin: () => origin,
		respond,
		log,
		isClosing: () => !server.listening,
	}
	const pendingResponses = new WeakMap<Duplex, ServerResponse>()
	const listener: RequestListener = (incoming, outgoing) => {
		pendingResponses.set(incoming.socket, outgoing)
		void exchange(incoming, outgoing, host)
	}
	// RFC 9112 section 3.2: a request without Host is refused. Node itself would refuse it without a body.
	const options = { maxHeaderSize, requestTimeout, keepAliveTimeout: 120_000, requireHostHeader: false }
	const server = tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener)
	server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
		const outgoing = pendingResponses.get(socket)
		// The malformed data came after a complete request. The answer to that request is the last one.
		if (outgoing?.req.complete && !outgoing.headersSent) outgoing.shouldKeepAlive = false
		else refuseRaw(socket, clientErrorOf(error), log)
	})
	server.on('connect', (_, socket) => refuseRaw(socket, methodNotAllowed('CONNECT is not supported here', []), log))
	await listen(server, port)
	const address = server.address() as AddressInfo // sound: it listens on a port, not on a pipe
	origin = `${scheme}://127.0.0.1:${address.port}`
	return { url: origin, close: () => close(server) }
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

type HostContext = Pick<ServerOptions, 'respond'> & {
	readonly origin: () => string
	readonly log: (event: RequestEvent) => void
	readonly isClosing: () => boolean
}

/** nginx's status for a client that closed the connection before the answer. It appears only in the log. */
const clientClosedRequest = 499

/** Answers one request. A failure is logged and affects only this request. */
async function exchange(incoming: IncomingMessage, outgoing: ServerResponse, host: HostContext): Promise<void> {
	const started = Date.now()
	const requestId = randomUUID()
	const logEvent: LogOutcome = (status, { error, detail } = {}) =>
		host.log({
			requestId,
			method: incoming.method ?? '',
			status,
			milliseconds: Date.now() - started,
			...(detail !== undefined && { detail }),
			...(error !== undefined && { error: loggable(error) }),
		})
	try {
		const body = await readBody(incoming)
		if (body === 'gone') return logEvent(clientClosedRequest)
		const response = await answer(incoming, { body, requestId, host, logEvent })
		// An open connection would keep a closing server from ending.
		if (host.isClosing()) outgoing.shouldKeepAlive = false
		await send(outgoing, incoming, response)
	} catch (error) {
		logEvent(500, { error })
		if (outgoing.headersSent) outgoing.destroy()
		else await send(outgoing, incoming, identified(responseOf(refusal(fault(requestId))), requestId))
	}
}

type LogOutcome = (status: number, cause?: Pick<RequestEvent, 'detail' | 'error'>) => void

type RequestContext = {
	readonly body: ArrayBuffer
	readonly requestId: string
	readonly host: HostContext
	readonly logEvent: LogOutcome
}

async function answer(
	incoming: IncomingMessage,
	{ body, requestId, host, logEvent }: RequestContext,
): Promise<HttpResponseInit> {
	const url = urlOf(incoming, host.origin())
	if (url === undefined) {
		const error = invalidSyntax('the request target or the Host header is malformed')
		logEvent(error.status, { detail: error.message })
		return identified(responseOf(refusal(error)), requestId)
	}
	return host.respond(requestOf(incoming, { url, body }), requestId, host.log)
}

/**
 * The address of a request on this server. The Host header, or the host in an absolute target (RFC 9112 section 3.2.2), must
 * be well-formed. It counts for nothing else: a client that writes any name there must not find it in the answer.
 */
function urlOf({ url = '/', headers, httpVersion }: IncomingMessage, origin: string): string | undefined {
	if (headers.host === undefined && httpVersion !== '1.0') return undefined
	// URL would read a target that begins with two slashes as another host.
	const named = url.startsWith('/') ? `http://${headers.host ?? '127.0.0.1'}${url}` : url
	if (!URL.canParse(named) || !/^https?:/i.test(named)) return undefined
	return `${origin}${url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*/i, '')}`
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

/**
 * Reads the body. If the body is too large, resolves at once with the part that proves it, so that the client is answered;
 * the rest is read and dropped. Resolves to `gone` if the client closes the connection first.
 */
function readBody(incoming: IncomingMessage): Promise<ArrayBuffer | 'gone'> {
	if (!hasBody(incoming)) return Promise.resolve(new ArrayBuffer(0))
	return new Promise((resolve) => {
		const chunks: Buffer[] = []
		let size = 0
		incoming.on('data', (chunk: Buffer) => {
			if (size > limits.maxPayloadSize) return
			size += chunk.length
			chunks.push(chunk)
			if (size > limits.maxPayloadSize) resolve(concatenate(chunks.splice(0), size))
		})
		incoming.on('end', () => resolve(concatenate(chunks, size)))
		incoming.on('close', () => resolve('gone'))
	})
}

function concatenate(chunks: readonly Buffer[], size: number): ArrayBuffer {
	const bytes = new Uint8Array(size)
	let offset = 0
	for (const chunk of chunks) {
		bytes.set(chunk, offset)
		offset += chunk.length
	}
	return bytes.buffer
}

/** Most requests have no body, and waiting for the end of an empty body costs a tenth of a millisecond. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
	headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'

async function send(outgoing: ServerResponse, incoming: IncomingMessage, response: HttpResponseInit): Promise<void> {
	const { status = 200, headers = {}, body } = response
	const content = typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : undefined
	const isUnread = hasBody(incoming) && !incoming.complete && !incoming.destroyed
	outgoing.writeHead(status, {
		...(headers as Record<string, string>), // sound: respond writes plain objects
		...(content !== undefined && { 'Content-Length': content.length }),
		...(isUnread && { Connection: 'close' }),
	})
	const sent = incoming.method === 'HEAD' ? undefined : content
	if (isUnread) {
		// Ending now would reset the connection, and a client that is still sending would lose the answer.
		outgoing.write(sent ?? '')
		await new Promise<void>((resolve) => incoming.on('end', resolve).on('close', resolve))
		outgoing.end()
	} else outgoing.end(sent)
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

/** Answers data that is not a request. Later data is read and dropped, so that the client gets the answer. */
function refuseRaw(socket: Duplex, error: ScimError, log: HostContext['log']): void {
	if (!socket.writable) return
	const requestId = randomUUID()
	log({ requestId, method: '-', status: error.status, milliseconds: 0, detail: error.message })
	// No other code listens to errors of the socket of a CONNECT.
	socket.on('error', () => socket.destroy())
	const { status, headers, body } = identified(responseOf(refusal(error)), requestId)
	const content = Buffer.from(typeof body === 'string' ? body : '')
	const fields = Object.entries({ ...headers, 'Content-Length': content.length, Connection: 'close' })
	const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
	socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${content}`)
}
