import { tooMany } from '../scim/error.ts'
import type { Filter } from '../scim/filter/ast.ts'
import { matches } from '../scim/filter/match.ts'
import { kindOfId } from '../scim/id.ts'
import type { ResourceId, StoredResource } from '../scim/resource.ts'
import { groupType, type ResourceType, resolveAttribute, userType } from '../scim/resource-type.ts'
import { countsOf } from './counts.ts'
import type { Directory } from './directory.ts'
import { idOf, isWhole, resourceOf } from './entity.ts'
import { type Fences, locate, totalOf } from './fences.ts'
import { type Index, indexedValue, indexesOf, indexKey } from './indexes.ts'
import { after, memberKey, resourceKey, resourcePrefix, within } from './keys.ts'
import { groupRows, groupsAmong, linksOf } from './links.ts'
import { membersOf } from './members.ts'
import { collectPage, pageOf, parsePosition, type Sort, sortKey } from './order.ts'
import { withInclude, withLinks } from './page-links.ts'
import { chunked, inParallel } from './parallel.ts'
import { type Access, accessOf, leastOf, linkNeedOf } from './plan.ts'
import type { Page, Query, QueryResult } from './resource-store.ts'
import type { Row, Table } from './tables.ts'
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
	const range = within(resourcePrefix(type))
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
): Promise<[Fences, readonly Row[]]> {
	const counts = await countsOf(table, type)
	const start = locate(counts, startIndex - 1)
	if (start === undefined) return [counts, []]
	const range = within(resourcePrefix(type))
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
	const entries = await inParallel(rows.slice(skipped), async (row) => {
		const resource = await wholeOf(table, userType, row)
		return resource === undefined ? [] : [{ key: row.RowKey.slice(userNames.prefix.length), resource }]
	})
	return { ...pageOf(page, entries.flat()), totalResults: totalOf(counts) }
}

/** Looks at candidates one after another and keeps those of the page. */
async function collect(directory: Directory, type: ResourceType, asked: Query): Promise<QueryResult> {
	const { filter, sort, page } = asked
	const keyOf = sort === undefined ? () => '' : sortKey(type, sort)
	const collected = collectPage(page, isDescending(sort))
	const isBound = isScan(type, filter)
	const isOnWay = 'after' in page && page.after !== ''
	let looked = 0
	if (isBound && isOnWay && (await isTooLarge(directory, type))) return walk(directory, type, asked)
	for await (const candidates of candidatesOf(directory, type, filter)) {
		// Most directories end with the first page of the service, and need not be counted.
		const isSecond = looked > 0 && looked <= pageLimit && !isOnWay
		if (isBound && isSecond && (await isTooLarge(directory, type))) return walk(directory, type, asked)
		looked += candidates.length
		for (const candidate of candidates) {
			if (filter !== undefined && !matches(filter, viewOf(type, candidate), type)) continue
			const { members, groups, pend, ...resource } = candidate
			collected.add({ key: keyOf(candidate), resource })
		}
	}
	return collected.result()
}

const isScan = (type: ResourceType, filter: Filter | undefined): boolean =>
	filter === undefined || accessOf(type, filter) === undefined

const isTooLarge = async ({ table, scanLimit }: Directory, type: ResourceType): Promise<boolean> =>
	totalOf(await countsOf(table, type)) > scanLimit

/**
 * A page by cursor of a directory that is too large to look through for each page: from where the last one ended, and no
 * further than the limit, so that it may have few resources or none although more follow.
 */
async function walk(directory: Directory, type: ResourceType, { filter, sort, page }: Query): Promise<QueryResult> {
	const { scanLimit } = directory
	if (!('after' in page) || sort !== undefined) {
		throw tooMany(
			`there are more than ${scanLimit} resources to look through: filter by an attribute that has an index, or page by cursor without sortBy`,
		)
	}
	if (page.count === 0) return { resources: [] }
	const resources: StoredResource[] = []
	let looked = 0
	let next = page.after
	for await (const candidates of scan(directory.table, type, { filter, after: page.after })) {
		for (const candidate of await withLinks(
			directory,
			type,
			candidates,
			filter === undefined ? [] : linkNeedOf(type, filter),
		)) {
			if (resources.length === page.count) return { resources, next }
			next = `|${candidate.id}`
			if (filter !== undefined && !matches(filter, viewOf(type, candidate), type)) continue
			const { members, groups, pend, ...resource } = candidate
			resources.push(resource)
		}
		looked += candidates.length
		if (looked >= scanLimit) return { resources, next }
	}
	return { resources }
}

