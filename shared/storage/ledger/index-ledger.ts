import { isObject } from '../../scim/value.ts'
import { keptPages } from '../membership/kept-members.ts'
import type { Directory } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { committedKey, deletedGroupRow, groupRow, historyPointerRow, historyRow } from '../rows/schema.ts'
import { type Operation, upsert } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { inParallel, packed } from '../table/parallel.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Row, Table } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn, mentionsIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'
import { type HistoryRow, historyRowsOf, historyRowsOfKept, type NameOf, withoutErased } from './history-rows.ts'
import { openTurn, requireTurn, turnIn } from './index-turn.ts'

/** How far the index has come. */
export type HistoryPosition = { readonly position: string; readonly part: string }

export async function readPosition(table: Table): Promise<HistoryPosition> {
	return positionIn(await table.get(historyPointerRow.key()))
}

function positionIn(row: Row | undefined): HistoryPosition {
	if (row === undefined) return { position: '', part: '' }
	return { position: historyPointerRow.position.of(row), part: historyPointerRow.part.of(row) ?? '' }
}

const width = 8
/** One entry may hold up to 900 KiB, and a transaction takes 4 MiB. One operation requires the turn. */
const transactionSize = { count: 99, bytes: 3_000_000 }

/**
 * Writes the rows `h|` of new entries of the feed, so that the history of one resource is one range. Another process may
 * do the same at the same time, and a process may die: the rows are the same each time. An erasure stops it, and the next
 * sweep goes on.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns how many entries are done
 */
export async function indexLedger(directory: Directory, until: number): Promise<number> {
	if (directory.history === 'off') return 0
	const start = await readStart(directory)
	let { reached } = start
	let done = 0
	for await (const rows of feedRowsAfter(directory, reached.position, { isFinalOnly: true })) {
		const entries = rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)
		const nameOf = await groupNames(directory.table, entries)
		// Members in rows of their own may be very many: such an entry takes steps of its own.
		for (const some of splitAtLists(entries)) {
			if (directory.now() >= until) return done
			const [first] = some
			const work = { turn: start.turn, nameOf, part: reached.part, until }
			if (first?.lists !== undefined && !(await indexLists(directory, first, work))) return done
			const written = some.flatMap((entry) => withoutErased(entry, historyRowsOf(entry, nameOf)))
			if (!(await writeRows(directory, start.turn, written))) return done
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

type IndexStart = { readonly turn: number; readonly reached: HistoryPosition }

/** Where to go on, and the turn. Entries are read after this. */
async function readStart(directory: Directory): Promise<IndexStart> {
	const rows = await directory.table.first(within(historyPointerRow.key()), 3)
	const reached = positionIn(rows.find(({ RowKey }) => RowKey === historyPointerRow.key()))
	return { turn: turnIn(rows) ?? (await openTurn(directory)), reached }
}

type ListsWork = { readonly turn: number; readonly nameOf: NameOf; readonly part: string; readonly until: number }

/** Writes the rows of members that no entry holds. Answers false if that has to wait, or if the time is over. */
async function indexLists(
	directory: Directory,
	entry: LedgerEntry,
	{ turn, nameOf, part, until }: ListsWork,
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
			const written = withoutErased(entry, historyRowsOfKept(entry, row, nameOf))
			if (!(await writeRows(directory, turn, written))) return false
			const { position } = await readPosition(table)
			await writePosition(directory, { position, part: row.RowKey })
		}
	}
	return true
}

/** Answers false if an erasure has ended the turn: the entries have to be read again. */
async function writeRows(directory: Directory, turn: number, rows: readonly HistoryRow[]): Promise<boolean> {
	// One entry may name a resource twice, and a transaction names a row once.
	const operations = new Map(
		rows.map(({ key, values }): [string, Operation] => [key, upsert(key, historyRow.properties(values))]),
	)
	const outcomes = await inParallel(
		packed([...operations.values()], transactionSize),
		(some) => commitStep(directory, [requireTurn(turn), ...some]),
		width,
	)
	return outcomes.every(({ kind }) => kind === 'done')
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
