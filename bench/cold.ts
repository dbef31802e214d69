import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { printTable } from './measure.ts'

const rounds = 15

const apps = {
	hello: { folder: '../bench/hello/', functionName: 'hello', path: '/api/hello' },
	rollcall: { folder: '../app/', functionName: 'health', path: '/scim/health' },
}

type App = keyof typeof apps

type ColdStart = { readonly load: number; readonly answer: number }

/**
 * Prints the time that a worker takes to load the package and to give its first answer, in comparison with an app that only
 * says hello. Also prints the size of the package.
 */
export async function cold(): Promise<void> {
	const starts: Record<App, ColdStart[]> = { hello: [], rollcall: [] }
	for (let round = 0; round < rounds; round++) {
		for (const name of ['hello', 'rollcall'] as const) starts[name].push(await start(name))
	}
	const median = (name: App, of: keyof ColdStart): number =>
		starts[name].map((start) => start[of]).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
	const cells = (name: App, of: keyof ColdStart) => [
		median(name, of).toFixed(0),
		(median(name, of) / median('hello', of)).toFixed(2),
	]
	const rows = (['hello', 'rollcall'] as const).map((name) => [name, ...cells(name, 'load'), ...cells(name, 'answer')])
	printTable(['app', 'loaded ms', 'ratio', 'first answer ms', 'ratio'], rows)
	const { size } = await stat(new URL('../rollcall.zip', import.meta.url))
	console.log(`\npackage: ${(size / 1e6).toFixed(2)} MB`)
}

const loaded = z.object({ loadMilliseconds: z.number() })

const answered = z.object({ statusCode: z.literal('200'), answeredMilliseconds: z.number() })

/** Milliseconds from the start to all functions registered and to the first answer, in a stand-in for the worker. */
async function start(name: App): Promise<ColdStart> {
	const { folder, functionName, path } = apps[name]
	const child = spawn(
		process.execPath,
		['test/support/functions-worker.cjs', fileURLToPath(new URL(folder, import.meta.url))],
		{
			env: {
				ROLLCALL_TABLES_ENDPOINT: 'https://nowhere.table.core.windows.net',
				ROLLCALL_KEY_VAULT_URL: 'https://nowhere.vault.azure.net',
				WEBSITE_HOSTNAME: 'rollcall.azurewebsites.net',
			},
			stdio: ['pipe', 'pipe', 'inherit'],
		},
	)
	const http = { method: 'GET', url: `https://rollcall.azurewebsites.net${path}`, headers: {} }
	child.stdin.write(`${JSON.stringify({ functionName, invocationId: 'first', http })}\n`)
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
	const nextLine = async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? 'null')
	try {
		const { loadMilliseconds: load } = loaded.parse(await nextLine())
		const { answeredMilliseconds: answer } = answered.parse(await nextLine())
		return { load, answer }
	} finally {
		child.kill()
	}
}
