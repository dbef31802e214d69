import { type HistoryPosition, readPosition } from './ledger/index-ledger.ts'
import { removeLedgerOf } from './ledger/trim-ledger.ts'
import type { Directory, Epoch } from './rows/directory.ts'
import { epochEndRow, epochPart, epochPointerRow, feedRow, lastPartOf } from './rows/schema.ts'
import { merge } from './table/batch.ts'
import { within } from './table/key-range.ts'
import { chunked } from './table/parallel.ts'
import { etagOf, type Range, type Row } from './table/tables.ts'
import { closeEpoch, entryKey, epochOf, hasEntries, readEpoch } from './transaction/epochs.ts'
import { removeRows } from './transaction/remove-rows.ts'

/**
 * Removes entries that are older than the feed is kept.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns how many were removed
 */
export async function trimFeed(directory: Directory, until: number): Promise<number> {
	const reached = once(() => readPosition(directory.table))
	const removed = await trimByClock(directory, reached, until)
	return directory.feed === 'operations' ? removed : removed + (await trimEpochs(directory, reached, until))
}

/** How far histories are written. It is read only if entries are removed. */
type Reached = () => Promise<HistoryPosition>

function once<T>(read: () => Promise<T>): () => Promise<T> {
	let reading: Promise<T> | undefined
	return () => {
		reading ??= read()
		return reading
	}
}

/** Closes the open epoch if it has entries. Without a reader of the feed, no other process might do so for weeks. */
export async function closeOpenEpoch(directory: Directory): Promise<void> {
	if (directory.feed === 'operations') return
	const open = await readEpoch(directory)
	if (open !== undefined && open.number > 0 && (await hasEntries(directory, open))) await closeEpoch(directory, open)
}

/**
 * Removes entries `c|` one after another, and keeps the newest of the old ones. A reader has missed none while the entry
 * that it read last is there.
 */
async function trimByClock(directory: Directory, reached: Reached, until: number): Promise<number> {
	const { table, now, keepFeedFor } = directory
	const expired = { ...within(feedRow.key('')), to: keyAt(now() - keepFeedFor) }
	let removed = 0
	let newest: readonly Row[] = []
	for await (const rows of table.pages(expired)) {
		const old = [...newest, ...rows]
		newest = old.splice(-1)
		for (const some of chunked(old, 100)) {
			if (now() >= until) return removed
			await removeEntries(directory, some, reached)
			removed += some.length
		}
	}
	return removed
}

/** Removes entries, and before them what the ledger has beside them. */
async function removeEntries(directory: Directory, rows: readonly Row[], reached?: Reached): Promise<void> {
	if (reached !== undefined) await removeLedgerOf(directory, rows, await reached())
	await removeRows(
		directory,
		rows.map(({ RowKey }) => RowKey),
	)
}

/** The beginning of the keys of operations that began at a time, in milliseconds since 1970. */
const keyAt = (time: number): string => feedRow.key(time.toString(16).padStart(12, '0'))

/**
 * Removes the entries of epochs that were over long enough ago, by the clock of the table service alone. A clock of ours
 * that is wrong could remove the entry of a change that its process is still sending.
 *
 * First the row `e|!` says so, with its ETag: a late copy must not bring an older number back. A writer or reader that
 * finds no entry looks at the row afterwards, and knows whether the entry may have been removed.
 */
async function trimEpochs(directory: Directory, reached: Reached, until: number): Promise<number> {
	const { table } = directory
	const row = await table.get(epochPointerRow.key())
	if (row === undefined) return 0
	const first = await firstToKeep(directory, epochOf(row))
	if (first > epochPointerRow.first.of(row)) {
		const moved = merge(epochPointerRow.key(), epochPointerRow.properties({ first }), etagOf(row))
		const { kind } = await table.transaction([moved])
		if (kind !== 'done') return 0
	}
	if (first === 0) return 0
	const removed = await removeRange(directory, { range: within(feedRow.key('')), reached }, until)
	const ofEpochs = await removeRange(
		directory,
		{ range: { from: entryKey(1, ''), to: entryKey(first, '') }, reached },
		until,
	)
	await removeRange(directory, { range: { from: epochEndRow.key(''), to: epochEndRow.key(epochPart(first)) } }, until)
	return removed + ofEpochs
}

/** The epoch behind the last one that was over long enough ago. */
async function firstToKeep({ table, keepFeedFor }: Directory, { first }: Epoch): Promise<number> {
	const time = await table.time()
	let found = first
	if (time === undefined) return found
	for await (const rows of table.pages(within(epochEndRow.key('')))) {
		for (const { RowKey, Timestamp } of rows) {
			if (!(Date.parse(String(Timestamp)) <= time - keepFeedFor)) return found
			found = Math.max(found, Number.parseInt(lastPartOf(RowKey), 16) + 1)
		}
	}
	return found
}

type RemovedRange = {
	readonly range: Range
	/** Of entries of the feed. */
	readonly reached?: Reached
}

async function removeRange(directory: Directory, { range, reached }: RemovedRange, until: number): Promise<number> {
	if (range.from >= range.to) return 0
	let removed = 0
	for await (const rows of directory.table.pages(range)) {
		for (const some of chunked(rows, 100)) {
			if (directory.now() >= until) return removed
			await removeEntries(directory, some, reached)
			removed += some.length
		}
	}
	return removed
}
