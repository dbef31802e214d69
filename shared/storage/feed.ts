import { expiredCursor } from '../scim/error.ts'
import { kindOfId } from '../scim/id.ts'
import type { Directory } from './rows/directory.ts'
import { feedKey } from './rows/keys.ts'
import { within } from './table/key-range.ts'
import type { Row } from './table/tables.ts'
import { withdrawn } from './transaction/commit.ts'

/** One entry of the feed of changes as it is read. */
export type ChangeEntry = {
	/** The id of the operation, which is its place in the feed and the version of what it wrote. */
	readonly operation: string
	/** Milliseconds since 1970, by the clock of whoever wrote it. */
	readonly time: number
	readonly kind: 'create' | 'update' | 'members' | 'unlink' | 'delete'
	readonly resourceType: string
	readonly id: string
	/** Names of attributes; `+id` and `-id` for members; of `unlink`, and of a user's `delete`, the groups that were left. */
	readonly changed: readonly string[]
}

/**
 * A change is told when it is this old, in milliseconds. Entries stand in the order of their writers' clocks; by then
 * every one that belongs before it has been written: clocks differ by seconds, the last copy of a transaction is sent
 * after 15 s and given up after 10 more, and the service may still do within 30 s what we have given up. So a reader that
 * goes on from where it was misses none.
 */
const settledAfter = 60_000

/**
 * The next `count` changes after an operation, or from the beginning for ''.
 *
 * @throws ScimError 400 `expiredCursor` where the entry of the operation is gone, and with it perhaps some after it
 */
export async function changesAfter(
	directory: Pick<Directory, 'table' | 'now'>,
	operation: string,
	count: number,
): Promise<readonly ChangeEntry[]> {
	if (count === 0) return []
	for (let after = operation; ; ) {
		const rows = await rowsAfter(directory, after, count)
		const changes = rows.filter(({ k }) => k !== withdrawn).map(entryOf)
		const last = rows.at(-1)
		// An answer without changes says that there are none.
		if (changes.length > 0 || last === undefined) return changes
		after = operationOf(last)
	}
}

async function rowsAfter(
	{ table, now }: Pick<Directory, 'table' | 'now'>,
	operation: string,
	count: number,
): Promise<readonly Row[]> {
	const settled = Math.max(now() - settledAfter, 0)
		.toString(16)
		.padStart(12, '0')
	const to = feedKey(settled)
	if (operation === '') return table.first({ from: within(feedKey('')).from, to }, count)
	const from = feedKey(operation)
	if (from >= to) return []
	const [known, ...rows] = await table.first({ from, to }, count + 1)
	// Entries go in their order, and the newest of the old ones stays: as long as one is there, so are all that follow.
	if (known?.RowKey !== from) throw expiredCursor('the cursor is older than the changes that are kept: begin again')
	return rows
}

const operationOf = ({ RowKey }: Row): string => RowKey.slice(feedKey('').length)

function entryOf(row: Row): ChangeEntry {
	const { RowKey, k, rt, id, chg } = row
	const operation = operationOf(row)
	if (kindOfId(operation) !== 'Operation') throw new TypeError(`row ${RowKey} is no entry of the feed`)
	return {
		operation,
		time: Number.parseInt(operation.slice(0, 12), 16),
		kind: k as ChangeEntry['kind'], // sound: commit writes no other
		resourceType: String(rt),
		id: String(id),
		changed: String(chg ?? '')
			.split(' ')
			.filter((name) => name !== ''),
	}
}
