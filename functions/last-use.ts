import type { Credential } from '../shared/auth/credential.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { Timer } from './timer.ts'

type Use = { readonly tenant: Tenant; readonly id: string; readonly time: number }

export type LastUses = {
	/** Notes that a credential of a tenant was used now. */
	note(tenant: Tenant, credential: Credential): void
	/** Stores what is noted and not yet stored. Never rejects. */
	flush(): Promise<void>
}

type LastUsesOptions = {
	readonly store: (use: Use) => Promise<void>
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** Runs what no request waits for. */
	readonly later: Timer
}

/** A credential is stored this often at most, in milliseconds. */
const interval = 3_600_000
/** The wait before uses are stored, so that no request waits, and uses of several credentials go together. */
const delay = 2000

/**
 * Stores when credentials were last used: at most once an hour for each credential in one process, and beside the requests.
 * If the store is away, a later use is stored.
 */
export function openLastUses({ store, now, later }: LastUsesOptions): LastUses {
	/** When each credential was last noted. Those that were noted first are at the beginning. */
	const noted = new Map<string, number>()
	let pending: Use[] = []

	const forgetOld = (): void => {
		for (const [key, time] of noted) {
			if (now() - time < interval) break
			noted.delete(key)
		}
	}

	const storeOne = (use: Use): Promise<void> =>
		store(use).catch(() => {
			noted.delete(keyOf(use.tenant, use.id))
		})

	const flush = async (): Promise<void> => {
		const uses = pending
		pending = []
		await Promise.all(uses.map(storeOne))
	}

	return {
		note(tenant, { id }) {
			const key = keyOf(tenant, id)
			const time = now()
			if (time - (noted.get(key) ?? Number.NEGATIVE_INFINITY) < interval) return
			forgetOld()
			noted.delete(key)
			noted.set(key, time)
			if (pending.push({ tenant, id, time }) === 1) later(delay, () => void flush())
		},
		flush,
	}
}

const keyOf = ({ table }: Tenant, id: string): string => `${table} ${id}`
