import { request as plain } from 'node:http'
import { type Agent, request as secure } from 'node:https'

type TextRequest = {
	readonly method?: string
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: string
	readonly agent?: Agent | undefined
	readonly ca?: string | undefined
	/** Milliseconds until it is given up. */
	readonly timeout?: number
}

export type TextResponse = { readonly status: number; readonly challenge: string; readonly text: string }

const defaultTimeout = 10_000

/** Asks for something small, following no redirect; unlike fetch by the proxy and the authorities that the settings name. */
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
