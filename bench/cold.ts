import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { printTable } from './measure.ts'

const rounds = 15

/** Prints how long a worker takes to load the package, beside an app that only says hello, and how large the package is. */
export async function cold(): Promise<void> {
	const apps = { hello: '../bench/hello/', rollcall: '../app/' }
	const times: Record<keyof typeof apps, number[]> = { hello: [], rollcall: [] }
	for (let round = 0; round < rounds; round++) {
		for (const name of ['hello', 'rollcall'] as const) times[name].push(await loadTime(apps[name]))
	}
	const median = (name: keyof typeof apps): number =>
		times[name].sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
	const rows = (['hello', 'rollcall'] as const).map((name) => [
		name,
		median(name).toFixed(0),
		(times[name][0] ?? Number.NaN).toFixed(0),
		(median(name) / median('hello')).toFixed(2),
	])
	printTable(['app', 'load ms, median', 'least', 'ratio'], rows)
	const { size } = await stat(new URL('../rollcall.zip', import.meta.url))
	console.log(`\npackage: ${(size / 1e6).toFixed(2)} MB`)
}

/** Milliseconds from nothing loaded to all functions registered, in a process of its own that plays the worker. */
async function loadTime(app: string): Promise<number> {
	const child = spawn(
		process.execPath,
		['test/support/functions-worker.cjs', fileURLToPath(new URL(app, import.meta.url))],
		{
			env: {
				ROLLCALL_TABLES_ENDPOINT: 'https://nowhere.table.core.windows.net',
				ROLLCALL_KEY_VAULT_URL: 'https://nowhere.vault.azure.net',
			},
			stdio: ['pipe', 'pipe', 'inherit'],
		},
	)
	try {
		for await (const line of createInterface({ input: child.stdout })) {
			return z.object({ loadMilliseconds: z.number() }).parse(JSON.parse(line)).loadMilliseconds
		}
		throw new Error(`the worker has not loaded ${app}`)
	} finally {
		child.kill()
	}
}
