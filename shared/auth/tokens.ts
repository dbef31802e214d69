import { createHash, timingSafeEqual } from 'node:crypto'
import { unavailable } from '../scim/error.ts'

/** When a token came to be and when it is valid: from `notBefore` up to but not at `expires`, in milliseconds since 1970. */
export type TokenDates = {
	readonly created: number
	readonly notBefore?: number
	readonly expires?: number
}

export type Token = TokenDates & { readonly value: string }

/**
 * Reads the tokens of a tenant that are enabled and valid at the time `now` or later; none where there is no such tenant.
 * Rejects where nobody can tell.
 */
export type TenantTokenSource = (tenant: string, now: number) => Promise<readonly Token[]>

/**
 * Says whether a token is one of a tenant's.
 *
 * Rejects with a ScimError 503 where that cannot be known: a 401 would send an Entra job into quarantine.
 */
export type TokenVerifier = (tenant: string, token: string) => Promise<boolean>

type TokenVerifierOptions = {
	readonly source: TenantTokenSource
	/** Says whether there is such a tenant, without asking the source. */
	readonly isTenant: (name: string) => Promise<boolean>
	/** Milliseconds since 1970. */
	readonly now: () => number
}

const second = 1000
const minute = 60 * second
/** Tokens are read again after this time, while those that are known will do. */
const fresh = 5 * minute
/** After this time they are not used before they are read again: one may have been disabled since. */
const overdue = 10 * minute
/** Where they cannot be read again they will do for this long. */
const usable = 24 * 60 * minute
/** A token that is not known has the tenant's read again this often, so that one just made works soon. */
const rereadPause = 30 * second
/** The source is tried again this often where nothing is known. */
const retryPause = 5 * second
const maxTenants = 10_000
/** Lookups in a minute for names that have no tokens, which anybody can make up. */
const strangersPerMinute = 60
/** A tenant has this many tokens at a time at most; older ones do not count. */
const maxTokens = 4

/** A token of which nothing is kept but its SHA-256. */
type TokenDigest = TokenDates & { readonly digest: Buffer }

/** What is known of a tenant: `tokens` as they were at `read`, the newest first. */
type TenantTokens = {
	tokens: readonly TokenDigest[]
	read: number
	/** When the source was asked for the last time, and what became of it. */
	asked: number
	failure?: { readonly cause: unknown }
	asking?: Promise<void>
}

/**
 * Verifies tokens against what a source says, which is remembered for five minutes, and for a day while the source is away.
 *
 * Names without tokens have the source asked 60 times a minute, so that they take as long as a wrong token does; beyond
 * that only for tenants that there are, so that a flood of made-up names shuts nobody out.
 */
export function tokenVerifier({ source, isTenant, now }: TokenVerifierOptions): TokenVerifier {
	const entries = new Map<string, TenantTokens>()
	const isWithinAllowance = allowance(strangersPerMinute, now)

	/** The tenant's entry, which becomes the last one to be forgotten. */
	const entryOf = (tenant: string): TenantTokens => {
		const entry = entries.get(tenant) ?? { tokens: [], read: Number.NEGATIVE_INFINITY, asked: Number.NEGATIVE_INFINITY }
		entries.delete(tenant)
		for (const [oldest] of entries) {
			if (entries.size < maxTenants) break
			entries.delete(oldest)
		}
		entries.set(tenant, entry)
		return entry
	}

	const read = async (tenant: string, entry: TenantTokens): Promise<void> => {
		const asked = now()
		entry.asked = asked
		try {
			const tokens = await source(tenant, asked)
			entry.tokens = newest(tokens, asked).map(({ value, ...dates }) => ({ ...dates, digest: digestOf(value) }))
			entry.read = asked
			delete entry.failure
		} catch (cause) {
			entry.failure = { cause }
		}
	}

	/** Asks the source, once for all who wait for it. Never rejects. */
	const ask = (tenant: string, entry: TenantTokens): Promise<void> => {
		entry.asking ??= read(tenant, entry).finally(() => {
			delete entry.asking
		})
		return entry.asking
	}

	return async (tenant, token) => {
		const digest = digestOf(token)
		const current = entries.get(tenant)
		const isKnown = isAccepted(current, digest, now())
		if (isStranger(current, now()) && !isWithinAllowance() && !(await isTenant(tenant))) return false
		const entry = entryOf(tenant)
		const age = now() - entry.read
		if (isKnown && age < fresh) return true
		const asking = entry.asking !== undefined || pauseLeft(entry, now()) <= 0 ? ask(tenant, entry) : undefined
		if (isKnown && age < overdue) return true
		await asking
		if (isAccepted(entry, digest, now())) return true
		if (entry.failure === undefined) return false
		// It may be a new token as well as a wrong one.
		const seconds = Math.max(1, Math.ceil(pauseLeft(entry, now()) / second))
		throw unavailable('the tokens cannot be read at the moment', seconds, entry.failure.cause)
	}
}

/**
 * The tokens that are or will be accepted, the newest first: four that are in date, and four whose time is yet to come.
 *
 * A source reads no more than these, however many a tenant has had.
 */
export function newest<T extends TokenDates>(tokens: readonly T[], now: number): readonly T[] {
	const sorted = [...tokens].sort((a, b) => b.created - a.created)
	const current = sorted.filter((token) => isInDate(token, now)).slice(0, maxTokens)
	const coming = sorted.filter(({ notBefore = now }) => notBefore > now).slice(0, maxTokens)
	return sorted.filter((token) => current.includes(token) || coming.includes(token))
}

/** Whether a token is valid at a time. */
export const isInDate = ({ notBefore, expires }: TokenDates, now: number): boolean =>
	(notBefore ?? now) <= now && now < (expires ?? Number.POSITIVE_INFINITY)

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** No token is known that has this digest. */
const noDigest: TokenDigest = { created: 0, digest: Buffer.alloc(32) }

/** Compares with every token whatever comes of it, and with one where there are none. */
function isAccepted(entry: TenantTokens | undefined, digest: Buffer, now: number): boolean {
	const tokens = usableTokens(entry, now)
	const current = tokens.filter((token) => isInDate(token, now)).slice(0, maxTokens)
	return (current.length === 0 ? [noDigest] : current)
		.map((token) => timingSafeEqual(token.digest, digest))
		.includes(true)
}

const usableTokens = (entry: TenantTokens | undefined, now: number): readonly TokenDigest[] =>
	entry !== undefined && now - entry.read < usable ? entry.tokens : []

/** How long the source is not to be asked again. */
function pauseLeft({ read, asked }: TenantTokens, now: number): number {
	const pause = now - read < usable ? rereadPause : retryPause
	return asked + pause - now
}

/** Whether to ask the source would be to ask for a name that is not known to have tokens. */
const isStranger = (entry: TenantTokens | undefined, now: number): boolean =>
	entry === undefined || (pauseLeft(entry, now) <= 0 && usableTokens(entry, now).length === 0)

/** Says yes so many times a minute. */
function allowance(perMinute: number, now: () => number): () => boolean {
	let current = Number.NEGATIVE_INFINITY
	let used = 0
	return () => {
		const started = Math.floor(now() / minute)
		if (started !== current) used = 0
		current = started
		used++
		return used <= perMinute
	}
}
