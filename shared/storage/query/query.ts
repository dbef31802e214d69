import { type ScimError, tooMany } from '../../scim/error.ts'
import { comparisonsIn } from '../../scim/filter/ast.ts'
import { matches, matchesInTurns } from '../../scim/filter/match.ts'
import { inTurns } from '../../scim/in-turns.ts'
import type { StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { type Yield, yieldingTurns } from '../../turn.ts'
import { type LinkedResources, linkedTo } from '../membership/linked.ts'
import { locate, totalOf } from '../rows/count-histogram.ts'
import { countsOf } from '../rows/counts.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf } from '../rows/entity.ts'
import { indexAdvice } from '../rows/indexable.ts'
import type { Index } from '../rows/indexes.ts'
import { resourceKey } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import type { Range, Row, Table } from '../table/tables.ts'
import { type Candidate, candidatesOf, pageSize, rangeAfter, readResource } from './candidates.ts'
import { decidingLinks, tooMuchText } from './deciding-links.ts'
import {
	collectPage,
	type Position,
	positionOf,
	type ResultEntry,
	type SizedResource,
	skippedBy,
	sortKey,
	walkPositionOf,
} from './order.ts'
import type { Query, QueryResult } from './page.ts'
import { withInclude } from './page-links.ts'
import { type CandidatePlan, comparedPaths, type Plan, planQuery } from './plan.ts'
import { resourceInTurn } from './resource-in-turn.ts'
import { viewOf } from './view.ts'

/**
 * Finds resources. A page holds a bounded number of bytes: it ends early if its resources are large.
 *
 * @throws ScimError 400 `tooMany` if more resources than the scan limit would have to be read
 */
export async function query(directory: Directory, type: ResourceType, query: Query): Promise<QueryResult> {
	const plan = planQuery(type, query)
	const { items, textOf, next, totalResults } = await pageIn(directory, plan)
	const found = items.flatMap(({ sized }) => sized?.resource ?? [])
	const links = { include: query.include ?? {}, isRange: plan.source.kind === 'all' }
	const resources = await withInclude(directory, type, found, links)
	const last = resources.length < found.length ? resources.at(-1) : undefined
	const end = last === undefined ? next : textOf(items.find(({ id }) => id === last.id) ?? { key: '', id: last.id })
	return {
		resources,
		...(totalResults !== undefined && { totalResults }),
		...(end !== undefined && 'after' in query.page && { next: end }),
	}
}

/** A resource in its place on a page; `sized` is undefined if the resource was deleted in the meantime. */
type PageItem = Position & { readonly sized: SizedResource | undefined }

type FilledPage = {
	readonly items: readonly PageItem[]
	/** The text of a position from which the next page goes on. */
	readonly textOf: (position: Position) => string
	readonly next: string | undefined
	readonly totalResults?: number
}

function pageIn(directory: Directory, plan: Plan): Promise<FilledPage> {
	const { source } = plan
	if (source.kind === 'all') return listAll(directory, plan)
	if (source.kind === 'byUserName') return listByUserName(directory, plan, source.index)
	return collect(directory, { ...plan, source })
}

/** Length of the JSON of the resources on a page. A page has one resource at least. */
const maxPageSize = 4 * 2 ** 20

/** Takes items until the page is full. `hasMore` if an item was left. */
async function fill(items: AsyncIterable<PageItem>, count: number) {
	const taken: PageItem[] = []
	let size = 0
	for await (const item of items) {
		size += item.sized?.size ?? 0
		if (taken.length === count || (taken.length > 0 && size > maxPageSize)) return { items: taken, hasMore: true }
		taken.push(item)
	}
	return { items: taken, hasMore: false }
}

/** Where the next page begins, if there is one. */
const nextOf = (items: readonly PageItem[], hasMore: boolean, textOf: FilledPage['textOf']): string | undefined => {
	const last = items.at(-1)
	return hasMore && last !== undefined ? textOf(last) : undefined
}

type RowWindow = { readonly skip: number; readonly count: number }

/** The rows of a range in their order, without the first ones, which are dropped as they are read. */
async function* rowsIn(table: Table, range: Range, { skip, count }: RowWindow): AsyncGenerator<Row> {
	const end = skip + count
	let position = 0
	for await (const rows of table.pages(range, Math.min(end, pageSize))) {
		for (const row of rows) if (position++ >= skip && position <= end) yield row
		if (position >= end) return
	}
}

/** All resources in the order of their ids. The total and the page are read at the same time. */
async function listAll({ table }: Directory, { type, page, start }: Plan): Promise<FilledPage> {
	const skipped = skippedBy(page)
	const counting = countsOf(table, type)
	// For a page far from the beginning, the count histogram tells the row to begin with, so that few rows are skipped.
	const isFar = page.count > 0 && !('after' in page) && skipped + page.count > pageSize
	const begin = isFar ? locate(await counting, skipped) : { from: '', skip: skipped }
	const { from, skip } = begin ?? { from: '', skip: 0 }
	const first = start === undefined ? resourceKey(type, from) : after(resourceKey(type, start.id))
	// One row more than a page by cursor shows whether another page follows.
	const count = page.count + ('after' in page ? 1 : 0)
	const range = { ...within(resourceKey(type, '')), from: first }
	const items =
		begin === undefined || page.count === 0 ? noItems() : itemsIn(type, rowsIn(table, range, { skip, count }))
	const [counts, filled] = await Promise.all([counting, fill(items, page.count)])
	return {
		items: filled.items,
		textOf: positionOf,
		next: nextOf(filled.items, filled.hasMore, positionOf),
		totalResults: totalOf(counts),
	}
}

async function* noItems(): AsyncGenerator<PageItem> {}

async function* itemsIn(type: ResourceType, rows: AsyncIterable<Row>): AsyncGenerator<PageItem> {
	for await (const row of rows) yield { key: '', id: idOf(row), sized: await resourceInTurn(type, row) }
}

/** All users in the order of their userNames. */
async function listByUserName(directory: Directory, plan: Plan, { prefix }: Index): Promise<FilledPage> {
	const { type, page, start } = plan
	const { table, scanLimit } = directory
	const skip = skippedBy(page)
	if (skip > scanLimit && (await totalIn(directory, type)) > scanLimit) {
		throw tooMany(`there are more than ${scanLimit} resources before this page: page by cursor`)
	}
	const rows = rowsIn(table, rangeAfter(prefix, start?.key ?? ''), { skip, count: page.count + 1 })
	const items = page.count === 0 ? noItems() : userItems(directory, plan, { rows, prefix })
	const [counts, filled] = await Promise.all([countsOf(table, type), fill(items, page.count)])
	return {
		items: filled.items,
		textOf: positionOf,
		next: nextOf(filled.items, filled.hasMore, positionOf),
		totalResults: totalOf(counts),
	}
}

type UserNameRows = { readonly rows: AsyncIterable<Row>; readonly prefix: string }

/** The users of index rows, a few at a time. The row behind the page only shows that another page follows. */
async function* userItems(
	{ table }: Directory,
	{ type, page }: Plan,
	{ rows, prefix }: UserNameRows,
): AsyncGenerator<PageItem> {
	let some: Row[] = []
	let count = 0
	const positionIn = (row: Row): Position => ({ key: row.RowKey.slice(prefix.length), id: idOf(row) })
	const read = () =>
		inParallel(some, async (row) => ({ ...positionIn(row), sized: await readResource(table, type, row) }))
	for await (const row of rows) {
		if (count++ === page.count) {
			yield* await read()
			yield { ...positionIn(row), sized: undefined }
			return
		}
		some.push(row)
		if (some.length < usersAtOnce) continue
		yield* await read()
		some = []
	}
	yield* await read()
}

/** Long users whose rows are read at the same time. */
const usersAtOnce = 4

const totalIn = async ({ table }: Directory, type: ResourceType): Promise<number> =>
	totalOf(await countsOf(table, type))

/** Reads candidates, and makes the page of those that match. */
async function collect(directory: Directory, plan: CandidatePlan): Promise<FilledPage> {
	const isOrdered = plan.sort === undefined && plan.source.kind !== 'prefix'
	const collected = collectPage({ ...plan, isOrdered })
	const stop = await readCandidates(directory, plan, collected)
	if (stop.kind === 'tooMany' || stop.kind === 'tooMuchText') {
		if (plan.walk !== undefined) return collect(directory, plan.walk)
		throw stop.kind === 'tooMany' ? tooManyCandidates(directory, plan) : tooMuchText()
	}
	const entries = collected.entries()
	const shown = entries.slice(0, plan.page.count)
	const extra = entries.slice(shown.length)
	const first = await fill(itemsOf(directory, plan, shown), plan.page.count)
	// If a resource was deleted in the meantime, the next one takes its place.
	const isShort = !first.hasMore && first.items.some(({ sized }) => sized === undefined)
	const rest = isShort ? await fill(itemsOf(directory, plan, extra), 1) : undefined
	const items = [...first.items, ...(rest?.items ?? [])]
	const hasMore = first.hasMore || (rest === undefined && extra.length > 0)
	if (plan.limit === 'walk') {
		const pause = stop.kind === 'pause' ? walkPositionOf(stop) : undefined
		return { items, textOf: walkPositionOf, next: nextOf(items, hasMore, walkPositionOf) ?? pause }
	}
	const gone = items.filter(({ sized }) => sized === undefined).length
	return {
		items,
		textOf: positionOf,
		next: nextOf(items, hasMore || extra.length > 0, positionOf),
		totalResults: collected.total() - gone,
	}
}

/**
 * Why reading stopped: the source has no more candidates, has more than the limit, or has more text than one request
 * compares. Or a walk pauses after the candidate with this id: its page may have few resources, or none, although more
 * follow.
 */
type Stop = { readonly kind: 'end' | 'tooMany' | 'tooMuchText' } | { readonly kind: 'pause'; readonly id: string }

/** Characters of JSON that one request compares: the size of each candidate, times the comparisons of the filter. */
const maxCompared = 2 ** 30

/** Adds every candidate that matches to a page, until one of the stop rules holds. */
async function readCandidates(
	directory: Directory,
	plan: CandidatePlan,
	collected: ReturnType<typeof collectPage>,
): Promise<Stop> {
	const { count } = plan.page
	const isWalk = plan.limit === 'walk'
	if (isWalk && count === 0) return { kind: 'end' }
	const limit = plan.limit === 'page' ? pageSize : directory.scanLimit
	const comparisons = comparisonsIn(plan.filter) + (plan.sort === undefined ? 0 : 1)
	const yieldTurn = yieldingTurns()
	const match = matcher(plan, yieldTurn)
	let compared = 0
	let read = 0
	let last = ''
	let isCounted = plan.limit !== 'total'
	const deciding = decidingLinks(plan.type, plan.filter, { yieldTurn, limit: 2 * maxCompared })
	for await (const batch of candidatesOf(directory, plan, { limit, deciding })) {
		// Counting takes a request. It begins with the second page of a scan, which most directories do not have.
		const size = plan.limit !== 'total' ? batch.found : read > 0 && !isCounted ? await totalIn(directory, plan.type) : 0
		if (read > 0) isCounted = true
		if (!isWalk && size > limit) return { kind: 'tooMany' }
		for await (const candidates of batch.read()) {
			for (const candidate of candidates) {
				if (isWalk && (collected.total() === count || collected.isFull())) return { kind: 'pause', id: last }
				compared += 'size' in candidate ? candidate.size * comparisons : 0
				if (compared + deciding.compared() > maxCompared && read > 0)
					return isWalk ? { kind: 'pause', id: last } : { kind: 'tooMuchText' }
				await yieldTurn()
				const entry = await match(candidate)
				if (entry !== undefined) collected.add(entry)
				last = candidate.id
				read++
			}
		}
		if (isWalk && read >= limit) return { kind: 'pause', id: last }
	}
	return { kind: 'end' }
}

function tooManyCandidates({ scanLimit }: Directory, { type, filter, source }: CandidatePlan): ScimError {
	const [index] = filter === undefined ? [] : comparedPaths(filter).flatMap((path) => indexAdvice(type, path) ?? [])
	const advice = source.kind === 'scan' ? (index ?? 'filter by an attribute that has an index') : 'narrow the filter'
	return tooMany(
		`there are more than ${scanLimit} resources to look through: ${advice}, or page by cursor without sortBy`,
	)
}

/** Characters beyond which a comparison with the filter lets other requests have their turn. */
const longComparison = 2 ** 17

/** Makes the function that returns the entry of a candidate, or undefined if the candidate does not match. */
function matcher(
	{ type, filter, sort }: CandidatePlan,
	yieldTurn: Yield,
): (candidate: Candidate) => Promise<ResultEntry | undefined> {
	const stepsOf = sort && sortKey(type, sort)
	const comparisons = comparisonsIn(filter)
	return async (candidate) => {
		if (!('attributes' in candidate)) return { key: '', id: candidate.id }
		const { members, groups, pendingChange, size, ...resource } = candidate
		if (filter !== undefined) {
			const view = viewOf(type, candidate)
			const isMatch =
				size * comparisons > longComparison
					? await matchesInTurns(filter, view, { type, yieldTurn })
					: matches(filter, view, type)
			if (!isMatch) return undefined
			await yieldTurn()
		}
		const key = stepsOf === undefined ? '' : await inTurns(stepsOf(resource), yieldTurn)
		return { key, id: resource.id, sized: { resource, size } }
	}
}

/** Whether a resource that was read again still matches, as far as its own attributes tell. */
const isStillMatch = ({ type, filter, need }: CandidatePlan, resource: StoredResource): boolean =>
	filter === undefined || need.length > 0 || matches(filter, viewOf(type, resource), type)

/** Entries that are read at the same time, and the length of their JSON. */
const readAtOnce = 16
const sizeAtOnce = 2 * 2 ** 20

function readTogether(entries: readonly ResultEntry[]): readonly (readonly ResultEntry[])[] {
	const pieces: ResultEntry[][] = []
	let size = 0
	for (const entry of entries) {
		const piece = pieces.at(-1)
		const next = entry.size ?? 0
		if (piece === undefined || piece.length === readAtOnce || size + next > sizeAtOnce) {
			pieces.push([entry])
			size = next
		} else {
			piece.push(entry)
			size += next
		}
	}
	return pieces
}

/** The entries of a page with their resources. Those that are not in memory are read, a few at a time. */
async function* itemsOf(
	directory: Directory,
	plan: CandidatePlan,
	shown: readonly ResultEntry[],
): AsyncGenerator<PageItem> {
	const { type, source } = plan
	const { table } = directory
	if (source.kind === 'links' && source.reads === 'page') {
		yield* linkItems(type, linkedTo(table, type, source.id), shown)
		return
	}
	for (const some of readTogether(shown)) {
		const read = await inParallel(some, async ({ id, sized }) => {
			if (sized !== undefined) return sized
			const row = await table.get(resourceKey(type, id))
			const read = row && (await resourceInTurn(type, row))
			return read !== undefined && isStillMatch(plan, read.resource) ? read : undefined
		})
		for (const [index, { key, id }] of some.entries()) yield { key, id, sized: read[index] }
	}
}

async function* linkItems(
	type: ResourceType,
	linked: LinkedResources,
	shown: readonly ResultEntry[],
): AsyncGenerator<PageItem> {
	let next = 0
	for await (const rows of linked.rows(shown.map(({ id }) => id))) {
		for (const row of rows) {
			const id = idOf(row)
			for (; next < shown.length && shown[next]?.id !== id; next++)
				yield { key: '', id: shown[next]?.id ?? '', sized: undefined }
			next++
			yield { key: '', id, sized: await resourceInTurn(type, row) }
		}
	}
	for (; next < shown.length; next++) yield { key: '', id: shown[next]?.id ?? '', sized: undefined }
}
