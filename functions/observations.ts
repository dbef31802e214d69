import type { TypeName } from '../shared/scim/resource-type.ts'
import type { JsonType } from '../shared/scim/undeclared-names.ts'
import type { ObservedPath } from '../shared/storage/observed.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { Timer } from './timer.ts'

export type Observations = {
	/** Counts the undeclared paths of one request. */
	note(tenant: Tenant, resourceType: TypeName, found: ReadonlyMap<string, JsonType>): void
	/** Stores what is counted and not yet stored. Never rejects. */
	flush(): Promise<void>
}

type ObservationsOptions = {
	readonly store: (tenant: Tenant, seen: readonly ObservedPath[]) => Promise<void>
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** Runs what no request waits for. */
	readonly later: Timer
}

/** The wait before counts are stored, in milliseconds: so one process stores them at most once a minute. */
const delay = 60_000
/** Paths in memory at most, of all tenants. */
const maxPaths = 10_000

type TenantObservations = { readonly tenant: Tenant; readonly paths: Map<string, ObservedPath> }

/**
 * Counts the paths that clients send and no schema declares, beside the requests. If the store is away, the counts stay in
 * memory for the next time. What a process has not stored is lost with it.
 */
export function openObservations({ store, now, later }: ObservationsOptions): Observations {
	let pending = new Map<string, TenantObservations>()
	let size = 0
	let isScheduled = false

	const add = (tenant: Tenant, seen: ObservedPath): void => {
		const { paths } = pending.get(tenant.table) ?? { paths: new Map<string, ObservedPath>() }
		pending.set(tenant.table, { tenant, paths })
		const key = `${seen.resourceType} ${seen.path.toLowerCase()}`
		const before = paths.get(key)
		if (before === undefined && ++size > maxPaths) return
		paths.set(key, before === undefined ? seen : together(before, seen))
	}

	const schedule = (): void => {
		if (isScheduled || pending.size === 0) return
		isScheduled = true
		later(delay, () => {
			isScheduled = false
			void flush()
		})
	}

	const flush = async (): Promise<void> => {
		const taken = [...pending.values()]
		pending = new Map()
		size = 0
		const storeOne = ({ tenant, paths }: TenantObservations) =>
			store(tenant, [...paths.values()]).catch(() => {
				for (const seen of paths.values()) add(tenant, seen)
			})
		await Promise.all(taken.map(storeOne))
		schedule()
	}

	return {
		note(tenant, resourceType, found) {
			if (found.size === 0) return
			const time = new Date(now()).toISOString()
			for (const [path, type] of found) {
				add(tenant, { resourceType, path, types: [type], count: 1, first: time, last: time })
			}
			schedule()
		},
		flush,
	}
}

const together = (before: ObservedPath, seen: ObservedPath): ObservedPath => ({
	...seen,
	path: before.path,
	types: [...new Set([...before.types, ...seen.types])],
	count: before.count + seen.count,
	first: [before.first, seen.first].sort()[0] ?? seen.first,
	last: [before.last, seen.last].sort()[1] ?? seen.last,
})
