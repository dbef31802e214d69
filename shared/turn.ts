// Long work runs in turns. In each round of the event loop, one of the long works of the process has a turn. So a short
// request waits for one turn in each of its rounds, and not for one of each long request that is under way.

/** Lets other requests have their turn, if this one has had its own. */
export type Yield = () => Promise<void> | undefined

/** Milliseconds after which other requests have their turn. */
const turn = 10

/** What begins the next turns, in the order in which they were asked for. */
const waiting: (() => void)[] = []

/** Resolves when it is the turn of the caller's work: at once in the next round of the event loop, if no other waits. */
export function nextTurn(): Promise<void> {
	return new Promise((resolve) => {
		waiting.push(resolve)
		if (waiting.length === 1) setImmediate(beginNext)
	})
}

function beginNext(): void {
	const begin = waiting.shift()
	if (waiting.length > 0) setImmediate(beginNext)
	begin?.()
}

/**
 * Makes the function that lets other requests have their turn.
 *
 * @param now milliseconds, by a clock that never goes back
 */
export function yieldingTurns(now: () => number = () => performance.now()): Yield {
	let begun = now()
	return () =>
		now() - begun < turn
			? undefined
			: nextTurn().then(() => {
					begun = now()
				})
}
