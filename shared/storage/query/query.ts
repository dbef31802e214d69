import { tooMany } from '../../scim/error.ts'
import type { Filter } from '../../scim/filter/ast.ts'
import { matches } from '../../scim/filter/match.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import { type ResourceType, resolveAttribute, userType } from '../../scim/resource-type.ts'
import { linkedTo } from '../membership/linked.ts'
import { type CountHistogram, locate, totalOf } from '../rows/count-histogram.ts'
import { countsOf } from '../rows/counts.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf, resourceOf } from '../rows/entity.ts'
import { type Index, indexesOf } from '../rows/indexes.ts'
import { resourceKey } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import { type Candidate, candidatesOf, linkedCandidates, wholeOf } from './candidates.ts'
import { collectPage, type Entry, pageOf, parsePosition, positionOf, type Sort, sortKey } from './order.ts'
import type { Page, Query, QueryResult } from './page.ts'
import { withInclude } from './page-links.ts'
import { accessOf, asksForLinkAlone } from './plan.ts'
import { viewOf } from './view.ts'

/**
 * Finds resources. What a filter looks for is looked up by an index where one of its `and` operands has one; otherwise
 * all resources are looked at, a thousand a request.
 */
export async function query(directory: Directory, type: ResourceType, asked: Query): Promise<QueryResult> {
	const { filter, sort, page, include = {} } = asked
	const isWholeList = filter === undefined && sort === undefined
	const result = await (isWholeList
		? listAll(directory, type, page)
		: isUserNameOrder(type, asked)
			? listByUserName(directory, page)
			: collect(directory, type, asked))
	const resources = await withInclude(directory, type, result.resources, { include, isRange: isWholeList })
	return { ...result, resources }
}

/** All resources in the order of their ids. The total and the page are read at the same time. */
async function listAll({ table }: Directory, type: ResourceType, page: Page): Promise<QueryResult> {
	const isFar = 'startIndex' in page && page.startIndex - 1 + page.count > pageLimit && page.count > 0
	const [counts, rows] = isFar
		? await rowsFarOn(table, type, page)
		: await Promise.all([countsOf(table, type), rowsOfPage(table, type, page)])
	const totalResults = totalOf(counts)
	const entries = rows.map((row) => ({ key: '', resource: resourceOf(row) }))
	return { ...pageOf(page, entries), totalResults }
}

async function rowsOfPage(table: Table, type: ResourceType, page: Page): Promise<readonly Row[]> {
	if (page.count === 0) return []
	const range = within(resourceKey(type, ''))
	if ('after' in page) {
		const from = page.after === '' ? range.from : after(resourceKey(type, parsePosition(page.after).id))
		// One more tells whether there is a next page.
		return table.first({ ...range, from }, page.count + 1)
	}
	const skipped = page.startIndex - 1
	return (await table.first(range, skipped + page.count)).slice(skipped)
}

/** Rows in one page of the table service. */
const pageLimit = 1000

/** A page that begins far from the beginning: the fences say where, so that nothing before it is read. */
async function rowsFarOn(
	table: Table,
	type: ResourceType,
	{ startIndex, count }: Extract<Page, { startIndex: number }>,
): Promise<[CountHistogram, readonly Row[]]> {
	const counts = await countsOf(table, type)
	const start = locate(counts, startIndex - 1)
	if (start === undefined) return [counts, []]
	const range = within(resourceKey(type, ''))
	const from = start.from === '' ? range.from : resourceKey(type, start.from)
	const rows = await table.first({ ...range, from }, start.skip + count)
	return [counts, rows.slice(start.skip)]
}

/** The index of userNames is all users in order already. */
function isUserNameOrder(type: ResourceType, { filter, sort }: Query): boolean {
	if (type.name !== 'User' || filter !== undefined || sort === undefined || sort.descending) return false
	return resolveAttribute(type, sort.by)?.attribute === userNames.attribute
}

const [userNames] = indexesOf(userType) as readonly [Index] // sound: the first index of users is the one of userName

async function listByUserName(directory: Directory, page: Page): Promise<QueryResult> {
	const { table, scanLimit } = directory
	const range = within(userNames.prefix)
	const from =
		'after' in page && page.after !== '' ? after(`${userNames.prefix}${parsePosition(page.after).key}`) : range.from
	const skipped = 'after' in page ? 0 : page.startIndex - 1
	const wanted = page.count === 0 ? 0 : skipped + page.count + 1
	if (skipped > scanLimit && (await isTooLarge(directory, userType))) {
		throw tooMany(`there are more than ${scanLimit} resources before this page: page by cursor`)
	}
	const [counts, rows] = await Promise.all([
		countsOf(table, userType),
		wanted === 0 ? [] : table.first({ ...range, from }, wanted),
	])
	const places = rows.slice(skipped).map((row) => {
		const key = row.RowKey.slice(userNames.prefix.length)
		return { key, resource: { id: idOf(row), row } }
	})
	const { resources: shown, ...more } = pageOf(page, places)
	const found = await inParallel(shown, ({ row }) => wholeOf(table, userType, row))
	return { ...more, resources: found.filter((user) => user !== undefined), totalResults: totalOf(counts) }
}

