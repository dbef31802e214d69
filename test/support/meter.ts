import type { Send } from '../../shared/storage/table/tables.ts'

/** Counts the requests to the table service. `waves` is how many of them had to wait for one another. */
export type Meter = {
	readonly intercept: (send: Send) => Send
	/** What a piece of work takes. */
	measure<T>(work: () => Promise<T>): Promise<{ result: T; requests: number; waves: number }>
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
		async measure(work) {
			requests = 0
			waves = 0
			const result = await work()
			return { result, requests, waves }
		},
	}
}
