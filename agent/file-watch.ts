import { statSync } from 'node:fs'
import { codeOf } from '../shared/cli/usage-error.ts'
import { type Clock, pause } from '../shared/relay/clock.ts'

export type FileWatch = {
	/** Takes the files as they are now for known. */
	note(): void
	stop(): void
}

type WatchOptions = {
	/** The files to watch, asked at each look. */
	readonly files: () => readonly string[]
	/** Called after a change. */
	readonly changed: () => void
	readonly clock: Clock
}

/** Milliseconds between two looks. */
const interval = 5000

/**
 * Looks at files every 5 s, and reports a change when they are the same at two looks: an editor or a copy may still be
 * writing. Notifications of the system are not used, because they differ between systems and miss network folders.
 */
export function watchFiles({ files, changed, clock }: WatchOptions): FileWatch {
	const stopping = new AbortController()
	let known = stateOf(files())
	let last = known
	const look = () => {
		const state = stateOf(files())
		const isSettled = state === last
		last = state
		if (!isSettled || state === known) return
		known = state
		changed()
	}
	const run = async () => {
		while (!stopping.signal.aborted) {
			await pause(clock, interval, stopping.signal)
			if (!stopping.signal.aborted) look()
		}
	}
	void run()
	return {
		note: () => {
			known = last = stateOf(files())
		},
		stop: () => stopping.abort(),
	}
}

const stateOf = (files: readonly string[]): string => files.map(stateOfFile).join('\n')

/** A change of owner or mode counts, too: it may make a file usable. */
function stateOfFile(file: string): string {
	try {
		const { ino, size, mtimeMs, ctimeMs } = statSync(file)
		return [file, ino, size, mtimeMs, ctimeMs].join(' ')
	} catch (error) {
		return `${file} ${codeOf(error) ?? String(error)}`
	}
}
