import type { Clock } from './clock.ts'

/** Limits how many pieces of work run at once, and how many wait. */
export type Semaphore = {
	/** Runs the work as soon as there is room. Returns undefined if the queue is full. */
	enter<T>(turn: Admission<T>): Promise<T> | undefined
}

type Admission<T> = {
	readonly run: () => Promise<T>
	/** Milliseconds that the work may wait. */
	readonly waitLimit: number
	/** The result if the work waited too long. It then leaves the queue. */
	readonly fallback: T
}

export function semaphore(width: number, queue: number, clock: Clock): Semaphore {
	const waiting = new Set<() => void>()
	let running = 0
	const leave = () => {
		const [next] = waiting
		if (next === undefined) running--
		else next()
	}
	const wait = (milliseconds: number) =>
		new Promise<boolean>((resolve) => {
			const end = (isAdmitted: boolean) => () => {
				cancel()
				waiting.delete(next)
				resolve(isAdmitted)
			}
			const next = end(true)
			const cancel = clock.after(milliseconds, end(false))
			waiting.add(next)
		})
	return {
		enter: ({ run, waitLimit, fallback }) => {
			if (running < width) {
				running++
				return run().finally(leave)
			}
			if (waiting.size >= queue) return undefined
			return wait(waitLimit).then((isAdmitted) => (isAdmitted ? run().finally(leave) : fallback))
		},
	}
}
