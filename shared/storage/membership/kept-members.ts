import type { Member } from '../../scim/resource.ts'
import { parseStored } from '../rows/json-text.ts'
import { keptMembersRow } from '../rows/schema.ts'
import { type Operation, upsert } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import type { Row, Table } from '../table/tables.ts'

// The ledger keeps the members that a large change, or the deletion of a group, has added or removed. They are too many for
// the entry of the feed: they are in rows of their own, under the operation of the change.

/** A part of the members. All that were removed were members. */
export type KeptMembers = {
	readonly added: readonly Member[]
	readonly removed: readonly Member[]
	/** None of the users to add was a member before. Otherwise that is not known: version 0.2.0 did not look. */
	readonly isExact?: true
}

/** Writes down what a part of a change has done. No two parts of a change begin with the same member. */
export function keepMembers(operation: string, kept: KeptMembers): Operation {
	const [first] = [...kept.added, ...kept.removed]
	const key = keptMembersRow.key(operation, first?.value ?? '')
	return upsert(key, keptMembersRow.properties({ change: JSON.stringify(kept) }))
}

/** The parts that are kept of a change, page by page. */
export const keptPages = (table: Table, operation: string): AsyncGenerator<readonly Row[]> =>
	table.pages(within(keptMembersRow.key(operation, '')))

/** What a row has kept. */
export const keptMembersIn = (row: Row): KeptMembers =>
	parseStored(keptMembersRow.change.of(row) ?? '{"added":[],"removed":[]}')
