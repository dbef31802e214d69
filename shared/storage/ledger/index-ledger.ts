import { isObject } from '../../scim/value.ts'
import { keptPages } from '../membership/kept-members.ts'
import type { Directory } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { committedKey, deletedGroupRow, groupRow, historyPointerRow, historyRow } from '../rows/schema.ts'
import { type Operation, upsert } from '../table/batch.ts'
import { inParallel, packed } from '../table/parallel.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Table } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn, mentionsIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'
import { type HistoryRow, historyRowsOf, historyRowsOfKept, type NameOf } from './history-rows.ts'

/** How far the index has come. */
export type HistoryPosition = { readonly position: string; readonly part: string }

export async function readPosition(table: Table): Promise<HistoryPosition> {
	const row = await table.get(historyPointerRow.key())
	if (row === undefined) return { position: '', part: '' }
	return { position: historyPointerRow.position.of(row), part: historyPointerRow.part.of(row) ?? '' }
}

const width = 8
/** One entry may hold up to 900 KiB, and a transaction takes 4 MiB. */
const transactionSize = { count: 100, bytes: 3_000_000 }

/**
 * Writes the rows `h|` of new entries of the feed, so that the history of one resource is one range. Another process may
 * do the same at the same time, and a process may die: the rows are the same each time.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns how many entries are done
 */
export async function indexLedger(directory: Directory, until: number): Promise<number> {
	if (directory.history === 'off') return 0
	let reached = await readPosition(directory.table)
	let done = 0
	for await (const rows of feedRowsAfter(directory, reached.position, { isFinalOnly: true })) {
		const entries = rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)
		const nameOf = await groupNames(directory.table, entries)
		// Members in rows of their own may be very many: such an entry takes steps of its own.
		for (const some of splitAtLists(entries)) {
			if (directory.now() >= until) return done
			const [first] = some
			if (first?.lists !== undefined && !(await indexLists(directory, first, { nameOf, part: reached.part, until })))
				return done
			await writeRows(
				directory,
				some.flatMap((entry) => historyRowsOf(entry, nameOf)),
			)
			reached = { position: some.at(-1)?.key ?? reached.position, part: '' }
			await writePosition(directory, reached)
			done += some.length
		}
		const last = rows.at(-1)
		if (last !== undefined && last.RowKey > reached.position) {
			reached = { position: last.RowKey, part: '' }
			await writePosition(directory, reached)
		}
	}
	return done
}

/** Cuts entries before and behind each one that has lists of members. */
function splitAtLists(entries: readonly LedgerEntry[]): readonly (readonly LedgerEntry[])[] {
	const pieces: LedgerEntry[][] = []
	let isOpen = false
	for (const entry of entries) {
		const piece = pieces.at(-1)
		if (isOpen && piece !== undefined && entry.lists === undefined) piece.push(entry)
		else pieces.push([entry])
		isOpen = entry.lists === undefined
	}
	return pieces
}

type ListsWork = { readonly nameOf: NameOf; readonly part: string; readonly until: number }

/** Writes the rows of members that no entry holds. Answers false if that has to wait, or if the time is over. */
async function indexLists(
	directory: Directory,
	entry: LedgerEntry,
	{ nameOf, part, until }: ListsWork,
): Promise<boolean> {
	const { table, now } = directory
	const { lists = '', id } = entry
	const [pending, deleting] = await Promise.all([
		table.get(committedKey({ groupId: id, operation: lists })),
		entry.kind === 'delete' ? table.get(deletedGroupRow.key(id)) : undefined,
	])
	// The rest of the members are still to come.
	if (pending !== undefined || deleting !== undefined) return false
	for await (const rows of keptPages(table, lists)) {
		for (const row of rows.filter(({ RowKey }) => RowKey > part)) {
			if (now() >= until) return false
			await writeRows(directory, historyRowsOfKept(entry, row, nameOf))
			const { position } = await readPosition(table)
			await writePosition(directory, { position, part: row.RowKey })
		}
	}
	return true
}

async function writeRows(directory: Directory, rows: readonly HistoryRow[]): Promise<void> {
	// One entry may name a resource twice, and a transaction names a row once.
	const operations = new Map(
		rows.map(({ key, values }): [string, Operation] => [key, upsert(key, historyRow.properties(values))]),
	)
	await inParallel(packed([...operations.values()], transactionSize), (some) => commitStep(directory, some), width)
}

async function writePosition(directory: Directory, { position, part }: HistoryPosition): Promise<void> {
	const properties = historyPointerRow.properties({ position, part: part === '' ? undefined : part })
	await commitStep(directory, [upsert(historyPointerRow.key(), properties)])
}

/** The names of the groups that users join or leave in these entries. */
async function groupNames(table: Table, entries: readonly LedgerEntry[]): Promise<NameOf> {
	const names = new Map<string, string>()
	const ids = new Set(
		entries.flatMap((entry) => [
			...(entry.lists === undefined ? [] : [entry.id]),
			...mentionsIn(entry).flatMap(({ otherType, other }) => (otherType === 'Group' ? [other] : [])),
		]),
	)
	for (const entry of entries) {
		const { displayName } = deletedAttributes(entry) ?? {}
		if (entry.resourceType === 'Group' && typeof displayName === 'string') names.set(entry.id, displayName)
	}
	const rows = await rowsAt(
		table,
		[...ids].filter((id) => !names.has(id)).map((id) => groupRow.key(id)),
	)
	for (const row of rows.values()) {
		const { id, attributes } = resourceOf(row)
		if (isObject(attributes) && typeof attributes.displayName === 'string') names.set(id, attributes.displayName)
	}
	return (id) => names.get(id)
}
