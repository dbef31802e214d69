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
	const remaining = pairs.filter((pair) => !/^sb-hc-[^=]*=/.test(pair))
	return remaining.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${remaining.join('&')}`
}

/** Rewrites a query as the tests of the service show: upper-case hex, escaped quotes, spaces and angle brackets. */
export const mangled = (target: string): string =>
	target.replace(/\?.*/s, (query) =>
		query
			.replace(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase())
			.replaceAll(' ', '%20')
			.replaceAll('"', '%22')
			.replaceAll('<', '%3C'),
	)

/** The query parameters of a target, which need not be a valid URL. */
export const parametersOf = (target: string): URLSearchParams => new URLSearchParams(target.replace(/^[^?]*/, ''))

/** Whether a header is hop-by-hop (RFC 7230). */
export const isHopHeader = (name: string): boolean => hopHeaders.has(name.toLowerCase())

type Forwarding = { readonly host: string; readonly isAuthorizationConsumed: boolean }

/** The sender's headers for a listener: repeated ones joined, those of the relay removed, `Via` extended. */
export function forwarded(
	raw: readonly string[],
	{ host, isAuthorizationConsumed }: Forwarding,
): Record<string, string> {
	const merged = new Map<string, { readonly name: string; readonly values: string[] }>()
	for (let at = 0; at + 1 < raw.length; at += 2) {
		const name = raw[at] ?? ''
		const value = raw[at + 1] ?? ''
		const key = name.toLowerCase()
		if (isHopHeader(key) || key === 'servicebusauthorization' || key.startsWith('microsoft-relay-')) continue
		if (key === 'authorization' && isAuthorizationConsumed) continue
		const same = merged.get(key)
		if (same === undefined) merged.set(key, { name, values: [value] })
		else same.values.push(value)
	}
	const via = merged.get('via')?.values ?? []
	merged.set('via', { name: 'Via', values: [...via, `1.1 ${host}`] })
	return Object.fromEntries([...merged.values()].map(({ name, values }) => [name, values.join(', ')]))
}

/** Whether the sender's headers allow the listener with this `sb-hc-id`. */
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
