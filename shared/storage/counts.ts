import { ScimError } from '../scim/error.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import { insert, type Operation, remove, replace } from './batch.ts'
import type { Directory } from './directory.ts'
import { countKey, countRange, deltaKey } from './keys.ts'
import { etagOf, type Row, type Table } from './tables.ts'

// The count of a type is its base row and the sum of its delta rows. Every creation and deletion writes a delta in its
// own transaction, so that none waits for another; now and then deltas are folded into the base row.

/** Counts one more, or one less, in the transaction of `operation`. */
export const countBy = (type: ResourceType, operation: string, difference: 1 | -1): Operation =>
	insert(deltaKey(type, operation), { d: difference })

const foldAbove = 64
/** With the base row they fill one transaction. */
const foldAtMost = 98

/** How many resources of a type there are. Folds where many deltas have gathered. */
export async function countOf(table: Table, type: ResourceType): Promise<number> {
	let count = await readCount(table, type)
	// A fold between two pages would hide what it moved from the second to the first.
	while (count.pages > 1 && (await baseEtag(table, type)) !== count.etag) count = await readCount(table, type)
	if (count.rows > foldAbove) await foldCounts(table, type)
	return count.total
}

type Count = { total: number; rows: number; pages: number; etag?: string | undefined }

async function readCount(table: Table, type: ResourceType): Promise<Count> {
	const count: Count = { total: 0, rows: 0, pages: 0 }
	for await (const page of table.pages(countRange(type))) {
		count.pages++
		count.rows += page.length
		if (page[0]?.RowKey === countKey(type)) count.etag = etagOf(page[0])
		for (const row of page) count.total += differenceIn(row)
	}
	return count
}

async function baseEtag(table: Table, type: ResourceType): Promise<string | undefined> {
	const base = await table.get(countKey(type))
	return base && etagOf(base)
}

/** Folds after one of 48 creations and deletions, so that deltas do not pile up. */
export async function foldNowAndThen({ table, random }: Directory, type: ResourceType): Promise<void> {
	if (random() < 1 / 48) await foldCounts(table, type)
}

/** Folds until there is next to nothing to fold, or somebody else does. */
export async function foldAll(table: Table, type: ResourceType): Promise<void> {
	while ((await fold(table, type)) === foldAtMost);
}

async function foldCounts(table: Table, type: ResourceType): Promise<void> {
	try {
		await fold(table, type)
	} catch (error) {
		// The service is away: whoever comes next folds, and nobody's request is to fail for it.
		if (!(error instanceof ScimError)) throw error
	}
}

/**
 * Folds deltas into the base row and answers how many. It may be left undone, and done by several at once: the base
 * row's ETag lets one of them through, and the sum is the same before and after.
 */
async function fold(table: Table, type: ResourceType): Promise<number> {
	const rows = await table.first(countRange(type), foldAtMost + 1)
	const deltas = rows.filter(({ RowKey }) => RowKey !== countKey(type)).slice(0, foldAtMost)
	if (deltas.length === 0) return 0
	const base = rows.find(({ RowKey }) => RowKey === countKey(type))
	const n = [...(base === undefined ? [] : [base]), ...deltas].reduce((sum, row) => sum + differenceIn(row), 0)
	const outcome = await table.transaction([
		base === undefined ? insert(countKey(type), { n }) : replace(base.RowKey, { n }, etagOf(base)),
		...deltas.map(({ RowKey }) => remove(RowKey)),
	])
	return outcome.kind === 'done' ? deltas.length : 0
}

function differenceIn(row: Row): number {
	const value = row.n ?? row.d
	if (typeof value !== 'number') throw new TypeError(`row ${row.RowKey} counts nothing`)
	return value
}
