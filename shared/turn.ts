import { AsyncLocalStorage } from 'node:async_hooks'

// Long work runs in turns. In each round of the event loop, one of the long works of the process has a turn. So a short
// request waits for one turn in each of its rounds, and not for one of each long request that is under way. The request
// that has had the fewest turns is next, so that a short request never waits behind all long ones.

/** Lets other requests have their turn, if this one has had its own. */
export type Yield = () => Promise<void> | undefined

/** Milliseconds after which other requests have their turn. */
const turn = 10

/** How many turns a request has had. */
type TurnCount = { turns: number }

const request = new AsyncLocalStorage<TurnCount>()

/** Runs a request, whose turns are counted. */
export const withTurns = <T>(run: () => T): T => request.run({ turns: 0 }, run)

type WaitingTurn = { readonly turns: number; readonly begin: () => void }

/** In the order in which the turns were asked for. */
const waiting: WaitingTurn[] = []

/** Resolves when it is the turn of the caller's work: at once in the next round of the event loop, if no other waits. */
export function nextTurn(): Promise<void> {
	const count = request.getStore() ?? { turns: 0 }
	return new Promise((begin) => {
		waiting.push({ turns: count.turns++, begin })
		if (waiting.length === 1) setImmediate(beginNext)
	})
}

function beginNext(): void {
	const fewest = Math.min(...waiting.map(({ turns }) => turns))
	const position = waiting.findIndex(({ turns }) => turns === fewest)
	const [next] = waiting.splice(position, 1)
	if (waiting.length > 0) setImmediate(beginNext)
	next?.begin()
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
