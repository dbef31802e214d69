import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { started } from '../cli/console.ts'
import { type ServedFolder, servedTarget } from '../cli/target.ts'
import type { RunningConsole } from '../console/server.ts'
import { createSessions } from '../console/sessions.ts'
import { dashes } from '../shared/cli/dashes.ts'
import { shellWord } from '../shared/cli/shell-word.ts'
import { keepConsoleFile } from './console-file.ts'

export type LocalConsole = Omit<ServedFolder, 'commandLine'> & {
	/** 0 for any free port; undefined for 7072, or a free one if that is in use. */
	readonly port: 0 | undefined
	/** The data folder; undefined if the data is in memory. */
	readonly data: string | undefined
}

/** Starts the console of the folder that this process serves. `rollcall console` finds it by a file in the folder. */
export async function serveConsole({ port, data, ...folder }: LocalConsole): Promise<RunningConsole> {
	const sessions = createSessions({ now: Date.now, randomBytes, pause: (milliseconds) => pause(milliseconds) })
	const page = await started({
		target: await servedTarget({ ...folder, commandLine: commandLineOf(data) }),
		place: data === undefined ? 'the memory of npm start' : `the folder ${data}`,
		...{ port, sessions, now: Date.now },
		log: (error: unknown) => console.error('console:', error),
	})
	if (data === undefined) return page
	const removeFile = await keepConsoleFile(data, { url: page.url, key: sessions.ownerKey })
	return { ...page, close: () => page.close().finally(removeFile) }
}

/** The command line that does the same on this folder when `npm start` has stopped. */
const commandLineOf =
	(data = 'data') =>
	(command: string): string =>
		[`npm run rollcall ${dashes()}`, command, '--data', shellWord(data)].join(' ')
