import { UsageError } from '../shared/cli/usage-error.ts'

/** Does something to the machine; where it fails, `problem` and what was said there become a UsageError. */
export function attempt<T>(problem: string, hint: string, work: () => T): T {
	try {
		return work()
	} catch (error) {
		throw new UsageError(`${problem}: ${saidIn(error)}`, { hint, cause: error })
	}
}

/** What a program said before it failed, in one line; WinSW says it on stdout. */
export function saidIn(error: unknown): string {
	const { stderr, stdout, message }: Readonly<Record<string, unknown>> = { ...Object(error), ...messageOf(error) }
	const said = [stderr, stdout].filter((text) => typeof text === 'string').join('\n')
	const lines = (said.trim() || String(message)).split(/\s*\n\s*/)
	return lines.join(' ').slice(0, 300)
}

/** It is no property of its own. */
const messageOf = (error: unknown) => ({ message: error instanceof Error ? error.message : error })
