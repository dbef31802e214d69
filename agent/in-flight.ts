/** Counts what is under way, and tells when nothing is. */
export type InFlight = {
	/** One more; the result, called once, is one less. */
	enter(): () => void
	count(): number
	/** Resolves when nothing is under way. */
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
