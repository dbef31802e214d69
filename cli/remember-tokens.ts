import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/identity'

/** Asks a credential once for each scope and Entra directory: each request to az takes about a second. */
export function rememberTokens(credential: TokenCredential): TokenCredential {
	const tokens = new Map<string, AccessToken>()
	return {
		async getToken(scopes, options: GetTokenOptions = {}) {
			const key = `${options.tenantId ?? ''} ${[scopes].flat().join(' ')}`
			const known = tokens.get(key)
			// A challenge with claims asks for another token.
			if (options.claims === undefined && known !== undefined && known.expiresOnTimestamp - Date.now() > minute)
				return known
			const token = await credential.getToken(scopes, options)
			if (token !== null) tokens.set(key, token)
			return token
		},
	}
}

const minute = 60_000
