import { request } from 'node:http'
import type { Host } from '../support/host.ts'

export type Sent = {
	readonly method: string
	/** The path below the base URL. */
	readonly path: string
	readonly headers?: Readonly<Record<string, string>>
	/** A value is sent as JSON, a string unchanged. */
	readonly body?: unknown
}

export type Received = {
	readonly status: number
	/** The headers, without those of the connection and without the request id. */
	readonly headers: Readonly<Record<string, string>>
	/** The JSON value of the body; undefined if there is none. */
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
}

/**
 * Sends one request as Entra's client does: the path unchanged, with its quotes, and no User-Agent. `fetch` would escape
 * the path and add a User-Agent.
 */
export function send(
	{ baseUrl, token }: Pick<Host, 'baseUrl' | 'token'>,
	{ method, path, headers, body }: Sent,
): Promise<Received> {
	const { host, pathname } = new URL(baseUrl)
	const content = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
	return new Promise((resolve, reject) => {
		const outgoing = request(`http://${host}`, {
			method,
			path: `${pathname}${path}`,
			headers: {
				Authorization: `Bearer ${token}`,
				...(content && {
					'Content-Type': 'application/scim+json; charset=utf-8',
					'Content-Length': content.byteLength,
				}),
				...headers,
			},
		})
		outgoing.on('error', reject)
		outgoing.on('response', async (incoming) => {
			try {
				const text = (await incoming.setEncoding('utf8').toArray()).join('')
				resolve({
					status: incoming.statusCode ?? 0,
					headers: ownHeaders(incoming.headers),
					body: text === '' ? undefined : JSON.parse(text),
				})
			} catch (error) {
				reject(error)
			}
		})
		outgoing.end(content)
	})
}

const ofOneAnswer = new Set(['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'x-request-id'])

const ownHeaders = (headers: NodeJS.Dict<string | string[]>): Record<string, string> =>
	Object.fromEntries(
		Object.entries(headers)
			.filter(([name]) => !ofOneAnswer.has(name))
			.map(([name, value]) => [name, String(value)]),
	)
