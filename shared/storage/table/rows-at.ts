import { after } from './key-range.ts'
import { chunked, inParallel } from './parallel.ts'
import type { Row, Table } from './tables.ts'

/** So many keys are read at the same time, and take as long as one page of a range. */
const few = 32

const pageSize = 1000

/**
 * The rows of many keys, some of which may be missing.
 *
 * @param keys of one kind of row: all rows between them may be read
 */
export async function rowsAt(table: Table, keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
	const found = new Map<string, Row>()
	for await (const rows of rowPagesAt(table, keys)) for (const row of rows) found.set(row.RowKey, row)
	return found
}

/**
 * The same in the order of the keys, a part at a time, so that not all rows are in memory at once. Keys that lie close
 * together are read in ranges of up to a thousand rows, whether the rows are wanted or not. If such a page holds few of
 * the keys, some keys are read one by one, and more of them each time.
 *
 * @param most how many keys are read one by one before the next range is tried
 */
export async function* rowPagesAt(
	table: Table,
	keys: readonly string[],
	most = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly Row[]> {
	const wanted = new Set(keys)
	const isWanted = ({ RowKey }: Row) => wanted.has(RowKey)
	let left: readonly string[] = [...wanted].sort()
	for (let atOnce = few; left.length > 0; ) {
		let behind = left
		if (left.length > few) {
			for await (const page of rangeFrom(table, left)) {
				yield page.rows.filter(isWanted)
				behind = page.behind
			}
		}
		const isDense = left.length - behind.length >= few
		const some = isDense ? [] : behind.slice(0, Math.min(atOnce, most))
		for (const part of chunked(some, few)) {
			const rows = await inParallel(part, (key) => table.get(key))
			yield rows.filter((row) => row !== undefined)
		}
		left = behind.slice(some.length)
		atOnce = isDense ? few : 2 * atOnce
	}
}

/**
 * The same with as few requests as can be: one, if at most a thousand rows and 4 MiB lie from the first to the last key.
 * Otherwise `rowPagesAt` reads what lies behind a thousand rows. There is never more than one request for each key, unless
 * the service ends a page early.
 */
export async function* rowPagesTogether(table: Table, keys: readonly string[]): AsyncGenerator<readonly Row[]> {
	const asked = new Set(keys)
	const wanted = [...asked].sort()
	const [first = '', last = first] = [wanted[0], wanted.at(-1)]
	if (wanted.length < 2) return yield* rowPagesAt(table, wanted)
	let read = 0
	for await (const rows of table.pages({ from: first, to: after(last) })) {
		yield rows.filter(({ RowKey }) => asked.has(RowKey))
		read += rows.length
		const end = rows.at(-1)?.RowKey ?? ''
		// A page that is not full may be the last one: then the loop ends without a request, and no other row is there.
		if (read >= pageSize)
			return yield* rowPagesAt(
				table,
				wanted.filter((key) => key > end),
			)
	}
}

/** Reads up to a thousand rows from the first of the keys on, and tells with each page which keys lie behind it. */
async function* rangeFrom(
	table: Table,
	keys: readonly string[],
): AsyncGenerator<{ readonly rows: readonly Row[]; readonly behind: readonly string[] }> {
	const [from = '', last = from] = [keys[0], keys.at(-1)]
	const count = Math.min(pageSize, 4 * keys.length)
	let read = 0
	let end = ''
	for await (const rows of table.pages({ from, to: after(last) }, count)) {
		read += rows.length
		end = rows.at(-1)?.RowKey ?? end
		yield { rows, behind: keys.filter((key) => key > end) }
		if (read >= count) return
	}
	yield { rows: [], behind: [] }
}
