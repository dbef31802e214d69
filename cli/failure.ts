/** A command that failed although the command line was right. `hint` says how to fix the problem. */
export class Failure extends Error {
	override readonly name = 'Failure'
	readonly hint: string

	constructor(message: string, { hint, cause }: { readonly hint: string; readonly cause?: unknown }) {
		super(message, cause === undefined ? undefined : { cause })
		this.hint = hint
	}
}
