import { type Clock, within } from './clock.ts'
import type { RelayToken } from './sas.ts'

export type TokenSource = () => Promise<RelayToken>

/** However many wait for a source that has stopped answering, the next one asks it again. */
const sourceLimit = 20_000

/** A token is not used any more when it ends so soon, in milliseconds. */
const spare = 60_000

/**
 * Keeps a token for three quarters of its life and asks for the next one once, however many wait for it; one that still is
 * good is used while no other is to be had. `fresh` asks in any case, for when the service has refused the kept one.
 */
export function cached(source: TokenSource, clock: Clock): (fresh?: boolean) => Promise<RelayToken> {
	let kept: { readonly token: RelayToken; readonly until: number } | undefined
	let asked: Promise<RelayToken> | undefined
	const ask = async () => {
		const token = await within(clock, sourceLimit, source())
		kept = { token, until: clock.now() + (token.expiresOnTimestamp - clock.now()) * 0.75 }
		return token
	}
	return async (fresh = false) => {
		const held = fresh ? undefined : kept
		if (held !== undefined && clock.now() < held.until) return held.token
		asked ??= ask().finally(() => {
			asked = undefined
		})
		if (held === undefined || clock.now() > held.token.expiresOnTimestamp - spare) return asked
		return asked.catch(() => held.token)
	}
}
