/** Runs something once after so many milliseconds. The answer cancels it. */
export type Timer = (milliseconds: number, run: () => void) => () => void

export const systemTimer: Timer = (milliseconds, run) => {
	const timeout = setTimeout(run, milliseconds)
	return () => clearTimeout(timeout)
}

/** The timer of the machine for work that no request waits for. It keeps no process alive. */
export const backgroundTimer: Timer = (milliseconds, run) => {
	const timeout = setTimeout(run, milliseconds).unref()
	return () => clearTimeout(timeout)
}

type Deadline = { readonly milliseconds: number; readonly timer: Timer; readonly late: () => Error }

/** Rejects with `late()` if the work has no result after so many milliseconds. The work itself goes on. */
export function within<T>(work: Promise<T>, { milliseconds, timer, late }: Deadline): Promise<T> {
	return new Promise((resolve, reject) => {
		const cancel = timer(milliseconds, () => reject(late()))
		work.then(resolve, reject).finally(cancel)
	})
}
