import type { Surroundings } from '../command.ts'

/** Milliseconds between two texts, which nobody could read any faster. */
const pause = 100

/** Does work that shows, on a line of the terminal, how far it has come; where nobody watches it shows nothing. */
export async function withProgress<T>(
	{ err, isWatched }: Surroundings,
	work: (show: (text: string) => void) => Promise<T>,
): Promise<T> {
	let shown = 0
	const show = (text: string): void => {
		if (!isWatched || Date.now() - shown < pause) return
		shown = Date.now()
		err(`${clear}${text}`)
	}
	try {
		return await work(show)
	} finally {
		if (shown > 0) err(clear)
	}
}

/** Back to the beginning of the line, and away with what is on it. */
const clear = '\r\x1b[K'
