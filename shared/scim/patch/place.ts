import { ScimError } from '../error.ts'

/**
 * Does work for one operation of a PATCH. A refusal gets the place of the operation in front, so that the sender of ten
 * operations finds the one that is meant.
 *
 * @example atOperation('Operations[3]', work) // throws ScimError 400: Operations[3]: title must be a string
 */
export function atOperation<T>(at: string, work: () => T): T {
	try {
		return work()
	} catch (error) {
		throw refusedAt(at, error)
	}
}

/** The refusal with the place in front. Other errors, and refusals that name the place already, stay as they are. */
export function refusedAt(at: string, error: unknown): unknown {
	if (!(error instanceof ScimError) || error.message.startsWith(at)) return error
	const { status, message, scimType, headers } = error
	return new ScimError(status, `${at}: ${message}`, { ...(scimType && { scimType }), headers, cause: error })
}
