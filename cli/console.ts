import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as z from 'zod'
import { type RunningConsole, startConsole } from '../console/server.ts'
import { createSessions } from '../console/sessions.ts'
import { type ConsoleFile, readConsoleFile } from '../local/console-file.ts'
import { lockOwner } from '../local/lock.ts'
import { onEnter } from '../shared/cli/on-enter.ts'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'
import type { Command, CommandEnvironment } from './command.ts'
import { Failure } from './failure.ts'
import { openBrowser } from './open-browser.ts'
import type { OptionValues } from './options.ts'
import { openTarget } from './target.ts'
import { type TargetSpec, targetSpecOf } from './target-options.ts'

/**
 * Serves the console of a deployment, or of a data folder, until a signal. If `npm start` serves the folder, its console is
 * the one that is opened, and the command ends.
 */
export const openConsole: Command['run'] = async ({ values, environment }) => {
	const spec = targetSpecOf(values)
	const port = portOf(values)
	const served = 'folder' in spec ? await servedConsole(spec.folder) : undefined
	if (served === undefined) {
		await serveUntilSignal(spec, { port, values, environment })
		return undefined
	}
	if (port !== undefined) {
		throw new UsageError('--port is not for a folder that npm start serves', {
			hint: `its console is at ${served.url}`,
		})
	}
	const link = await linkOf(served)
	if (!values['no-open']) showInBrowser(link, environment)
	return { text: `Console       ${link}`, json: { url: link } }
}

/** The console of the server that has locked a data folder; undefined if no server has. */
async function servedConsole(folder: string): Promise<ConsoleFile | undefined> {
	const owner = await lockOwner(resolve(folder))
	if (owner === undefined) return undefined
	const file = await readConsoleFile(resolve(folder))
	if (file !== undefined) return file
	throw new Failure(`process ${owner} uses the folder ${resolve(folder)} and has no console`, {
		hint: 'start npm start without --no-console, or stop it',
	})
}

/** Opens the browser beside all else. The process waits for it, and a failure leaves the link in the terminal. */
function showInBrowser(link: string, { err }: CommandEnvironment): void {
	openBrowser(link).catch((error: unknown) => err(`the browser was not opened: ${error}\n`))
}

const linkAnswer = z.strictObject({ key: z.string().regex(/^[\w-]{43}$/) })

async function linkOf({ url, key }: ConsoleFile): Promise<string> {
	const response = await fetch(`${url}/console/link`, {
		method: 'POST',
		headers: { Authorization: `Owner ${key}`, Origin: url },
	})
	if (!response.ok) {
		throw new Failure(`the console at ${url} answered ${response.status}`, {
			hint: 'stop npm start, and start it again',
		})
	}
	return `${url}/#${linkAnswer.parse(await response.json()).key}`
}

type ConsoleRun = {
	readonly port: number | undefined
	readonly values: OptionValues
	readonly environment: CommandEnvironment
}

async function serveUntilSignal(spec: TargetSpec, { port, values, environment }: ConsoleRun): Promise<void> {
	const { out, err, program, input } = environment
	const target = await openTarget(spec, { isFirst: false, mayOnlyRead: true, say: err, program })
	try {
		const console = await started({
			...{ target, place: placeOf(spec), now: Date.now, port },
			sessions: createSessions({ now: Date.now, randomBytes, pause: (milliseconds) => pause(milliseconds) }),
			log: (error) => err(`console: ${error instanceof Error ? error.stack : error}\n`),
		})
		const print = (link: string) => out(`Console       ${link}\n`)
		const ended = untilSignal()
		const link = console.newLink()
		await print(link)
		await out('Enter prints a new link. Ctrl-C stops.\n')
		const stop = onEnter(input, () => void print(console.newLink()))
		if (!values['no-open']) showInBrowser(link, environment)
		await ended
		stop()
		await console.close()
	} finally {
		await target.close()
	}
}

/** The port of the console if no option names another one. */
const consolePort = 7072

type ConsoleDraft = Omit<Parameters<typeof startConsole>[0], 'port'> & { readonly port: number | undefined }

/** Starts the console. If no port is given and 7072 is in use, it takes another one. */
export async function started({ port, ...options }: ConsoleDraft): Promise<RunningConsole> {
	try {
		return await startConsole({ ...options, port: port ?? consolePort })
	} catch (error) {
		if (codeOf(error) !== 'EADDRINUSE') throw error
		if (port === undefined) return startConsole({ ...options, port: 0 })
		throw new UsageError(`port ${port} is in use`, { hint: 'choose another port with --port', cause: error })
	}
}

const placeOf = (spec: TargetSpec): string => {
	if ('folder' in spec) return `the folder ${resolve(spec.folder)}`
	return 'resourceGroup' in spec ? `the resource group ${spec.resourceGroup}` : spec.tablesEndpoint
}

const untilSignal = (): Promise<void> =>
	new Promise((resolveEnded) => {
		for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolveEnded())
	})

function portOf({ port: text }: OptionValues): number | undefined {
	if (text === undefined) return undefined
	const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
	if (port <= 65_535) return port
	throw new UsageError(`--port ${text} is not a valid port`, { hint: 'use a number from 0 to 65535' })
}
