import { randomUUID } from 'node:crypto'
import type { WebSocket } from 'ws'
import { type Clock, pause } from '../../shared/relay/clock.ts'
import { bodyLimit } from '../../shared/relay/contract.ts'
import { type ExchangeResult, exchangeWith } from '../../shared/relay/exchange.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { openWebSocket, type RelayRequest, type RelayResponse, readMessages, sendResponse } from '../channel.ts'

/** A hybrid connection that nobody else uses, and keys for both of its ends. */
export type HybridConnection = {
	readonly namespace: string
	readonly hybridConnection: string
	readonly listen: Key
	readonly send: Key
	readonly ca?: string | undefined
}

type Key = { readonly name: string; readonly key: string }

/** A request as it came to a listener. */
export type ReceivedRequest = {
	readonly request: RelayRequest
	readonly body: Buffer
	readonly way: 'control' | 'rendezvous'
	/** Answers on the channel that it came by. */
	answer(answer: RelayResponse): void
	/** Answers by a rendezvous of its own. */
	answerByRendezvous(answer: RelayResponse): Promise<void>
}

export type Listener = {
	readonly id: string
	readonly socket: WebSocket
	/** The next request. Rejects when none comes within 20 s. */
	next(): Promise<ReceivedRequest>
}

export type Attempt = {
	readonly method?: string
	/** Below the hybrid connection; no agent would pass on what is not below /scim. */
	readonly path?: string
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: Buffer
	/** Sent without a token of the service. */
	readonly isAnonymous?: true
}

export type SendAttempt = (attempt: Attempt) => Promise<ExchangeResult>

export type ListenOptions = {
	readonly id?: string
	/** When the token ends, in milliseconds since 1970. */
	readonly expires?: number
	readonly hybridConnection?: string
	readonly key?: string
}

export type Rig = {
	readonly clock: Clock
	listen(more?: ListenOptions): Promise<Listener>
	/** A sender with connections of its own. */
	sender(): SendAttempt
	/** Closes every listener. */
	close(): Promise<void>
	/** Cuts off every listener, as one that is killed would be. */
	cut(): void
}

const requestLimit = 20_000
const answerLimit = 90_000
const closeWithin = 5000

/** Both ends of a hybrid connection, to see what the service makes of what goes in at one of them. */
export function rigOf(connection: HybridConnection, clock: Clock): Rig {
	const { namespace, hybridConnection, ca } = connection
	const uri = `http://${namespace.replace(/:\d+$/, '')}/${hybridConnection}`
	const tokenOf = ({ name, key }: Key, expires = clock.now() + 3_600_000) =>
		sasToken({ uri, keyName: name, key, expires }).token
	const sockets = new Set<WebSocket>()

	async function connect(url: string, headers?: Readonly<Record<string, string>>): Promise<WebSocket> {
		const socket = await openWebSocket(url, { ...(headers && { headers }), ca, maxPayload: bodyLimit, clock })
		sockets.add(socket)
		socket.once('close', () => sockets.delete(socket))
		return socket
	}

	function attend(socket: WebSocket, way: ReceivedRequest['way'], arrive: RequestArrival): void {
		readMessages(socket, {
			broken: () => socket.terminate(),
			received: (message, body) => {
				if (!('request' in message)) return
				const { request } = message
				if ('id' in request) return arrive(() => delivery(socket, { request, body, way }))
				connect(request.address).then(
					(rendezvous) => attend(rendezvous, 'rendezvous', arrive),
					(error: unknown) =>
						arrive(() => {
							throw error
						}),
				)
			},
		})
	}

	const delivery = (socket: WebSocket, came: Pick<ReceivedRequest, 'request' | 'body' | 'way'>): ReceivedRequest => ({
		...came,
		answer: (answer) => sendResponse(socket, came.request.id, answer),
		answerByRendezvous: async (answer) => {
			if (came.request.address === undefined) throw new Error('the request came without an address')
			const rendezvous = await connect(came.request.address)
			rendezvous.resume()
			sendResponse(rendezvous, came.request.id, answer)
		},
	})

	async function listen(more: ListenOptions = {}): Promise<Listener> {
		const {
			id = randomUUID(),
			expires,
			hybridConnection: entity = hybridConnection,
			key = connection.listen.key,
		} = more
		const url = `wss://${namespace}/$hc/${entity}?sb-hc-action=listen&sb-hc-id=${id}`
		const token = tokenOf({ ...connection.listen, key }, expires)
		const socket = await connect(url, { ServiceBusAuthorization: token })
		const { arrive, next } = queue(clock)
		attend(socket, 'control', arrive)
		return { id, socket, next }
	}

	function sender(): SendAttempt {
		const exchange = exchangeWith(namespace, { ca, clock })
		return ({ method = 'GET', path = '/conformance', headers = {}, body, isAnonymous }) => {
			const isChunked = 'transfer-encoding' in headers
			const length = body === undefined || isChunked ? {} : { 'content-length': String(body.length) }
			return exchange({
				method,
				path: `/${hybridConnection}${path}`,
				headers: { ...(!isAnonymous && { servicebusauthorization: tokenOf(connection.send) }), ...length, ...headers },
				body,
				limit: answerLimit,
			})
		}
	}

	async function close(): Promise<void> {
		const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
		for (const socket of sockets) socket.close(1000)
		await Promise.race([Promise.all(closed), pause(clock, closeWithin)])
		cut()
	}

	function cut(): void {
		for (const socket of sockets) socket.terminate()
	}

	return { clock, listen, sender, close, cut }
}

/** Takes a request, or throws why it could not be fetched. */
type RequestArrival = (delivery: () => ReceivedRequest) => void

/** What arrived is kept until it is asked for. */
function queue(clock: Clock): { readonly arrive: RequestArrival; readonly next: Listener['next'] } {
	const arrived: (() => ReceivedRequest)[] = []
	let look = () => {}
	const next = (): Promise<ReceivedRequest> =>
		new Promise((resolve, reject) => {
			const cancel = clock.after(requestLimit, () => reject(new Error(`no request within ${requestLimit / 1000} s`)))
			look = () => {
				const first = arrived.shift()
				if (first === undefined) return
				cancel()
				look = () => {}
				resolve(Promise.resolve().then(first))
			}
			look()
		})
	const arrive = (delivery: () => ReceivedRequest) => {
		arrived.push(delivery)
		look()
	}
	return { arrive, next }
}
