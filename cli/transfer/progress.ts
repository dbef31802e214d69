import type { CommandEnvironment } from '../command.ts'

/** Milliseconds between two looks, of which nobody could follow any more. */
const pause = 100

/** Shows how much of the work is done, from 0 to 1, and in words what that is. */
export type ShowProgress = (done: number, words: string) => void

/** Does work that shows, as a bar on a line of the terminal, how far it has come; where nobody watches it shows nothing. */
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

/** What changes meanwhile may bring more than was counted. @example bar(0.4) // '[########            ]  40 %' */
export function bar(done: number): string {
	const share = Math.max(0, Math.min(1, done))
	return `[${'#'.repeat(Math.floor(share * width)).padEnd(width)}] ${String(Math.floor(share * 100)).padStart(3)} %`
}

/** Back to the beginning of the line, and away with what is on it. */
const clear = '\r\x1b[K'
