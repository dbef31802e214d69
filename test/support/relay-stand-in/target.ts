import type { IncomingHttpHeaders } from 'node:http'

const hopHeaders = new Set([
	'connection',
	'content-length',
	'keep-alive',
	'te',
	'trailer',
	'transfer-encoding',
	'upgrade',
])

/** The query without the relay's own parameters. */
export const withoutRelayParameters = (target: string): string => {
	const at = target.indexOf('?')
	if (at < 0) return target
	const pairs = target.slice(at + 1).split('&')
	const kept = pairs.filter((pair) => !/^sb-hc-[^=]*=/.test(pair))
	return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join('&')}`
}

/** What the service's own tests show it to do to a query: upper-case hex, escaped quotes, spaces and angle brackets. */
export const mangled = (target: string): string =>
	target
		.replace(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase())
		.replaceAll(' ', '%20')
		.replaceAll('"', '%22')
		.replaceAll('<', '%3C')

type Forwarding = { readonly host: string; readonly ateAuthorization: boolean }

/** The sender's headers as a listener gets them: repeated ones joined, the relay's own taken out, `Via` added. */
export function forwarded(raw: readonly string[], { host, ateAuthorization }: Forwarding): Record<string, string> {
	const headers: Record<string, string> = {}
	for (let at = 0; at + 1 < raw.length; at += 2) {
		const name = raw[at] ?? ''
		const value = raw[at + 1] ?? ''
		const key = name.toLowerCase()
		if (hopHeaders.has(key) || key === 'servicebusauthorization' || key.startsWith('microsoft-relay-')) continue
		if (key === 'authorization' && ateAuthorization) continue
		headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
	}
	const via = `1.1 ${host}`
	headers.Via = headers.Via === undefined ? via : `${headers.Via}, ${via}`
	return headers
}

/** Names that a listener must not answer with (RFC 7230). */
export const forbidden = (headers: Readonly<Record<string, string>>): string | undefined =>
	Object.keys(headers).find((name) => hopHeaders.has(name.toLowerCase()) || name.toLowerCase() === 'host')

/** The listeners that a sender asks for or rules out, by their `sb-hc-id`. */
export function admits(headers: IncomingHttpHeaders, id: string): boolean {
	const listed = (name: string) =>
		headers[name]
			?.toString()
			.split(',')
			.map((entry) => entry.trim().toLowerCase())
	const allowed = listed('microsoft-relay-allowedlisteners')
	const disallowed = listed('microsoft-relay-disallowedlisteners')
	return (allowed?.includes(id.toLowerCase()) ?? true) && !disallowed?.includes(id.toLowerCase())
}
