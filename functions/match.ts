import { invalidSyntax } from '../shared/scim/error.ts'
import { type Route, routes } from './routes.ts'

/** A path below /scim: the tenant that it names, and the route if the endpoint exists. */
export type PathMatch = {
	readonly tenant: string
	readonly route?: Route
	readonly params: Readonly<Record<string, string>>
}

/**
 * Reads `/scim/{tenant}/…`; undefined for any other path. Doubled and trailing slashes are ignored, because administrators
 * type the Tenant URL with and without them. Literals match in any letter case, as in the Functions host.
 *
 * @throws ScimError 400 `invalidSyntax` for a path whose percent encoding is broken
 */
export function matchPath(pathname: string): PathMatch | undefined {
	const [prefix, tenant, ...segments] = pathname.split('/').filter((segment) => segment !== '')
	if (prefix?.toLowerCase() !== 'scim' || tenant === undefined) return undefined
	const decoded = segments.map(decode)
	for (const route of compiled) {
		const params = paramsOf(route.segments, decoded)
		if (params !== undefined) return { tenant: decode(tenant), route: route.route, params }
	}
	return { tenant: decode(tenant), params: {} }
}

const compiled = routes.map((route) => ({ route, segments: route.path === '' ? [] : route.path.split('/') }))

function paramsOf(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
	if (pattern.length !== segments.length) return undefined
	const params: Record<string, string> = {}
	for (const [index, expected] of pattern.entries()) {
		const segment = segments[index] ?? ''
		if (expected.startsWith('{')) params[expected.slice(1, -1)] = segment
		else if (expected.toLowerCase() !== segment.toLowerCase()) return undefined
	}
	return params
}

function decode(segment: string): string {
	try {
		return decodeURIComponent(segment)
	} catch (error) {
		throw invalidSyntax(`the path has a broken percent encoding: ${segment.slice(0, 100)}`, error)
	}
}
