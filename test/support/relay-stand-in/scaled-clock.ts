import type { Clock } from '../../../shared/relay/clock.ts'

export type ScaledClock = Clock & {
	/** Advances the clock. */
	forward(milliseconds: number): void
	/** Stops the clock and its timers, as a suspended machine does. */
	suspend(): void
	/** Continues. A corrected clock then shows the true time. Timers have stood still either way. */
	wake(isCorrected: boolean): void
}

/** Real milliseconds between two looks at the time, and the most that one look may add. */
const tick = 2
let longestTick = 6

let passed = 0
let lookedAt = performance.now()

/**
 * Real milliseconds in which this process could work. Other programs on a busy machine may stop it for a while. That while
 * does not count, or a request would seem to have waited for minutes.
 */
function working(): number {
	const now = performance.now()
	passed += Math.min(now - lookedAt, longestTick)
	lookedAt = now
	return passed
}
setInterval(working, tick).unref()

/** From now on, all time counts. Processes that compare times need clocks of the same speed. */
export function countAllTime(): void {
	longestTick = Number.POSITIVE_INFINITY
}

type Timer = { due: number; readonly run: () => void; timer: NodeJS.Timeout | undefined }

/** A clock that runs `factor` times as fast as the time in which this process can work. */
export function scaledClock(factor: number, start = Date.now()): ScaledClock {
	const origin = working()
	const waiting = new Set<Timer>()
	let ahead = 0
	let suspendedAt: number | undefined
	const running = () => start + ahead + (working() - origin) * factor
	const now = () => suspendedAt ?? running()
	const set = (entry: Timer) => {
		clearTimeout(entry.timer)
		if (suspendedAt !== undefined) return
		entry.timer = setTimeout(
			() => {
				if (now() < entry.due) return set(entry)
				waiting.delete(entry)
				entry.run()
			},
			Math.max(0, (entry.due - now()) / factor),
		)
	}
	return {
		now,
		after: (milliseconds, run) => {
			const entry: Timer = { due: now() + milliseconds, run, timer: undefined }
			waiting.add(entry)
			set(entry)
			return () => {
				clearTimeout(entry.timer)
				waiting.delete(entry)
			}
		},
		forward: (milliseconds) => {
			ahead += milliseconds
			for (const entry of waiting) set(entry)
		},
		suspend: () => {
			suspendedAt = now()
			for (const { timer } of waiting) clearTimeout(timer)
		},
		wake: (isCorrected) => {
			const missed = running() - now()
			suspendedAt = undefined
			if (isCorrected) for (const entry of waiting) entry.due += missed
			else ahead -= missed
			for (const entry of waiting) set(entry)
		},
	}
}
