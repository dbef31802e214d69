import { ScimError } from '../../scim/error.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { insert, type Operation, remove, replace } from '../table/batch.ts'
import { etagOf, type Row, type Table } from '../table/tables.ts'
import { type Delta, type Fences, fenceProperties, fencesIn, noFences, withDeltas } from './count-histogram.ts'
import type { Directory } from './directory.ts'
import { countKey, countRange, deltaKey } from './keys.ts'

// The count of a type is its base row and its delta rows. Every creation and deletion writes a delta in its own
// transaction, so that none waits for another; now and then deltas are folded into the base row. The base row has fences,
// which say how many resources lie between two ids, and so where the page at any position begins.

/** Counts one more, or one less, in the transaction of `operation`. */
export const countBy = (
	type: ResourceType,
	{ operation, id, difference }: { readonly operation: string; readonly id: string; readonly difference: 1 | -1 },
): Operation => insert(deltaKey(type, operation), { id, d: difference })

const foldAbove = 64
/** With the base row they fill one transaction. */
const foldAtMost = 98

/** How many resources of a type there are, and where. Folds where many deltas have gathered. */
export async function countsOf(table: Table, type: ResourceType): Promise<Fences> {
	let counts = await readCounts(table, type)
	// A fold between two pages would hide what it moved from the second to the first.
	while (counts.pages > 1 && (await baseEtag(table, type)) !== counts.etag) counts = await readCounts(table, type)
	if (counts.deltas.length > foldAbove) await foldCounts(table, type)
	return withDeltas(counts.base, counts.deltas)
}

type Counts = { base: Fences; readonly deltas: Delta[]; pages: number; etag?: string | undefined }

async function readCounts(table: Table, type: ResourceType): Promise<Counts> {
	const counts: Counts = { base: noFences, deltas: [], pages: 0 }
	for await (const page of table.pages(countRange(type))) {
		counts.pages++
		for (const row of page) {
			if (row.RowKey === countKey(type)) {
				counts.etag = etagOf(row)
				counts.base = fencesIn(row)
			} else counts.deltas.push(deltaIn(row))
		}
	}
	return counts
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
 * row's ETag lets one of them through, and the counts are the same before and after.
 */
async function fold(table: Table, type: ResourceType): Promise<number> {
	const rows = await table.first(countRange(type), foldAtMost + 1)
	const deltas = rows.filter(({ RowKey }) => RowKey !== countKey(type)).slice(0, foldAtMost)
	if (deltas.length === 0) return 0
	const base = rows.find(({ RowKey }) => RowKey === countKey(type))
	const properties = fenceProperties(withDeltas(base === undefined ? noFences : fencesIn(base), deltas.map(deltaIn)))
	const outcome = await table.transaction([
		base === undefined ? insert(countKey(type), properties) : replace(base.RowKey, properties, etagOf(base)),
		...deltas.map(({ RowKey }) => remove(RowKey)),
	])
	return outcome.kind === 'done' ? deltas.length : 0
}

function deltaIn({ RowKey, id, d }: Row): Delta {
	if (typeof id !== 'string' || typeof d !== 'number') throw new TypeError(`row ${RowKey} counts nothing`)
	return { id, difference: d }
}
