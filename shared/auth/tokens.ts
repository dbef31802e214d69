import { createHash, timingSafeEqual } from 'node:crypto'
import { unknownNameAllowance } from '../limits/allowance.ts'
import { unavailable } from '../scim/error.ts'
import { type Credential, type Scope, scopes } from './credential.ts'

/** The dates of a token, in milliseconds since 1970. It is valid from `notBefore` and no longer valid at `expires`. */
export type TokenDates = {
	readonly created: number
	readonly notBefore?: number
	readonly expires?: number
}

/** `value` is the token itself, or the digest that is stored in its place. */
export type Token = TokenDates & Credential & { readonly value: string }

/**
 * Reads the tokens of a tenant that are enabled and valid at the time `now` or later; none if there is no such tenant.
 * Rejects if the tokens cannot be read.
 */
export type TenantTokenSource = (tenant: string, now: number) => Promise<readonly Token[]>

/**
 * Answers which credential of a tenant a token is; undefined if it is none of this tenant.
 *
 * Rejects with a ScimError 503 if the tokens cannot be read. A 401 instead would send an Entra job into quarantine.
 */
export type TokenVerifier = (tenant: string, token: string) => Promise<Credential | undefined>

type TokenVerifierOptions = {
	readonly source: TenantTokenSource
	/** Says whether the tenant exists, without asking the source. */
	readonly isTenant: (name: string) => Promise<boolean>
	/** Milliseconds since 1970. */
	readonly now: () => number
}

const second = 1000
const minute = 60 * second
/** After this time the tokens are read again. Meanwhile the known tokens are still used. */
const freshFor = 5 * minute
/** After this time the known tokens are not used until they are read again: a token may have been disabled. */
const usableUnread = 10 * minute
/** If the source cannot be read, the known tokens are used for this long. */
const usableOffline = 24 * 60 * minute
/** The tokens of a tenant are read this often at most, whatever is sent. So a new token works within this time. */
const rereadPause = 2 * second
const maxTenants = 10_000
/** The largest number of valid tokens of a tenant with one scope. Older tokens do not count. */
const maxTokens = 4

/** A token of which we keep only the SHA-256. */
type TokenDigest = ScopedToken & { readonly digest: Buffer; readonly credential: Credential }

/** The known tokens of a tenant, newest first, as they were at the time `read`. */
type TenantTokens = {
	tokens: readonly TokenDigest[]
	read: number
	/** The time of the last attempt to read the source. `failure` is set if the attempt failed. */
	asked: number
	failure?: { readonly cause: unknown }
	pendingRead?: Promise<void>
}

/**
 * Verifies tokens against a source. What the source returns is remembered for five minutes, and for a day if the source
 * cannot be read.
 *
 * For names without tokens the source is asked up to 60 times a minute, so that such a request takes as long as one with a
 * wrong token. Beyond that it is asked only for tenants that exist, so that a flood of made-up names blocks no tenant.
 */
export function tokenVerifier({ source, isTenant, now }: TokenVerifierOptions): TokenVerifier {
	const entries = new Map<string, TenantTokens>()
	/** The names of the entries without known tokens. Those that were used last are at the end. */
	const unknownNames = new Set<string>()
	const isWithinAllowance = unknownNameAllowance(now)

	/** Forgets names without tokens as soon as their entries say nothing more. So they push no tenant out. */
	const forgetUnknownNames = (): void => {
		for (const name of unknownNames) {
			const entry = entries.get(name)
			if (entry?.pendingRead !== undefined || !isUnknownName(entry, now())) break
			entries.delete(name)
			unknownNames.delete(name)
		}
	}

	/** The entry of a tenant. It moves to the end of the queue of entries to forget. */
	const entryOf = (tenant: string): TenantTokens => {
		const entry = entries.get(tenant) ?? { tokens: [], read: Number.NEGATIVE_INFINITY, asked: Number.NEGATIVE_INFINITY }
		entries.delete(tenant)
		forgetUnknownNames()
		for (const [oldest] of entries) {
			if (entries.size < maxTenants) break
			entries.delete(oldest)
		}
		entries.set(tenant, entry)
		if (usableTokens(entry, now()).length === 0) moveToEnd(unknownNames, tenant)
		return entry
	}

	const read = async (tenant: string, entry: TenantTokens): Promise<void> => {
		const asked = now()
		entry.asked = asked
		try {
			const tokens = await source(tenant, asked)
			entry.tokens = newest(tokens, asked).map(tokenDigestOf)
			entry.read = asked
			if (entry.tokens.length > 0) unknownNames.delete(tenant)
			delete entry.failure
		} catch (cause) {
			entry.failure = { cause }
		}
	}

	/** Asks the source once for all requests that wait. Never rejects. */
	const ask = (tenant: string, entry: TenantTokens): Promise<void> => {
		entry.pendingRead ??= read(tenant, entry).finally(() => {
			delete entry.pendingRead
		})
		return entry.pendingRead
	}

	return async (tenant, token) => {
		const digest = digestOf(token)
		const current = entries.get(tenant)
		// Otherwise, what a reader of the store finds there would be a token.
		const isRefused = isStoredDigest(token)
		const known = isRefused ? undefined : credentialOf(current, digest, now())
		if (isUnknownName(current, now()) && !isWithinAllowance() && !(await isTenant(tenant))) return undefined
		const entry = entryOf(tenant)
		const age = now() - entry.read
		if (known !== undefined && age < freshFor) return known
		const pendingRead = entry.pendingRead !== undefined || pauseLeft(entry, now()) <= 0 ? ask(tenant, entry) : undefined
		if (known !== undefined && age < usableUnread) return known
		await pendingRead
		const found = isRefused ? undefined : credentialOf(entry, digest, now())
		if (found !== undefined || entry.failure === undefined) return found
		// The token may be new or wrong: only the source can tell.
		const seconds = Math.max(1, Math.ceil(pauseLeft(entry, now()) / second))
		throw unavailable('the tokens cannot be read at the moment', seconds, entry.failure.cause)
	}
}

