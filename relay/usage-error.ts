/** What the administrator can put right; `hint` says how. */
export class UsageError extends Error {
	override readonly name = 'UsageError'
	readonly hint: string

	constructor(message: string, { hint, cause }: { readonly hint: string; readonly cause?: unknown }) {
		super(message, cause === undefined ? undefined : { cause })
		this.hint = hint
	}
}
