import { UsageError } from '../shared/cli/usage-error.ts'

/** Runs `work`. If it fails, throws a UsageError of `problem` and the output of the failed program. */
export function attempt<T>(problem: string, hint: string, work: () => T): T {
	try {
		return work()
	} catch (error) {
		throw new UsageError(`${problem}: ${outputOf(error)}`, { hint, cause: error })
	}
}

/** The output of a failed program in one line, at most 300 characters. WinSW writes its errors to stdout. */
export function outputOf(error: unknown): string {
	const { stderr, stdout, message }: Readonly<Record<string, unknown>> = { ...Object(error), ...messageOf(error) }
	const output = [stderr, stdout].filter((text) => typeof text === 'string').join('\n')
	const lines = (output.trim() || String(message)).split(/\s*\n\s*/)
	return lines.join(' ').slice(0, 300)
}

/** `message` is not an own property of every error. */
const messageOf = (error: unknown) => ({ message: error instanceof Error ? error.message : error })
