/** The error codes of RFC 6749 section 5.2, and `temporarily_unavailable` of its section 4.1.2.1. */
type OAuthErrorCode =
	| 'invalid_request'
	| 'invalid_client'
	| 'invalid_scope'
	| 'unsupported_grant_type'
	| 'temporarily_unavailable'

type OAuthErrorOptions = {
	readonly headers?: Readonly<Record<string, string>>
	readonly cause?: unknown
}

/** A refusal of the token endpoint. It has OAuth's own body, never that of SCIM. */
export class OAuthError extends Error {
	override readonly name = 'OAuthError'
	readonly status: number
	readonly code: OAuthErrorCode
	readonly headers: Readonly<Record<string, string>>

	constructor(status: number, code: OAuthErrorCode, description: string, options: OAuthErrorOptions = {}) {
		super(description, options.cause === undefined ? undefined : { cause: options.cause })
		this.status = status
		this.code = code
		this.headers = options.headers ?? {}
	}
}

export const invalidRequest = (description: string, cause?: unknown): OAuthError =>
	new OAuthError(400, 'invalid_request', description, { cause })

/** One answer for every client and every tenant that is unknown, and for every wrong secret and assertion. */
export const invalidClient = ({ isBasic }: { readonly isBasic: boolean }): OAuthError =>
	new OAuthError(401, 'invalid_client', 'the client cannot be authenticated', {
		headers: isBasic ? { 'WWW-Authenticate': 'Basic realm="scim"' } : {},
	})

/** @param status 429 if the client asks too often, 503 if a service of ours is away */
export const temporarilyUnavailable = (
	status: 429 | 503,
	description: string,
	{ seconds, cause }: { readonly seconds: number; readonly cause?: unknown },
): OAuthError =>
	new OAuthError(status, 'temporarily_unavailable', description, {
		headers: { 'Retry-After': String(seconds) },
		cause,
	})
