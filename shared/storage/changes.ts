import { expiredCursor } from '../scim/error.ts'
import { kindOfId, timeOfId } from '../scim/id.ts'
import type { Directory } from './directory.ts'
import { after, feedKey, within } from './keys.ts'
import type { Row } from './tables.ts'

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
 * every one that belongs before it has been written: clocks differ by seconds, we give up after 10 s, and the service may
 * still do within 30 s what we have given up. So a reader that goes on from where it was misses none.
 */
const settledAfter = 60_000

/**
 * The next `count` changes after an operation, or from the first that is kept for ''.
 *
 * @throws ScimError 400 `expiredCursor` where the entries behind the operation may be gone
 */
export async function changesAfter(
	{ table, now, keepFeedFor }: Pick<Directory, 'table' | 'now' | 'keepFeedFor'>,
	operation: string,
	count: number,
): Promise<readonly ChangeEntry[]> {
	if (operation !== '' && timeOfId(operation) < now() - keepFeedFor) {
		throw expiredCursor(
			'what happened after this cursor is no longer kept: read everybody, and begin again with an empty cursor',
		)
	}
	const settled = Math.max(now() - settledAfter, 0)
		.toString(16)
		.padStart(12, '0')
	const to = feedKey(settled)
	const from = operation === '' ? within(feedKey('')).from : after(feedKey(operation))
	if (count === 0 || from >= to) return []
	return (await table.first({ from, to }, count)).map(entryOf)
}

function entryOf({ RowKey, k, rt, id, chg }: Row): ChangeEntry {
	const operation = RowKey.slice(feedKey('').length)
	if (kindOfId(operation) !== 'Operation') throw new TypeError(`row ${RowKey} is no entry of the feed`)
	return {
		operation,
		time: timeOfId(operation),
		kind: k as ChangeEntry['kind'], // sound: commit writes no other
		resourceType: String(rt),
		id: String(id),
		changed: String(chg ?? '')
			.split(' ')
			.filter((name) => name !== ''),
	}
}
