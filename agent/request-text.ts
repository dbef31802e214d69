import { request as plain } from 'node:http'
import { type Agent, request as secure } from 'node:https'

type TextRequest = {
	readonly method?: string
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: string
	readonly agent?: Agent | undefined
	readonly ca?: string | undefined
	/** Milliseconds, 10,000 by default. */
	readonly timeout?: number
}

export type TextResponse = { readonly status: number; readonly challenge: string; readonly text: string }

const defaultTimeout = 10_000

/**
 * Sends one small request and reads the answer as text. Follows no redirect. Rejects if the connection fails or times out.
 * Unlike `fetch`, it accepts an agent for a proxy and the certificates of an authority.
 */
export const requestText = (
	url: string,
	{ method = 'GET', headers = {}, body, agent, ca, timeout = defaultTimeout }: TextRequest,
): Promise<TextResponse> =>
	new Promise((resolve, reject) => {
		const isSecure = url.startsWith('https:')
		const options = { method, headers, signal: AbortSignal.timeout(timeout) }
		const more = { ...(agent && { agent }), ...(ca !== undefined && { ca }) }
		const outgoing = isSecure ? secure(url, { ...options, ...more }) : plain(url, options)
		outgoing.on('error', reject)
		outgoing.on('response', async (response) => {
			try {
				let text = ''
				for await (const chunk of response.setEncoding('utf8')) text += chunk
				resolve({ status: response.statusCode ?? 0, challenge: response.headers['www-authenticate'] ?? '', text })
			} catch (error) {
				reject(error)
			}
		})
		outgoing.end(body)
	})
