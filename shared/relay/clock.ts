/** Time as an argument, so that what waits a minute can be seen to do so in less. */
export type Clock = {
	/** Milliseconds since 1970. */
	now(): number
	/** Runs once after so many milliseconds; the result cancels it. */
	after(milliseconds: number, run: () => void): () => void
}

export const systemClock: Clock = {
	now: () => Date.now(),
	after: (milliseconds, run) => {
		const timer = setTimeout(run, milliseconds)
		return () => clearTimeout(timer)
	},
}

/** What the work comes to, or an error after so many milliseconds. */
export const within = <T>(clock: Clock, milliseconds: number, work: Promise<T>): Promise<T> =>
	new Promise((resolve, reject) => {
		const cancel = clock.after(milliseconds, () => reject(new Error(`nothing within ${milliseconds / 1000} s`)))
		work.then(resolve, reject).finally(cancel)
	})

/** Resolves after so many milliseconds, or at once when the signal is aborted. */
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
