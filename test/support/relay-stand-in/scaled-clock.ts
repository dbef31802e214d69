import type { Clock } from '../../../shared/relay/clock.ts'

/** A clock on which a minute passes in a minute divided by `factor`. */
export function scaledClock(factor: number, start = Date.now()): Clock {
	const origin = performance.now()
	return {
		now: () => start + (performance.now() - origin) * factor,
		after: (milliseconds, run) => {
			const timer = setTimeout(run, milliseconds / factor)
			return () => clearTimeout(timer)
		},
	}
}
