import { type Clock, within } from './clock.ts'
import type { RelayToken } from './sas.ts'

export type TokenSource = () => Promise<RelayToken>

/** Milliseconds after which a source counts as failed, so that the next caller asks it again. */
const sourceLimit = 20_000

/** A token is not used in its last milliseconds. */
const expiryMargin = 60_000

/**
 * Caches a token until it is due for renewal. Concurrent callers share one request for the next token. If that
 * request fails, the old token is used until it expires. `fresh` ignores the cache, for use after a refused token.
 */
export function cached(source: TokenSource, clock: Clock): (fresh?: boolean) => Promise<RelayToken> {
	let cachedToken: { readonly token: RelayToken; readonly until: number } | undefined
	let pending: Promise<RelayToken> | undefined
	const fetchToken = async () => {
		const token = await within(clock, sourceLimit, source())
		const { expiresOnTimestamp, renewOnTimestamp } = token
		cachedToken = { token, until: renewOnTimestamp ?? clock.now() + (expiresOnTimestamp - clock.now()) * 0.75 }
		return token
	}
	return async (fresh = false) => {
		const current = fresh ? undefined : cachedToken
		if (current !== undefined && clock.now() < current.until) return current.token
		pending ??= fetchToken().finally(() => {
			pending = undefined
		})
		if (current === undefined || clock.now() > current.token.expiresOnTimestamp - expiryMargin) return pending
		return pending.catch(() => current.token)
	}
}
