import { unauthorized } from '../scim/error.ts'

/**
 * Reads the token of an Authorization header (RFC 6750 section 2.1). The scheme may be in any letter case.
 *
 * @throws ScimError 401 with a challenge
 */
export function parseBearer(header: string | null): string {
	const credentials = /^bearer(?: +|$)(.*)/i.exec(header ?? '')?.[1]
	if (credentials === undefined) {
		throw unauthorized(
			'the request has no bearer token: send "Authorization: Bearer", a space and the token',
			challenge,
		)
	}
	// A malformed token is an invalid_token (RFC 6750 section 3.1). A 400 would not point the administrator to the token.
	if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(credentials)) {
		throw unauthorized(
			'the text after "Bearer" in the Authorization header is not a token: a token has only letters, digits and - . _ ~ + /',
			`${challenge}, error="invalid_token"`,
		)
	}
	return credentials
}

/** RFC 6750 section 3: no error code if the request has no token. */
const challenge = 'Bearer realm="scim"'
