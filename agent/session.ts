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
	/** The rendezvous that are openWebSocket, of this session and those before it: they outlive its control channel. */
	readonly kept: InFlight
	readonly ca: string | undefined
	readonly proxy: Agent | undefined
	/** Sends pongs instead of pings and expects nothing, for a service that takes pings ill. */
	readonly isPongOnly: boolean
}

export type SessionEnd = { readonly code: number; readonly reason: string; readonly isAfterPing: boolean }

export type Session = {
	readonly ended: Promise<SessionEnd>
	/** Leaves while answering all that the service has sent or still sends. */
	retire(): Promise<void>
}

const pingEvery = 20_000
const pongWithin = 10_000
const retireWithin = 10_000
/** A rendezvous that nothing has come by for so long is left: of one that is cut off nobody is told. */
const rendezvousIdle = 600_000
const closeWithin = 5000
const controlPayload = 256 * 1024

/** Opens a control channel; the session lasts until it is closed. Throws what `open` throws, and what the token source does. */
export async function openSession(options: SessionOptions, isTokenRefused: boolean): Promise<Session> {
	const { config, clock, log, ca, proxy } = options
	const { namespace, hybridConnection } = config.relay
	const token = await tokenFrom(options, isTokenRefused)
	const url = `wss://${namespace}/$hc/${hybridConnection}?sb-hc-action=listen&sb-hc-id=${config.agentId}`
	const headers = { ServiceBusAuthorization: token.token, 'Relay-User-Agent': 'rollcall-relay' }
	const control = await openWebSocket(url, { headers, ca, agent: proxy, maxPayload: controlPayload, clock })
	const over = new AbortController()
	const underway = inFlight()

	const isOpen = () => control.readyState === WebSocket.OPEN
	const rendezvous = (address: string) => {
		if (!isTrusted(address, config)) throw new Error('the rendezvous is on a host that is not the service')
		return openWebSocket(address, { ca, agent: proxy, maxPayload: bodyLimit + 2 ** 20, clock })
	}

	async function answer({ id, address }: RelayRequest, response: RelayResponse): Promise<string> {
		if (response.body.length <= controlLimit && isOpen()) {
			sendResponse(control, id, response)
			return 'control'
		}
		try {
			if (address === undefined) throw new Error('the request came without an address')
			const socket = await rendezvous(address)
			attend(socket)
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

	/** Serves what comes by a rendezvous for as long as the service keeps it, and answers there. */
	function attend(socket: WebSocket): void {
		const gone = new AbortController()
		let cancel = () => {}
		const stay = () => {
			cancel()
			cancel = clock.after(rendezvousIdle, () => socket.close(1000))
		}
		stay()
		const leave = options.kept.enter()
		socket.on('close', () => {
			cancel()
			gone.abort()
			leave()
		})
		readMessages(socket, {
			broken: (what) => {
				log('protocol', { what, channel: 'rendezvous' })
				socket.terminate()
			},
			received: (message, body) => {
				stay()
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
			attend(await rendezvous(address))
		} catch (error) {
			log('rendezvous_failed', { detail: briefly(error) })
		}
	}

	/** A WebSocket of a sender is turned away: the service is told so by a handshake that it refuses in turn. */
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
			over.abort()
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
	void renew(control, token, options, over.signal)

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

/** No token could be had, so that the service was not even asked. */
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

/** The service sends listeners to other hosts of its own, and nowhere else. */
function isTrusted(address: string, { relay }: Config): boolean {
	if (!URL.canParse(address)) return false
	const { protocol, host, hostname } = new URL(address)
	return protocol === 'wss:' && (host === relay.namespace.toLowerCase() || hostname.endsWith(relay.rendezvousSuffix))
}

/** Finds out within half a minute that the other side is gone: the service tells nobody, and drops who says nothing. */
function keepAlive(socket: WebSocket, { clock, log, isPongOnly }: SessionOptions) {
	let heard = clock.now()
	let firstPing: number | undefined
	let cancel = () => {}
	const hear = () => {
		heard = clock.now()
	}
	for (const event of ['message', 'ping', 'pong'] as const) socket.on(event, hear)
	const beat = () => {
		if (socket.readyState !== WebSocket.OPEN) return
		const asked = clock.now()
		if (isPongOnly) {
			socket.pong()
			cancel = clock.after(pingEvery, beat)
			return
		}
		firstPing ??= asked
		socket.ping()
		cancel = clock.after(pongWithin, () => {
			if (heard < asked) {
				log('half_open', { silentFor: Math.round(clock.now() - heard) })
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

/** A timer of Node goes off at once when it is set to more than 24 days, and no channel is older than one. */
const untilRenewal = (life: number): number => Math.min(24 * 3_600_000, Math.max(30_000, life * 0.75))

/** Sends the next token at three quarters of the life of this one. */
async function renew(
	socket: WebSocket,
	first: RelayToken,
	{ clock, log, token }: SessionOptions,
	signal: AbortSignal,
): Promise<void> {
	let held = first
	let failures = 0
	while (!signal.aborted) {
		await pause(clock, failures === 0 ? untilRenewal(held.expiresOnTimestamp - clock.now()) : 20_000, signal)
		if (signal.aborted || socket.readyState !== WebSocket.OPEN) return
		try {
			held = await token(true)
			socket.send(JSON.stringify({ renewToken: { token: held.token } }))
			failures = 0
			log('token_renewed')
		} catch (error) {
			failures++
			log('token_failed', { detail: briefly(error) })
		}
	}
}
