import { isDeepStrictEqual } from 'node:util'
import { payloadTooLarge, type ScimError } from '../../scim/error.ts'
import { timeOfId } from '../../scim/id.ts'
import type { Member } from '../../scim/resource.ts'
import { type LargeChange, latestChangeRow, memberRow } from '../rows/schema.ts'
import { after, within } from '../table/key-range.ts'
import { type EndSearch, idNumber, idScale, lastRows } from '../table/last-rows.ts'
import { inParallel } from '../table/parallel.ts'
import { attempts, tooContended } from '../table/retry.ts'
import type { Row, Table } from '../table/tables.ts'
import { isAlive, memberIdIn } from './effective-change.ts'
import { isLatestChangeRow, type LatestChange, latestChangeIn } from './latest-change.ts'
import { type UnappliedChange, unappliedChange } from './slices.ts'

// The members of a group are its rows `m|`, changed by what the slices of a pending large change are still to do.

/** Sorts after every id. */
const afterIds = '~'

/**
 * All members of a group in the order of their ids. If there are more than `limit`, the list ends behind that and is
 * incomplete.
 */
export async function membersOf(
	table: Table,
	groupId: string,
	limit = Number.POSITIVE_INFINITY,
): Promise<readonly Member[]> {
	const pages = await mapMembers(table, groupId, { write: async (page) => page, limit, longDisplays: 'leaveOut' })
	return pages?.flat() ?? []
}

/** A member of a group; empty if there is none. Most groups need a read of two rows. */
export async function anyMemberOf(table: Table, groupId: string): Promise<readonly Member[]> {
	const rows = await table.first(within(memberRow.key(groupId, '')), 2)
	if (rows.length === 0) return []
	const members = isChangePending(rows) ? [] : await membersIn(table, rows)
	return members.length > 0 ? members.slice(0, 1) : (await membersOf(table, groupId, 0)).slice(0, 1)
}

/** What happens to long displays beyond 2 Mi characters of one group. Displays of at most 256 characters always stay. */
export type LongDisplays = 'keep' | 'leaveOut' | 'refuse'

type Mapping<T> = {
	readonly write: (page: readonly Member[]) => Promise<T>
	readonly longDisplays: LongDisplays
	/** Stops after this many members; the list is then incomplete. */
	readonly limit?: number
	/** The latest change that the group's row names; '' for none. Left out if that does not matter. */
	readonly latestChange?: string
}

/**
 * What `write` makes of the members of a group, page by page in the order of their ids. Not all of them need to be in
 * memory at once. Every large change is in the result whole or not at all: if one comes in between, all is read and
 * written again.
 *
 * @returns undefined if the row that names the latest change names another one than `latestChange`
 * @throws ScimError 503 if changes come in between again and again, 413 for long displays that are refused
 */
export async function mapMembers<T>(
	table: Table,
	groupId: string,
	mapping: Mapping<T>,
): Promise<readonly T[] | undefined> {
	let pending: PendingChange | undefined
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		const result = await writeOnce(table, groupId, { ...mapping, pending })
		if (result === undefined) return undefined
		if ('written' in result) return result.written
		pending = result.pending
	}
	throw tooContended()
}

/** A pending large change and what of it was not in the rows when it was read. */
type PendingChange = { readonly operation: string; readonly change: UnappliedChange }

async function writeOnce<T>(
	table: Table,
	groupId: string,
	{
		pending,
		write,
		limit = Number.POSITIVE_INFINITY,
		latestChange: expected,
		longDisplays,
	}: Mapping<T> & { readonly pending: PendingChange | undefined },
): Promise<{ readonly written: readonly T[] } | { readonly pending: PendingChange | undefined } | undefined> {
	const written: T[] = []
	let latest: LatestChange | undefined
	let overlay: Overlay = (members) => members
	let pages = 0
	let count = 0
	let isBegun = false
	const bounded = displayBound(longDisplays)
	for await (const rows of table.pages(within(memberRow.key(groupId, '')))) {
		pages++
		const last = rows.at(-1)
		if (last === undefined) continue
		if (!isBegun) {
			isBegun = true
			latest = latestChangeIn(rows[0])
			if (expected !== undefined && expected !== (latest?.operation ?? '')) return undefined
			if (latest?.isPending && latest.operation !== pending?.operation) {
				// The change is read first and the rows after it, so that the rows hold what the change no longer names.
				return { pending: await readPending(table, { groupId, operation: latest.operation }) }
			}
			if (latest?.isPending && pending) overlay = overlayOf(pending.change)
		}
		const members = overlay(await membersIn(table, rows), memberIdIn(last))
		written.push(await write(bounded(members)))
		count += members.length
		if (count > limit) return { written }
	}
	const rest = overlay([], afterIds)
	if (rest.length > 0) written.push(await write(bounded(rest)))
	// One page is of one moment. Several pages are if no large change came in between.
	const isOfOneState =
		pages === 1 || isDeepStrictEqual(latest, latestChangeIn(await table.get(latestChangeRow.key(groupId))))
	return isOfOneState ? { written } : { pending }
}

/** Names of people and devices are shorter. So many characters of each member are no danger to the memory. */
const longDisplay = 256
const maxLongDisplays = 2 * 2 ** 20

/** Makes the function that bounds one page of the members of a group after another. No member is left out. */
export function displayBound(rule: LongDisplays): (members: readonly Member[]) => readonly Member[] {
	if (rule === 'keep') return (members) => members
	let left = maxLongDisplays
	const boundedMember = (member: Member): Member => {
		const length = member.display?.length ?? 0
		if (length <= longDisplay) return member
		left -= length
		if (left >= 0) return member
		if (rule === 'refuse') throw tooLongDisplays()
		return { value: member.value }
	}
	return (members) => members.map(boundedMember)
}

