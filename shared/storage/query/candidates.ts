import { kindOfId } from '../../scim/id.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { linkedTo } from '../membership/linked.ts'
import { type GroupHeadings, groupHeadings } from '../membership/links.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf, isCompressed, isWhole } from '../rows/entity.ts'
import { lookupKeys } from '../rows/indexes.ts'
import { groupRow, resourceKey, userRow } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import type { Range, Row, Table } from '../table/tables.ts'
import type { DecidingLinks } from './deciding-links.ts'
import { mergedById } from './merged-by-id.ts'
import type { SizedResource } from './order.ts'
import { type LinkOwner, type Links, withLinks } from './page-links.ts'
import type { CandidatePlan, Plan, SourceOf } from './plan.ts'
import { resourceInTurn } from './resource-in-turn.ts'
import { uniqueRows } from './unique-rows.ts'

/** `pendingChange` is a column of a group's row, `size` the length of the JSON in the row. */
type RowResource = StoredResource & { readonly pendingChange?: string; readonly size: number }

/** A resource that may match, with the memberships that the filter needs. A match that needs no reading is its id alone. */
export type Candidate = RowResource | { readonly id: ResourceId }

/** Candidates that the source has found and not read yet. */
export type CandidateBatch = {
	/** How many candidates the source has found so far, these included. */
	readonly found: number
	/** Reads them, a part at a time, so that not all of them are in memory at once. */
	read(): AsyncGenerator<readonly Candidate[]>
}

/** Rows in one page of the table service. */
export const pageSize = 1000

/**
 * The candidates of a plan: in the order of ids, unless the source is a prefix.
 *
 * @param limit if a `links` source finds more candidates than this, it may leave out the others
 */
export function candidatesOf(
	directory: Directory,
	plan: CandidatePlan,
	{ limit, deciding }: { readonly limit: number; readonly deciding: DecidingLinks },
): AsyncGenerator<CandidateBatch> {
	const { type, source } = plan
	const { table } = directory
	const reader = { directory, plan, groups: groupHeadings(table), deciding }
	switch (source.kind) {
		case 'id':
			return idCandidates(reader, source.id)
		case 'index':
			return rowCandidates(reader, indexRows(table, source, walkStart(plan)))
		case 'prefix':
			return rowCandidates(reader, prefixRows(table, source))
		case 'links':
			return linkCandidates(reader, { ...plan, source }, limit)
		case 'scan': {
			const range = rangeAfter(resourceKey(type, ''), walkStart(plan))
			return rowCandidates(reader, table.pages({ ...range, where: source.conditions }))
		}
	}
}

/** What reads the candidates of one query. It reads each group once. */
type CandidateReader = {
	readonly directory: Directory
	readonly plan: CandidatePlan
	readonly groups: GroupHeadings
	readonly deciding: DecidingLinks
}

/** The id after which a walk reads. Empty for other plans, which read all candidates to count them. */
const walkStart = ({ limit, start }: CandidatePlan): string => (limit === 'walk' && start !== undefined ? start.id : '')

/** The keys that begin with `prefix`, after the key that goes on with `start`. */
export const rangeAfter = (prefix: string, start: string): Range =>
	start === '' ? within(prefix) : { ...within(prefix), from: after(`${prefix}${start}`) }

/** The resource and its memberships are read at the same time, even if the resource does not exist. */
async function* idCandidates(
	{ directory, plan: { type, need }, groups, deciding }: CandidateReader,
	id: string,
): AsyncGenerator<CandidateBatch> {
	if (kindOfId(id) !== type.name) return
	const options = { need, isRange: false, groups, deciding }
	async function* read(): AsyncGenerator<readonly Candidate[]> {
		const [row, [linked]] = await Promise.all([
			directory.table.get(resourceKey(type, id)),
			withLinks(directory, type, [{ id: id as ResourceId }], options), // sound: its kind was checked
		])
		if (row === undefined) return
		const resource = await resourceIn(type, row)
		// During a large change, memberships that were read without knowing of the change may be old.
		yield resource.pendingChange ? withLinks(directory, type, [resource], options) : [{ ...resource, ...linked }]
	}
	yield { found: 1, read }
}

async function* rowCandidates(
	reader: CandidateReader,
	pages: AsyncGenerator<readonly Row[]>,
): AsyncGenerator<CandidateBatch> {
	let found = 0
	for await (const rows of pages) {
		found += rows.length
		yield { found, read: () => readRows(reader, rows) }
	}
}

/** Rows of a batch, weighed by the memory that their resources may take: it has few compressed ones. */
const batchWeight = 32

/** A compressed row may be 1 MiB of JSON. So may a user whom an index row only names; such a group is mostly small. */
const weightOf = (type: ResourceType, row: Row): number =>
	isCompressed(row) ? batchWeight : isWhole(row) ? 0 : type.name === 'User' ? 8 : 1

function batchesOf(type: ResourceType, rows: readonly Row[]): readonly (readonly Row[])[] {
	const batches: Row[][] = []
	let weight = 0
	for (const row of rows) {
		const next = weight + weightOf(type, row)
		if (next > batchWeight || batches.length === 0) batches.push([])
		weight = next > batchWeight ? weightOf(type, row) : next
		batches.at(-1)?.push(row)
	}
	return batches
}

/**
 * A row may move from one spelling of the value to another between two of the reads. So several spellings are read once
 * more if no row was found.
 */
