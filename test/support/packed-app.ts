import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { unzipSync } from 'fflate'

export type PackedAnswer = {
	readonly status: number
	readonly headers: Readonly<Record<string, string>>
	// biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
	readonly body: any
}

/** An instance of a packed app, in the stand-in for the worker of Azure Functions. It takes one request after another. */
export type PackedApp = {
	/** Sends a request to a path below `/scim/`. Rejects if the instance ends before it has answered. */
	ask(method: string, path: string, options?: AskOptions): Promise<PackedAnswer>
	/** Runs the timer, and answers the lines that it has logged. */
	sweep(): Promise<readonly { readonly level: string; readonly message: string }[]>
	/** Ends the instance in the middle of what it does. */
	kill(): Promise<void>
}

export type AskOptions = { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }

export type PackedAppOptions = {
	/** Where the zip is unpacked. */
	readonly folder: string
	readonly connectionString: string
	readonly tokensFile: string
	readonly token: string
	/** How far the clock of the instance is ahead, in milliseconds. */
	readonly ahead?: number
	/** How many requests to the table service it lives for. */
	readonly requests?: number
}

/** Unpacks an app as Azure does. */
export async function unpack(zip: string, folder: string): Promise<void> {
	await mkdir(folder)
	for (const [name, content] of Object.entries(unzipSync(await readFile(zip)))) {
		await writeFile(join(folder, name), content)
	}
}

/** Starts an instance. */
export async function startPackedApp(options: PackedAppOptions): Promise<PackedApp> {
	const { folder, connectionString, tokensFile, token, ahead = 0, requests } = options
	const worker = spawn(process.execPath, ['test/support/functions-worker.cjs', folder], {
		env: {
			ROLLCALL_TABLES_CONNECTION_STRING: connectionString,
			ROLLCALL_TOKENS_FILE: tokensFile,
			WEBSITE_HOSTNAME: 'rollcall.azurewebsites.net',
			WORKER_CLOCK_AHEAD: String(ahead),
			...(requests !== undefined && { WORKER_REQUESTS: String(requests) }),
		},
		stdio: ['pipe', 'pipe', 'inherit'],
	})
	const ended = once(worker, 'exit')
	const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]()
	// Answers come in the order of the requests, so each reader takes the line that is its own.
	const nextLine = async () => {
		const { value } = await lines.next()
		if (value === undefined) throw new Error('the instance has ended')
		return JSON.parse(value)
	}
	const invoke = (invocation: object) => {
		worker.stdin.write(`${JSON.stringify({ invocationId: 'c0ffee', ...invocation })}\n`)
		return nextLine()
	}
	await nextLine()
	return {
		async ask(method, path, { body, headers = {} } = {}) {
			const http = {
				method,
				url: `https://rollcall.azurewebsites.net/scim/${path}`,
				headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json', ...headers },
				...(body !== undefined && { body: { string: JSON.stringify(body) } }),
			}
			// Every trigger answers by the same route table.
			const answer = await invoke({ functionName: 'wildcard', http })
			const text: string = answer.body
			return {
				status: Number(answer.statusCode),
				headers: answer.headers,
				body: text === '' ? undefined : JSON.parse(text),
			}
		},
		sweep: async () => (await invoke({ functionName: 'sweep' })).logs,
		async kill() {
			worker.kill('SIGKILL')
			await ended
		},
	}
}
