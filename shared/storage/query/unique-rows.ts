import { idOf } from '../rows/entity.ts'
import { type Index, lookupKeys } from '../rows/indexes.ts'
import { inParallel } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import { byId } from './merged-by-id.ts'

/**
 * The rows that a value has in a unique index, in the order of ids, each resource once. There may be several, by the
 * spellings of the value in rows of format 1. A row may move from one spelling to another between two of the reads. So
 * several spellings are read once more if no row was found.
 */
export async function uniqueRows(table: Table, index: Index, value: string): Promise<readonly Row[]> {
	const keys = lookupKeys(index, value)
	const rows = await rowsAt(table, keys)
	return rows.length > 0 || keys.length === 1 ? rows : rowsAt(table, keys)
}

async function rowsAt(table: Table, keys: readonly string[]): Promise<readonly Row[]> {
	const rows = (await inParallel(keys, (key) => table.get(key))).filter((row) => row !== undefined)
	return [...new Map(rows.map((row) => [idOf(row), row])).values()].sort(byId)
}
