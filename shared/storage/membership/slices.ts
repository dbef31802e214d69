import type { Member } from '../../scim/resource.ts'
import { parseStored } from '../rows/json-text.ts'
import { type LargeChange, sliceKey, sliceRow } from '../rows/schema.ts'
import { insert, type Operation } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { packed } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import type { MembershipChange } from './operations.ts'

// What a large change does to the members is written in slices: before it is committed, and until it is applied.

/**
 * Ten slices of this size are less than a transaction holds, even if each is one member with a display at its longest. So
 * are the rows that apply a slice.
 */
const sliceSize = { count: 1000, bytes: 100_000 }

type SliceOptions = {
	/** Whether the ledger keeps the members of the change. */
	readonly isKept: boolean
}

/** The operations that write a change down, one for each slice. */
export const sliceOperations = (
	large: LargeChange,
	{ add, remove }: MembershipChange,
	{ isKept }: SliceOptions,
): readonly Operation[] => {
	const slices: readonly MembershipChange[] = [
		...packed(add, sliceSize).map((some) => ({ add: some, remove: [] })),
		...packed(remove, sliceSize).map((some) => ({ add: [], remove: some })),
	]
	return slices.map((slice, number) =>
		insert(
			sliceKey(large, number),
			sliceRow.properties({ change: JSON.stringify(slice), isKept: isKept ? true : undefined }),
		),
	)
}

/** What a slice is to do. */
export const changeIn = (slice: Row): MembershipChange => parseStored(sliceRow.change.of(slice))

/** The slices of a large change that are not yet applied, page by page. */
export const slicePages = (table: Table, large: LargeChange): AsyncGenerator<readonly Row[]> =>
	table.pages(within(sliceKey(large, '')))

/** What the rows of members do not hold yet of a large change. */
export type UnappliedChange = {
	readonly add: ReadonlyMap<string, Member>
	readonly remove: ReadonlySet<string>
}

/** Reads it. Rows of members that are read after this hold at least what it does not name any more. */
export async function unappliedChange(table: Table, large: LargeChange): Promise<UnappliedChange> {
	const add = new Map<string, Member>()
	const removed = new Set<string>()
	for await (const slices of slicePages(table, large)) {
		for (const slice of slices) {
			const change = changeIn(slice)
			for (const member of change.add) add.set(member.value, member)
			for (const id of change.remove) removed.add(id)
		}
	}
	return { add, remove: removed }
}
