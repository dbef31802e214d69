import type { Clock } from '../../../shared/relay/clock.ts'

export type ScaledClock = Clock & {
	/** Lets so many milliseconds pass at once. */
	forward(milliseconds: number): void
}

type Waiting = { readonly due: number; readonly run: () => void; timer: NodeJS.Timeout | undefined }

/** A clock on which a minute passes in a minute divided by `factor`. */
export function scaledClock(factor: number, start = Date.now()): ScaledClock {
	const origin = performance.now()
	const waiting = new Set<Waiting>()
	let ahead = 0
	const now = () => start + ahead + (performance.now() - origin) * factor
	const set = (entry: Waiting) => {
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
			const entry: Waiting = { due: now() + milliseconds, run, timer: undefined }
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
