import type { IncomingMessage } from 'node:http'

/** The names of this machine that a browser may use. */
const loopbackNames = ['127.0.0.1', 'localhost', '[::1]']

/** A request that is refused before anything else looks at it. */
export type GateRefusal = { readonly status: 400 | 403; readonly error: string }

/**
 * Why a request is refused: it came through a proxy, it is for another host, or a page of another origin sent it. Undefined
 * if it may pass.
 *
 * - A proxy in front would make the console reachable from other machines.
 * - A page on the internet can give its name the address 127.0.0.1 (DNS rebinding). Its requests have that name as `Host`.
 * - Browsers send `Origin` with every request that is not GET or HEAD, and it is required there.
 */
export function refuseAtGate(request: IncomingMessage, port: number): GateRefusal | undefined {
	const { method = '', url = '', headers } = request
	const proxy = Object.keys(headers).find((name) => /^(forwarded|x-forwarded(-.*)?|x-real-ip|via)$/.test(name))
	if (proxy !== undefined) return { status: 403, error: `the console answers no request through a proxy (${proxy})` }
	const host = hostOf(request)
	if (host === undefined || !namesOf(port).includes(host)) {
		return {
			status: 403,
			error: `the console answers only to the Host 127.0.0.1:${port}, localhost:${port} or [::1]:${port}`,
		}
	}
	if (!isPath(url)) return { status: 400, error: 'the request target must be a path' }
	const { origin } = headers
	const isRead = method === 'GET' || method === 'HEAD'
	if (origin === undefined ? !isRead : origin !== `http://${host}`) {
		return { status: 403, error: 'the console answers only to its own page (Origin)' }
	}
	const site = headers['sec-fetch-site']
	// Dots are gone from this path, as they are from the one that the routes get.
	const { pathname } = new URL(url, 'http://localhost')
	if (pathname.startsWith('/console/') && site !== undefined && site !== 'same-origin') {
		return { status: 403, error: 'the console answers only to its own page (Sec-Fetch-Site)' }
	}
	return undefined
}

/** A URL reads a backslash as a slash, so that `/\\host` would name another host. */
const isPath = (target: string): boolean => /^\/(?!\/)[^\\?]*(\?|$)/.test(target)

const namesOf = (port: number): readonly string[] =>
	loopbackNames.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]))

/** The only Host header, in small letters; undefined if there is none, or more than one. */
function hostOf({ rawHeaders }: IncomingMessage): string | undefined {
	const hosts = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'host')
	return hosts.length === 1 ? hosts[0]?.toLowerCase() : undefined
}
