import type { Clock } from '../shared/relay/clock.ts'

/** Remembers entries for a while, the newest of them when there are too many. */
export type RecentMap<T> = {
	get(key: string): T | undefined
	/** `weight` is what the entry takes of the room. */
	set(key: string, value: T, weight?: number): void
	delete(key: string): void
}

type RecentLimits = {
	/** Entries are remembered at least so long, unless the newer ones are too many. */
	readonly milliseconds: number
	/** Weight of the newer entries that are remembered in any case; altogether it may be twice as much. */
	readonly room: number
}

/** Two maps take turns: a map whose oldest entries are deleted one by one has holes, which every look for the oldest walks over. */
export function recentMap<T>(clock: Clock, { milliseconds, room }: RecentLimits): RecentMap<T> {
	let newer = new Map<string, T>()
	let older = new Map<string, T>()
	let began = clock.now()
	let weighed = 0
	const turn = () => {
		const age = clock.now() - began
		if (age < milliseconds && weighed < room) return
		older = age < 2 * milliseconds ? newer : new Map()
		newer = new Map()
		began = clock.now()
		weighed = 0
	}
	return {
		get: (key) => {
			turn()
			return newer.get(key) ?? older.get(key)
		},
		set: (key, value, weight = 1) => {
			turn()
			newer.set(key, value)
			weighed += weight
		},
		delete: (key) => {
			newer.delete(key)
			older.delete(key)
		},
	}
}
