import type { CommandEnvironment } from '../command.ts'

/** Milliseconds between two updates of the bar. Faster updates are unreadable. */
const pause = 100

/** Shows the part of the work that is done, from 0 to 1, and describes it in words. */
export type ShowProgress = (done: number, words: string) => void

/** Does work and shows its progress as a bar on one line of the terminal. Without a terminal it shows nothing. */
export async function withProgress<T>(
	{ err, isWatched }: Pick<CommandEnvironment, 'err' | 'isWatched'>,
	work: (show: ShowProgress) => Promise<T>,
): Promise<T> {
	let shownAt = 0
	const show: ShowProgress = (done, words) => {
		if (!isWatched || Date.now() - shownAt < pause) return
		shownAt = Date.now()
		err(`${clear}${bar(done)}  ${words}`)
	}
	try {
		return await work(show)
	} finally {
		if (shownAt > 0) err(clear)
	}
}

const width = 20

/** Draws the bar. `done` may exceed 1, because resources may be created after the count. @example bar(0.4) // '[########            ]  40 %' */
export function bar(done: number): string {
	const share = Math.max(0, Math.min(1, done))
	return `[${'#'.repeat(Math.floor(share * width)).padEnd(width)}] ${String(Math.floor(share * 100)).padStart(3)} %`
}

/** Moves to the beginning of the line and clears the line. */
const clear = '\r\x1b[K'
