import { request } from 'node:https'
import type { Config } from '../config.ts'
import { originOf } from '../forward.ts'
import { originTls } from '../origin-tls.ts'
import { plainly } from './check.ts'

const limit = 5000
const sizeLimit = 16_384

/** The title of the HTML page that the server answers instead of SCIM. Requests it without a token. */
export function pageTitle(config: Config, path: string): Promise<string | undefined> {
	const { host, port, basePath } = originOf(config)
	const options = { host, port, path: `${basePath}${path}`, agent: false, ...originTls(config) } as const
	return new Promise((resolve) => {
		const outgoing = request({ ...options, signal: AbortSignal.timeout(limit) })
		let page = ''
		const finish = () => {
			resolve(titleIn(page))
			outgoing.destroy()
		}
		outgoing.on('error', finish)
		outgoing.on('response', (response) => {
			response.setEncoding('utf8').on('error', finish).on('end', finish)
			response.on('data', (text: string) => {
				page += text
				if (page.length > sizeLimit) finish()
			})
		})
		outgoing.end()
	})
}

function titleIn(page: string): string | undefined {
	const [, title] = /<title>([^<]+)/i.exec(page) ?? []
	return title === undefined ? undefined : plainly(title).slice(0, 100)
}

/** Whether the page says that a client certificate is missing. nginx and IIS report that after the TLS handshake. */
export const wantsCertificate = (title: string): boolean => /certificate|\b403\.(7|13|16|17)\b/i.test(title)
