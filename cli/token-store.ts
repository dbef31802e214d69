import { isInDate, newest, type TokenDates } from '../shared/auth/tokens.ts'

/** One token of a tenant, but for its value. */
export type TokenVersion = TokenDates & { readonly version: string; readonly enabled: boolean }

/** What may be changed of a token: it is switched off, or given an end in milliseconds since 1970. */
export type TokenChange = { readonly enabled: false } | { readonly expires: number }

/** Where the tokens of tenants are kept. Values go in and never come out again. */
export type TokenStore = {
	/** All tokens of a tenant, the newest first; none where it has none. */
	list(tenant: string): Promise<readonly TokenVersion[]>
	add(tenant: string, value: string): Promise<TokenVersion>
	/** Changes a token that `list` has named. */
	change(tenant: string, version: string, change: TokenChange): Promise<void>
	/** Removes all tokens of a tenant, for good as far as the place allows. */
	remove(tenant: string): Promise<void>
}

export type TokenState = 'accepted' | 'not yet' | 'expired' | 'disabled' | 'outnumbered'

/** What a host makes of each of a tenant's tokens; `outnumbered` are those beyond the newest four. */
export function statesOf(tokens: readonly TokenVersion[], now: number): readonly TokenState[] {
	const newestTokens = newest(
		tokens.filter(({ enabled }) => enabled),
		now,
	)
	return tokens.map((token) => {
		if (!token.enabled) return 'disabled'
		if ((token.expires ?? Number.POSITIVE_INFINITY) <= now) return 'expired'
		if (!newestTokens.includes(token)) return 'outnumbered'
		return isInDate(token, now) ? 'accepted' : 'not yet'
	})
}
