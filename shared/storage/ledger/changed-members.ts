import { keptMembersIn } from '../membership/kept-members.ts'
import type { Directory } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { epochEntryRow, epochPart, feedRow, historyRow, keptMembersRow, userRow } from '../rows/schema.ts'
import { within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Row, Table } from '../table/tables.ts'
import { type LedgerEntry, ledgerEntryIn } from './entry.ts'
import { isWithdrawn } from './feed-rows.ts'

/** A user whom a change has added to a group, or removed from it. */
export type ChangedMember = {
	readonly id: string
	/** The userName now, or what the client called the member; undefined if neither is known. */
	readonly name?: string
}

/** The first members that a change has added, or removed. */
export type FirstMembers = {
	readonly first: readonly ChangedMember[]
	/** How many there are; undefined if the list was not read to its end. */
	readonly total?: number
}

/** Whom a change has added to a group, and whom it has removed. */
export type MembersOfChange = { readonly added: FirstMembers; readonly removed: FirstMembers }

/** So many members of one change have their names. */
const firstAtMost = 3

/**
 * The first members of the latest changes of a group, by the operation of the change. It takes a request for each large
 * change, and at most one for each name: 7 a change.
 *
 * @param entries in the order of the feed
 * @param changesAtMost how many changes are looked at
 */
export async function firstMembersOf(
	{ table }: Directory,
	entries: readonly LedgerEntry[],
	changesAtMost: number,
): Promise<ReadonlyMap<string, MembersOfChange>> {
	const latest = entries.filter((entry) => entry.resourceType === 'Group' && hasMembers(entry)).slice(-changesAtMost)
	const lists = await inParallel(latest, (entry) => firstList(table, entry))
	const found = lists.filter(({ added, removed }) => added.length + removed.length > 0)
	const named = await withNames(
		table,
		found.flatMap(({ added, removed }) => [...firstOf(added), ...firstOf(removed)]),
	)
	const told = ({ isWhole }: ChangeList, list: readonly ChangedMember[]): FirstMembers => ({
		first: firstOf(list).map(named),
		...(isWhole && { total: list.length }),
	})
	return new Map(
		found.map((each) => [each.operation, { added: told(each, each.added), removed: told(each, each.removed) }]),
	)
}

const firstOf = (members: readonly ChangedMember[]): readonly ChangedMember[] => members.slice(0, firstAtMost)

const hasMembers = (entry: LedgerEntry): boolean => {
	const { added, removed } = membersIn(entry)
	return entry.lists !== undefined || added.length + removed.length > 0
}

type MemberLists = { readonly added: readonly ChangedMember[]; readonly removed: readonly ChangedMember[] }

/** The members that an entry holds itself. */
const membersIn = ({ kind, changed, firstMembers }: LedgerEntry): MemberLists =>
	kind === 'joined' || kind === 'left'
		? { added: [], removed: [] }
		: { added: [...firstMembers, ...signed(changed, '+')].map(asMember), removed: signed(changed, '-').map(asMember) }

const signed = (changed: readonly string[], sign: '+' | '-'): readonly string[] =>
	changed.filter((name) => name.startsWith(sign)).map((name) => name.slice(1))

const asMember = (id: string): ChangedMember => ({ id })

type ChangeList = MemberLists & { readonly operation: string; readonly isWhole: boolean }

/** The members of a change, or the first part of them. */
async function firstList(table: Table, entry: LedgerEntry): Promise<ChangeList> {
	const { operation, lists } = entry
	if (lists === undefined) return { operation, ...membersIn(entry), isWhole: true }
	const rows = await partsFrom(table, { operation: lists, part: '' }, partsAtMost)
	const parts = rows.map(keptIn)
	return {
		operation,
		added: parts.flatMap(({ added }) => added),
		removed: parts.flatMap(({ removed }) => removed),
		isWhole: rows.length < partsAtMost,
	}
}

