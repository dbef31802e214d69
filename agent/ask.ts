import { request as plain } from 'node:http'
import { type Agent, request as secure } from 'node:https'

type Question = {
	readonly method?: string
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: string
	readonly agent?: Agent | undefined
	readonly ca?: string | undefined
	/** Milliseconds until it is given up. */
	readonly limit?: number
}

export type Reply = { readonly status: number; readonly challenge: string; readonly text: string }

const usualLimit = 10_000

/** Asks for something small, following no redirect; unlike fetch by the proxy and the authorities that the settings name. */
export const ask = (
	url: string,
	{ method = 'GET', headers = {}, body, agent, ca, limit = usualLimit }: Question,
): Promise<Reply> =>
	new Promise((resolve, reject) => {
		const isSecure = url.startsWith('https:')
		const options = { method, headers, signal: AbortSignal.timeout(limit) }
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
