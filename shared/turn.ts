/** Lets other requests have their turn, if this one has had its own. */
export type Yield = () => Promise<void> | undefined

/** Milliseconds after which other requests have their turn. */
const turn = 10

/** Makes the function that lets other requests have their turn. */
export function yieldingTurns(): Yield {
	let begun = performance.now()
	return () => {
		if (performance.now() - begun < turn) return undefined
		return new Promise((resolve) => {
			setImmediate(() => {
				begun = performance.now()
				resolve()
			})
		})
	}
}