/** A token as far as its acceptance depends on other tokens. */
export type ScopedToken = TokenDates & { readonly scope: Scope }

/**
 * The tokens that are accepted now or later, newest first. Of each scope they are at most four that are valid, and four that
 * are not yet valid. So a token that may only read never takes the place of another one.
 *
 * A source reads only these tokens, even if a tenant has had many more.
 */
export function newest<T extends ScopedToken>(tokens: readonly T[], now: number): readonly T[] {
	const sorted = [...tokens].sort((a, b) => b.created - a.created)
	const kept = [
		...newestValid(sorted, now),
		...firstOfEachScope(sorted.filter(({ notBefore = now }) => notBefore > now)),
	]
	return sorted.filter((token) => kept.includes(token))
}

/** @param sorted newest first */
const newestValid = <T extends ScopedToken>(sorted: readonly T[], now: number): readonly T[] =>
	firstOfEachScope(sorted.filter((token) => isInDate(token, now)))

const firstOfEachScope = <T extends ScopedToken>(tokens: readonly T[]): readonly T[] =>
	scopes.flatMap((scope) => tokens.filter((token) => token.scope === scope).slice(0, maxTokens))

/** Says whether a token is valid at the time `now`. */
export const isInDate = ({ notBefore, expires }: TokenDates, now: number): boolean =>
	(notBefore ?? now) <= now && now < (expires ?? Number.POSITIVE_INFINITY)

/** Marks a digest that is stored in place of a token. */
const digestMark = 'sha256:'

/** Whether a stored text, or a text that a client presents, is marked as a digest. */
export const isStoredDigest = (text: string): boolean => text.startsWith(digestMark)

/**
 * The text that is stored in place of a token: `sha256:` and the digest in base64url. A reader of the store cannot find the
 * token by it, if the token was made of 256 random bits. The digest of a text that a person chose could be guessed.
 */
export const storedDigestOf = (token: string): string => markedDigest(digestOf(token))

const markedDigest = (digest: Buffer): string => `${digestMark}${digest.toString('base64url')}`

/** The digest of a stored token. A malformed digest is that of no token. */
function storedDigest(value: string): Buffer {
	if (!isStoredDigest(value)) return digestOf(value)
	const digest = Buffer.from(value.slice(digestMark.length), 'base64url')
	return digest.length === noDigest.length && markedDigest(digest) === value ? digest : noDigest
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** A digest that no token has. */
const noDigest = Buffer.alloc(32)

const tokenDigestOf = ({ value, id, label, scope, ...dates }: Token): TokenDigest => ({
	...dates,
	scope,
	digest: storedDigest(value),
	credential: { id, ...(label !== undefined && { label }), scope },
})

/** Constant time: compares with every token, or with a dummy if there are none. */
function credentialOf(entry: TenantTokens | undefined, digest: Buffer, now: number): Credential | undefined {
	const current = newestValid(usableTokens(entry, now), now)
	if (current.length === 0) timingSafeEqual(noDigest, digest)
	return current.filter((token) => timingSafeEqual(token.digest, digest))[0]?.credential
}

const usableTokens = (entry: TenantTokens | undefined, now: number): readonly TokenDigest[] =>
	entry !== undefined && now - entry.read < usableOffline ? entry.tokens : []

/** Milliseconds until the source may be asked again. */
const pauseLeft = ({ asked }: TenantTokens, now: number): number => asked + rereadPause - now

/** Says whether the next lookup would be for a name without known tokens. */
const isUnknownName = (entry: TenantTokens | undefined, now: number): boolean =>
	entry === undefined || (pauseLeft(entry, now) <= 0 && usableTokens(entry, now).length === 0)

function moveToEnd(names: Set<string>, name: string): void {
	names.delete(name)
	names.add(name)
}