/** Looks at what a filter may be looking for, and keeps what belongs on the page. */
async function collect(directory: Directory, type: ResourceType, asked: Query): Promise<QueryResult> {
	const { filter, page, sort } = asked
	if (isWalk(asked) && hasBegun(page)) return walk(directory, type, asked)
	const access = filter && accessOf(type, filter)
	if (filter !== undefined && access?.kind === 'links') {
		return collectLinked(directory, type, { ...asked, filter }, access.id)
	}
	const collected = collectPage(page, isDescending(sort))
	let looked = 0
	for await (const candidates of candidatesOf(directory, type, { filter })) {
		// Most directories end with the first page of the service, and need not be counted.
		const isSecond = looked > 0 && looked <= pageLimit
		const isTooMany = isScan(type, filter)
			? isSecond && (await isTooLarge(directory, type))
			: looked + candidates.length > lookLimit(directory, asked)
		if (isTooMany) return walk(directory, type, asked)
		looked += candidates.length
		for (const resource of matching(type, filter, candidates)) collected.add(entryOf(type, sort, resource))
	}
	return collected.result()
}

/**
 * Looks at what is found by a membership. Who that is is known before anybody is read: too many are not, and where the
 * filter asks for nothing else only those of the page are.
 */
async function collectLinked(
	directory: Directory,
	type: ResourceType,
	asked: Query & { readonly filter: Filter },
	id: string,
): Promise<QueryResult> {
	const { filter, sort, page } = asked
	const linked = linkedTo(directory.table, type, id)
	const limit = lookLimit(directory, asked)
	const ids = await linked.first(limit)
	if (ids.length > limit) return walk(directory, type, asked)
	const read = async (some: readonly ResourceId[]) =>
		matching(type, filter, await linkedCandidates(directory, type, await linked.rows(some), { id, filter }))
	if (sort === undefined && linked.isCertain && asksForLinkAlone(type, filter)) {
		const { resources: shown, next } = pageOf(page, placesFrom(page, ids))
		const resources = await read(shown.map((place) => place.id))
		return {
			resources,
			totalResults: ids.length - shown.length + resources.length,
			...(next !== undefined && { next }),
		}
	}
	const collected = collectPage(page, isDescending(sort))
	for (const some of chunked(ids, pageLimit)) {
		for (const resource of await read(some)) collected.add(entryOf(type, sort, resource))
	}
	return collected.result()
}

/** Where a page begins in a list, and one more than it shows. */
function placesFrom(page: Page, ids: readonly ResourceId[]) {
	const rest = 'after' in page ? ids.filter((id) => id > parsePosition(page.after).id) : ids.slice(page.startIndex - 1)
	return rest.slice(0, page.count + 1).map((id) => ({ key: '', resource: { id } }))
}

/**
 * How many may be looked at that an index, or a membership, has found. A page by cursor goes on as a walk where it is more
 * than the service has on a page.
 */
const lookLimit = ({ scanLimit }: Directory, asked: Query): number => (isWalk(asked) ? pageLimit : scanLimit)

const isTooLarge = async ({ table, scanLimit }: Directory, type: ResourceType): Promise<boolean> =>
	totalOf(await countsOf(table, type)) > scanLimit

/** The resources that match, without what only a filter looks at. */
const matching = (
	type: ResourceType,
	filter: Filter | undefined,
	candidates: readonly Candidate[],
): readonly StoredResource[] =>
	candidates
		.filter((candidate) => filter === undefined || matches(filter, viewOf(type, candidate), type))
		.map(({ members, groups, pendingChange, ...resource }) => resource)

const entryOf = (type: ResourceType, sort: Sort | undefined, resource: StoredResource): Entry => ({
	key: sort === undefined ? '' : sortKey(type, sort)(resource),
	resource,
})

const isDescending = (sort: Sort | undefined): boolean => sort?.descending ?? false

/** Whether a page by cursor may begin where the last one ended, without looking at what is before it. */
const isWalk = ({ page, sort }: Query): boolean => 'after' in page && sort === undefined

/** The key of a position in a walk. */
const walking = '>'

const hasBegun = (page: Page): boolean => 'after' in page && parsePosition(page.after).key === walking

/**
 * A page by cursor of more than is looked at for each page: from where the last one ended, and no further than the
 * limit, so that it may have few resources or none although more follow.
 */
async function walk(directory: Directory, type: ResourceType, asked: Query): Promise<QueryResult> {
	const { filter, page } = asked
	const { scanLimit } = directory
	if (!('after' in page) || !isWalk(asked)) {
		throw tooMany(
			`there are more than ${scanLimit} resources to look through: ${isScan(type, filter) ? 'filter by an attribute that has an index' : 'narrow the filter'}, or page by cursor without sortBy`,
		)
	}
	if (page.count === 0) return { resources: [] }
	const resources: StoredResource[] = []
	let looked = 0
	let next = page.after
	const sought = { filter, after: parsePosition(page.after).id, enough: page.count + 1 }
	for await (const candidates of candidatesOf(directory, type, sought)) {
		for (const candidate of candidates) {
			if (resources.length === page.count) return { resources, next }
			next = positionOf({ key: walking, resource: candidate })
			resources.push(...matching(type, filter, [candidate]))
		}
		looked += candidates.length
		if (looked >= scanLimit) return { resources, next }
	}
	return { resources }
}

const isScan = (type: ResourceType, filter: Filter | undefined): boolean =>
	filter === undefined || accessOf(type, filter) === undefined
