import { ScimError } from '../../scim/error.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { insert, type Operation, remove, replace } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { etagOf, type Row, type Table } from '../table/tables.ts'
import {
	type CountDifference,
	type CountHistogram,
	emptyHistogram,
	totalOf,
	withDifferences,
} from './count-histogram.ts'
import type { Directory } from './directory.ts'
import { countDifferenceRow, countKeys, countRow, letterOf } from './schema.ts'

/** Users or groups: their counts are the same whatever schemas a tenant has. */
type CountedType = Pick<ResourceType, 'name'>

// The count of a type is its count row and the rows of differences. Each creation and deletion writes a difference in
// its own transaction, so that none waits for another. Now and then differences are folded into the count row.

/** Counts one resource more, or one less, in the transaction of `operation`. */
export const countBy = (
	type: CountedType,
	{ operation, id, difference }: { readonly operation: string; readonly id: string; readonly difference: 1 | -1 },
): Operation =>
	insert(countDifferenceRow.key(letterOf(type), operation), countDifferenceRow.properties({ id, difference }))

const foldAbove = 64
/** With the count row they fill one transaction. */
const foldAtMost = 98

/** How many resources of a type there are, and where. Folds if many differences have gathered. */
export async function countsOf(table: Table, type: CountedType): Promise<CountHistogram> {
	const counts = await readWholeCounts(table, type)
	if (counts.differences.length > foldAbove) await foldIfPossible(table, type)
	return withDifferences(counts.folded, counts.differences)
}

/** The same for a reader who writes nothing. */
export async function countsReadOnly(table: Table, type: CountedType): Promise<CountHistogram> {
	const { folded, differences } = await readWholeCounts(table, type)
	return withDifferences(folded, differences)
}

/** A fold between the reads of two pages moves differences from the second page to the first: they would be missed. */
async function readWholeCounts(table: Table, type: CountedType): Promise<StoredCounts> {
	let counts = await readCounts(table, type)
	while (counts.pages > 1 && (await etagOfCount(table, type)) !== counts.etag) counts = await readCounts(table, type)
	return counts
}

type StoredCounts = {
	folded: CountHistogram
	readonly differences: CountDifference[]
	pages: number
	etag?: string | undefined
}

async function readCounts(table: Table, type: CountedType): Promise<StoredCounts> {
	const counts: StoredCounts = { folded: emptyHistogram, differences: [], pages: 0 }
	for await (const page of table.pages(within(countKeys(type)))) {
		counts.pages++
		for (const row of page) {
			if (row.RowKey === keyOfCount(type)) {
				counts.etag = etagOf(row)
				counts.folded = countRow.histogram.of(row)
			} else counts.differences.push(differenceIn(row))
		}
	}
	return counts
}

const keyOfCount = (type: CountedType): string => countRow.key(letterOf(type))

async function etagOfCount(table: Table, type: CountedType): Promise<string | undefined> {
	const row = await table.get(keyOfCount(type))
	return row && etagOf(row)
}

/** Folds after one of 48 creations and deletions, so that differences do not pile up. */
export async function foldNowAndThen({ table, random }: Directory, type: CountedType): Promise<void> {
	if (random() < 1 / 48) await foldIfPossible(table, type)
}

/** Folds until hardly any difference is left, or another process folds. */
export async function foldAll(table: Table, type: CountedType): Promise<void> {
	while ((await fold(table, type)) === foldAtMost);
}

/** No request fails because the service is away for a fold: a later request folds. */
async function foldIfPossible(table: Table, type: CountedType): Promise<void> {
	try {
		await fold(table, type)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
	}
}

/**
 * Folds differences into the count row and answers how many. Several processes may do it at once: the ETag of the count
 * row lets one of them through. The total is the same before and after.
 */
async function fold(table: Table, type: CountedType): Promise<number> {
	const rows = await table.first(within(countKeys(type)), foldAtMost + 1)
	const differences = rows.filter(({ RowKey }) => RowKey !== keyOfCount(type)).slice(0, foldAtMost)
	if (differences.length === 0) return 0
	const count = rows.find(({ RowKey }) => RowKey === keyOfCount(type))
	const folded = count === undefined ? emptyHistogram : countRow.histogram.of(count)
	const histogram = withDifferences(folded, differences.map(differenceIn))
	const properties = countRow.properties({ total: totalOf(histogram), histogram })
	const outcome = await table.transaction([
		count === undefined ? insert(keyOfCount(type), properties) : replace(count.RowKey, properties, etagOf(count)),
		...differences.map(({ RowKey }) => remove(RowKey)),
	])
	return outcome.kind === 'done' ? differences.length : 0
}

const differenceIn = (row: Row): CountDifference => ({
	id: countDifferenceRow.id.of(row),
	difference: countDifferenceRow.difference.of(row),
})
