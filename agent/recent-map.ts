import type { Clock } from '../shared/relay/clock.ts'

/** A map that forgets entries after a while, the oldest first if there are too many. */
export type RecentMap<T> = {
	get(key: string): T | undefined
	/** `weight` is the entry's share of the capacity, 1 by default. */
	set(key: string, value: T, weight?: number): void
	delete(key: string): void
}

type RecentLimits = {
	/** An entry stays for at least this time, unless newer entries fill the capacity. It stays for at most twice this time. */
	readonly milliseconds: number
	/** The newest entries up to this weight always stay. The map holds at most twice this weight. */
	readonly capacity: number
}

/**
 * Two maps take turns. With one map, deleting the oldest entries one by one leaves holes, and every search for the oldest
 * entry walks over them.
 */
export function recentMap<T>(clock: Clock, { milliseconds, capacity }: RecentLimits): RecentMap<T> {
	let newer = new Map<string, T>()
	let older = new Map<string, T>()
	let started = clock.now()
	let newerWeight = 0
	const rotate = () => {
		const age = clock.now() - started
		if (age < milliseconds && newerWeight < capacity) return
		older = age < 2 * milliseconds ? newer : new Map()
		newer = new Map()
		started = clock.now()
		newerWeight = 0
	}
	return {
		get: (key) => {
			rotate()
			return newer.get(key) ?? older.get(key)
		},
		set: (key, value, weight = 1) => {
			rotate()
			newer.set(key, value)
			newerWeight += weight
		},
		delete: (key) => {
			newer.delete(key)
			older.delete(key)
		},
	}
}
