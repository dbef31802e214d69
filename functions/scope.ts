import type { Credential } from '../shared/auth/credential.ts'
import { ScimError } from '../shared/scim/error.ts'
import type { Route } from './routes.ts'

type AskedRoute = { readonly route: Route | undefined; readonly method: string }

/**
 * Refuses what the credential may not do. A credential with the scope `scim.read` may do what the route table declares to
 * change nothing. HEAD is a GET (RFC 9110 section 9.3.2).
 *
 * @throws ScimError 403 with a challenge (RFC 6750 section 3.1)
 */
export function requireScope({ scope }: Credential, { route, method }: AskedRoute): void {
	if (scope === 'scim') return
	const read: string = method === 'HEAD' ? 'GET' : method
	if (route?.reads.some((each) => each === read)) return
	throw new ScimError(403, `the credential may only read, and ${method} is not a request that only reads here`, {
		headers: { 'WWW-Authenticate': 'Bearer realm="scim", error="insufficient_scope", scope="scim"' },
	})
}
