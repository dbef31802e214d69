import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type ServedFolder, servedTarget } from '../cli/target.ts'
import { type RunningConsole, startConsole } from '../console/server.ts'
import { createSessions } from '../console/sessions.ts'
import { dashes } from '../shared/cli/dashes.ts'
import { shellWord } from '../shared/cli/shell-word.ts'
import { codeOf } from '../shared/cli/usage-error.ts'

export type LocalConsole = Omit<ServedFolder, 'commandLine'> & {
	/** The port to try first; 0 for any free port. */
	readonly port: number
	/** The data folder; undefined if the data is in memory. */
	readonly data: string | undefined
}

/** The port of the console if `npm start` names no other. */
export const consolePort = 7072

/** Starts the console of the folder that this process serves. If the port is in use, it takes another one. */
export async function serveConsole({ port, data, ...folder }: LocalConsole): Promise<RunningConsole> {
	const options = {
		target: await servedTarget({ ...folder, commandLine: commandLineOf(data) }),
		place: data === undefined ? 'the memory of npm start' : `the folder ${data}`,
		now: Date.now,
		sessions: createSessions({ now: Date.now, randomBytes, pause: (milliseconds) => pause(milliseconds) }),
		log: (error: unknown) => console.error('console:', error),
	}
	try {
		return await startConsole({ ...options, port })
	} catch (error) {
		if (port === 0 || codeOf(error) !== 'EADDRINUSE') throw error
		return startConsole({ ...options, port: 0 })
	}
}

/** The command line that does the same on this folder when `npm start` has stopped. */
const commandLineOf =
	(data = 'data') =>
	(command: string): string =>
		[`npm run rollcall ${dashes()}`, command, '--data', shellWord(data)].join(' ')
