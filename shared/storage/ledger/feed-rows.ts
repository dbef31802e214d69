import type { Directory } from '../rows/directory.ts'
import { feedRow } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import type { Range, Row } from '../table/tables.ts'
import { withdrawn } from '../transaction/commit.ts'
import { entryKey, readEpoch } from '../transaction/epochs.ts'

/** Entries `c|` of this age, in milliseconds, have no other entry added before them. */
const finalAfter = 60_000

type FeedReading = { readonly isFinalOnly: boolean } & Pick<Range, 'select'>

/** The beginning of the keys of entries `c|` whose operations began at a time, in milliseconds since 1970. */
export const feedKeyAt = (time: number): string => feedRow.key(Math.max(time, 0).toString(16).padStart(12, '0'))

/**
 * The rows of the feed behind one of them, or from the beginning for ''; page by page, in the order of the feed. Withdrawn
 * entries are among them, so that a reader knows how far it has come.
 *
 * @param isFinalOnly leaves out the end of the feed to which other entries may still be added before those that are there
 * @param select the properties to read; all if left out
 */
export async function* feedRowsAfter(
	directory: Directory,
	position: string,
	{ isFinalOnly, ...columns }: FeedReading,
): AsyncGenerator<readonly Row[]> {
	for (const range of await rangesOf(directory, isFinalOnly)) {
		const from = position >= range.from ? after(position) : range.from
		if (from < range.to) yield* directory.table.pages({ ...range, ...columns, from })
	}
}

/** The ranges of entries `c|` and `f|`, in the order of the feed, which is the order of their keys too. */
async function rangesOf(directory: Directory, isFinalOnly: boolean): Promise<readonly Range[]> {
	const old = within(feedRow.key(''))
	const epoch = directory.feed === 'operations' ? undefined : await readEpoch(directory)
	const isByClock = epoch === undefined || epoch.number === 0
	const final = feedKeyAt(directory.now() - finalAfter)
	const ofEpochs = { from: entryKey(1, ''), to: entryKey(0xffff_ffff_ffff, '~') }
	return [
		isFinalOnly && isByClock ? { ...old, to: final } : old,
		...(isByClock ? [] : [isFinalOnly ? { ...ofEpochs, to: entryKey(epoch.number, '') } : ofEpochs]),
	]
}

export const isWithdrawn = (row: Row): boolean => feedRow.kind.of(row) === withdrawn
