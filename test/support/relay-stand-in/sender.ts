import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { type Agent, request } from 'node:https'

export type SendOptions = {
	readonly port: number
	readonly ca: string
	readonly path: string
	readonly method?: string
	readonly headers?: OutgoingHttpHeaders
	readonly body?: Buffer | string
	readonly agent?: Agent
	readonly maxHeaderSize?: number
}

export type SendResult = {
	readonly status: number
	readonly reason: string
	readonly headers: IncomingHttpHeaders
	readonly body: Buffer
}

/** Sends one HTTPS request to this machine. The path is sent unchanged. */
export const sendTo = ({
	port,
	ca,
	path,
	method = 'GET',
	headers = {},
	body,
	agent,
	maxHeaderSize,
}: SendOptions): Promise<SendResult> =>
	new Promise((resolve, reject) => {
		const length =
			body === undefined || 'Transfer-Encoding' in headers ? {} : { 'content-length': Buffer.byteLength(body) }
		const options = {
			host: '127.0.0.1',
			servername: 'localhost',
			port,
			ca,
			path,
			method,
			headers: { ...length, ...headers },
		}
		const more = { ...(agent && { agent }), ...(maxHeaderSize && { maxHeaderSize }) }
		const outgoing = request({ ...options, ...more }, (response) => {
			const chunks: Buffer[] = []
			response.on('data', (chunk: Buffer) => chunks.push(chunk))
			response.on('error', reject)
			response.on('end', () =>
				resolve({
					status: response.statusCode ?? 0,
					reason: response.statusMessage ?? '',
					headers: response.headers,
					body: Buffer.concat(chunks),
				}),
			)
		})
		outgoing.on('error', reject)
		outgoing.end(body)
	})
