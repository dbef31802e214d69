import { explain } from '../cli/explain.ts'
import { Failure } from '../cli/failure.ts'
import { UsageError } from '../shared/cli/usage-error.ts'
import { ScimError } from '../shared/scim/error.ts'
import { inPageWords } from './page-words.ts'

/** What is sent to the browser. */
export type ConsoleAnswer = {
	readonly status: number
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: string | Buffer
}

/** The body of every answer that is not a success. */
export type ConsoleProblem = {
	readonly error: string
	/** What helps. */
	readonly hint?: string
}

/** An error with the status of its answer. */
export class ConsoleError extends Error {
	override readonly name = 'ConsoleError'
	readonly status: number
	readonly hint: string | undefined

	constructor(
		message: string,
		{ status, hint, cause }: { readonly status: number; readonly hint?: string; readonly cause?: unknown },
	) {
		super(message, cause === undefined ? undefined : { cause })
		this.status = status
		this.hint = hint
	}
}

/** The status and the body that tell about an error. The words are those of the command line, with fields for options. */
export function refusalOf(error: unknown): { readonly status: number; readonly problem: ConsoleProblem } {
	if (error instanceof ConsoleError) {
		const { status, message, hint } = error
		return { status, problem: { error: message, ...(hint !== undefined && { hint }) } }
	}
	const [message = '', hint = ''] = explain(error).lines.map((line) => line.replace(/^(error|hint): /, ''))
	// The stack of a bug is for the terminal.
	const [first = ''] = message.split('\n')
	const isBug = hint.startsWith('this is a bug')
	return { status: statusOf(error), problem: { error: inPageWords(first), hint: isBug ? bugHint : inPageWords(hint) } }
}

const bugHint = 'this is a bug in rollcall: the terminal of the console has the rest, for a report'

function statusOf(error: unknown): number {
	if (error instanceof UsageError) return 400
	if (error instanceof Failure) return 409
	return error instanceof ScimError ? error.status : 500
}
