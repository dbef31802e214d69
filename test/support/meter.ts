import type { Send } from '../../shared/storage/table/tables.ts'

/** Counts the requests to the table service. `waves` is how many of them came one after another; others run beside them. */
export type Meter = {
	readonly intercept: (send: Send) => Send
	/** Counts the requests of one task. */
	measure<T>(task: () => Promise<T>): Promise<{ result: T; requests: number; waves: number }>
}

export function createMeter(): Meter {
	let requests = 0
	let waves = 0
	return {
		intercept: (send) => async (request) => {
			requests++
			const wave = waves + 1
			try {
				return await send(request)
			} finally {
				waves = Math.max(waves, wave)
			}
		},
		async measure(task) {
			requests = 0
			waves = 0
			const result = await task()
			return { result, requests, waves }
		},
	}
}
