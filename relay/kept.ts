import type { Clock } from '../shared/relay/clock.ts'

/** Remembers the newest entries for a while. */
export type Kept<T> = {
	get(key: string): T | undefined
	set(key: string, value: T): void
	delete(key: string): void
}

export function kept<T>(clock: Clock, { most, milliseconds }: { most: number; milliseconds: number }): Kept<T> {
	const entries = new Map<string, { readonly value: T; readonly until: number }>()
	const expire = () => {
		for (const [key, { until }] of entries) {
			if (entries.size <= most && until > clock.now()) return
			entries.delete(key)
		}
	}
	return {
		get: (key) => {
			expire()
			return entries.get(key)?.value
		},
		set: (key, value) => {
			entries.delete(key)
			entries.set(key, { value, until: clock.now() + milliseconds })
			expire()
		},
		delete: (key) => entries.delete(key),
	}
}
