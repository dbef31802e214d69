import { request } from 'node:https'
import type { Config } from '../config.ts'
import { originOf } from '../forward.ts'
import { originTls } from '../origin-tls.ts'
import { plainly } from './check.ts'

const limit = 5000
const enough = 16_384

/** The title of the page for people that is there in place of SCIM, asked for without a token. */
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
				if (page.length > enough) finish()
			})
		})
		outgoing.end()
	})
}

function titleIn(page: string): string | undefined {
	const [, title] = /<title>([^<]+)/i.exec(page) ?? []
	return title === undefined ? undefined : plainly(title).slice(0, 100)
}

/** nginx and IIS finish TLS first, and say in such a page that they want a certificate of the agent. */
export const wantsCertificate = (title: string): boolean => /certificate|\b403\.(7|13|16|17)\b/i.test(title)
