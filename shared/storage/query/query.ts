import { tooMany } from '../../scim/error.ts'
import { matches } from '../../scim/filter/match.ts'
import type { StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { linkedTo } from '../membership/linked.ts'
import { locate, totalOf } from '../rows/count-histogram.ts'
import { countsOf } from '../rows/counts.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf, resourceOf } from '../rows/entity.ts'
import type { Index } from '../rows/indexes.ts'
import { resourceKey } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import { type Candidate, candidatesOf, pageSize, rangeAfter, readResource } from './candidates.ts'
import { collectPage, pageOf, type ResultEntry, skippedBy, sortKey, walkPositionOf } from './order.ts'
import type { Query, QueryResult } from './page.ts'
import { withInclude } from './page-links.ts'
import { type CandidatePlan, type Plan, planQuery } from './plan.ts'
import { viewOf } from './view.ts'

/**
 * Finds resources.
 *
 * @throws ScimError 400 `tooMany` if more resources than the scan limit would have to be read
 */
export async function query(directory: Directory, type: ResourceType, query: Query): Promise<QueryResult> {
	const plan = planQuery(type, query)
	const result = await resultOf(directory, plan)
	const links = { include: query.include ?? {}, isRange: plan.source.kind === 'all' }
	return { ...result, resources: await withInclude(directory, type, result.resources, links) }
}

function resultOf(directory: Directory, plan: Plan): Promise<QueryResult> {
	const { source } = plan
	if (source.kind === 'all') return listAll(directory, plan)
	if (source.kind === 'byUserName') return listByUserName(directory, plan, source.index)
	return collect(directory, { ...plan, source })
}

/** All resources in the order of their ids. The total and the page are read at the same time. */
async function listAll({ table }: Directory, { type, page, start }: Plan): Promise<QueryResult> {
	const skipped = skippedBy(page)
	const counting = countsOf(table, type)
	// For a page far from the beginning, the count histogram tells the row to begin with, so that few rows are skipped.
	const isFar = page.count > 0 && !('after' in page) && skipped + page.count > pageSize
	const begin = isFar ? locate(await counting, skipped) : { from: '', skip: skipped }
	const { from, skip } = begin ?? { from: '', skip: 0 }
	const first = start === undefined ? resourceKey(type, from) : after(resourceKey(type, start.id))
	// One row more than a page by cursor shows whether another page follows.
	const count = skip + page.count + ('after' in page ? 1 : 0)
	const [counts, rows] = await Promise.all([
		counting,
		begin === undefined || page.count === 0
			? []
			: table.first({ ...within(resourceKey(type, '')), from: first }, count),
	])
	const entries = rows.slice(skip).map((row) => ({ key: '', id: idOf(row), row }))
	const { shown, ...next } = pageOf(page, entries)
	return { ...next, resources: shown.map(({ row }) => resourceOf(row)), totalResults: totalOf(counts) }
}

/** All users in the order of their userNames. */
async function listByUserName(directory: Directory, plan: Plan, { prefix }: Index): Promise<QueryResult> {
	const { type, page, start } = plan
	const { table, scanLimit } = directory
	const skipped = skippedBy(page)
	const count = page.count === 0 ? 0 : skipped + page.count + 1
	if (skipped > scanLimit && (await totalIn(directory, type)) > scanLimit) {
		throw tooMany(`there are more than ${scanLimit} resources before this page: page by cursor`)
	}
	const [counts, rows] = await Promise.all([
		countsOf(table, type),
		count === 0 ? [] : table.first(rangeAfter(prefix, start?.key ?? ''), count),
	])
	const entries = rows.slice(skipped).map((row) => ({ key: row.RowKey.slice(prefix.length), id: idOf(row), row }))
	const { shown, ...next } = pageOf(page, entries)
	const users = await inParallel(shown, ({ row }) => readResource(table, type, row))
	return { ...next, resources: users.filter((user) => user !== undefined), totalResults: totalOf(counts) }
}

const totalIn = async ({ table }: Directory, type: ResourceType): Promise<number> =>
	totalOf(await countsOf(table, type))

/** Reads candidates, and makes the page of those that match. */
async function collect(directory: Directory, plan: CandidatePlan): Promise<QueryResult> {
	const collected = collectPage(plan)
	const stop = await readCandidates(directory, plan, collected)
	if (stop.kind === 'tooMany') return beyondLimit(directory, plan)
	const { shown, ...next } = collected.page()
	const resources = await readShown(directory, plan, shown)
	if (plan.limit === 'walk') return { resources, ...(stop.kind === 'pause' && { next: walkPositionOf(stop.last) }) }
	return { ...next, resources, totalResults: collected.total() - shown.length + resources.length }
}

/**
 * Why reading stopped: the source has no more candidates or has more than the limit, or a walk pauses after candidate
 * `last`. The page of a walk may therefore have few resources, or none, although more follow.
 */
type Stop = { readonly kind: 'end' | 'tooMany' } | { readonly kind: 'pause'; readonly last: string }

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
	const match = matcher(plan)
	let read = 0
	let last = ''
	for await (const batch of candidatesOf(directory, plan, limit)) {
		// Counting takes a request. It begins with the second page of a scan, which most directories do not have.
		const isSecondPage = read > 0 && read <= pageSize
		const size = plan.limit !== 'total' ? batch.found : isSecondPage ? await totalIn(directory, plan.type) : 0
		if (!isWalk && size > limit) return { kind: 'tooMany' }
		for (const candidate of await batch.read()) {
			if (isWalk && collected.total() === count) return { kind: 'pause', last }
			const entry = match(candidate)
			if (entry !== undefined) collected.add(entry)
			last = candidate.id
			read++
		}
		if (isWalk && read >= limit) return { kind: 'pause', last }
	}
	return { kind: 'end' }
}

function beyondLimit(directory: Directory, { source, walk }: CandidatePlan): Promise<QueryResult> {
	if (walk !== undefined) return collect(directory, walk)
	const advice = source.kind === 'scan' ? 'filter by an attribute that has an index' : 'narrow the filter'
	throw tooMany(
		`there are more than ${directory.scanLimit} resources to look through: ${advice}, or page by cursor without sortBy`,
	)
}

/** Makes the function that returns the entry of a candidate, or undefined if the candidate does not match. */
function matcher({ type, filter, sort }: CandidatePlan): (candidate: Candidate) => ResultEntry | undefined {
	const keyOf = sort === undefined ? () => '' : sortKey(type, sort)
	return (candidate) => {
		if (!('attributes' in candidate)) return { key: '', id: candidate.id }
		if (filter !== undefined && !matches(filter, viewOf(type, candidate), type)) return undefined
		const { members, groups, pendingChange, ...resource } = candidate
		return { key: keyOf(resource), id: resource.id, resource }
	}
}

/** The resources of a page. Those that were not read for the filter are read now, if they still exist. */
async function readShown(
	{ table }: Directory,
	{ type, source }: CandidatePlan,
	shown: readonly ResultEntry[],
): Promise<readonly StoredResource[]> {
	if (source.kind !== 'links' || source.reads === 'all') return shown.flatMap(({ resource }) => resource ?? [])
	const rows = await linkedTo(table, type, source.id).rows(shown.map(({ id }) => id))
	return rows.map(resourceOf)
}
