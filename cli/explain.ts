import { UsageError } from '../local/usage-error.ts'
import { ScimError } from '../shared/scim/error.ts'
import { Failure } from './failure.ts'

export type Explanation = { readonly lines: readonly string[]; readonly code: 1 | 2 }

/** What is printed of an error, and the exit code that it means. */
export function explain(error: unknown): Explanation {
	if (error instanceof UsageError || error instanceof Failure) {
		return { lines: [`error: ${error.message}`, `hint: ${error.hint}`], code: error instanceof UsageError ? 2 : 1 }
	}
	if (error instanceof ScimError) return { lines: [`error: ${error.message}`, ...causesOf(error)], code: 1 }
	// A fault of ours: whoever mends it wants to know where.
	return { lines: [`error: ${error instanceof Error ? error.stack : String(error)}`], code: 1 }
}

function causesOf({ cause }: Error): readonly string[] {
	return cause instanceof Error ? [`hint: ${cause.message}`] : []
}