const tooLongDisplays = (): ScimError =>
	payloadTooLarge(
		`the long displays of the members have more than ${maxLongDisplays} characters together: add and remove members by their ids`,
	)

const readPending = async (table: Table, large: LargeChange): Promise<PendingChange> => ({
	operation: large.operation,
	change: await unappliedChange(table, large),
})

/** A group, and the large change that its row names as pending; '' for none. */
type GroupState = { readonly groupId: string; readonly pendingChange: string }

/**
 * The members of a group behind an id, page by page. Pages are of different moments.
 *
 * @param rowsAtOnce rows of members that one request reads at most
 */
export async function* membersAfter(
	table: Table,
	{ groupId, pendingChange, id }: GroupState & { readonly id: string },
	rowsAtOnce?: number,
): AsyncGenerator<readonly Member[]> {
	const overlay: Overlay =
		pendingChange === ''
			? (members) => members
			: overlayOf(await unappliedChange(table, { groupId, operation: pendingChange }), id)
	const range = within(memberRow.key(groupId, ''))
	const from = id === '' ? range.from : after(memberRow.key(groupId, id))
	for await (const rows of table.pages({ ...range, from }, rowsAtOnce)) {
		const last = rows.at(-1)
		if (last !== undefined) yield overlay(await membersIn(table, rows), memberIdIn(last))
	}
	yield overlay([], afterIds)
}

/**
 * The last members of a group before an id, at most `count` of them, in the order of their ids. There are fewer if no
 * others come before them.
 *
 * @param id '' for the end of the group
 */
export async function membersBefore(
	table: Table,
	{ groupId, pendingChange, id }: GroupState & { readonly id: string },
	{ count, now }: { readonly count: number; readonly now: number },
): Promise<readonly Member[]> {
	const change = pendingChange === '' ? undefined : await unappliedChange(table, { groupId, operation: pendingChange })
	let found: readonly Member[] = []
	for (let before = id === '' ? afterIds : id; ; ) {
		const rows = await lastRows(table, searchBefore(groupId, before, now), count)
		const isBeginning = rows.length < count
		const [first] = rows
		const from = isBeginning || first === undefined ? '' : memberIdIn(first)
		found = [...withChange(await membersIn(table, rows), change, { from, before }), ...found]
		if (isBeginning || found.length >= count) return found.slice(-count)
		before = from
	}
}

/** Members of one import lie within minutes. Those that joined one by one may lie years apart. */
const firstSpan = idNumber(10 * 60_000)

const searchBefore = (groupId: string, before: string, now: number): EndSearch => ({
	scale: idScale(memberRow.key(groupId, '')),
	before: memberRow.key(groupId, before),
	end: before === afterIds ? idNumber(now) : idNumber(timeOfId(before) + 1),
	span: firstSpan,
})

type IdRange = { readonly from: string; readonly before: string }

/** Members of a range of ids with what a pending change is still to do to them. */
function withChange(
	members: readonly Member[],
	change: UnappliedChange | undefined,
	{ from, before }: IdRange,
): readonly Member[] {
	if (change === undefined) return members
	const all = new Map(members.map((member) => [member.value, member]))
	for (const member of change.add.values()) {
		if (member.value >= from && member.value < before) all.set(member.value, { ...all.get(member.value), ...member })
	}
	return [...all.values()].filter(({ value }) => !change.remove.has(value)).sort(byId)
}

/**
 * Applies a pending change to one page of members after another. Each page goes up to the id `last`; what is behind the
 * last page goes up to `~`.
 */
type Overlay = (members: readonly Member[], last: string) => readonly Member[]

/** @param id the pages begin behind it */
function overlayOf({ add, remove }: UnappliedChange, id = ''): Overlay {
	const added = [...add.values()]
		.filter(({ value }) => value > id)
		.sort(byId)
		.values()
	let next = added.next()
	return (members, last) => {
		const page = new Map(members.map((member) => [member.value, member]))
		for (; !next.done && next.value.value <= last; next = added.next()) {
			page.set(next.value.value, { ...page.get(next.value.value), ...next.value })
		}
		return [...page.values()].filter(({ value }) => !remove.has(value)).sort(byId)
	}
}

const byId = (a: Member, b: Member): number => (a.value < b.value ? -1 : 1)

/** Whether a large change was pending when these rows of a group's members were read, so that they are not all that counts. */
export const isChangePending = (rows: readonly Row[]): boolean => latestChangeIn(rows[0])?.isPending ?? false

/** The members in rows `m|<group>|…`, without users who are deleted. */
export async function membersIn(table: Table, rows: readonly Row[]): Promise<readonly Member[]> {
	const members = rows.filter((row) => !isLatestChangeRow(row))
	if (!members.some(memberRow.isLeaving.of)) return members.map(memberIn)
	const alive = await inParallel(members, (row) => isAlive(table, row))
	return members.filter((_, index) => alive[index]).map(memberIn)
}

/** The member in a row `m|<group>|<user>`. */
export function memberIn(row: Row): Member {
	const value = memberIdIn(row)
	const display = memberRow.display.of(row)
	return display === undefined ? { value } : { value, display }
}

/** Whether a user is a member of a group. */
export async function isMember(
	table: Table,
	{ groupId, pendingChange, memberId }: GroupState & { readonly memberId: string },
): Promise<boolean> {
	if (pendingChange !== '') {
		const change = await unappliedChange(table, { groupId, operation: pendingChange })
		if (change.add.has(memberId)) return true
		if (change.remove.has(memberId)) return false
	}
	const row = await table.get(memberRow.key(groupId, memberId))
	return row !== undefined && isAlive(table, row)
}
