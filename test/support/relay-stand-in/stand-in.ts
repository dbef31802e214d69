import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { type Clock, pause } from '../../../shared/relay/clock.ts'
import { answerHeaders, controlLimit, deviationsOf, type Head, headerLimit, isPassable } from './answer.ts'
import type { Certificate } from './certificates.ts'
import { type Faults, noFaults } from './faults.ts'
import { type Journal, journal } from './journal.ts'
import { admits, forwarded, mangled, parametersOf, withoutRelayParameters } from './target.ts'
import { type Right, verify } from './tokens.ts'
import { piecesOf, read, type Wire, wireOf } from './wire.ts'

export type StandInOptions = {
	readonly certificate: Certificate
	readonly clock: Clock
	readonly entities?: readonly string[]
	readonly rules?: Readonly<Record<string, { readonly key: string; readonly rights: readonly Right[] }>>
	/**
	 * Milliseconds for which an expired token is still accepted. Microsoft's libraries renew a token when it expires, and not
	 * before. So their control channel is closed once per hour if this is 0, and stays open if it is a minute.
	 */
	readonly grace?: number
	/** Tolerates deviations of Microsoft's library from the documents. */
	readonly isLenient?: boolean
}

export type StandIn = {
	readonly port: number
	/** `localhost:port`, in place of `contoso.servicebus.windows.net`. */
	readonly host: string
	readonly journal: Journal
	readonly faults: Faults
	/** The `sb-hc-id` of each connected listener. */
	listeners(): readonly string[]
	/** Closes control channels as the service would. */
	drop(code: number, reason: string): void
	/** Resets the connections of control channels. */
	reset(): void
	/** Stops all traffic on the channels that are open now, of one listener or of all. The returned function resumes it. */
	freeze(id?: string): () => void
	/** Sends a text to every listener. */
	say(text: string): void
	stop(): Promise<void>
}

type Listener = { readonly id: string; readonly entity: string; readonly wire: Wire }

type Rendezvous = {
	readonly wire: Wire
	readonly listener: Listener
	/** The sender's connection for which the rendezvous is kept, and the last answer on it. */
	keptFor: { readonly sender: Socket; response: ServerResponse } | undefined
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
	/** The rendezvous address is no longer valid. */
	isSpent: boolean
	isDone: boolean
	rendezvous: Rendezvous | undefined
	/** Cancels the timeout of the exchange. */
	cancel: () => void
}

/** What remains of a finished exchange, to judge late answers. */
type Finished = Pick<Exchange, 'listener' | 'isPointer' | 'rendezvous'> & {
	readonly isAnswered: boolean
	readonly forget: () => void
}

const answerLimit = 60_000
/** An answer is broken off after so many milliseconds without data. */
const idleLimit = 60_000
const rendezvousLife = 30_000
/** Milliseconds for which a sender's WebSocket waits for a listener. */
const acceptLimit = 30_000
const day = 24 * 3_600_000
const maximumListeners = 25
/** Microsoft's tests of the library for .NET expect this sentence. */
const noneAdmitted = 'None of the connected listeners meet the AllowedListeners/DisallowedListeners criteria.'
const lab = {
	lab: { key: 'labkey', rights: ['listen', 'send'] },
	send: { key: 'sendkey', rights: ['send'] },
	listen: { key: 'listenkey', rights: ['listen'] },
} as const