/** A part is what one transaction has changed, so that these have about 2,000 members. */
const partsAtMost = 50

type KeptPlace = { readonly operation: string; readonly part: string }

/** The kept members from a part on. */
const partsFrom = (table: Table, { operation, part }: KeptPlace, count: number): Promise<readonly Row[]> =>
	table.first({ ...within(keptMembersRow.key(operation, '')), from: keptMembersRow.key(operation, part) }, count)

function keptIn(row: Row): MemberLists {
	const { added, removed } = keptMembersIn(row)
	const asChanged = ({ value, display }: (typeof added)[number]): ChangedMember => ({
		id: value,
		...(display !== undefined && { name: display }),
	})
	return { added: added.map(asChanged), removed: removed.map(asChanged) }
}

/** Gives members the names that their users have now. */
async function withNames(
	table: Table,
	members: readonly ChangedMember[],
): Promise<(member: ChangedMember) => ChangedMember> {
	const rows = await rowsAt(
		table,
		members.map(({ id }) => userRow.key(id)),
	)
	const names = new Map(
		[...rows.values()].map(resourceOf).map(({ id, attributes }) => [String(id), attributes.userName]),
	)
	return (member) => {
		const name = names.get(member.id)
		return typeof name === 'string' ? { ...member, name } : member
	}
}

/** Some members of one change. */
export type ChangedMembersPage = {
	readonly members: readonly (ChangedMember & { readonly isAdded: boolean })[]
	/** The place of the next page; undefined on the last one. */
	readonly next?: string
}

export type ChangedMembersRequest = {
	readonly groupId: string
	readonly epoch: string
	readonly operation: string
	/** '' for the first page, or the `next` of another one. */
	readonly behind: string
	/** At most 32. */
	readonly count: number
}

/**
 * Whom a change has added to a group and removed from it, page by page. It takes 2 requests, one more while the sweep has not come to the change, and one for each member.
 *
 * @returns undefined if the ledger has no such change
 */
export async function changedMembersPage(
	{ table }: Directory,
	{ groupId, epoch, operation, behind, count }: ChangedMembersRequest,
): Promise<ChangedMembersPage | undefined> {
	const row = (await table.get(historyRow.key(groupId, epoch, operation))) ?? (await feedRowOf(table, epoch, operation))
	const entry = row && ledgerEntryIn(row)
	if (entry === undefined || entry.id !== groupId) return undefined
	const [part = '', skipped = '0'] = behind.split('~')
	const from = Number(skipped)
	const { list, following } = await partOf(table, entry, part)
	const all = [
		...list.added.map((member) => ({ ...member, isAdded: true })),
		...list.removed.map((member) => ({ ...member, isAdded: false })),
	]
	const some = all.slice(from, from + count)
	const named = await withNames(table, some)
	const next = from + count < all.length ? `${part}~${from + count}` : following
	return {
		members: some.map((member) => ({ ...named(member), isAdded: member.isAdded })),
		...(next !== undefined && { next }),
	}
}

/** The entry of a change that the sweep has not come to. */
async function feedRowOf(table: Table, epoch: string, operation: string): Promise<Row | undefined> {
	const isOld = epoch === epochPart(0)
	const row = await table.get(isOld ? feedRow.key(operation) : epochEntryRow.key(epoch, operation))
	return row === undefined || isWithdrawn(row) ? undefined : row
}

type ListPart = { readonly list: MemberLists; readonly following?: string }

async function partOf(table: Table, entry: LedgerEntry, part: string): Promise<ListPart> {
	if (entry.lists === undefined) return { list: membersIn(entry) }
	const [row, next] = await partsFrom(table, { operation: entry.lists, part }, 2)
	const nextPart = next?.RowKey.split('|')[2]
	const list = row === undefined ? { added: [], removed: [] } : keptIn(row)
	return { list, ...(nextPart !== undefined && { following: `${nextPart}~0` }) }
}
