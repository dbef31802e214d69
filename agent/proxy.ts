import { request } from 'node:http'
import { Agent } from 'node:https'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

/** The proxy refused to connect. `status` is its answer to CONNECT. */
export class ProxyError extends Error {
	override readonly name = 'ProxyError'
	readonly status: number

	constructor(status: number, reason: string) {
		super(`the proxy answered ${status} ${reason}`)
		this.status = status
	}
}

/** Connects through an HTTP proxy by CONNECT (RFC 9110 section 9.3.6). The address may contain credentials. */
export function proxyAgent(proxy: string): Agent {
	const { hostname, port, username, password } = new URL(proxy)
	const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
	const agent = new Agent({ keepAlive: false })
	agent.createConnection = (options, callback) => {
		const target = `${options.host}:${options.port ?? 443}`
		const headers = { Host: target, ...(username !== '' && { 'Proxy-Authorization': `Basic ${secret}` }) }
		const opening = request({
			host: hostname,
			port: port || 80,
			method: 'CONNECT',
			path: target,
			headers,
			timeout: 10_000,
		})
		opening.on('connect', (response, socket) => {
			if (response.statusCode === 200)
				return callback?.(null, connectTls({ ...options, host: options.host ?? '', socket } as ConnectionOptions)) // sound: node:https passes what node:tls takes
			socket.destroy()
			const refusal = new ProxyError(response.statusCode ?? 0, response.statusMessage ?? '')
			// Node's types require a stream even beside an error.
			return callback?.(refusal, socket)
		})
		opening.on('timeout', () => opening.destroy(new Error('the proxy did not answer within 10 s')))
		opening.on('error', (error) => callback?.(error, undefined as never)) // sound: the callback ignores it beside an error
		opening.end()
		return undefined
	}
	return agent
}
