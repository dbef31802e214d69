/** Time as an argument, so that tests of a minute take seconds. */
export type Clock = {
	/** Milliseconds since 1970. */
	now(): number
	/** Calls `run` once after so many milliseconds. The returned function cancels it. */
	after(milliseconds: number, run: () => void): () => void
}

export const systemClock: Clock = {
	now: () => Date.now(),
	after: (milliseconds, run) => {
		const timer = setTimeout(run, milliseconds)
		return () => clearTimeout(timer)
	},
}

/** The result of the work. Rejects after so many milliseconds. */
export const within = <T>(clock: Clock, milliseconds: number, work: Promise<T>): Promise<T> =>
	new Promise((resolve, reject) => {
		const cancel = clock.after(milliseconds, () => reject(new Error(`no result within ${milliseconds / 1000} s`)))
		work.then(resolve, reject).finally(cancel)
	})

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export const pause = (clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> =>
	new Promise((resolve) => {
		if (signal?.aborted) return resolve()
		const finish = () => {
			cancel()
			signal?.removeEventListener('abort', finish)
			resolve()
		}
		const cancel = clock.after(milliseconds, finish)
		signal?.addEventListener('abort', finish)
	})
