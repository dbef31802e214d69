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
	/** Milliseconds until the exchange fails with a timeout. */
	readonly limit: number
	/** Uses a new connection. The service may bind a kept connection to one agent, even if a header selects another. */
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
			/** Whether part of the request may have been sent. False until the connection to the service is open. */
			readonly isSent: boolean
	  }

type ExchangeOptions = { readonly ca?: string | undefined; readonly clock?: Clock | undefined }

const unpack = promisify(gunzip)

/** Connections that an exchange keeps to its namespace. Further requests would wait inside Node, for an unlimited time. */
export const connectionLimit = 32

/**
 * Milliseconds after which an idle connection is closed. A stopping agent waits until the connections that the service has
 * bound to it are closed, so a longer time delays its stop. A new connection costs a handshake and is billed as 64 kB.
 */
const idleTimeout = 5000

/** Exchanges requests with one namespace. A connection is kept only after a completed answer of an agent. */
export function exchangeWith(namespace: string, { ca, clock = systemClock }: ExchangeOptions = {}): Exchange {
	const [host = '', port = '443'] = namespace.split(':')
	const secureContext = createSecureContext(ca === undefined ? {} : { ca })
	const pooled = new Connections(clock, { maxSockets: connectionLimit, secureContext })
	const separate = new Agent({ secureContext })
	const connected = new WeakSet<Duplex>()
	return ({ method, path, headers, body, limit, isSeparate = false }) =>
		new Promise((resolve) => {
			let isSent = false
			const settle = (received: ExchangeResult) => {
				cancel()
				resolve(received)
			}
			const lose = (error: Error) => settle({ lost: error.message, isSent })
			const agent = isSeparate ? separate : pooled
			const outgoing = request({ host, port: Number(port), method, path, agent, headers })
			const giveUp = (why: string) => {
				// A destroyed request does not always emit an error, for example after its socket was upgraded.
				lose(new Error(why))
				outgoing.destroy()
			}
			const cancel = clock.after(limit, () => giveUp(`no answer within ${Math.round(limit / 1000)} s`))
			outgoing.on('socket', (socket) => {
				if (connected.has(socket)) isSent = true
				else
					socket.once('secureConnect', () => {
						connected.add(socket)
						isSent = true
					})
			})
			outgoing.on('error', lose)
			// The request asked for no other protocol. Without this listener Node would not report the answer at all.
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
	const headerEntries = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const)
	const isPacked = response.headers['content-encoding'] === 'gzip'
	return {
		status: response.statusCode ?? 0,
		reason: response.statusMessage ?? '',
		headers: Object.fromEntries(headerEntries),
		body: isPacked ? await unpack(packed, { maxOutputLength: bodyLimit * 2 }) : packed,
	}
}

/** Keeps connections, and closes each after `idleTimeout` without use. */
class Connections extends Agent {
	readonly #clock: Clock
	readonly #idle = new WeakMap<Duplex, () => void>()

	constructor(clock: Clock, options: ConstructorParameters<typeof Agent>[0]) {
		super({ ...options, keepAlive: true })
		this.#clock = clock
	}

	override keepSocketAlive(socket: Duplex): boolean {
		// The result is false if the service will not keep the connection. The types of Node omit this result.
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
