import type { ScimRequest } from '../../shared/http/request.ts'
import { ScimError } from '../../shared/scim/error.ts'
import type { HttpReply } from '../http-reply.ts'
import type { OAuth } from './oauth.ts'
import { OAuthError, temporarilyUnavailable } from './oauth-error.ts'
import type { NamedTenant } from './sources.ts'
import { readTokenRequest } from './token-request.ts'

// OAuth's own answers: application/json and never the media type or the error of SCIM, which OAuth clients do not read.

/** Answers `POST /scim/{tenant}/oauth2/token`. The cause is an outage that the log should have. */
export async function answerTokenRequest(
	request: ScimRequest,
	{ oauth, named }: { readonly oauth: OAuth; readonly named: () => Promise<NamedTenant> },
): Promise<{ readonly reply: HttpReply; readonly cause?: unknown }> {
	if (request.method !== 'POST') return { reply: notPost }
	try {
		const asked = await readTokenRequest(request)
		return { reply: json(200, await oauth.issue(await named(), asked)) }
	} catch (error) {
		const { status, code, message, headers, cause } = oauthErrorOf(error)
		const reply = json(status, { error: code, error_description: message }, headers)
		return { reply, ...(status >= 500 && { cause: cause ?? error }) }
	}
}

function oauthErrorOf(error: unknown): OAuthError {
	if (error instanceof OAuthError) return error
	if (error instanceof ScimError && error.status === 503) return outage(error)
	throw error
}

/** A service of ours is away: never `invalid_client`, which would stop an Entra job. */
const outage = (error: ScimError): OAuthError =>
	temporarilyUnavailable(503, error.message, {
		seconds: Number(error.headers['Retry-After'] ?? 5),
		cause: error.cause ?? error,
	})

const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpReply => ({
	status,
	headers: {
		'Content-Type': 'application/json',
		'Cache-Control': 'no-store',
		// RFC 6749 section 5.1.
		Pragma: 'no-cache',
		'X-Content-Type-Options': 'nosniff',
		...headers,
	},
	body: JSON.stringify(body),
})

const notPost = json(
	405,
	{ error: 'invalid_request', error_description: 'an access token is asked for with POST' },
	{ Allow: 'POST' },
)

/** `/.well-known/oauth-authorization-server/scim/{tenant}`: RFC 8414 section 3.1. Undefined for any other path. */
export function tenantOfMetadata(pathname: string): string | undefined {
	const [, tenant] = /^\/+\.well-known\/oauth-authorization-server\/scim\/([^/]+)\/?$/i.exec(pathname) ?? []
	return tenant
}

/** Answers a request for the metadata. It asks no store, so it says nothing of which tenants there are. */
export function answerMetadataRequest(method: string, issuer: string): HttpReply {
	if (method === 'GET' || method === 'HEAD') return withoutBody(method, json(200, metadataOf(issuer)))
	return json(
		405,
		{ error: 'invalid_request', error_description: 'the metadata is asked for with GET' },
		{ Allow: 'GET, HEAD' },
	)
}

const withoutBody = (method: string, { body, ...reply }: HttpReply): HttpReply =>
	method === 'HEAD' || body === undefined ? reply : { ...reply, body }

/** RFC 8414 section 2. `response_types_supported` must be there, and is empty because there is no authorization endpoint. */
const metadataOf = (issuer: string) => ({
	issuer,
	token_endpoint: `${issuer}/oauth2/token`,
	token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
	token_endpoint_auth_signing_alg_values_supported: ['RS256'],
	grant_types_supported: ['client_credentials'],
	response_types_supported: [],
	scopes_supported: ['scim', 'scim.read'],
})
