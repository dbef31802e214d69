import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Clock } from '../../../shared/relay/clock.ts'
import type { Certificate } from './certificates.ts'
import { frameReader } from './frames.ts'
import { type Journal, journal } from './journal.ts'
import { admits, forbidden, forwarded, mangled, withoutRelayParameters } from './target.ts'
import { type Right, verify } from './tokens.ts'

/** What goes wrong, and how. A test changes it while the stand-in runs. */
export type Faults = {
	/** What a sender is told while nobody listens; the documents name all three. */
	noListenerStatus: 404 | 502 | 503
	/** What becomes of requests whose control channel is gone. */
	lostListener: 'fail' | 'rendezvous' | 'wait'
	/** Fate of the next handshakes of listeners, in turn. */
	nextListens: (number | 'hang')[]
	rendezvous: 'open' | 'refuse' | 'expire' | 'hang'
	/** Fate of the next senders' requests, in turn. */
	nextSends: number[]
	/** PATCH does not pass. */
	refusePatch: boolean
	/** Each request is delivered twice. */
	duplicate: boolean
	/** Bodies go out in frames of this length. */
	fragment: number | undefined
	/** The announced body never comes. */
	omitBody: boolean
	/** The query is rewritten as the service's own tests show. */
	mangle: boolean
	/** After an answer by rendezvous the channel is kept for the sender's next requests. */
	keepRendezvous: boolean
	/** The answer is cut off after so many bytes. */
	cutAnswerAt: number | undefined
}

type Options = {
	readonly certificate: Certificate
	readonly clock: Clock
	readonly entities?: readonly string[]
	readonly rules?: Readonly<Record<string, { readonly key: string; readonly rights: readonly Right[] }>>
	/** Milliseconds that an expired token is still good for. */
	readonly grace?: number
}

export type StandIn = {
	readonly port: number
	/** `localhost:port`, what stands for `contoso.servicebus.windows.net`. */
	readonly host: string
	readonly journal: Journal
	readonly faults: Faults
	/** The `sb-hc-id` of each connected listener. */
	listeners(): readonly string[]
	/** Closes control channels as the service would. */
	drop(code: number, reason: string): void
	/** Cuts the connections of control channels. */
	reset(): void
	/** Nothing more is read from or written to the control channels that are open now, until the result is called. */
	freeze(): () => void
	/** Sends a text to every listener. */
	say(text: string): void
	stop(): Promise<void>
}

type Listener = {
	readonly id: string
	readonly entity: string
	readonly channel: WebSocket
	readonly socket: Socket
	isFrozen: boolean
}

type Exchange = {
	readonly id: string
	readonly listener: Listener
	readonly response: ServerResponse
	readonly sender: Socket
	readonly message: Readonly<Record<string, unknown>>
	readonly body: Buffer
	readonly isPointer: boolean
	readonly created: number
	isUsed: boolean
	isDone: boolean
	rendezvous: WebSocket | undefined
	cancel: () => void
}

/** What an answer is judged by when the request itself is gone. */
type Finished = Pick<Exchange, 'isPointer' | 'rendezvous'> & { readonly forget: () => void }

type Head = {
	readonly requestId: string
	readonly statusCode: number | string
	readonly statusDescription?: string
	readonly responseHeaders?: Record<string, string>
	readonly body?: boolean
}

const answerLimit = 60_000
const rendezvousLife = 30_000
const controlLimit = 65_536
const headerLimit = 32_768
const maximumListeners = 25
const lab = {
	lab: { key: 'labkey', rights: ['listen', 'send'] },
	send: { key: 'sendkey', rights: ['send'] },
	listen: { key: 'listenkey', rights: ['listen'] },
} as const

/**
 * Azure Relay Hybrid Connections in HTTP mode, as far as its protocol is documented and Microsoft's libraries and tests
 * show it, on the loopback interface. It knows the rules `lab`, `send` and `listen` with the keys `labkey`, `sendkey` and
 * `listenkey`, and the hybrid connections `demo` and `deep/name`.
 */
