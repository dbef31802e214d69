import type { Scope } from '../shared/auth/credential.ts'
import { isInDate, newest, type ScopedToken } from '../shared/auth/tokens.ts'

/** One token of a tenant without its value. */
export type TokenVersion = ScopedToken & {
	readonly version: string
	/** What an administrator calls the token. */
	readonly label?: string
	readonly enabled: boolean
	/** Whether only the digest of the token is stored, and not the token. */
	readonly isDigest: boolean
}

/** What a new token is: by default it has no label, may do everything, and is valid at once. */
export type TokenDescription = { readonly label?: string; readonly scope?: Scope; readonly notBefore?: number }

/** A change of a token: disable it, or set its expiry in milliseconds since 1970. */
export type TokenChange = { readonly enabled: false } | { readonly expires: number }

/** The store of the tokens. Values go in and never come out again, but for a file of this machine. */
export type TokenStore = {
	/** All tokens of a tenant, newest first. */
	list(tenant: string): Promise<readonly TokenVersion[]>
	/** Adds a token, by the token itself or by its digest. */
	add(tenant: string, stored: string, description?: TokenDescription): Promise<TokenVersion>
	/** Changes a token that `list` has returned. */
	change(tenant: string, token: Pick<TokenVersion, 'version' | 'scope'>, change: TokenChange): Promise<void>
	/** Removes all tokens of a tenant, permanently if the store allows it. */
	remove(tenant: string): Promise<void>
	/** The token itself. Undefined if there is none, or if its digest alone is stored. A vault does not have this. */
	readonly value?: (tenant: string, version: string) => Promise<string | undefined>
	/** Finds out whether the operator may write here. Rejects if not. Nothing is changed. */
	tryWriting(): Promise<void>
}

export type TokenState = 'accepted' | 'not yet' | 'expired' | 'disabled' | 'outnumbered'

/** The state of each token for a host. Tokens of a scope beyond its newest four are `outnumbered`. */
export function statesOf(tokens: readonly Omit<TokenVersion, 'isDigest'>[], now: number): readonly TokenState[] {
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
