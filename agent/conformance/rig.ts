import { randomUUID } from 'node:crypto'
import type { WebSocket } from 'ws'
import { type Clock, pause } from '../../shared/relay/clock.ts'
import { bodyLimit } from '../../shared/relay/contract.ts'
import { type ExchangeResult, exchangeWith } from '../../shared/relay/exchange.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { openWebSocket, type RelayRequest, type RelayResponse, readMessages, sendResponse } from '../channel.ts'
import { type RelayTime, relayTimeFrom } from '../relay-time.ts'

/** An unused hybrid connection, with keys for both ends. */
export type HybridConnection = {
	readonly namespace: string
	readonly hybridConnection: string
	readonly listen: Key
	readonly send: Key
	readonly ca?: string | undefined
}

type Key = { readonly name: string; readonly key: string }

/** A request that a listener received. */
export type ReceivedRequest = {
	readonly request: RelayRequest
	readonly body: Buffer
	readonly channel: 'control' | 'rendezvous'
	/** Answers on the same channel. */
	answer(answer: RelayResponse): void
	/** Answers on a new rendezvous. */
	answerByRendezvous(answer: RelayResponse): Promise<void>
}

export type Listener = {
	readonly id: string
	readonly socket: WebSocket
	/** The next request. Rejects if none arrives within 20 s. */
	next(): Promise<ReceivedRequest>
}

export type Attempt = {
	readonly method?: string
	/** Path below the hybrid connection. An agent would refuse one outside of /scim. */
	readonly path?: string
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: Buffer
	/** Sends no token of the service. */
	readonly isAnonymous?: true
}

export type SendAttempt = (attempt: Attempt) => Promise<ExchangeResult>

export type ListenOptions = {
	readonly id?: string
	/** Expiry of the token, in milliseconds since 1970. */
	readonly expires?: number
	readonly hybridConnection?: string
	readonly key?: string
}

export type Rig = {
	readonly clock: Clock
	listen(options?: ListenOptions): Promise<Listener>
	/** A sender with its own connections. */
	sender(): SendAttempt
	/** The time of the service, as the agent asks for it before a write. */
	readonly time: RelayTime
	/** Closes every listener. */
	close(): Promise<void>
	/** Cuts off every listener, as if it were killed. */
	cut(): void
}

const requestLimit = 20_000
const answerLimit = 90_000
const closeWithin = 5000

/** Both ends of a hybrid connection, to observe what the service does between them. */
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

	function serve(socket: WebSocket, channel: ReceivedRequest['channel'], onArrival: RequestArrival): void {
		readMessages(socket, {
			broken: () => socket.terminate(),
			received: (message, body) => {
				if (!('request' in message)) return
				const { request } = message
				if ('id' in request) return onArrival(() => delivery(socket, { request, body, channel }))
				connect(request.address).then(
					(rendezvous) => serve(rendezvous, 'rendezvous', onArrival),
					(error: unknown) =>
						onArrival(() => {
							throw error
						}),
				)
			},
		})
	}

	const delivery = (
		socket: WebSocket,
		message: Pick<ReceivedRequest, 'request' | 'body' | 'channel'>,
	): ReceivedRequest => ({
		...message,
		answer: (answer) => sendResponse(socket, message.request.id, answer),
		answerByRendezvous: async (answer) => {
			if (message.request.address === undefined) throw new Error('the request has no rendezvous address')
			const rendezvous = await connect(message.request.address)
			rendezvous.resume()
			sendResponse(rendezvous, message.request.id, answer)
		},
	})

	async function listen(options: ListenOptions = {}): Promise<Listener> {
		const {
			id = randomUUID(),
			expires,
			hybridConnection: entity = hybridConnection,
			key = connection.listen.key,
		} = options
		const url = `wss://${namespace}/$hc/${entity}?sb-hc-action=listen&sb-hc-id=${id}`
		const token = tokenOf({ ...connection.listen, key }, expires)
		const socket = await connect(url, { ServiceBusAuthorization: token })
		const { onArrival, next } = queue(clock)
		serve(socket, 'control', onArrival)
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

	const time = relayTimeFrom({ namespace, clock, ca, proxy: undefined })
	return { clock, listen, sender, time, close, cut }
}

/** Called with a function that returns the request, or throws the reason why it could not be fetched. */
type RequestArrival = (delivery: () => ReceivedRequest) => void

/** A queue of requests that keeps each request until `next` takes it. */
function queue(clock: Clock): { readonly onArrival: RequestArrival; readonly next: Listener['next'] } {
	const arrived: (() => ReceivedRequest)[] = []
	let deliverNext = () => {}
	const next = (): Promise<ReceivedRequest> =>
		new Promise((resolve, reject) => {
			const cancel = clock.after(requestLimit, () => reject(new Error(`no request within ${requestLimit / 1000} s`)))
			deliverNext = () => {
				const first = arrived.shift()
				if (first === undefined) return
				cancel()
				deliverNext = () => {}
				resolve(Promise.resolve().then(first))
			}
			deliverNext()
		})
	const onArrival = (delivery: () => ReceivedRequest) => {
		arrived.push(delivery)
		deliverNext()
	}
	return { onArrival, next }
}
