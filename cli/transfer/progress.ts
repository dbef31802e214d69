import type { CommandEnvironment, ShowProgress } from '../command.ts'

/** Milliseconds between two updates of the bar. Faster updates are unreadable. */
const pause = 100

/** Does work and shows its progress: as a bar on one line of the terminal, or to a reader of its own. */
export async function withProgress<T>(
	{ err, isWatched, show }: Pick<CommandEnvironment, 'err' | 'isWatched' | 'show'>,
	work: (show: ShowProgress) => Promise<T>,
): Promise<T> {
	let shownAt = 0
	const draw: ShowProgress = show ?? ((done, words) => err(`${clear}${bar(done)}  ${words}`))
	const isShown = isWatched || show !== undefined
	try {
		return await work((done, words) => {
			if (!isShown || Date.now() - shownAt < pause) return
			shownAt = Date.now()
			draw(done, words)
		})
	} finally {
		if (shownAt > 0 && show === undefined) err(clear)
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
