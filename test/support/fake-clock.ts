import { setImmediate as turn } from 'node:timers/promises'
import type { Timer } from '../../functions/timer.ts'

/** A clock that the test moves, with timers that run when the clock comes to their time. */
export type FakeClock = {
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly timer: Timer
	/** Moves the clock from timer to timer, and lets the work that each one starts go on. */
	readonly advance: (milliseconds: number) => Promise<void>
	/** Moves the clock without its timers, as work does that takes long. */
	readonly pass: (milliseconds: number) => void
	/** Moves the clock from timer to timer until the work has a result. Answers the milliseconds that this took. */
	readonly advanceUntil: (work: Promise<unknown>) => Promise<number>
	/** The number of timers that have not run. */
	readonly pending: () => number
}

export function fakeClock(start = Date.UTC(2026, 0, 1)): FakeClock {
	let time = start
	const timers = new Map<symbol, { readonly at: number; readonly run: () => void }>()
	const timer: Timer = (milliseconds, run) => {
		const key = Symbol('timer')
		timers.set(key, { at: time + Math.max(0, milliseconds), run })
		return () => timers.delete(key)
	}
	/** Runs the next timer until a time; says whether there was one. */
	const step = (until: number): boolean => {
		const [next] = [...timers].sort(([, a], [, b]) => a.at - b.at)
		if (next === undefined || next[1].at > until) return false
		timers.delete(next[0])
		time = Math.max(time, next[1].at)
		next[1].run()
		return true
	}
	/** Waits until the work of this turn has gone on as far as it can without the clock. */
	const settle = async (): Promise<void> => {
		for (let count = 0; count < 5; count++) await turn()
	}
	return {
		now: () => time,
		timer,
		pending: () => timers.size,
		pass(milliseconds) {
			time += milliseconds
		},
		async advance(milliseconds) {
			const until = time + milliseconds
			await settle()
			while (step(until)) await settle()
			time = until
		},
		async advanceUntil(work) {
			const started = time
			let isDone = false
			const end = () => {
				isDone = true
			}
			work.then(end, end)
			await settle()
			while (!isDone) {
				step(Number.POSITIVE_INFINITY)
				await settle()
			}
			return time - started
		},
	}
}
