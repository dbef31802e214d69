import { type Clock, within } from './clock.ts'
import type { RelayToken } from './sas.ts'

export type TokenSource = () => Promise<RelayToken>

/** However many wait for a source that has stopped answering, the next one asks it again. */
const sourceLimit = 20_000

/**
 * Keeps a token for three quarters of its life and asks for the next one once, however many wait for it.
 * `fresh` asks in any case, for when the service has refused the kept one.
 */
export function cached(source: TokenSource, clock: Clock): (fresh?: boolean) => Promise<RelayToken> {
	let kept: { readonly token: RelayToken; readonly until: number } | undefined
	let asked: Promise<RelayToken> | undefined
	const ask = async () => {
		const token = await within(clock, sourceLimit, source())
		kept = { token, until: clock.now() + (token.expiresOnTimestamp - clock.now()) * 0.75 }
		return token
	}
	return (fresh = false) => {
		if (!fresh && kept !== undefined && clock.now() < kept.until) return Promise.resolve(kept.token)
		asked ??= ask().finally(() => {
			asked = undefined
		})
		return asked
	}
}
