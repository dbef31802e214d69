import type { Filter } from '../../scim/filter/ast.ts'
import { kindOfId } from '../../scim/id.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { type Linked, linkedTo } from '../membership/linked.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf, isWhole, resourceOf } from '../rows/entity.ts'
import { type Index, indexedValue, indexKey } from '../rows/indexes.ts'
import { groupRow, resourceKey } from '../rows/schema.ts'
import { after as behind, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import { withLinks } from './page-links.ts'
import { accessOf, conditionsIn, type LinkNeed, linkNeedOf } from './plan.ts'

/** A resource that a filter may be looking for. `pendingChange` is that of a group's row. */
export type Candidate = StoredResource & { readonly pendingChange?: string }

const candidateIn = (row: Row): Candidate => ({
	...resourceOf(row),
	...(groupRow.pendingChange.isIn(row) && { pendingChange: groupRow.pendingChange.of(row) }),
})

export type Sought = {
	readonly filter: Filter | undefined
	/** An id; only what comes behind it, in the order of the ids. */
	readonly after?: string
	/** How many of those that match are enough. */
	readonly enough?: number
}

/**
 * The resources among which are all that a filter is looking for, with as much of their memberships as it looks at.
 */
export async function* candidatesOf(
	directory: Directory,
	type: ResourceType,
	{ filter, after, enough = pageSize }: Sought,
): AsyncGenerator<readonly Candidate[]> {
	const { table } = directory
	const need = filter === undefined ? [] : linkNeedOf(type, filter)
	const access = filter && accessOf(type, filter)
	// What begins with a value is not in the order of ids.
	if (filter === undefined || access === undefined || (access.kind === 'prefix' && after !== undefined)) {
		for await (const resources of scan(table, type, { filter, after })) {
			yield withLinks(directory, type, resources, { need, isRange: true })
		}
		return
	}
	switch (access.kind) {
		case 'id':
			yield* candidateWith(directory, type, access.id, need)
			return
		case 'links':
			for await (const rows of growing(linkedTo(table, type, access.id), after ?? '', enough)) {
				yield linkedCandidates(directory, type, rows, { id: access.id, filter })
			}
			return
		case 'index':
			for await (const rows of indexRows(table, access, after ?? '')) {
				yield withLinks(directory, type, await wholesOf(table, type, rows), { need, isRange: false })
			}
			return
		case 'prefix':
			for await (const rows of prefixRows(table, access)) {
				yield withLinks(directory, type, await wholesOf(table, type, rows), { need, isRange: false })
			}
	}
}

/** The resource and its memberships are read at the same time, whether or not it exists. */
async function* candidateWith(
	directory: Directory,
	type: ResourceType,
	id: string,
	need: LinkNeed,
): AsyncGenerator<readonly Candidate[]> {
	if (kindOfId(id) !== type.name) return
	const asked = { need, isRange: false }
	const [row, [linked]] = await Promise.all([
		directory.table.get(resourceKey(type, id)),
		withLinks(directory, type, [{ id: id as ResourceId }], asked), // sound: its kind has been looked at
	])
	if (row === undefined) return
	const candidate = candidateIn(row)
	// In the middle of a large change, memberships that were read without knowing that may be old.
	yield candidate.pendingChange ? withLinks(directory, type, [candidate], asked) : [{ ...candidate, ...linked }]
}

/** The resources in rows that were found by a membership, which they have: mostly the filter looks at no other. */
export async function linkedCandidates(
	directory: Directory,
	type: ResourceType,
	rows: readonly Row[],
	{ id, filter }: { readonly id: string; readonly filter: Filter },
): Promise<readonly Candidate[]> {
	const resources = rows.map(candidateIn)
	const need = linkNeedOf(type, filter)
	if (need === 'all' || need.some((each) => each !== id)) {
		return withLinks(directory, type, resources, { need, isRange: false })
	}
	const value = id as ResourceId // sound: rows that name it were found
	return resources.map((resource) =>
		type.name === 'Group' ? { ...resource, members: [{ value }] } : { ...resource, groups: [{ value, display: '' }] },
	)
}

const pageSize = 1000

/** The rows of what is linked: at first as many as may be enough, and twice as many each time where they were not. */
async function* growing(linked: Linked, after: string, enough: number): AsyncGenerator<readonly Row[]> {
	let size = enough
	for await (const ids of linked.after(after)) {
		for (let from = 0; from < ids.length; from += size, size = Math.min(2 * size, pageSize)) {
			yield linked.rows(ids.slice(from, from + size))
		}
	}
}

/** The service takes fifteen comparisons, and three are those of the keys. */
const maxConditions = 12

/**
 * All resources of a type, or at least those that can match. Behind an id all of them: who asks for that looks at so many
 * and no more, which would be none where the service leaves out most of them, however long it takes.
 */
async function* scan(
	table: Table,
	type: ResourceType,
	{ filter, after }: { readonly filter: Filter | undefined; readonly after: string | undefined },
): AsyncGenerator<readonly Candidate[]> {
	const range = within(resourceKey(type, ''))
	const pages =
		after === undefined
			? table.pages({ ...range, where: filter === undefined ? [] : conditionsIn(type, filter).slice(0, maxConditions) })
			: table.pages(after === '' ? range : { ...range, from: behind(resourceKey(type, after)) })
	for await (const rows of pages) yield rows.map(candidateIn)
}

async function* indexRows(
	table: Table,
	{ index, value }: { readonly index: Index; readonly value: string },
	after: string,
): AsyncGenerator<readonly Row[]> {
	if (!index.unique) {
		const range = within(`${index.prefix}${indexedValue(index, value)}|`)
		return yield* table.pages({ ...range, from: after === '' ? range.from : behind(`${range.from}${after}`) })
	}
	const row = await table.get(indexKey(index, value, ''))
	if (row !== undefined) yield [row]
}

/** Each resource once, although several of its values may begin so. */
async function* prefixRows(
	table: Table,
	{ index, prefix }: { readonly index: Index; readonly prefix: string },
): AsyncGenerator<readonly Row[]> {
	const seen = new Set<string>()
	for await (const rows of table.pages(within(`${index.prefix}${prefix}`))) {
		yield rows.filter((row) => seen.size < seen.add(idOf(row)).size)
	}
}

async function wholesOf(table: Table, type: ResourceType, rows: readonly Row[]): Promise<readonly Candidate[]> {
	const resources = await inParallel(rows, (row) => wholeOf(table, type, row))
	return resources.filter((resource) => resource !== undefined)
}

/** The resource that a row is a copy of, or only names; undefined where it has been deleted meanwhile. */
export async function wholeOf(table: Table, type: ResourceType, row: Row): Promise<Candidate | undefined> {
	if (isWhole(row)) return candidateIn(row)
	const whole = await table.get(resourceKey(type, idOf(row)))
	return whole && candidateIn(whole)
}
