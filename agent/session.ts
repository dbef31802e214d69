import type { Agent } from 'node:https'
import { WebSocket } from 'ws'
import { type Clock, pause } from '../shared/relay/clock.ts'
import { bodyLimit, header } from '../shared/relay/contract.ts'
import type { RelayToken } from '../shared/relay/sas.ts'
import {
	type Message,
	openWebSocket,
	type RelayRequest,
	type RelayResponse,
	readMessages,
	sendResponse,
} from './channel.ts'
import type { Config } from './config.ts'
import { controlLimit, type Dispatcher, refusal } from './dispatch.ts'
import { type InFlight, inFlight } from './in-flight.ts'
import { briefly, type Log } from './log.ts'

export type SessionOptions = {
	readonly config: Config
	readonly clock: Clock
	readonly log: Log
	readonly token: (fresh?: boolean) => Promise<RelayToken>
	readonly receive: Dispatcher['receive']
	/** The open rendezvous of this session and of those before it: a rendezvous outlives its control channel. */
	readonly openRendezvous: InFlight
	readonly ca: string | undefined
	readonly proxy: Agent | undefined
	/** Sends pongs instead of pings and expects no answer, for a service that drops channels after a ping. */
	readonly isPongOnly: boolean
}

export type SessionEnd = { readonly code: number; readonly reason: string; readonly isAfterPing: boolean }

export type Session = {
	readonly ended: Promise<SessionEnd>
	/** Closes the control channel after the requests in progress are answered, in at most 15 s. */
	retire(): Promise<void>
}

const pingEvery = 20_000
const pongWithin = 10_000
const retireWithin = 10_000
/** Idle rendezvous are closed: a half-open connection gives no other sign. */
const rendezvousIdle = 600_000
const closeWithin = 5000
const controlPayload = 256 * 1024

/** Opens a control channel. Throws a TokenError if there is no token, and what `openWebSocket` throws. */
export async function openSession(options: SessionOptions, isTokenRefused: boolean): Promise<Session> {
	const { config, clock, log, ca, proxy } = options
	const { namespace, hybridConnection } = config.relay
	const token = await tokenFrom(options, isTokenRefused)
	const url = `wss://${namespace}/$hc/${hybridConnection}?sb-hc-action=listen&sb-hc-id=${config.agentId}`
	const headers = { ServiceBusAuthorization: token.token, 'Relay-User-Agent': 'rollcall-relay' }
	const control = await openWebSocket(url, { headers, ca, agent: proxy, maxPayload: controlPayload, clock })
	const closed = new AbortController()
	const underway = inFlight()

	const isOpen = () => control.readyState === WebSocket.OPEN
	const rendezvous = (address: string) => {
		if (!isTrusted(address, config)) throw new Error('the address of the rendezvous is not on a host of the service')
		return openWebSocket(address, { ca, agent: proxy, maxPayload: bodyLimit + 2 ** 20, clock })
	}

	async function answer({ id, address }: RelayRequest, response: RelayResponse): Promise<string> {
		if (response.body.length <= controlLimit && isOpen()) {
			sendResponse(control, id, response)
			return 'control'
		}
		try {
			if (address === undefined) throw new Error('the request has no rendezvous address')
			const socket = await rendezvous(address)
			serveRendezvous(socket)
			sendResponse(socket, id, response)
			return 'rendezvous'
		} catch (error) {
			log('rendezvous_failed', { serviceId: id, detail: briefly(error) })
			if (!isOpen()) throw error
			const { status, headers: own, body } = refusal('rendezvous_failed', briefly(error))
			const marks = Object.entries(response.headers).filter(([name]) => name.startsWith('x-scim-relay-'))
			sendResponse(control, id, {
				status,
				headers: { ...Object.fromEntries(marks), ...own, [header.error]: 'rendezvous_failed' },
				body,
			})
			return 'control'
		}
	}

	/** Serves requests on a rendezvous for as long as the service keeps it open. */
	function serveRendezvous(socket: WebSocket): void {
		const gone = new AbortController()
		let cancel = () => {}
		const restartIdleTimer = () => {
			cancel()
			cancel = clock.after(rendezvousIdle, () => socket.close(1000))
		}
		restartIdleTimer()
		const done = options.openRendezvous.enter()
		socket.on('close', () => {
			cancel()
			gone.abort()
			done()
		})
		readMessages(socket, {
			broken: (what) => {
				log('protocol', { what, channel: 'rendezvous' })
				socket.terminate()
			},
			received: (message, body) => {
				restartIdleTimer()
				if (!('request' in message) || !('id' in message.request)) return log('ignored', { channel: 'rendezvous' })
				const { request } = message
				void options.receive({
					request,
					body,
					signal: gone.signal,
					answer: (response) => answerBy(socket, request, response),
				})
			},
		})
	}

	function answerBy(socket: WebSocket, { id }: RelayRequest, response: RelayResponse): Promise<string> {
		if (socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('the rendezvous is closed'))
		sendResponse(socket, id, response)
		return Promise.resolve('rendezvous')
	}

	function received(message: Message, body: Buffer) {
		if ('accept' in message) return reject(message.accept.address)
		if (!('request' in message)) return log('ignored', { channel: 'control', keys: message.unknown })
		const { request } = message
		if (!('id' in request)) return track(fetchRequest(request.address))
		return track(options.receive({ request, body, answer: (response) => answer(request, response) }))
	}

	async function fetchRequest(address: string): Promise<void> {
		try {
			serveRendezvous(await rendezvous(address))
		} catch (error) {
			log('rendezvous_failed', { detail: briefly(error) })
		}
	}

	/** Refuses a WebSocket of a sender. The refusal is a handshake that the service refuses in turn. */
	function reject(address: string): void {
		log('accept_refused')
		const refused = `${address}&sb-hc-statusCode=501&sb-hc-statusDescription=HTTP%20only`
		if (isTrusted(address, config))
			void openWebSocket(refused, { ca, agent: proxy, maxPayload: 1024, clock }).then(
				(socket) => socket.terminate(),
				(error: unknown) => log('accept_rejected', { detail: briefly(error) }),
			)
	}

	function track(work: Promise<void>): void {
		void work.finally(underway.enter())
	}

	const ended = new Promise<SessionEnd>((resolve) => {
		const alive = keepAlive(control, options)
		control.on('close', (code, reason) => {
			closed.abort()
			alive.stop()
			resolve({ code, reason: String(reason), isAfterPing: alive.isShortAfterPing() })
		})
	})
	readMessages(control, {
		received,
		broken: (what) => {
			log('protocol', { what, channel: 'control' })
			control.terminate()
		},
	})
	void renew(control, token, options, closed.signal)

	return {
		ended,
		retire: async () => {
			await Promise.race([underway.empty(), pause(clock, retireWithin)])
			control.close(1000)
			const cancel = clock.after(closeWithin, () => control.terminate())
			await ended
			cancel()
		},
	}
}

