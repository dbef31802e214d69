import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** A process of the bench that is ready. */
export type Child<T> = {
	readonly ready: T
	/** Sends a message. Resolves to the answer. */
	ask(message?: unknown): Promise<unknown>
	stop(): void
}

type ChildOptions<T> = {
	readonly args: readonly string[]
	readonly read: (message: unknown) => T
	/** Options of Node.js. */
	readonly execArgv?: readonly string[]
}

/** Starts a script beside this one and waits for its first message. */
export async function startChild<T>(script: string, { args, read, execArgv = [] }: ChildOptions<T>): Promise<Child<T>> {
	const child = fork(new URL(script, import.meta.url), args, { execArgv: [...execArgv] })
	return {
		ready: read(await nextMessage(child)),
		ask(message = '') {
			child.send(JSON.stringify(message))
			return nextMessage(child)
		},
		stop: () => void child.kill(),
	}
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
	const waiting = new AbortController()
	const { signal } = waiting
	const failed = once(child, 'exit', { signal }).then(([code]) => {
		throw new Error(`${child.spawnargs.at(-1)} ended with ${code}`)
	})
	try {
		const [message] = await Promise.race([once(child, 'message', { signal }), failed])
		return message
	} finally {
		failed.catch((error: unknown) => error)
		waiting.abort()
	}
}
