/** Something that whoever started the program can put right: what it is, and in `hint` how. */
export class UsageError extends Error {
	override readonly name = 'UsageError'
	readonly hint: string

	constructor(message: string, { hint, cause }: { readonly hint: string; readonly cause?: unknown }) {
		super(message, cause === undefined ? undefined : { cause })
		this.hint = hint
	}
}

/** Does some work; where it fails, `problem` and the reason become a UsageError. */
export async function explained<T>(problem: string, hint: string, work: () => T | Promise<T>): Promise<T> {
	try {
		return await work()
	} catch (error) {
		if (error instanceof UsageError) throw error
		const [reason] = String(error instanceof Error ? error.message : error).split('\n')
		throw new UsageError(`${problem}: ${reason}`, { hint, cause: error })
	}
}

/** The code of an error of the system, such as ENOENT. */
export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
