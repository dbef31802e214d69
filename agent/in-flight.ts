/** Counts work in progress and reports when none is left. */
export type InFlight = {
	/** Counts one more. Call the result once when that work ends. */
	enter(): () => void
	count(): number
	/** Resolves when no work is in progress. */
	empty(): Promise<void>
}

export function inFlight(): InFlight {
	const waiting = new Set<() => void>()
	let count = 0
	return {
		enter: () => {
			count++
			return () => {
				count--
				if (count > 0) return
				for (const resolve of waiting) resolve()
				waiting.clear()
			}
		},
		count: () => count,
		empty: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve))),
	}
}