export async function startStandIn(options: Options): Promise<StandIn> {
	const { clock, entities = ['demo', 'deep/name'], rules = lab, grace = 0 } = options
	const seen = journal()
	const faults: Faults = {
		noListenerStatus: 404,
		lostListener: 'rendezvous',
		nextListens: [],
		rendezvous: 'open',
		nextSends: [],
		refusePatch: false,
		duplicate: false,
		fragment: undefined,
		omitBody: false,
		mangle: false,
		keepRendezvous: true,
		cutAnswerAt: undefined,
	}
	const listeners = new Set<Listener>()
	const exchanges = new Map<string, Exchange>()
	/** For a while, so that a late or second answer is told apart from one to a request that never was. */
	const finished = new Map<string, Finished>()
	const kept = new Map<Socket, { readonly channel: WebSocket; readonly listener: Listener }>()
	const sockets = new Set<Duplex>()
	let serial = 0
	let turn = 0

	const server = createServer({ cert: options.certificate.cert, key: options.certificate.key })
	const webSockets = new WebSocketServer({
		noServer: true,
		perMessageDeflate: false,
		maxPayload: 64 * 2 ** 20,
		maxFragments: 0,
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	const host = `localhost:${port}`

	const trace = () =>
		`TrackingId:00000000-0000-0000-0000-${String(++serial).padStart(12, '0')}_G1, SystemTracker:${host}, Timestamp:${new Date(clock.now()).toISOString()}`
	const entityOf = (path: string): string | undefined =>
		entities.find((entity) => path === `/${entity}` || path.startsWith(`/${entity}/`))

	// Listeners

	function refuseUpgrade(socket: Duplex, status: number, reason: string) {
		seen.write('refused', { status, reason })
		const text = `${reason.replaceAll(/[\r\n]/g, ' ')} ${trace()}`
		socket.end(
			`HTTP/1.1 ${status} ${text}\r\nDate: ${new Date(clock.now()).toUTCString()}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
		)
	}

	function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer) {
		const url = new URL(request.url ?? '/', `https://${host}`)
		const action = url.searchParams.get('sb-hc-action')
		socket.on('error', (error) => seen.write('socket-error', { message: error.message }))
		if (!url.pathname.startsWith('/$hc/')) return refuseUpgrade(socket, 404, 'The path does not begin with $hc.')
		const entity = entityOf(url.pathname.slice('/$hc'.length))
		if (action === 'request') return openRendezvous(url, request, socket, head)
		if (action === 'accept') return refuseUpgrade(socket, 410, 'Gone: the listener turned the sender away.')
		if (action === 'connect') return connect(entity, socket)
		if (action !== 'listen') return refuseUpgrade(socket, 400, `Invalid action ${action}.`)
		if (entity === undefined) return refuseUpgrade(socket, 404, 'EntityNotFound: The hybrid connection does not exist.')
		listen({ entity, url, request, socket, head })
	}

	/** A sender's WebSocket: offered to a listener, which is to turn it away. */
	function connect(entity: string | undefined, socket: Duplex) {
		const listener = [...listeners].find((candidate) => candidate.entity === entity)
		if (listener === undefined) return refuseUpgrade(socket, 404, 'Endpoint does not exist.')
		const id = `accept-${++serial}`
		const address = `wss://${host}/$hc/${entity}?sb-hc-action=accept&sb-hc-id=${id}`
		listener.channel.send(JSON.stringify({ accept: { address, id, connectHeaders: { Host: host } } }))
		socket.end('HTTP/1.1 501 Turned away\r\nConnection: close\r\n\r\n')
	}

	type Listening = {
		readonly entity: string
		readonly url: URL
		readonly request: IncomingMessage
		readonly socket: Duplex
		readonly head: Buffer
	}

	function listen({ entity, url, request, socket, head }: Listening) {
		const fate = faults.nextListens.shift()
		if (fate === 'hang') return seen.write('hang')
		if (fate !== undefined) return refuseUpgrade(socket, fate, 'Refused as told.')
		const token =
			request.headers.servicebusauthorization?.toString() ?? url.searchParams.get('sb-hc-token') ?? undefined
		const verdict = verify({ token, right: 'listen', entity, host: 'localhost', now: clock.now(), rules })
		if ('status' in verdict) return refuseUpgrade(socket, verdict.status, verdict.reason)
		if ([...listeners].filter((other) => other.entity === entity).length >= maximumListeners)
			return refuseUpgrade(socket, 503, 'QuotaExceeded: MaximumListenersPerEndpoint.')
		const id = url.searchParams.get('sb-hc-id') ?? `anonymous-${++serial}`
		webSockets.handleUpgrade(request, socket, head, (channel) => {
			const listener = { id, entity, channel, socket: socket as Socket, isFrozen: false } // sound: what an https server upgrades is a TLS socket
			tap(socket, 'control')
			listeners.add(listener)
			seen.write('listening', { id, entity, at: clock.now() })
			attend(listener, verdict.expires)
		})
	}

	function tap(socket: Duplex, channel: string) {
		socket.on(
			'data',
			frameReader(({ opcode, fin, length }) => seen.write('frame', { channel, opcode, fin, length })),
		)
	}

	function attend(listener: Listener, expires: number) {
		const { channel } = listener
		const expire = (at: number) =>
			clock.after(at + grace - clock.now(), () => channel.close(1008, 'The token expired.'))
		let cancel = expire(expires)
		channel.on('ping', () => seen.write('ping'))
		channel.on('error', (error) => seen.write('channel-error', { message: error.message }))
		channel.on('close', (code) => {
			cancel()
			listeners.delete(listener)
			seen.write('left', { id: listener.id, code })
			for (const exchange of exchanges.values()) if (exchange.listener === listener) lose(exchange)
		})
		reader(channel, (message) => {
			if (!('renewToken' in message))
				return seen.write('violation', { what: 'unknown message', keys: Object.keys(message) })
			const { token } = message.renewToken as { token?: string } // sound: a lab's listener; anything else fails verification
			const verdict = verify({
				token,
				right: 'listen',
				entity: listener.entity,
				host: 'localhost',
				now: clock.now(),
				rules,
			})
			seen.write('renewed', { accepted: 'expires' in verdict })
			if ('status' in verdict) return channel.close(1008, verdict.reason.slice(0, 100))
			cancel()
			cancel = expire(verdict.expires)
		})
	}

	function lose(exchange: Exchange) {
		if (exchange.rendezvous !== undefined || faults.lostListener !== 'fail') return
		fail(exchange, 504, 'The listener is gone.')
	}

	// Answers

	/** Reads texts and the binary message that some of them announce. */
	function reader(channel: WebSocket, other: (message: Record<string, unknown>) => void) {
		let expected: Head | undefined
		channel.on('message', (bytes: RawData, isBinary: boolean) => {
			if (isBinary) {
				const body = bytes as Buffer // sound: binaryType is nodebuffer
				if (expected === undefined) {
					// Microsoft's library ends an answer without a body by an empty frame, which the service lets pass.
					if (body.length > 0) seen.write('violation', { what: 'body that was not announced' })
					return
				}
				const head = expected
				expected = undefined
				return settle({ head, body, channel })
			}
			if (expected !== undefined) seen.write('violation', { what: 'text instead of the announced body' })
			const message: Record<string, unknown> = JSON.parse(String(bytes))
			if (!('response' in message)) return other(message)
			const head = message.response as Head // sound: read from the wire of a lab; the journal holds what is wrong with it
			if (head.body) expected = head
			else settle({ head, body: Buffer.alloc(0), channel })
		})
	}

	type Settlement = { readonly head: Head; readonly body: Buffer; readonly channel: WebSocket }

	function settle({ head, body, channel }: Settlement) {
		const exchange = exchanges.get(head.requestId)
		const isControl = [...listeners].some((listener) => listener.channel === channel)
		inspect({ exchange: exchange ?? finished.get(head.requestId), head, body, isControl, channel })
		if (exchange === undefined) return seen.write('late-answer', { status: head.statusCode })
		if (isControl && body.length > controlLimit)
			return fail(exchange, 502, 'The answer is too large for the control channel.')
		finish(exchange)
		seen.write('answer', {
			id: exchange.id,
			status: head.statusCode,
			length: body.length,
			by: isControl ? 'control' : 'rendezvous',
		})
		reply(exchange, head, body)
		if (!isControl && faults.keepRendezvous) keep(exchange, channel)
		else if (!isControl) channel.close(1000)
	}

	type Inspected = Settlement & {
		readonly exchange: Pick<Exchange, 'isPointer' | 'rendezvous'> | undefined
		readonly isControl: boolean
	}

	function inspect({ exchange, head, body, isControl, channel }: Inspected) {
		const headers = head.responseHeaders ?? {}
		const violation = (what: string) => seen.write('violation', { what })
		if (isControl && body.length > controlLimit) violation('more than 64 kB on the control channel')
		if (exchange === undefined) violation('answer to an unknown request')
		else if (isControl && exchange.isPointer) violation('answer on the control channel to a request by rendezvous')
		else if (!isControl && exchange.rendezvous !== channel) violation('answer on the wrong rendezvous')
		if (forbidden(headers) !== undefined) violation(`forbidden header ${forbidden(headers)}`)
		if (JSON.stringify(headers).length > headerLimit) violation('more than 32 kB of headers')
		if (Number(head.statusCode) === 502 || Number(head.statusCode) === 504)
			violation(`status ${head.statusCode} of a listener`)
	}

	function reply({ response, message }: Exchange, head: Head, body: Buffer) {
		if (response.destroyed) return
		const { statusCode, statusDescription = '', responseHeaders = {} } = head
		const headers = { ...responseHeaders, Via: `1.1 ${host}`, 'Content-Length': String(body.length) }
		if (Number(statusCode) === 204 || Number(statusCode) === 304) Reflect.deleteProperty(headers, 'Content-Length')
		response.writeHead(Number(statusCode), statusDescription, headers)
		if (faults.cutAnswerAt === undefined || message.method === 'HEAD') response.end(body)
		else response.write(body.subarray(0, faults.cutAnswerAt), () => response.socket?.destroy())
	}

	function keep({ sender, listener }: Exchange, channel: WebSocket) {
		if (kept.has(sender) || sender.destroyed) return
		kept.set(sender, { channel, listener })
		sender.once('close', () => {
			kept.delete(sender)
			channel.close(1001)
		})
		channel.once('close', () => {
			kept.delete(sender)
			sender.destroy()
		})
	}

	function finish(exchange: Exchange) {
		const { id, isPointer, rendezvous } = exchange
		exchange.isDone = true
		exchange.cancel()
		exchanges.delete(id)
		const forget = clock.after(answerLimit * 5, () => finished.delete(id))
		finished.set(id, { isPointer, rendezvous, forget })
	}

	function fail(exchange: Exchange, status: number, text: string) {
		finish(exchange)
		refuse(exchange.response, status, text)
	}

	function refuse(response: ServerResponse, status: number, text: string) {
		seen.write('relay-error', { status, text })
		if (response.destroyed) return
		response.writeHead(status, `${text} ${trace()}`, { 'Content-Type': 'text/plain' }).end(text)
	}

	// Rendezvous

	function openRendezvous(url: URL, request: IncomingMessage, socket: Duplex, head: Buffer) {
		const exchange = exchanges.get(url.searchParams.get('sb-hc-id') ?? '')
		if (faults.rendezvous === 'hang') return seen.write('hang')
		if (faults.rendezvous === 'refuse') return refuseUpgrade(socket, 403, 'Forbidden: the address is not valid.')
		const isExpired =
			exchange !== undefined && (faults.rendezvous === 'expire' || clock.now() - exchange.created > rendezvousLife * 2)
		if (exchange === undefined || exchange.isUsed || isExpired)
			return refuseUpgrade(socket, 403, 'Forbidden: the address was used or has expired.')
		exchange.isUsed = true
		webSockets.handleUpgrade(request, socket, head, (channel) => {
			tap(socket, 'rendezvous')
			exchange.rendezvous = channel
			seen.write('rendezvous', { id: exchange.id })
			channel.on('error', (error) => seen.write('channel-error', { message: error.message }))
			reader(channel, (message) => seen.write('violation', { what: 'unknown message', keys: Object.keys(message) }))
			channel.on('close', (code) => {
				seen.write('rendezvous-left', { code })
				if (!exchange.isDone) fail(exchange, 502, 'The listener closed the rendezvous.')
			})
			if (exchange.isPointer) deliver(channel, exchange)
		})
	}

	// Senders

	async function send(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const target = request.url ?? '/'
		const url = new URL(target.replace(/^\/+/, '/'), `https://${host}`)
		const entity = entityOf(target.replace(/\?.*/, ''))
		if (entity === undefined) return refuse(response, 404, 'EntityNotFound: The hybrid connection does not exist.')
		const { servicebusauthorization, authorization } = request.headers
		const own = servicebusauthorization?.toString() ?? url.searchParams.get('sb-hc-token') ?? undefined
		const token = own ?? authorization
		const verdict = verify({ token, right: 'send', entity, host: 'localhost', now: clock.now(), rules })
		if ('status' in verdict) return refuse(response, verdict.status, verdict.reason)
		const body = await readAll(request)
		const fate = faults.nextSends.shift()
		if (fate !== undefined) return refuse(response, fate, 'Refused as told.')
		if (faults.refusePatch && request.method === 'PATCH') return refuse(response, 405, 'Method Not Allowed')
		const channel = kept.get(request.socket)
		const listener = channel?.listener ?? choose(request, response, entity)
		if (listener === undefined) return
		const headers = forwarded(request.rawHeaders, { host, ateAuthorization: own === undefined })
		route({
			request,
			response,
			body,
			headers,
			listener,
			target: withoutRelayParameters(target),
			channel: channel?.channel,
		})
	}

	function choose(request: IncomingMessage, response: ServerResponse, entity: string): Listener | undefined {
		const connected = [...listeners].filter(
			(listener) => listener.entity === entity && listener.channel.readyState === 1,
		)
		const admitted = connected.filter(({ id }) => admits(request.headers, id))
		const chosen = admitted[turn++ % admitted.length]
		if (chosen !== undefined) return chosen
		if (connected.length > 0) refuse(response, 404, 'None of the connected listeners meet the criteria.')
		else refuse(response, faults.noListenerStatus, 'There are no listeners connected for the endpoint.')
		return undefined
	}

	type Routed = {
		readonly request: IncomingMessage
		readonly response: ServerResponse
		readonly body: Buffer
		readonly headers: Record<string, string>
		readonly listener: Listener
		readonly target: string
		readonly channel: WebSocket | undefined
	}

	function route({ request, response, body, headers, listener, target, channel }: Routed) {
		const id = `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}_G1`
		const message = {
			id,
			requestTarget: faults.mangle ? mangled(target) : target,
			method: request.method ?? 'GET',
			remoteEndpoint: { address: request.socket.remoteAddress, port: request.socket.remotePort },
			requestHeaders: headers,
			body: body.length > 0,
		}
		const isLarge = JSON.stringify(headers).length + body.length > controlLimit
		const isPointer = channel !== undefined || isLarge || request.headers['transfer-encoding'] !== undefined
		const exchange: Exchange = {
			id,
			listener,
			response,
			sender: request.socket,
			message,
			body,
			isPointer,
			created: clock.now(),
			isUsed: channel !== undefined,
			isDone: false,
			rendezvous: channel,
			cancel: () => undefined,
		}
		exchange.cancel = clock.after(answerLimit, () =>
			fail(
				exchange,
				504,
				'The request was routed to the listener but the listener did not respond in the required time.',
			),
		)
		exchanges.set(id, exchange)
		response.once('close', () => abandon(exchange))
		seen.write('request', {
			id,
			method: message.method,
			target: message.requestTarget,
			length: body.length,
			by: channel ? 'kept' : isPointer ? 'pointer' : 'control',
			listener: listener.id,
		})
		if (listener.isFrozen) return
		if (channel !== undefined) return deliver(channel, exchange)
		const address = `wss://${host}/$hc/${listener.entity}?sb-hc-action=request&sb-hc-id=${id}`
		if (isPointer) return listener.channel.send(JSON.stringify({ request: { address } }))
		deliver(listener.channel, exchange, { address })
		if (faults.duplicate) deliver(listener.channel, exchange, { address })
	}

	function deliver(channel: WebSocket, exchange: Exchange, address: { readonly address?: string } = {}) {
		const { message, body, listener } = exchange
		listener.socket.cork()
		channel.send(JSON.stringify({ request: { ...address, ...message } }))
		const length = faults.fragment ?? body.length
		for (let at = 0; at < body.length && !faults.omitBody; at += length)
			channel.send(body.subarray(at, at + length), { binary: true, fin: at + length >= body.length })
		listener.socket.uncork()
	}

	/** The listener learns of a sender that went away only where there is a rendezvous. */
	function abandon(exchange: Exchange) {
		if (exchange.isDone) return
		seen.write('abandoned', { id: exchange.id })
		finish(exchange)
		exchange.rendezvous?.close(1001)
	}

	server.on('connection', (socket) => sockets.add(socket).size && socket.once('close', () => sockets.delete(socket)))
	server.on('upgrade', upgrade)
	server.on('request', (request, response) => {
		send(request, response).catch((error: unknown) => {
			seen.write('sender-error', { message: String(error) })
			response.destroy()
		})
	})

	return {
		port,
		host,
		journal: seen,
		faults,
		listeners: () => [...listeners].map(({ id }) => id),
		drop: (code, reason) => {
			for (const { channel } of listeners) channel.close(code, `${reason} ${trace()}`.slice(0, 120))
		},
		reset: () => {
			for (const { socket } of listeners) socket.destroy()
		},
		freeze: () => {
			for (const listener of listeners) {
				listener.isFrozen = true
				listener.socket.pause()
			}
			const frozen = [...listeners]
			return () => {
				for (const { socket } of frozen) socket.resume()
			}
		},
		say: (text) => {
			for (const { channel } of listeners) channel.send(text)
		},
		stop: () =>
			new Promise((resolve) => {
				for (const exchange of exchanges.values()) exchange.cancel()
				for (const { forget } of finished.values()) forget()
				for (const socket of sockets) socket.destroy()
				server.close(() => resolve())
			}),
	}
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = []
	for await (const chunk of request) chunks.push(chunk)
	return Buffer.concat(chunks)
}