/**
 * A stand-in for Azure Relay Hybrid Connections in HTTP mode, on the loopback interface. It follows the documented protocol
 * and the behaviour of Microsoft's libraries and tests. By default it has the rules `lab`, `send` and `listen` with the keys
 * `labkey`, `sendkey` and `listenkey`, and the hybrid connections `demo` and `deep/name`.
 */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
	const { clock, entities = ['demo', 'deep/name'], rules = lab, grace = 0, isLenient = false } = options
	const wireJournal = journal()
	const faults = noFaults()
	const listeners = new Set<Listener>()
	const exchanges = new Map<string, Exchange>()
	/** Finished exchanges of the last minutes, to tell late and second answers from answers to unknown requests. */
	const finished = new Map<string, Finished>()
	const open = new Set<Rendezvous>()
	const kept = new Map<Socket, Rendezvous>()
	/** Functions that refuse a sender whose WebSocket waits for a listener, by id. */
	const offered = new Map<string, (status: number, reason: string) => void>()
	/** TCP sockets below TLS, by remote port. */
	const sockets = new Map<number, Socket>()
	let serial = 0
	let turn = 0

	const server = createServer({
		cert: options.certificate.cert,
		key: options.certificate.key,
		maxHeaderSize: headerLimit,
	})
	const webSockets = new WebSocketServer({
		noServer: true,
		perMessageDeflate: false,
		maxPayload: 64 * 2 ** 20,
		maxFragments: 0,
	})
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	const host = `localhost:${port}`

	const violation = (what: string) => wireJournal.write('violation', { what })
	const trace = () =>
		`TrackingId:00000000-0000-0000-0000-${String(++serial).padStart(12, '0')}_G1, SystemTracker:${host}, Timestamp:${new Date(clock.now()).toISOString()}`
	/** An id as the service gives it to requests and WebSockets of senders, of which Microsoft's libraries read the GUID. */
	const nextId = () => `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}_G1`
	const entityOf = (path: string): string | undefined =>
		entities.find((entity) => path === `/${entity}` || path.startsWith(`/${entity}/`))
	/** The clock of the service, as a header. */
	const date = () => ['Date', new Date(clock.now()).toUTCString()]
	const verdictOn = (token: string | undefined, right: Right, entity: string) =>
		verify({ token, right, entity, host: 'localhost', now: clock.now(), rules })

	// Listeners

	type Handshake = {
		readonly entity: string
		readonly parameters: URLSearchParams
		readonly request: IncomingMessage
		readonly socket: Duplex
		readonly head: Buffer
	}

	function refuseUpgrade(socket: Duplex, status: number, reason: string) {
		wireJournal.write('refused', { status, reason })
		const text = `${reason.replaceAll(/[\r\n]/g, ' ')} ${trace()}`
		socket.end(
			`HTTP/1.1 ${status} ${text}\r\nDate: ${new Date(clock.now()).toUTCString()}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
		)
	}

	function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer) {
		const target = request.url ?? '/'
		const path = target.replace(/\?.*/s, '')
		const parameters = parametersOf(target)
		const action = parameters.get('sb-hc-action') ?? ''
		socket.on('error', (error) => wireJournal.write('socket-error', { message: error.message }))
		if (!path.startsWith('/$hc/')) return refuseUpgrade(socket, 404, 'The path does not begin with $hc.')
		const handler = actions.get(action)
		if (handler === undefined) return refuseUpgrade(socket, 400, `Invalid action ${action}.`)
		const entity = entityOf(path.slice('/$hc'.length))
		if (entity === undefined) return refuseUpgrade(socket, 404, 'EntityNotFound: The hybrid connection does not exist.')
		handler({ entity, parameters, request, socket, head })
	}

	const actions = new Map<string, (handshake: Handshake) => void>([
		['listen', listen],
		['request', openRendezvous],
		['connect', connect],
		['accept', accept],
	])

	const tokenOf = ({ headers }: IncomingMessage, parameters: URLSearchParams): string | undefined =>
		headers.servicebusauthorization?.toString() ?? parameters.get('sb-hc-token') ?? undefined

	/** Offers a sender's WebSocket to a listener, which must refuse it. */
	function connect({ entity, parameters, request, socket }: Handshake) {
		const verdict = verdictOn(tokenOf(request, parameters), 'send', entity)
		if ('status' in verdict) return refuseUpgrade(socket, verdict.status, verdict.reason)
		const listener = [...listeners].find((candidate) => candidate.entity === entity)
		if (listener === undefined) return refuseUpgrade(socket, 404, 'Endpoint does not exist.')
		const id = nextId()
		const address = `wss://${host}/$hc/${entity}?sb-hc-action=accept&sb-hc-id=${id}`
		const cancel = clock.after(acceptLimit, () => refuse(504, 'The listener did not accept in time.'))
		const refuse = (status: number, reason: string) => {
			cancel()
			offered.delete(id)
			refuseUpgrade(socket, status, reason)
		}
		socket.once('close', cancel)
		offered.set(id, refuse)
		listener.wire.send({ accept: { address, id, connectHeaders: { Host: host } } })
	}

	function accept({ parameters, socket }: Handshake) {
		const refuse = offered.get(parameters.get('sb-hc-id') ?? '')
		const status = parameters.get('sb-hc-statusCode')
		if (refuse === undefined) return refuseUpgrade(socket, 403, 'Forbidden: the address was used or has expired.')
		refuse(Number(status ?? 501), parameters.get('sb-hc-statusDescription') ?? 'The lab has no WebSockets of senders.')
		if (status === null) refuseUpgrade(socket, 400, 'The lab has no WebSockets of senders.')
		else refuseUpgrade(socket, 410, 'Gone: the listener refused the sender.')
	}

	function listen({ entity, parameters, request, socket, head }: Handshake) {
		const fate = faults.nextListens.shift()
		if (fate === 'hang') return wireJournal.write('hang')
		if (fate !== undefined) return refuseUpgrade(socket, fate, 'Refused by the test.')
		const verdict = verdictOn(tokenOf(request, parameters), 'listen', entity)
		if ('status' in verdict) return refuseUpgrade(socket, verdict.status, verdict.reason)
		if ([...listeners].filter((other) => other.entity === entity).length >= maximumListeners)
			return refuseUpgrade(socket, 503, 'QuotaExceeded: MaximumListenersPerEndpoint.')
		const id = parameters.get('sb-hc-id') ?? `anonymous-${++serial}`
		webSockets.handleUpgrade(request, socket, head, (channel) => {
			// sound: what an https server upgrades is a TLS socket
			const wire = wireOf({ name: 'control', channel, socket: socket as Socket }, { wireJournal, faults, clock })
			const listener = { id, entity, wire }
			listeners.add(listener)
			wireJournal.write('listening', { id, entity, at: clock.now() })
			attend(listener, verdict.expires)
		})
	}

	function attend(listener: Listener, expires: number) {
		const { channel } = listener.wire
		const expire = (at: number) =>
			clock.after(at + grace - clock.now(), () => channel.close(1008, 'The token expired.'))
		const recycle = clock.after(day, () => close(listener, 1011, 'InternalServerError: NameRenewalFailed.'))
		let cancel = expire(expires)
		channel.on('ping', () => wireJournal.write('ping'))
		channel.on('error', (error) => wireJournal.write('channel-error', { message: error.message }))
		channel.on('close', (code) => {
			cancel()
			recycle()
			listeners.delete(listener)
			wireJournal.write('left', { id: listener.id, code })
			for (const exchange of exchanges.values())
				if (exchange.listener === listener && exchange.rendezvous === undefined) lose(exchange)
		})
		read(listener.wire, wireJournal, {
			...reader(listener.wire),
			other: (message) => {
				if (!('renewToken' in message)) return unknown(message)
				const { token } = message.renewToken as { token?: string } // sound: a lab's listener; anything else fails verification
				const verdict = verdictOn(token, 'listen', listener.entity)
				wireJournal.write('renewed', { accepted: 'expires' in verdict })
				if ('status' in verdict) return channel.close(1008, verdict.reason.slice(0, 100))
				cancel()
				cancel = expire(verdict.expires)
			},
		})
	}

	const close = ({ wire }: Listener, code: number, reason: string) =>
		wire.channel.close(code, `${reason} ${trace()}`.slice(0, 120))

	const unknown = (message: Readonly<Record<string, unknown>>) =>
		wireJournal.write('violation', { what: 'unknown message', keys: Object.keys(message) })

	/** The listener lost the channel on which it should have answered. */
	function lose(exchange: Exchange) {
		switch (faults.lostListener) {
			case 'fail':
				return fail(exchange, 504, 'The listener is gone.')
			case 'rendezvous':
				return exchange.rendezvous === undefined ? undefined : exchange.sender.destroy()
			case 'wait':
				exchange.isSpent = true
		}
	}

	// Answers

	const reader = (wire: Wire) => ({
		begun: (head: Head) => begin(head, wire),
		answered: (head: Head, body: Buffer) => settle({ head, body, wire }),
		violation,
		isLenient,
	})

	/** How an answer is on the wrong channel, or undefined. */
	function misplaced({ listener, isPointer, rendezvous }: Omit<Finished, 'forget' | 'isAnswered'>, wire: Wire) {
		if (wire.name === 'rendezvous') return rendezvous?.wire === wire ? undefined : 'answer on the wrong rendezvous'
		if (isPointer) return 'answer on the control channel to a request by rendezvous'
		return listener.wire === wire ? undefined : 'answer on another control channel'
	}

	/** After the head, an answer may take any time while data keeps arriving. */
	function begin(head: Head, wire: Wire) {
		const exchange = exchanges.get(head.requestId)
		if (exchange === undefined || misplaced(exchange, wire) !== undefined) return
		wire.moved = () => {
			if (exchange.isDone) return
			exchange.cancel()
			exchange.cancel = clock.after(idleLimit, () => breakOff(exchange, head))
		}
		wire.moved()
	}

	function breakOff(exchange: Exchange, head: Head) {
		wireJournal.write('idle', { id: exchange.id })
		finish(exchange)
		exchange.rendezvous?.wire.channel.close(1001)
		if (isPassable(head)) exchange.response.writeHead(Number(head.statusCode), answerHeaders(head, host)).flushHeaders()
		exchange.sender.destroySoon()
	}

	type Settlement = { readonly head: Head; readonly body: Buffer; readonly wire: Wire }

	function settle({ head, body, wire }: Settlement) {
		wire.moved = () => undefined
		const exchange = exchanges.get(head.requestId)
		inspect({ head, body, wire })
		if (exchange === undefined) return wireJournal.write('late-answer', { status: head.statusCode })
		if (misplaced(exchange, wire) !== undefined) return
		if (!isPassable(head)) return fail(exchange, 500, 'The answer is not valid HTTP.')
		if (wire.name === 'control' && body.length > controlLimit)
			return fail(exchange, 500, 'The answer is too large for the control channel.')
		finish(exchange, { isAnswered: true })
		const { id, rendezvous } = exchange
		wireJournal.write('answer', { id, status: head.statusCode, length: body.length, by: wire.name })
		void reply(exchange, head, body)
		if (rendezvous === undefined || wire.name === 'control') return
		if (faults.rendezvousAfterAnswer === 'kept') keep(exchange, rendezvous)
		else leave(exchange, rendezvous)
	}

	function inspect({ head, body, wire }: Settlement) {
		for (const what of deviationsOf(head)) violation(what)
		if (wire.name === 'control' && body.length > controlLimit) violation('more than 64 kB on the control channel')
		const gone = finished.get(head.requestId)
		const request = exchanges.get(head.requestId) ?? gone
		if (request === undefined) return violation('answer to an unknown request')
		if (gone?.isAnswered) return violation('second answer to a request')
		const what = misplaced(request, wire)
		if (what !== undefined) violation(what)
	}

	async function reply({ response, message }: Exchange, head: Head, body: Buffer): Promise<void> {
		if (response.destroyed) return
		const { statusCode, statusDescription = '' } = head
		response.writeHead(Number(statusCode), statusDescription, [...answerHeaders(head, host, body.length), ...date()])
		if (faults.cutAnswerAt !== undefined && message.method !== 'HEAD') {
			response.write(body.subarray(0, faults.cutAnswerAt), () => response.socket?.destroy())
			return
		}
		const { drip } = faults
		if (drip === undefined) return void response.end(body)
		for (const { piece } of piecesOf(body, drip.bytes)) {
			response.write(piece)
			await pause(clock, drip.pause)
		}
		response.end()
	}

	function keep({ sender, response }: Exchange, rendezvous: Rendezvous) {
		if (rendezvous.keptFor !== undefined) rendezvous.keptFor.response = response
		if (kept.has(sender) || sender.destroyed) return
		kept.set(sender, rendezvous)
		rendezvous.keptFor = { sender, response }
		sender.once('close', () => {
			kept.delete(sender)
			rendezvous.wire.channel.close(1001)
		})
	}

	function leave({ response, sender }: Exchange, { wire }: Rendezvous) {
		afterAnswer(response, () => {
			if (faults.rendezvousAfterAnswer === 'closed') sender.destroySoon()
			wire.channel.close(1000)
		})
	}

	function afterAnswer(response: ServerResponse, work: () => void) {
		if (response.destroyed || response.writableFinished) work()
		else response.once('close', work)
	}

	function finish(exchange: Exchange, { isAnswered = false } = {}) {
		const { id, listener, isPointer, rendezvous } = exchange
		exchange.isDone = true
		exchange.cancel()
		exchanges.delete(id)
		const forget = clock.after(answerLimit * 5, () => finished.delete(id))
		finished.set(id, { listener, isPointer, rendezvous, isAnswered, forget })
	}

	function fail(exchange: Exchange, status: number, text: string) {
		finish(exchange)
		refuse(exchange.response, status, text)
	}

	function refuse(response: ServerResponse, status: number, text: string) {
		wireJournal.write('relay-error', { status, text })
		if (response.destroyed) return
		response.writeHead(status, `${text} ${trace()}`, ['Content-Type', 'text/plain', ...date()]).end(text)
	}

	// Rendezvous

	function openRendezvous({ entity, parameters, request, socket, head }: Handshake) {
		const id = parameters.get('sb-hc-id')
		if (id === null) return refuseUpgrade(socket, 400, 'The address has no sb-hc-id.')
		if (faults.rendezvous === 'hang') return wireJournal.write('hang')
		if (faults.rendezvous === 'refuse') return refuseUpgrade(socket, 403, 'Forbidden: the address is not valid.')
		const exchange = exchanges.get(id)
		if (exchange === undefined || exchange.isSpent || exchange.listener.entity !== entity || isExpired(exchange))
			return refuseUpgrade(socket, 403, 'Forbidden: the address was used or has expired.')
		exchange.isSpent = true
		webSockets.handleUpgrade(request, socket, head, (channel) => {
			// sound: what an https server upgrades is a TLS socket
			const wire = wireOf({ name: 'rendezvous', channel, socket: socket as Socket }, { wireJournal, faults, clock })
			const rendezvous: Rendezvous = { wire, listener: exchange.listener, keptFor: undefined }
			open.add(rendezvous)
			exchange.rendezvous = rendezvous
			wireJournal.write('rendezvous', { id: exchange.id })
			channel.on('error', (error) => wireJournal.write('channel-error', { message: error.message }))
			channel.on('close', (code) => part(rendezvous, code))
			read(wire, wireJournal, { ...reader(wire), other: unknown })
			if (exchange.isPointer) deliver(wire, exchange)
		})
	}

	const isExpired = ({ created }: Exchange): boolean =>
		faults.rendezvous === 'expire' || clock.now() - created > rendezvousLife

	/**
	 * A listener that drops a rendezvous also drops the sender's connection. Microsoft's listener for .NET does so directly
	 * after its answer. The sender still gets all of the answer.
	 */
	function part(rendezvous: Rendezvous, code: number) {
		const { keptFor } = rendezvous
		wireJournal.write('rendezvous-left', { code })
		open.delete(rendezvous)
		if (keptFor !== undefined) kept.delete(keptFor.sender)
		const underway = [...exchanges.values()].filter((exchange) => exchange.rendezvous === rendezvous)
		for (const exchange of underway) lose(exchange)
		if (underway.length === 0 && keptFor !== undefined)
			afterAnswer(keptFor.response, () => keptFor.sender.destroySoon())
	}

	// Senders

	async function send(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const target = request.url ?? '/'
		if (target === '/') return tellServices(response)
		const entity = entityOf(target.replace(/\?.*/s, ''))
		if (entity === undefined) return refuse(response, 404, 'EntityNotFound: The hybrid connection does not exist.')
		const own = tokenOf(request, parametersOf(target))
		const verdict = verdictOn(own ?? request.headers.authorization, 'send', entity)
		if ('status' in verdict) return refuse(response, verdict.status, verdict.reason)
		const body = await readAll(request)
		const fate = faults.nextSends.shift()
		if (fate !== undefined) return refuse(response, fate, 'Refused by the test.')
		if (faults.refusePatch && request.method === 'PATCH') return refuse(response, 405, 'Method Not Allowed')
		const rendezvous = kept.get(request.socket)
		const listener = rendezvous?.listener ?? choose(request, response, entity)
		if (listener === undefined) return
		const headers = forwarded(request.rawHeaders, { host, isAuthorizationConsumed: own === undefined })
		route({ request, response, body, headers, listener, target: withoutRelayParameters(target), rendezvous })
	}

	/** The list of public services, at the root of a namespace. */
	function tellServices(response: ServerResponse) {
		wireJournal.write('root')
		response.writeHead(200, ['Content-Type', 'application/atom+xml', ...date()]).end('<feed/>')
	}

	function choose(request: IncomingMessage, response: ServerResponse, entity: string): Listener | undefined {
		const connected = [...listeners].filter(
			({ entity: own, wire }) => own === entity && wire.channel.readyState === wire.channel.OPEN,
		)
		const admitted = connected.filter(({ id }) => admits(request.headers, id))
		const chosen = admitted[turn++ % admitted.length]
		if (chosen !== undefined) return chosen
		if (connected.length > 0) refuse(response, 404, noneAdmitted)
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
		readonly rendezvous: Rendezvous | undefined
	}

	function route({ request, response, body, headers, listener, target, rendezvous }: Routed) {
		const id = nextId()
		const message = {
			id,
			requestTarget: faults.mangle ? mangled(target) : target,
			method: request.method ?? 'GET',
			remoteEndpoint: { address: request.socket.remoteAddress, port: request.socket.remotePort },
			requestHeaders: headers,
			body: body.length > 0,
		}
		const isLarge = JSON.stringify(headers).length + body.length > controlLimit
		const isPointer = rendezvous !== undefined || isLarge || request.headers['transfer-encoding'] !== undefined
		const exchange: Exchange = {
			id,
			listener,
			response,
			sender: request.socket,
			message,
			body,
			isPointer,
			created: clock.now(),
			isSpent: rendezvous !== undefined,
			isDone: false,
			rendezvous,
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
		wireJournal.write('request', {
			id,
			method: message.method,
			target: message.requestTarget,
			length: body.length,
			by: rendezvous ? 'kept' : isPointer ? 'pointer' : 'control',
			listener: listener.id,
		})
		if (rendezvous !== undefined) return deliver(rendezvous.wire, exchange)
		const address = `wss://${host}/$hc/${listener.entity}?sb-hc-action=request&sb-hc-id=${id}`
		if (isPointer) return listener.wire.send({ request: { address } })
		deliver(listener.wire, exchange, { address })
		if (faults.duplicate) deliver(listener.wire, exchange, { address })
	}

	function deliver(wire: Wire, { message, body }: Exchange, address: { readonly address?: string } = {}) {
		wire.send({ request: { ...address, ...message } }, faults.omitBody ? undefined : body)
	}

	/** The sender disconnected. Only a listener with a rendezvous learns of it. */
	function abandon(exchange: Exchange) {
		if (exchange.isDone) return
		wireJournal.write('abandoned', { id: exchange.id })
		finish(exchange)
		exchange.rendezvous?.wire.channel.close(1001)
	}

	server.on('connection', (socket: Socket) => {
		const { remotePort = 0 } = socket
		sockets.set(remotePort, socket)
		socket.once('close', () => sockets.delete(remotePort))
	})
	server.on('upgrade', upgrade)
	server.on('request', (request, response) => {
		send(request, response).catch((error: unknown) => {
			wireJournal.write('sender-error', { message: String(error) })
			response.destroy()
		})
	})

	return {
		port,
		host,
		journal: wireJournal,
		faults,
		listeners: () => [...listeners].map(({ id }) => id),
		drop: (code, reason) => {
			for (const listener of listeners) close(listener, code, reason)
		},
		reset: () => {
			for (const { wire } of listeners) sockets.get(wire.socket.remotePort ?? 0)?.resetAndDestroy()
		},
		freeze: (id) => {
			const channels = [...listeners, ...[...open].map(({ wire, listener }) => ({ wire, id: listener.id }))]
			const frozen = channels.filter((channel) => id === undefined || channel.id === id).map(({ wire }) => wire)
			for (const wire of frozen) wire.freeze()
			return () => {
				for (const wire of frozen) wire.thaw()
			}
		},
		say: (text) => {
			for (const { wire } of listeners) wire.say(text)
		},
		stop: () =>
			new Promise((resolve) => {
				for (const exchange of exchanges.values()) exchange.cancel()
				for (const { forget } of finished.values()) forget()
				for (const socket of sockets.values()) socket.destroy()
				server.close(() => resolve())
			}),
	}
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = []
	for await (const chunk of request) chunks.push(chunk)
	return Buffer.concat(chunks)
}
