import type { Directory } from '../rows/directory.ts'
import { epochEndRow, epochPart, lastPartOf } from '../rows/schema.ts'
import type { Table } from '../table/tables.ts'
import { entryKey, readEpoch } from '../transaction/epochs.ts'
import { feedKeyAt } from './feed-rows.ts'

/** By how many milliseconds the clock of a process may differ from that of the table service. */
const clockTolerance = 60 * 60_000

/**
 * A place of the feed before all entries of a time and later. Entries of epochs do not tell their time by their keys. The
 * rows `z|` say, by the clock of the table service, which epochs were over then. Mostly it takes two or three requests.
 *
 * @param since milliseconds since 1970
 * @returns a position for `feedRowsAfter`; entries of clocks that are an hour ahead, or more, may lie before it
 * @throws ScimError 503 if the service stays away
 */
export async function feedStart(directory: Directory, since: number): Promise<string> {
	const time = since - clockTolerance
	if (time <= 0) return ''
	const open = directory.feed === 'operations' ? undefined : await readEpoch(directory)
	const over = open === undefined ? undefined : await lastEpochOver(directory.table, open.number, time)
	return over === undefined ? feedKeyAt(time) : entryKey(over, '~')
}

const pageSize = 1000
/** The first look is at so many epochs, since mostly the last hours matter. The next one goes back 16 times as far. */
const near = 2048

/** The last epoch of which a row says that it was over at a time; undefined if there is none. */
async function lastEpochOver(table: Table, open: number, time: number): Promise<number | undefined> {
	let over = -1
	let span = near
	let high = open
	let low = Math.max(open - span, 0)
	for (;;) {
		const ends = await endsIn(table, low, high)
		const last = ends.findLast((end) => end.time <= time)
		if (last !== undefined) {
			const hasMore = last === ends.at(-1) && ends.length === pageSize
			if (!hasMore) return last.epoch
			over = last.epoch
		} else if (low === over + 1) return over < 0 ? undefined : over
		else {
			high = low
			span *= 16
		}
		low = over < 0 ? Math.max(high - span, 0) : Math.floor((over + 1 + high) / 2)
	}
}

type EpochEnd = { readonly epoch: number; readonly time: number }

/** When epochs of a range were over, from its beginning on. Not every epoch has a row. */
async function endsIn(table: Table, low: number, high: number): Promise<readonly EpochEnd[]> {
	if (low >= high) return []
	const range = { from: epochEndRow.key(epochPart(low)), to: epochEndRow.key(epochPart(high)) }
	const rows = await table.first(range, pageSize)
	return rows.map(({ RowKey, Timestamp }) => ({
		epoch: Number.parseInt(lastPartOf(RowKey), 16),
		time: Date.parse(String(Timestamp)),
	}))
}
