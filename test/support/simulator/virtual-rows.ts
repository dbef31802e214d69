import type { Properties } from '../../../shared/storage/table/batch.ts'
import type { Send, TableRequest, TableResponse } from '../../../shared/storage/table/tables.ts'
import { target } from './batch.ts'

/** Very many rows of one beginning of keys, each of which is made when a request reads it. */
export type VirtualRows = {
	readonly prefix: string
	readonly count: number
	/** The key of a row by its number from 0. Keys are in the order of their numbers. */
	keyAt(index: number): string
	propertiesAt(index: number): Properties
}

/**
 * Puts rows that are not stored before a table service. Requests for keys of their beginnings are answered from them, and
 * all others are handed on. The answers are those of the simulator; conditions on properties are not supported.
 */
export const withVirtualRows =
	(rows: readonly VirtualRows[]) =>
	(send: Send): Send =>
	async (request) =>
		(request.method === 'GET' ? answerFrom(rows, request) : undefined) ?? send(request)

function answerFrom(rows: readonly VirtualRows[], { path }: TableRequest): TableResponse | undefined {
	const [resource = '', query = ''] = path.split('?')
	const { keys } = target(resource)
	if (keys !== undefined) return oneRow(rows, keys.rowKey)
	const parameters = new URLSearchParams(query)
	const [, from, to] = /RowKey ge '([^']*)' and RowKey lt '([^']*)'$/.exec(parameters.get('$filter') ?? '') ?? []
	const some = rows.find(({ prefix }) => from?.startsWith(prefix))
	if (some === undefined || from === undefined || to === undefined) return undefined
	return page(some, { from: parameters.get('NextRowKey') ?? from, to, parameters })
}

function oneRow(rows: readonly VirtualRows[], key: string): TableResponse | undefined {
	const some = rows.find(({ prefix }) => key.startsWith(prefix))
	if (some === undefined) return undefined
	const index = indexOf(some, key)
	if (index === some.count || some.keyAt(index) !== key) return undefined
	return answer(JSON.stringify({ RowKey: key, ...some.propertiesAt(index) }), { etag: 'W/"virtual"' })
}

type PageRange = { readonly from: string; readonly to: string; readonly parameters: URLSearchParams }

function page(rows: VirtualRows, { from, to, parameters }: PageRange): TableResponse {
	const select = parameters.get('$select')?.split(',')
	const first = indexOf(rows, from)
	const end = Math.min(indexOf(rows, to), first + Number(parameters.get('$top') ?? 1000))
	const value = Array.from({ length: Math.max(end - first, 0) }, (_, offset) => {
		const RowKey = rows.keyAt(first + offset)
		if (select?.length === 1) return { RowKey }
		return { 'odata.etag': 'W/"virtual"', RowKey, ...rows.propertiesAt(first + offset) }
	})
	const hasMore = end < rows.count && rows.keyAt(end) < to
	return answer(JSON.stringify({ value }), {
		...(hasMore && { 'x-ms-continuation-nextpartitionkey': 'p', 'x-ms-continuation-nextrowkey': rows.keyAt(end) }),
	})
}

/** The number of the first row whose key is not less. */
function indexOf({ count, keyAt }: VirtualRows, key: string): number {
	let low = 0
	let high = count
	while (low < high) {
		const middle = (low + high) >> 1
		if (keyAt(middle) < key) low = middle + 1
		else high = middle
	}
	return low
}

const answer = (text: string, headers: Readonly<Record<string, string>>): TableResponse => ({
	status: 200,
	text,
	headers: { get: (name) => headers[name.toLowerCase()] },
})
