import type { Clock } from '../../../shared/relay/clock.ts'

export type ScaledClock = Clock & {
	/** Advances the clock. */
	forward(milliseconds: number): void
}

type Timer = { readonly due: number; readonly run: () => void; timer: NodeJS.Timeout | undefined }

/** A clock that runs `factor` times as fast as real time. */
export function scaledClock(factor: number, start = Date.now()): ScaledClock {
	const origin = performance.now()
	const waiting = new Set<Timer>()
	let ahead = 0
	const now = () => start + ahead + (performance.now() - origin) * factor
	const set = (entry: Timer) => {
		clearTimeout(entry.timer)
		entry.timer = setTimeout(
			() => {
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
	}
}
