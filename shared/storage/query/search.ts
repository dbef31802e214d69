import { foldCase } from '../../scim/fold-case.ts'
import type { ResourceId } from '../../scim/resource.ts'
import type { ResourceType, TypeName } from '../../scim/resource-type.ts'
import { declaredResourceOf } from '../rows/entity.ts'
import { type Index, indexedValues, usableIndexesOf, valuesOf } from '../rows/indexes.ts'
import { ownValue } from '../rows/own-indexes.ts'
import { resourceKey, userRow } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import type { Range, Row, Table } from '../table/tables.ts'
import { readResource } from './candidates.ts'
import { pathOf } from './plan.ts'

/** A user or a group that a search has found. */
export type FoundResource = {
	readonly id: ResourceId
	readonly type: TypeName
	/** The userName or displayName. */
	readonly name: string
	/** Of a user. */
	readonly displayName?: string
	/** The value that begins with the text of the search. */
	readonly value: string
	readonly isInactive: boolean
}

/** What has a value of one attribute that begins with a text, in the order of the values. */
export type FoundPage = {
	readonly type: TypeName
	/** The path of the attribute, such as `userName` or `name.familyName`. */
	readonly by: string
	readonly found: readonly FoundResource[]
	/** The place behind which the next page begins; undefined on the last one. */
	readonly next?: string
}

export type SearchRequest = { readonly text: string; readonly count: number }

/** The attributes by which a search finds resources: those that have an index of strings. */
const searchIndexes = (type: ResourceType): readonly Index[] =>
	usableIndexesOf(type).filter(
		({ own, attribute }) => attribute.name !== 'manager' && (own?.type ?? 'string') === 'string',
	)

/** The first page of each attribute that has one. It takes a request for each attribute, and one for each group that is found. */
export async function search(
	table: Table,
	types: readonly ResourceType[],
	request: SearchRequest,
): Promise<readonly FoundPage[]> {
	const wanted = types.flatMap((type) => searchIndexes(type).map((index) => ({ type, index })))
	const pages = await inParallel(wanted, ({ type, index }) => pageOf(table, { type, index, ...request, behind: '' }))
	return pages.filter(({ found }) => found.length > 0)
}

/** The page of one attribute behind the place that the page before it has named. Undefined if the attribute has no index. */
export async function searchOn(
	table: Table,
	{
		type,
		by,
		behind,
		...request
	}: SearchRequest & { readonly type: ResourceType; readonly by: string; readonly behind: string },
): Promise<FoundPage | undefined> {
	const index = searchIndexes(type).find((each) => pathOf(each) === by)
	return index && pageOf(table, { type, index, ...request, behind })
}

/** A user or a group by its id. */
export async function foundById(table: Table, type: ResourceType, id: string): Promise<FoundResource | undefined> {
	const row = await table.get(resourceKey(type, id))
	return row && asFound(type, declaredResourceOf(type, row), id)
}

type IndexSearch = SearchRequest & { readonly type: ResourceType; readonly index: Index; readonly behind: string }

async function pageOf(table: Table, { type, index, text, count, behind }: IndexSearch): Promise<FoundPage> {
	const rows = await rowsOf(table, { index, text, count: count + 1, behind })
	const shown = rows.slice(0, count)
	const last = rows.length > count ? shown.at(-1) : undefined
	const read = await inParallel(shown, async (row) => {
		const found = await readResource(table, type, row)
		return found === undefined ? [] : [asFound(type, found.resource, matched(index, found.resource.attributes, text))]
	})
	return {
		type: type.name,
		by: pathOf(index),
		found: [...new Map(read.flat().map((each) => [each.id, each])).values()],
		...(last !== undefined && { next: last.RowKey.slice(index.prefix.length) }),
	}
}

type RowsRequest = SearchRequest & { readonly index: Index; readonly behind: string }

/** The rows of a prefix. A prefix with a sigma may have several spellings, each of which is a range. */
async function rowsOf(table: Table, { index, text, count, behind }: RowsRequest): Promise<readonly Row[]> {
	const place = behind === '' ? '' : after(`${index.prefix}${behind}`)
	const rows: Row[] = []
	for (const range of rangesOf(index, text)) {
		if (rows.length >= count || range.to <= place) continue
		const [, from = range.from] = [place, range.from].sort()
		rows.push(...(await table.first({ ...range, from }, count - rows.length)))
	}
	// A value that several users have in a unique index of the tenant's own has a row without a user, too.
	return rows.filter((row) => userRow.id.isIn(row))
}

const rangesOf = (index: Index, text: string): readonly Range[] =>
	indexedValues(index, text)
		.map((encoded) => within(`${index.prefix}${encoded}`))
		.sort((a, b) => (a.from < b.from ? -1 : 1))

/** The value by which a resource was found. */
function matched(index: Index, attributes: Parameters<typeof valuesOf>[1], text: string): string {
	const values = index.own === undefined ? valuesOf(index, attributes) : [String(ownValue(index.own, attributes))]
	return values.find((value) => foldCase(value).startsWith(foldCase(text))) ?? values[0] ?? ''
}

function asFound(
	type: ResourceType,
	{ id, attributes }: ReturnType<typeof declaredResourceOf>,
	value: string,
): FoundResource {
	const { userName, displayName, active } = attributes
	const name = type.name === 'User' ? userName : displayName
	return {
		id,
		type: type.name,
		name: String(name ?? id),
		...(type.name === 'User' && typeof displayName === 'string' && { displayName }),
		value,
		isInactive: active === false,
	}
}
