import { openCursor, sealCursor } from '../shared/http/cursor.ts'
import { parseQuery, parseSearchRequest, type QueryParameters } from '../shared/http/query.ts'
import { isSecret } from '../shared/scim/attribute.ts'
import { invalidValue } from '../shared/scim/error.ts'
import type { Filter } from '../shared/scim/filter/ast.ts'
import { checkFilter } from '../shared/scim/filter/match.ts'
import { parseFilter } from '../shared/scim/filter/parse.ts'
import { pageByIndex, pageSize } from '../shared/scim/list-response.ts'
import { didYouMean } from '../shared/scim/nearest-attribute.ts'
import { parseAttributePath } from '../shared/scim/path.ts'
import { parseSelection, type Selection } from '../shared/scim/projection.ts'
import { type ResourceType, resolveAttribute, type TypeName } from '../shared/scim/resource-type.ts'
import type { Query } from '../shared/storage/query/page.ts'
import { yieldingTurns } from '../shared/turn.ts'
import type { Call, Handler, ScimReply } from './call.ts'
import { listBytes, resourceBytes } from './json-bytes.ts'
import { includeOf } from './resources.ts'

/** GET of the resources of these types (RFC 7644 section 3.4.2). */
export const listResources =
	(...names: readonly TypeName[]): Handler =>
	async (call) =>
		search(call, typesNamed(call, names), parseQuery(call.query))

/** POST to .search (RFC 7644 section 3.4.3). */
export const searchResources =
	(...names: readonly TypeName[]): Handler =>
	async (call) =>
		search(call, typesNamed(call, names), parseSearchRequest(await call.body()))

const typesNamed = ({ types }: Call, names: readonly TypeName[]): readonly ResourceType[] =>
	names.map((name) => types[name])

/** The part of a search that is the same for every resource type. */
type SearchOptions = { readonly selection: Selection } & Pick<Query, 'filter' | 'sort'>

type SearchPage = { readonly resources: readonly Buffer[]; readonly totalResults?: number; readonly next?: string }

async function search(call: Call, types: readonly ResourceType[], parameters: QueryParameters): Promise<ScimReply> {
	if (parameters.cursor !== undefined && parameters.startIndex !== undefined) {
		throw invalidValue('cursor and startIndex are two ways to page: send one of them')
	}
	const options: SearchOptions = {
		selection: parseSelection(parameters, types, call.quirks),
		...filterOf(call, types, parameters.filter),
		...sortOf(call, types, parameters),
	}
	const message =
		parameters.cursor === undefined
			? await pageFromIndex(call, types, options, parameters)
			: await pageFromCursor(call, types, options, { ...parameters, cursor: parameters.cursor })
	return { status: 200, body: message }
}

async function pageFromIndex(
	call: Call,
	types: readonly ResourceType[],
	options: SearchOptions,
	parameters: QueryParameters,
) {
	const page = pageByIndex(parameters)
	const resources: Buffer[] = []
	let totalResults = 0
	let left = page.count
	// The resources of the types follow each other, as if they were one list.
	for (const type of types) {
		const startIndex = Math.max(page.startIndex - totalResults, 1)
		const { resources: part, totalResults: total = 0 } = await find(call, type, options, { startIndex, count: left })
		resources.push(...part)
		totalResults += total
		// A page of large resources ends early. Then no resource of the next type may follow on it.
		const hasEnded = part.length > 0 && part.length < Math.min(left, total - startIndex + 1)
		left = hasEnded ? 0 : left - part.length
	}
	return listBytes({ resources, totalResults, startIndex: page.startIndex, itemsPerPage: resources.length })
}

/** A page has resources of one type. The position in a cursor is the name of the type and a position within the type. */
async function pageFromCursor(
	call: Call,
	types: readonly ResourceType[],
	options: SearchOptions,
	{ cursor, count, ...parameters }: QueryParameters & { readonly cursor: string },
) {
	const scope = {
		key: call.tenant.cursorKey,
		query: JSON.stringify([types.map(({ name }) => name), parameters.filter, parameters.sortBy, parameters.sortOrder]),
		now: call.now,
	}
	const [name, after] = cursor === '' ? [types[0]?.name ?? '', ''] : split(openCursor(cursor, scope))
	let totalResults: number | undefined = 0
	let page: SearchPage = { resources: [] }
	let next: string | undefined
	for (const [index, type] of types.entries()) {
		const isHere = type.name === name
		const result = await find(call, type, options, { after: isHere ? after : '', count: isHere ? pageSize(count) : 0 })
		totalResults = sum(totalResults, result.totalResults)
		if (!isHere) continue
		page = result
		const following = types[index + 1]
		next = result.next !== undefined ? `${type.name} ${result.next}` : following && `${following.name} `
	}
	return listBytes({
		resources: page.resources,
		totalResults,
		itemsPerPage: page.resources.length,
		nextCursor: next === undefined ? undefined : sealCursor(next, scope),
	})
}

/** If the total of one type is unknown, the sum is unknown. */
const sum = (a: number | undefined, b: number | undefined): number | undefined =>
	a === undefined || b === undefined ? undefined : a + b

function split(position: string): [name: string, after: string] {
	const space = position.indexOf(' ')
	return [position.slice(0, space), position.slice(space + 1)]
}

async function find(
	call: Call,
	type: ResourceType,
	{ selection, ...query }: SearchOptions,
	page: Query['page'],
): Promise<SearchPage> {
	const { resources, ...result } = await call.store.query(type, { ...query, page, include: includeOf(selection, type) })
	const view = { type, selection, baseUrl: call.baseUrl }
	const yieldTurn = yieldingTurns()
	const pieces: Buffer[] = []
	for (const stored of resources) {
		await yieldTurn()
		pieces.push(await resourceBytes(stored, view, yieldTurn))
	}
	return { ...result, resources: pieces }
}

function filterOf({ quirks }: Call, types: readonly ResourceType[], text: string | undefined): { filter?: Filter } {
	if (text === undefined) return {}
	const filter = parseFilter(text, quirks)
	checkFilter(filter, types, quirks)
	return { filter }
}

function sortOf(
	{ quirks }: Call,
	types: readonly ResourceType[],
	{ sortBy, sortOrder }: QueryParameters,
): Pick<Query, 'sort'> {
	if (sortBy === undefined) return {}
	const by = parseAttributePath(sortBy, quirks)
	const attributes = types.map((type) => resolveAttribute(type, by))
	if (attributes.every((attribute) => attribute === undefined)) {
		throw invalidValue(`sortBy: there is no attribute "${sortBy}"${didYouMean(types, by)}`)
	}
	if (attributes.some((found) => found !== undefined && isSecret(found.subAttribute ?? found.attribute))) {
		throw invalidValue(`sortBy: ${sortBy} is never returned`)
	}
	return { sort: { by, descending: sortOrder === 'descending' } }
}
