import { kindOfId } from '../../scim/id.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { linkedTo } from '../membership/linked.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf, isWhole, resourceOf } from '../rows/entity.ts'
import { indexedValue, indexKey } from '../rows/indexes.ts'
import { groupRow, resourceKey } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import type { Range, Row, Table } from '../table/tables.ts'
import { withLinks } from './page-links.ts'
import type { CandidatePlan, Plan, SourceOf } from './plan.ts'

/** `pendingChange` is a column of a group's row. */
type RowResource = StoredResource & { readonly pendingChange?: string }

/** A resource that may match, with the memberships that the filter needs. A match that needs no reading is its id alone. */
export type Candidate = RowResource | { readonly id: ResourceId }

/** Candidates that the source has found and not read yet. */
export type CandidateBatch = {
	/** How many candidates the source has found so far, these included. */
	readonly found: number
	read(): Promise<readonly Candidate[]>
}

/** Rows in one page of the table service. */
export const pageSize = 1000

/**
 * The candidates of a plan: in the order of ids, unless the source is a prefix.
 *
 * @param limit if a `links` source finds more candidates than this, it may leave out the others
 */
export function candidatesOf(directory: Directory, plan: CandidatePlan, limit: number): AsyncGenerator<CandidateBatch> {
	const { type, source } = plan
	const { table } = directory
	switch (source.kind) {
		case 'id':
			return idCandidates(directory, plan, source.id)
		case 'index':
			return rowCandidates(directory, plan, indexRows(table, source, walkStart(plan)))
		case 'prefix':
			return rowCandidates(directory, plan, prefixRows(table, source))
		case 'links':
			return linkCandidates(directory, { ...plan, source }, limit)
		case 'scan': {
			const range = rangeAfter(resourceKey(type, ''), walkStart(plan))
			return rowCandidates(directory, plan, table.pages({ ...range, where: source.conditions }))
		}
	}
}

/** The id after which a walk reads. Empty for other plans, which read all candidates to count them. */
const walkStart = ({ limit, start }: CandidatePlan): string => (limit === 'walk' && start !== undefined ? start.id : '')

/** The keys that begin with `prefix`, after the key that goes on with `start`. */
export const rangeAfter = (prefix: string, start: string): Range =>
	start === '' ? within(prefix) : { ...within(prefix), from: after(`${prefix}${start}`) }

/** The resource and its memberships are read at the same time, even if the resource does not exist. */
async function* idCandidates(
	directory: Directory,
	{ type, need }: CandidatePlan,
	id: string,
): AsyncGenerator<CandidateBatch> {
	if (kindOfId(id) !== type.name) return
	const options = { need, isRange: false }
	const read = async () => {
		const [row, [linked]] = await Promise.all([
			directory.table.get(resourceKey(type, id)),
			withLinks(directory, type, [{ id: id as ResourceId }], options), // sound: its kind was checked
		])
		if (row === undefined) return []
		const resource = resourceIn(row)
		// During a large change, memberships that were read without knowing of the change may be old.
		return resource.pendingChange ? withLinks(directory, type, [resource], options) : [{ ...resource, ...linked }]
	}
	yield { found: 1, read }
}

async function* rowCandidates(
	directory: Directory,
	plan: CandidatePlan,
	pages: AsyncGenerator<readonly Row[]>,
): AsyncGenerator<CandidateBatch> {
	let found = 0
	for await (const rows of pages) {
		found += rows.length
		yield { found, read: () => readRows(directory, plan, rows) }
	}
}

async function* indexRows(
	table: Table,
	{ index, value }: SourceOf<'index'>,
	start: string,
): AsyncGenerator<readonly Row[]> {
	if (!index.unique) return yield* table.pages(rangeAfter(`${index.prefix}${indexedValue(index, value)}|`, start))
	const row = await table.get(indexKey(index, value, ''))
	if (row !== undefined) yield [row]
}

/** Each resource once, although several of its values may have the prefix. */
async function* prefixRows(table: Table, { index, prefix }: SourceOf<'prefix'>): AsyncGenerator<readonly Row[]> {
	const ids = new Set<string>()
	for await (const rows of table.pages(within(`${index.prefix}${prefix}`))) {
		yield rows.filter((row) => ids.size < ids.add(idOf(row)).size)
	}
}

/**
 * The ids of all candidates are known before one is read, so that too many of them are refused early. A walk reads as
 * many candidates as may fill the page, and twice as many each time if they do not.
 */
async function* linkCandidates(
	directory: Directory,
	plan: Plan<SourceOf<'links'>>,
	limit: number,
): AsyncGenerator<CandidateBatch> {
	const { type, source, page } = plan
	const linked = linkedTo(directory.table, type, source.id)
	const isWalk = plan.limit === 'walk'
	let size = isWalk ? page.count + 1 : pageSize
	for await (const ids of isWalk ? linked.after(walkStart(plan)) : [await linked.first(limit)]) {
		for (let from = 0; from < ids.length; from += size, size = Math.min(2 * size, pageSize)) {
			const some = ids.slice(from, from + size)
			const read = async () =>
				source.reads === 'page' ? some.map((id) => ({ id })) : readRows(directory, plan, await linked.rows(some))
			yield { found: ids.length, read }
		}
	}
}

async function readRows(
	directory: Directory,
	{ type, source, need }: CandidatePlan,
	rows: readonly Row[],
): Promise<readonly RowResource[]> {
	const resources = await inParallel(rows, (row) => readResource(directory.table, type, row))
	const existing = resources.filter((resource) => resource !== undefined)
	if (source.kind !== 'links' || need.length > 0) {
		return withLinks(directory, type, existing, { need, isRange: source.kind === 'scan' })
	}
	const value = source.id as ResourceId // sound: it was found in rows of memberships
	const link = type.name === 'Group' ? { members: [{ value }] } : { groups: [{ value, display: '' }] }
	return existing.map((resource) => ({ ...resource, ...link }))
}

/** The resource that a row holds, or that an index row leads to. Undefined if it has been deleted in the meantime. */
export async function readResource(table: Table, type: ResourceType, row: Row): Promise<RowResource | undefined> {
	if (isWhole(row)) return resourceIn(row)
	const target = await table.get(resourceKey(type, idOf(row)))
	return target && resourceIn(target)
}

const resourceIn = (row: Row): RowResource => ({
	...resourceOf(row),
	...(groupRow.pendingChange.isIn(row) && { pendingChange: groupRow.pendingChange.of(row) }),
})