async function* indexRows(
	table: Table,
	{ index, value }: SourceOf<'index'>,
	start: string,
): AsyncGenerator<readonly Row[]> {
	if (index.unique) {
		const rows = await uniqueRows(table, index, value)
		if (rows.length > 0) yield rows
		return
	}
	const keys = lookupKeys(index, value)
	if (index.own?.isUnique) {
		for (const key of keys) yield* ownRows(table.pages(within(key)), start)
		return
	}
	let found = 0
	for (let pass = 1; found === 0 && pass <= Math.min(keys.length, 2); pass++) {
		for await (const rows of mergedById(keys.map((key) => table.pages(rangeAfter(key, start))))) {
			found += rows.length
			yield rows
		}
	}
}

/** The copies in a unique index behind an id. A value that several users share also has a row that is no copy. */
async function* ownRows(pages: AsyncGenerator<readonly Row[]>, start = ''): AsyncGenerator<readonly Row[]> {
	for await (const rows of pages) yield rows.filter((row) => userRow.id.isIn(row) && idOf(row) > start)
}

/**
 * Each resource once, although several of its values may have the prefix. The spelling of format 2 is read last, because
 * rows move to it.
 */
async function* prefixRows(table: Table, { index, prefixes }: SourceOf<'prefix'>): AsyncGenerator<readonly Row[]> {
	const ids = new Set<string>()
	for (const prefix of prefixes.toReversed()) {
		const pages = table.pages(within(`${index.prefix}${prefix}`))
		for await (const rows of index.own?.isUnique ? ownRows(pages) : pages) {
			yield rows.filter((row) => ids.size < ids.add(idOf(row)).size)
		}
	}
}

/**
 * The ids of all candidates are known before one is read, so that too many of them are refused early. A walk reads as
 * many candidates as may fill the page, and twice as many each time if they do not.
 */
async function* linkCandidates(
	reader: CandidateReader,
	plan: Plan<SourceOf<'links'>>,
	limit: number,
): AsyncGenerator<CandidateBatch> {
	const { type, source, page } = plan
	const linked = linkedTo(reader.directory.table, type, source.id)
	const isWalk = plan.limit === 'walk'
	let size = isWalk ? page.count + 1 : pageSize
	for await (const ids of isWalk ? linked.after(walkStart(plan)) : [await linked.first(limit)]) {
		for (let from = 0; from < ids.length; from += size, size = Math.min(2 * size, pageSize)) {
			const some = ids.slice(from, from + size)
			async function* read(): AsyncGenerator<readonly Candidate[]> {
				if (source.reads === 'page') yield some.map((id) => ({ id }))
				else for await (const rows of linked.rows(some)) yield* readRows(reader, rows)
			}
			yield { found: ids.length, read }
		}
	}
}

async function* readRows(reader: CandidateReader, rows: readonly Row[]): AsyncGenerator<readonly RowResource[]> {
	const { type, source, need } = reader.plan
	// Few long resources are in memory at once. Their memberships are read before, for all of them together.
	const isBefore = need.length > 0 && (type.name === 'User' || rows.every(isWhole))
	const before = isBefore ? await linksOfRows(reader, rows) : undefined
	for (const some of batchesOf(type, rows)) {
		const existing = await resourcesIn(reader, some)
		if (before !== undefined) yield existing.map((resource) => ({ ...resource, ...before.get(resource.id) }))
		else if (need.length > 0) yield await linked(reader, existing)
		else
			yield source.kind === 'links'
				? existing.map((resource) => ({ ...resource, ...provedLink(type, source) }))
				: existing
	}
}

async function resourcesIn({ directory, plan: { type } }: CandidateReader, rows: readonly Row[]) {
	const whole = await inParallel(rows, (row) => wholeRow(directory.table, type, row))
	const resources: RowResource[] = []
	for (const row of whole) if (row !== undefined) resources.push(await resourceIn(type, row))
	return resources
}

const linked = <R extends LinkOwner>(
	{ directory, plan: { type, source, need }, groups, deciding }: CandidateReader,
	owners: readonly R[],
) => withLinks(directory, type, owners, { need, isRange: source.kind === 'scan', groups, deciding })

async function linksOfRows(reader: CandidateReader, rows: readonly Row[]): Promise<ReadonlyMap<ResourceId, Links>> {
	const owners = rows.map((row) => ({ id: idOf(row), ...pendingChangeIn(row) }))
	const links = await linked(reader, owners)
	return new Map(links.map(({ id, pendingChange, ...found }) => [id, found]))
}

function provedLink(type: ResourceType, { id }: SourceOf<'links'>): Links {
	const value = id as ResourceId // sound: it was found in rows of memberships
	return type.name === 'Group' ? { members: [{ value }] } : { groups: [{ value, display: '' }] }
}

/** The resource that a row holds, or that an index row leads to. Undefined if it has been deleted in the meantime. */
export async function readResource(table: Table, type: ResourceType, row: Row): Promise<SizedResource | undefined> {
	const whole = await wholeRow(table, type, row)
	return whole && resourceInTurn(type, whole)
}

const wholeRow = async (table: Table, type: ResourceType, row: Row): Promise<Row | undefined> =>
	isWhole(row) ? row : table.get(resourceKey(type, idOf(row)))

async function resourceIn(type: ResourceType, row: Row): Promise<RowResource> {
	const { resource, size } = await resourceInTurn(type, row)
	return { ...resource, size, ...pendingChangeIn(row) }
}

const pendingChangeIn = (row: Row): Pick<LinkOwner, 'pendingChange'> =>
	groupRow.pendingChange.isIn(row) ? { pendingChange: groupRow.pendingChange.of(row) } : {}
