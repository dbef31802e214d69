/** Lets so many in at a time and so many wait. */
export type Gate = {
	/** Runs when there is room; undefined when there is none even to wait. */
	enter<T>(run: () => Promise<T>): Promise<T> | undefined
}

export function gate(width: number, queue: number): Gate {
	const waiting: (() => void)[] = []
	let inside = 0
	const leave = () => {
		const next = waiting.shift()
		if (next === undefined) inside--
		else next()
	}
	return {
		enter: (run) => {
			if (inside < width) {
				inside++
				return run().finally(leave)
			}
			if (waiting.length >= queue) return undefined
			return new Promise<void>((resolve) => waiting.push(resolve)).then(run).finally(leave)
		},
	}
}
