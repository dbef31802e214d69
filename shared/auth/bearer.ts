import { unauthorized } from '../scim/error.ts'

/**
 * The token in an Authorization header (RFC 6750 section 2.1); the scheme is taken in any letter case.
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
	// RFC 6750 section 3.1 has malformed tokens under invalid_token. As a 400 it would not look like a matter of credentials.
	if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(credentials)) {
		throw unauthorized(
			'what follows "Bearer" in the Authorization header is not a token: it has letters, digits and - . _ ~ + / only',
			`${challenge}, error="invalid_token"`,
		)
	}
	return credentials
}

/** RFC 6750 section 3: without an error code where the request has no token. */
const challenge = 'Bearer realm="scim"'
