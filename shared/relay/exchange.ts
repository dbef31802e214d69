import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { Duplex } from 'node:stream'
import { createSecureContext } from 'node:tls'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { readBody } from './body.ts'
import { type Clock, systemClock } from './clock.ts'
import { bodyLimit, header } from './contract.ts'

export type Exchange = (attempt: {
	readonly method: string
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: Uint8Array | undefined
	/** Milliseconds until it is given up. */
	readonly limit: number
	/** By a connection of its own: the service may take what comes by a kept one to the same agent, whatever it asks for. */
	readonly isSeparate?: boolean
}) => Promise<ExchangeResult>

/** A complete answer, or why there is none. */
export type ExchangeResult =
	| {
			readonly status: number
			readonly reason: string
			readonly headers: Readonly<Record<string, string>>
			readonly body: Buffer
	  }
	| {
			readonly lost: string
			/** Whether any of the request may have left: not before the connection to the service stood. */
			readonly isSent: boolean
	  }

type ExchangeOptions = { readonly ca?: string | undefined; readonly clock?: Clock | undefined }

const unpack = promisify(gunzip)

/**
 * How long a connection is kept without use. An agent that leaves stays until the connections that the service has bound to
 * it are gone, and this is how long it waits for one that is idle. A new one costs a handshake and is billed as 64 kB.
 */
const idleTimeout = 5000

/** Exchanges requests with one namespace over connections that are kept as long as agents answer by them. */
export function exchangeWith(namespace: string, { ca, clock = systemClock }: ExchangeOptions = {}): Exchange {
	const [host = '', port = '443'] = namespace.split(':')
	const secureContext = createSecureContext(ca === undefined ? {} : { ca })
	const kept = new Connections(clock, { maxSockets: 32, secureContext })
	const separate = new Agent({ secureContext })
	const secured = new WeakSet<Duplex>()
	return ({ method, path, headers, body, limit, isSeparate = false }) =>
		new Promise((resolve) => {
			let isSent = false
			const settle = (received: ExchangeResult) => {
				cancel()
				resolve(received)
			}
			const lose = (error: Error) => settle({ lost: error.message, isSent })
			const agent = isSeparate ? separate : kept
			const outgoing = request({ host, port: Number(port), method, path, agent, headers })
			const giveUp = (why: string) => {
				// Not every request that is destroyed says so, one whose connection was taken from it does not.
				lose(new Error(why))
				outgoing.destroy()
			}
			const cancel = clock.after(limit, () => giveUp(`no answer within ${Math.round(limit / 1000)} s`))
			outgoing.on('socket', (socket) => {
				if (secured.has(socket)) isSent = true
				else
					socket.once('secureConnect', () => {
						secured.add(socket)
						isSent = true
					})
			})
			outgoing.on('error', lose)
			// Nobody has asked for another protocol, and Node tells of it by nothing else.
			outgoing.on('upgrade', (response, socket) => {
				socket.destroy()
				giveUp(`the answer is ${response.statusCode}`)
			})
			outgoing.on('response', async (response) => {
				if (response.headers[header.outcome] !== 'completed') outgoing.shouldKeepAlive = false
				try {
					settle(await receive(response))
				} catch (error) {
					lose(error as Error) // sound: streams and zlib throw errors
				}
			})
			outgoing.end(body)
		})
}

async function receive(response: IncomingMessage): Promise<ExchangeResult> {
	const packed = await readBody(response, bodyLimit * 1.25)
	if (packed === undefined) return { lost: 'the answer is too long', isSent: true }
	const flat = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const)
	const isPacked = response.headers['content-encoding'] === 'gzip'
	return {
		status: response.statusCode ?? 0,
		reason: response.statusMessage ?? '',
		headers: Object.fromEntries(flat),
		body: isPacked ? await unpack(packed, { maxOutputLength: bodyLimit * 2 }) : packed,
	}
}

/** Keeps connections, each until it has been idle for a while. */
class Connections extends Agent {
	readonly #clock: Clock
	readonly #idle = new WeakMap<Duplex, () => void>()

	constructor(clock: Clock, options: ConstructorParameters<typeof Agent>[0]) {
		super({ ...options, keepAlive: true })
		this.#clock = clock
	}

	override keepSocketAlive(socket: Duplex): boolean {
		// False where the service says that it will not keep it, which the types leave out.
		const isKept: unknown = super.keepSocketAlive(socket)
		if (isKept === false) return false
		const cancel = this.#clock.after(idleTimeout, () => socket.destroy())
		const stop = () => {
			cancel()
			socket.off('close', stop)
		}
		socket.once('close', stop)
		this.#idle.set(socket, stop)
		return true
	}

	override reuseSocket(socket: Duplex, outgoing: ClientRequest): void {
		this.#idle.get(socket)?.()
		super.reuseSocket(socket, outgoing)
	}
}
