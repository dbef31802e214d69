import type { Clock } from '../shared/relay/clock.ts'

/** Lets so many in at a time and so many wait. */
export type Semaphore = {
	/** Runs when there is room; undefined when there is none even to wait. */
	enter<T>(turn: Admission<T>): Promise<T> | undefined
}

type Admission<T> = {
	readonly run: () => Promise<T>
	/** Milliseconds that it waits. */
	readonly waitLimit: number
	/** What it comes to when it has waited so long; its place is another's then. */
	readonly fallback: T
}

export function semaphore(width: number, queue: number, clock: Clock): Semaphore {
	const waiting = new Set<() => void>()
	let inside = 0
	const leave = () => {
		const [next] = waiting
		if (next === undefined) inside--
		else next()
	}
	const wait = (milliseconds: number) =>
		new Promise<boolean>((resolve) => {
			const end = (isIn: boolean) => () => {
				cancel()
				waiting.delete(next)
				resolve(isIn)
			}
			const next = end(true)
			const cancel = clock.after(milliseconds, end(false))
			waiting.add(next)
		})
	return {
		enter: ({ run, waitLimit, fallback }) => {
			if (inside < width) {
				inside++
				return run().finally(leave)
			}
			if (waiting.size >= queue) return undefined
			return wait(waitLimit).then((isIn) => (isIn ? run().finally(leave) : fallback))
		},
	}
}
