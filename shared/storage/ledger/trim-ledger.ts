import { keptPages } from '../membership/kept-members.ts'
import type { Directory } from '../rows/directory.ts'
import type { Row } from '../table/tables.ts'
import { removeRows } from '../transaction/remove-rows.ts'
import { type LedgerEntry, ledgerEntryIn } from './entry.ts'
import { isWithdrawn } from './feed-rows.ts'
import { historyRowsOf, historyRowsOfKept } from './history-rows.ts'
import type { HistoryPosition } from './index-ledger.ts'

const noName = () => undefined

/**
 * Removes what the ledger has beside entries of the feed that are about to be removed: the rows `h|` and `l|`.
 *
 * @param rows whole entries of the feed
 * @param reached how far the rows `h|` are written: entries behind it have none
 */
export async function removeLedgerOf(
	directory: Directory,
	rows: readonly Row[],
	{ position }: HistoryPosition,
): Promise<void> {
	const entries = rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)
	const isIndexed = ({ key }: LedgerEntry) => key <= position
	for (const entry of entries) {
		if (entry.lists === undefined) continue
		for await (const kept of keptPages(directory.table, entry.lists)) {
			const members = isIndexed(entry) ? kept.flatMap((row) => historyRowsOfKept(entry, row, noName)) : []
			await removeRows(directory, [...members.map(({ key }) => key), ...kept.map(({ RowKey }) => RowKey)])
		}
	}
	const keys = entries.filter(isIndexed).flatMap((entry) => historyRowsOf(entry, noName).map(({ key }) => key))
	await removeRows(directory, [...new Set(keys)])
}
