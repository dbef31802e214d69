import { after } from './key-range.ts'
import { inParallel } from './parallel.ts'
import type { Row, Table } from './tables.ts'

/** So many keys are read at the same time, and take as long as one page of a range. */
const few = 32

const pageSize = 1000

/**
 * The rows of many keys, some of which may be missing. Keys that lie close together are read in ranges of up to a
 * thousand rows, whether the rows are wanted or not. If such a page holds few of the keys, some keys are read one by one,
 * and more of them each time.
 *
 * @param keys of one kind of row: all rows between them may be read
 */
export async function rowsAt(table: Table, keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
	const wanted = new Set(keys)
	const found = new Map<string, Row>()
	const keep = (row: Row | undefined) => {
		if (row !== undefined && wanted.has(row.RowKey)) found.set(row.RowKey, row)
	}
	let left: readonly string[] = [...wanted].sort()
	for (let atOnce = few; left.length > 0; ) {
		const behind = left.length > few ? await readRange(table, left, keep) : left
		const isDense = left.length - behind.length >= few
		const some = isDense ? [] : behind.slice(0, atOnce)
		for (const row of await inParallel(some, (key) => table.get(key))) keep(row)
		left = behind.slice(some.length)
		atOnce = isDense ? few : 2 * atOnce
	}
	return found
}

/** Reads one page from the first of the keys on, and answers the keys that lie behind the page. */
async function readRange(table: Table, keys: readonly string[], keep: (row: Row) => void): Promise<readonly string[]> {
	const [from = '', last = from] = [keys[0], keys.at(-1)]
	const count = Math.min(pageSize, 4 * keys.length)
	const rows = await table.first({ from, to: after(last) }, count)
	for (const row of rows) keep(row)
	const end = rows.at(-1)?.RowKey ?? ''
	return rows.length < count ? [] : keys.filter((key) => key > end)
}
