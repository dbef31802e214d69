import { batchError, serviceError } from './batch.ts'
import type { TableRequest, TableResponse } from './tables.ts'

/** The part of the table service that is too busy: the partition of the request, or the whole storage account. */
export type BusyPart = 'partition' | 'account'

const busyCodes: ReadonlySet<string> = new Set(['ServerBusy', 'OperationTimedOut', 'TooManyRequests'])

/**
 * Says whether an answer means that the service is too busy. It names the account in the sentence if a limit of the account
 * is the reason, such as "Operations per second is over the account limit."
 *
 * https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
 */
export function busyPartIn({ path }: TableRequest, { status, text }: TableResponse): BusyPart | undefined {
	if (status < 429 && path !== '$batch') return undefined
	const error = path === '$batch' ? batchError(status, text) : serviceError(status, text)
	if (error === undefined || !(error.status === 429 || error.status === 503 || busyCodes.has(error.code)))
		return undefined
	return /account limit/i.test(text) ? 'account' : 'partition'
}
