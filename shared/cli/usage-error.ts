/** A problem that the user of the program can fix. The message says what is wrong, and `hint` how to fix it. */
export class UsageError extends Error {
	override readonly name = 'UsageError'
	readonly hint: string

	constructor(message: string, { hint, cause }: { readonly hint: string; readonly cause?: unknown }) {
		super(message, cause === undefined ? undefined : { cause })
		this.hint = hint
	}
}

/** Does some work. If it fails, throws a UsageError with `problem` and the reason. */
export async function explained<T>(problem: string, hint: string, work: () => T | Promise<T>): Promise<T> {
	try {
		return await work()
	} catch (error) {
		if (error instanceof UsageError) throw error
		const [reason] = String(error instanceof Error ? error.message : error).split('\n')
		throw new UsageError(`${problem}: ${reason}`, { hint, cause: error })
	}
}

/** The code of a system error, such as ENOENT. */
export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
