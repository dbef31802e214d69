import type { RequestEvent } from '../functions/respond.ts'

/**
 * The line of one request on the console. It holds no values.
 *
 * @example requestLine({ … }) // 'POST demo /Users 409 uniqueness 3 ms: userName "…" is already taken'
 */
export function requestLine({ method, tenant, path, status, scimType, milliseconds, detail }: RequestEvent): string {
	const parts = [method, tenant ?? '-', path ?? '-', status, ...(scimType === undefined ? [] : [scimType])]
	return `${parts.join(' ')} ${milliseconds} ms${detail === undefined ? '' : `: ${detail}`}`
}