/** There is no token, so the service was not contacted. */
export class TokenError extends Error {
	override readonly name = 'TokenError'
}

async function tokenFrom({ token }: SessionOptions, isRefused: boolean): Promise<RelayToken> {
	try {
		return await token(isRefused)
	} catch (error) {
		throw new TokenError(`no token: ${briefly(error)}`, { cause: error })
	}
}

/** Whether an address is on the namespace or on another host of the service. */
function isTrusted(address: string, { relay }: Config): boolean {
	if (!URL.canParse(address)) return false
	const { protocol, host, hostname } = new URL(address)
	return protocol === 'wss:' && (host === relay.namespace.toLowerCase() || hostname.endsWith(relay.rendezvousSuffix))
}

/** Detects a half-open connection within half a minute, and keeps the channel from being idle. */
function keepAlive(socket: WebSocket, { clock, log, isPongOnly }: SessionOptions) {
	let lastHeard = clock.now()
	let firstPing: number | undefined
	let cancel = () => {}
	const noteTraffic = () => {
		lastHeard = clock.now()
	}
	for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, noteTraffic)
	const beat = () => {
		if (socket.readyState !== WebSocket.OPEN) return
		const pingedAt = clock.now()
		if (isPongOnly) {
			socket.pong()
			cancel = clock.after(pingEvery, beat)
			return
		}
		firstPing ??= pingedAt
		socket.ping()
		cancel = clock.after(pongWithin, () => {
			if (lastHeard < pingedAt) {
				log('half_open', { silentFor: Math.round(clock.now() - lastHeard) })
				return socket.terminate()
			}
			cancel = clock.after(pingEvery - pongWithin, beat)
			return undefined
		})
	}
	cancel = clock.after(pingEvery, beat)
	return {
		stop: () => cancel(),
		isShortAfterPing: () => firstPing !== undefined && clock.now() - firstPing < 2000,
	}
}

/** At most 24 h: a Node timer of more than 24 days fires at once, and no channel lives longer than a day. */
function untilRenewal({ expiresOnTimestamp, renewOnTimestamp }: RelayToken, now: number): number {
	const due = renewOnTimestamp === undefined ? (expiresOnTimestamp - now) * 0.75 : renewOnTimestamp - now
	return Math.min(24 * 3_600_000, Math.max(30_000, due))
}

/** Sends a new token when the current one is due for renewal. */
async function renew(
	socket: WebSocket,
	first: RelayToken,
	{ clock, log, token }: SessionOptions,
	signal: AbortSignal,
): Promise<void> {
	let current = first
	let failures = 0
	while (!signal.aborted) {
		await pause(clock, failures === 0 ? untilRenewal(current, clock.now()) : 20_000, signal)
		if (signal.aborted || socket.readyState !== WebSocket.OPEN) return
		try {
			current = await token(true)
			socket.send(JSON.stringify({ renewToken: { token: current.token } }))
			failures = 0
			log('token_renewed')
		} catch (error) {
			failures++
			log('token_failed', { detail: briefly(error) })
		}
	}
}