const isDescending = (sort: Sort | undefined): boolean => sort?.descending ?? false

/** `pend` is that of a group's row. */
type Candidate = StoredResource & { readonly pend?: string }

const candidateIn = (row: Row): Candidate => ({
	...resourceOf(row),
	...(typeof row.pend === 'string' && { pend: row.pend }),
})

/** The resources among which are all that the filter is looking for, with as much of their memberships as it looks at. */
async function* candidatesOf(
	directory: Directory,
	type: ResourceType,
	filter: Filter | undefined,
): AsyncGenerator<readonly Candidate[]> {
	const { table } = directory
	const need = filter === undefined ? [] : linkNeedOf(type, filter)
	const access = filter === undefined ? undefined : accessOf(type, filter)
	if (access?.kind === 'id') {
		// The resource and its memberships are read at the same time, whether or not it exists.
		if (kindOfId(access.id) !== type.name) return
		const [row, [linked]] = await Promise.all([
			table.get(resourceKey(type, access.id)),
			withLinks(directory, type, [{ id: access.id as ResourceId }], need), // sound: its kind has been looked at
		])
		if (row === undefined) return
		const candidate = candidateIn(row)
		// In the middle of a large change, memberships that were read without knowing that may be old.
		yield candidate.pend ? withLinks(directory, type, [candidate], need) : [{ ...candidate, ...linked }]
		return
	}
	const pages = access === undefined ? scan(table, type, { filter }) : lookUp(table, type, access)
	const isKnown = access?.kind === 'links' && need !== 'all' && need.every((id) => id === access.id)
	for await (const resources of pages) {
		yield isKnown
			? resources.map((found) => linkedTo(type, found, access.id))
			: withLinks(directory, type, resources, need)
	}
}

/** What was found by a membership has that one, and the filter looks at no other. */
function linkedTo(type: ResourceType, resource: Candidate, id: string): Candidate {
	const value = id as ResourceId // sound: rows that name it were found
	return type.name === 'Group'
		? { ...resource, members: [{ value }] }
		: { ...resource, groups: [{ value, display: '' }] }
}

type Scan = { readonly filter?: Filter | undefined; readonly after?: string }

/** All resources of a type, or at least those that can match; from behind a position. */
async function* scan(
	table: Table,
	type: ResourceType,
	{ filter, after: position = '' }: Scan,
): AsyncGenerator<readonly Candidate[]> {
	const least = filter && leastOf(type, filter)
	const range = within(resourcePrefix(type))
	const from = position === '' ? range.from : after(resourceKey(type, parsePosition(position).id))
	for await (const rows of table.pages({ ...range, from, ...(least && { least }) })) yield rows.map(candidateIn)
}

async function* lookUp(
	table: Table,
	type: ResourceType,
	access: Exclude<Access, { kind: 'id' }>,
): AsyncGenerator<readonly Candidate[]> {
	for await (const rows of access.kind === 'index' ? indexRows(table, access) : linkedRows(table, type, access.id)) {
		const resources = await inParallel(rows, (row) => wholeOf(table, type, row))
		yield resources.filter((resource) => resource !== undefined)
	}
}

async function* indexRows(
	table: Table,
	{ index, value }: { readonly index: Index; readonly value: string },
): AsyncGenerator<readonly Row[]> {
	if (!index.unique) return yield* table.pages(within(`${index.prefix}${indexedValue(index, value)}|`))
	const row = await table.get(indexKey(index, value, ''))
	if (row !== undefined) yield [row]
}

/** The rows of the groups of a user, or rows that name the users of a group. A group that is being deleted has none any more. */
async function* linkedRows(table: Table, type: ResourceType, id: string): AsyncGenerator<readonly Row[]> {
	// Nobody can be linked to what is no id.
	if (kindOfId(id) === undefined) return
	if (type.name === 'Group') {
		yield groupsAmong(table, { userId: id, links: await linksOf(table, id), rows: groupRows(table) })
	} else if ((await table.get(resourceKey(groupType, id))) !== undefined) {
		for (const members of chunked(await membersOf(table, id), pageLimit)) {
			yield members.map(({ value }) => ({ RowKey: memberKey(id, value), id: value }))
		}
	}
}

/** The resource that a row is a copy of, or only names; undefined where it has been deleted meanwhile. */
async function wholeOf(table: Table, type: ResourceType, row: Row): Promise<Candidate | undefined> {
	if (isWhole(row)) return candidateIn(row)
	const whole = await table.get(resourceKey(type, idOf(row)))
	return whole && candidateIn(whole)
}
