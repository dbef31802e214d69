import { Agent, request } from 'node:https'
import { createSecureContext } from 'node:tls'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { readWhole } from './body.ts'
import { type Clock, systemClock } from './clock.ts'
import { bodyLimit } from './contract.ts'

export type Exchange = (attempt: {
	readonly method: string
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: Uint8Array | undefined
	/** Milliseconds until it is given up. */
	readonly limit: number
}) => Promise<Received>

/** What came back, or that nothing whole did. */
export type Received =
	| {
			readonly status: number
			readonly reason: string
			readonly headers: Readonly<Record<string, string>>
			readonly body: Buffer
	  }
	| { readonly lost: string }

type Surroundings = { readonly ca?: string | undefined; readonly clock?: Clock | undefined }

const unpack = promisify(gunzip)

/** Exchanges requests with one namespace over connections that are kept: a new one costs a handshake and is billed as 64 kB. */
export function exchangeWith(namespace: string, { ca, clock = systemClock }: Surroundings = {}): Exchange {
	const [host = '', port = '443'] = namespace.split(':')
	const secureContext = createSecureContext(ca === undefined ? {} : { ca })
	const agent = new Agent({ keepAlive: true, maxSockets: 32, secureContext })
	return ({ method, path, headers, body, limit }) =>
		new Promise((resolve) => {
			const settle = (received: Received) => {
				cancel()
				resolve(received)
			}
			const lose = (error: Error) => settle({ lost: error.message })
			const outgoing = request({ host, port: Number(port), method, path, agent, headers })
			const giveUp = () => outgoing.destroy(new Error(`no answer within ${Math.round(limit / 1000)} s`))
			const cancel = clock.after(limit, giveUp)
			outgoing.on('error', lose)
			outgoing.on('response', async (response) => {
				try {
					const whole = await readWhole(response, bodyLimit * 1.25)
					if (whole === undefined) return settle({ lost: 'the answer is too long' })
					const flat = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const)
					const isPacked = response.headers['content-encoding'] === 'gzip'
					settle({
						status: response.statusCode ?? 0,
						reason: response.statusMessage ?? '',
						headers: Object.fromEntries(flat),
						body: isPacked ? await unpack(whole, { maxOutputLength: bodyLimit * 2 }) : whole,
					})
				} catch (error) {
					lose(error as Error) // sound: streams and zlib throw errors
				}
			})
			outgoing.end(body)
		})
}
