import { Agent, request } from 'node:https'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { bodyLimit } from './contract.ts'

export type Exchange = (attempt: {
	readonly method: string
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: Uint8Array | undefined
	readonly signal: AbortSignal
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

const unpack = promisify(gunzip)

/** Exchanges requests with one namespace over connections that are kept: a new one costs a handshake and is billed as 64 kB. */
export function exchangeWith(namespace: string, ca?: string): Exchange {
	const [host = '', port = '443'] = namespace.split(':')
	const agent = new Agent({ keepAlive: true, maxSockets: 32, ...(ca !== undefined && { ca }) })
	return ({ method, path, headers, body, signal }) =>
		new Promise((resolve) => {
			const lose = (error: Error) => resolve({ lost: error.message })
			const outgoing = request({ host, port: Number(port), method, path, agent, headers, signal })
			outgoing.on('error', lose)
			outgoing.on('response', async (response) => {
				try {
					const chunks: Buffer[] = []
					let length = 0
					for await (const chunk of response) {
						length += chunk.length
						if (length > bodyLimit * 1.25) return outgoing.destroy(new Error('the answer is too long'))
						chunks.push(chunk)
					}
					const whole = Buffer.concat(chunks)
					const flat = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const)
					const isPacked = response.headers['content-encoding'] === 'gzip'
					resolve({
						status: response.statusCode ?? 0,
						reason: response.statusMessage ?? '',
						headers: Object.fromEntries(flat),
						body: isPacked ? await unpack(whole, { maxOutputLength: bodyLimit * 2 }) : whole,
					})
				} catch (error) {
					lose(error as Error) // sound: streams and zlib throw errors
				}
				return undefined
			})
			outgoing.end(body)
		})
}
