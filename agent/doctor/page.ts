import { request } from 'node:https'
import type { Config } from '../config.ts'
import { originOf } from '../forward.ts'
import { originTls } from '../origin-tls.ts'
import { titleIn } from '../page-title.ts'
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
			const title = titleIn(page)
			resolve(title && plainly(title))
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
