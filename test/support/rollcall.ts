import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { beforeAll, expect } from 'vitest'
import { commands } from '../../cli/commands.ts'
import { run } from '../../cli/run.ts'
import { builtFolder } from './built.ts'

export type Run = { readonly code: number | null; readonly out: string; readonly err: string }

export type RunOptions = {
	readonly env?: Readonly<Record<string, string>>
	/** The text on standard input. */
	readonly input?: string
	readonly isWatched?: boolean
}

/** Runs the command line in this process. */
export async function rollcall(
	args: readonly string[],
	{ env = {}, input = '', isWatched = false }: RunOptions = {},
): Promise<Run> {
	const seen = { out: '', err: '' }
	const code = await run(args, commands, {
		out: async (text) => {
			seen.out += text
		},
		err: (text) => {
			seen.err += text
		},
		input: Readable.from([input]),
		readText: (file) => readFile(file, 'utf8'),
		isWatched,
		env,
		program: 'rollcall',
	})
	return { code, ...seen }
}

/** The JSON value that a successful run has printed. */
export function jsonOf({ code, out, err }: Run) {
	expect({ code, err }).toEqual({ code: 0, err: '' })
	return JSON.parse(out)
}

/** The built command line. The result returns its path; call it inside a test. */
export function useBuiltPath(): () => string {
	let built = ''
	beforeAll(async () => {
		built = await builtFolder()
	})
	return () => join(built, 'cli/main.js')
}

/** Runs the built command line in its own process, for a test file. */
export function useBuiltRollcall(
	path: () => string = useBuiltPath(),
): (args: readonly string[], options?: Omit<RunOptions, 'isWatched'>) => Promise<Run> {
	return async (args, { env = {}, input = '' } = {}) => {
		const child = spawn(process.execPath, [path(), ...args], { env: { ...process.env, ...env } })
		const seen = { out: '', err: '' }
		child.stdout.on('data', (text) => {
			seen.out += text
		})
		child.stderr.on('data', (text) => {
			seen.err += text
		})
		child.stdin.end(input)
		const [code] = await once(child, 'close')
		return { code, ...seen }
	}
}
