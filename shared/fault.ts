import { ScimError } from './scim/error.ts'

/**
 * A failure of ours. Its message may be logged: it has statuses, codes, request ids and kinds of rows. It has no value of a
 * request, of a row or of a token. Neither has its cause.
 */
export class Fault extends Error {
	override readonly name = 'Fault'

	constructor(message: string, { cause }: { readonly cause?: unknown } = {}) {
		super(message, cause === undefined ? undefined : { cause: loggable(cause) })
	}
}

/**
 * An error as it may be logged. Its name, its code, its status and its place in the code stay. Its message goes, because a
 * message may quote anything: a parser quotes the text, and a client library quotes the address with the key of a row.
 */
export function loggable(error: unknown): Fault {
	if (error instanceof Fault) return error
	if (!(error instanceof Error)) return new Fault(`a thrown ${typeof error}`)
	// The text of a 5xx is ours, and quotes nothing.
	if (error instanceof ScimError && error.status >= 500) return new Fault(error.message, { cause: error.cause })
	const fault = new Fault(summaryOf(error), { cause: error.cause })
	fault.stack = `${fault.name}: ${fault.message}${framesOf(error)}`
	return fault
}

/**
 * The text of a credential is about the identity of the app and says what to mend. Only a long word in it may be a token.
 *
 * @example summaryOf(error) // 'RestError ECONNREFUSED'
 */
function summaryOf(error: Error): string {
	const { code, statusCode } = error as { readonly code?: unknown; readonly statusCode?: unknown } // sound: both are checked
	const text = error.name === 'CredentialUnavailableError' ? [error.message.replaceAll(/[\w.+/=-]{40,}/g, '…')] : []
	return [error.name, code, statusCode].filter(isName).concat(text).join(' ')
}

const isName = (value: unknown): boolean =>
	typeof value === 'number' || (typeof value === 'string' && /^[A-Za-z]\w{0,60}$/.test(value))

/** The lines of the stack below the message; none if the stack does not begin with the message as it is. */
function framesOf({ name, message, stack = '' }: Error): string {
	const heading = message === '' ? name : `${name}: ${message}`
	return stack.startsWith(`${heading}\n`) ? stack.slice(heading.length) : ''
}
