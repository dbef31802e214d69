import { Fault } from '../fault.ts'
import { expiredCursor } from '../scim/error.ts'
import { kindOfId, timeOfId } from '../scim/id.ts'
import type { Directory } from './rows/directory.ts'
import { feedRow, lastPartOf } from './rows/schema.ts'
import { within } from './table/key-range.ts'
import { chunked } from './table/parallel.ts'
import type { Row } from './table/tables.ts'
import { withdrawn } from './transaction/commit.ts'
import { removeRows } from './transaction/remove-rows.ts'

/** One entry of the feed of changes as it is read. */
export type ChangeEntry = {
	/** The id of the operation, which is its place in the feed and the version of what it wrote. */
	readonly operation: string
	/** Milliseconds since 1970, by the clock of the process that wrote it. */
	readonly time: number
	readonly kind: 'create' | 'update' | 'members' | 'unlink' | 'delete'
	readonly resourceType: string
	readonly id: string
	/** Names of attributes; `+id` and `-id` for members; of `unlink`, and of a user's `delete`, the groups that were left. */
	readonly changed: readonly string[]
}

/**
 * Readers see a change when it is this old, in milliseconds. Entries are in the order of their writers' clocks. By then
 * every entry that belongs before it is written, so that a reader that goes on from its last entry misses none. Clocks
 * differ by seconds. The last copy of a transaction is sent after 15 s and given up 10 s later. The service may still do
 * it within 30 s.
 */
const shownAfter = 60_000

/**
 * The next `count` changes after an operation, or from the beginning for ''.
 *
 * @throws ScimError 400 `expiredCursor` if the entry of the operation is gone, and with it perhaps some after it
 */
export async function changesAfter(
	directory: Pick<Directory, 'table' | 'now'>,
	operation: string,
	count: number,
): Promise<readonly ChangeEntry[]> {
	if (count === 0) return []
	for (let after = operation; ; ) {
		const rows = await rowsAfter(directory, after, count)
		const changes = rows.filter((row) => feedRow.kind.of(row) !== withdrawn).map(entryOf)
		const last = rows.at(-1)
		// An answer without changes says that there are none.
		if (changes.length > 0 || last === undefined) return changes
		after = lastPartOf(last.RowKey)
	}
}

async function rowsAfter(
	{ table, now }: Pick<Directory, 'table' | 'now'>,
	operation: string,
	count: number,
): Promise<readonly Row[]> {
	const to = keyAt(Math.max(now() - shownAfter, 0))
	if (operation === '') return table.first({ from: feedRow.key(''), to }, count)
	const from = feedRow.key(operation)
	if (from >= to) return []
	const [known, ...rows] = await table.first({ from, to }, count + 1)
	// Entries are removed in their order, but for the newest of the old ones: while one is there, so are all after it.
	if (known?.RowKey !== from) throw expiredCursor('the cursor is older than the changes that are kept: begin again')
	return rows
}

/** The beginning of the keys of operations that began at a time, in milliseconds since 1970. */
const keyAt = (time: number): string => feedRow.key(time.toString(16).padStart(12, '0'))

function entryOf(row: Row): ChangeEntry {
	const operation = lastPartOf(row.RowKey)
	if (kindOfId(operation) !== 'Operation') throw new Fault('a row c| is no entry of the feed')
	return {
		operation,
		time: timeOfId(operation),
		kind: feedRow.kind.of(row) as ChangeEntry['kind'], // sound: commit writes no other
		resourceType: feedRow.resourceType.of(row),
		id: feedRow.id.of(row),
		changed: (feedRow.changed.of(row) ?? '').split(' ').filter((name) => name !== ''),
	}
}

/**
 * Removes entries that are older than the feed is kept, one after another, but for the newest of them. A reader has missed
 * none as long as the entry that it read last is there.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns how many were removed
 */
export async function trimFeed(directory: Directory, until: number): Promise<number> {
	const { table, now, keepFeedFor } = directory
	const expired = { ...within(feedRow.key('')), to: keyAt(now() - keepFeedFor), select: ['RowKey'] }
	let removed = 0
	let newest: readonly string[] = []
	for await (const rows of table.pages(expired)) {
		const keys = [...newest, ...rows.map(({ RowKey }) => RowKey)]
		newest = keys.splice(-1)
		for (const some of chunked(keys, 100)) {
			if (now() >= until) return removed
			await removeRows(directory, some)
			removed += some.length
		}
	}
	return removed
}
