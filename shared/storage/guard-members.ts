import { timeOfId } from '../scim/id.ts'
import { groupType } from '../scim/resource-type.ts'
import type { GuardLimits } from './losses.ts'
import { keptMembersIn, keptPages } from './membership/kept-members.ts'
import type { Directory } from './rows/directory.ts'
import { feedRow, memberRow } from './rows/schema.ts'
import { within } from './table/key-range.ts'
import type { Row, Table } from './table/tables.ts'

// One request that takes more than half of the members of a large group is refused under `hold`, and raises the alert under
// `alert`. Under `alert` no request reads members. The sweep reads how many members the group has now, and goes back to
// the request by the entries of the feed.

/** Groups with fewer members are not guarded if no setting says otherwise. */
const leastMembers = 100

export const guardedFrom = ({ members }: GuardLimits): number => members ?? leastMembers

/** The rows of the first members of a group, by their ids. */
export function firstMemberRows(table: Table, groupId: string, count: number): Promise<readonly Row[]> {
	const all = within(memberRow.key(groupId, ''))
	// The latest change stands before all ids.
	return table.first({ ...all, from: `${all.from}0`, select: ['RowKey'] }, count)
}

/** What the entries of an hour say of the members of one group, as far as they were read. */
type GroupTally = { added: number; removed: number; readonly removals: Removal[] }

/** One request that has removed members. */
type Removal = {
	readonly removed: number
	/** The operation of the rows `l|` that have the members; undefined if the ledger does not keep them. */
	readonly lists: string | undefined
	/** What the tally was right after the request. */
	readonly then: Readonly<Record<'added' | 'removed', number>>
}

export type MemberTallies = Map<string, GroupTally>

/** The columns that `tallyMembers` reads. */
export const tallied = [
	...[feedRow.kind, feedRow.resourceType, feedRow.id, feedRow.changed],
	...[feedRow.large, feedRow.addedMembers, feedRow.removedMembers],
] as const

const day = 24 * 60 * 60_000

/**
 * Adds an entry of the feed to what is known of the members of groups.
 *
 * @param time when the change was made, in milliseconds since 1970
 */
export function tallyMembers(tallies: MemberTallies, row: Row, time: number): void {
	const kind = feedRow.kind.of(row)
	const id = feedRow.id.of(row)
	const changed = (feedRow.changed.of(row) ?? '').split(' ')
	if (feedRow.resourceType.of(row) !== groupType.name) {
		if (kind === 'delete' || kind === 'unlink') for (const groupId of changed) tallyOf(tallies, groupId).removed++
		return
	}
	// The deletion of a group counts as such. A group that an undo brings back begins anew.
	if (kind === 'delete' || kind === 'create') tallies.delete(id)
	else if (time - timeOfId(id) >= day) tallyRequest(tallyOf(tallies, id), row, changed)
}

function tallyRequest(tally: GroupTally, row: Row, changed: readonly string[]): void {
	const countOf = (sign: '+' | '-') => changed.filter((name) => name.startsWith(sign)).length
	const removed = countOf('-') + feedRow.removedMembers.of(row)
	tally.added += countOf('+') + feedRow.addedMembers.of(row)
	tally.removed += removed
	const then = { added: tally.added, removed: tally.removed }
	if (removed > 0) tally.removals.push({ removed, lists: feedRow.large.of(row), then })
}

function tallyOf(tallies: MemberTallies, groupId: string): GroupTally {
	const known = tallies.get(groupId)
	if (known !== undefined) return known
	const tally: GroupTally = { added: 0, removed: 0, removals: [] }
	tallies.set(groupId, tally)
	return tally
}

/** The ids of the groups of which one request has taken more than half of the members. */
export async function halvedGroups(
	{ table }: Pick<Directory, 'table'>,
	tallies: MemberTallies,
	limits: GuardLimits,
): Promise<readonly string[]> {
	const halved: string[] = []
	for (const [groupId, tally] of tallies) {
		for (const removal of tally.removals) {
			if (2 * removal.removed <= guardedFrom(limits)) continue
			if (!(await hasHalved(table, { groupId, tally, removal, least: guardedFrom(limits) }))) continue
			halved.push(groupId)
			break
		}
	}
	return halved
}

type HalvingQuestion = {
	readonly groupId: string
	readonly tally: GroupTally
	readonly removal: Removal
	readonly least: number
}

/** It reads at most as many members as the request removed, and those that came later. */
async function hasHalved(table: Table, { groupId, tally, removal, least }: HalvingQuestion): Promise<boolean> {
	const { removed, lists, then } = removal
	const grown = tally.added - then.added - (tally.removed - then.removed)
	const enough = removed + grown
	if (enough <= 0) return false
	const now = (await firstMemberRows(table, groupId, enough)).length
	if (now >= enough) return false
	const left = Math.max(now - grown, 0)
	const taken = lists === undefined ? removed : await removedIn(table, lists)
	return taken > left && taken + left >= least
}

/** How many members a large change has really removed: a request may name users who are no members. */
async function removedIn(table: Table, lists: string): Promise<number> {
	let count = 0
	for await (const rows of keptPages(table, lists)) for (const row of rows) count += keptMembersIn(row).removed.length
	return count
}
