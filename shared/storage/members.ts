import type { Member } from '../scim/resource.ts'
import { type OpenChange, openChange } from './intent.ts'
import { memberKey, within } from './keys.ts'
import { isAlive, isLeaving, lastPart } from './membership.ts'
import { inParallel } from './parallel.ts'
import type { Row, Table } from './tables.ts'

// The members of a group are its rows `m|`, and what a committed change of many members is still to do to them.

/** All members of a group in the order of their ids. */
export async function membersOf(table: Table, groupId: string): Promise<readonly Member[]> {
	const members: Member[] = []
	for await (const page of memberPages(table, groupId)) members.push(...page)
	return members.sort((a, b) => (a.value < b.value ? -1 : 1))
}

const nothing: OpenChange = { add: new Map(), remove: new Set() }

/** All members of a group, page by page; those that are still to be added come at the end. */
export async function* memberPages(table: Table, groupId: string): AsyncGenerator<readonly Member[]> {
	let change = nothing
	for (let known = ''; ; ) {
		const pages = table.pages(within(`m|${groupId}|`))
		const first = await firstRows(pages)
		const operation = openOperation(first)
		if (operation !== undefined && operation !== known) {
			// The change is read first and the rows after it, so that what it no longer says is in the rows.
			change = await openChange(table, { groupId, operation })
			known = operation
			continue
		}
		const left = new Map(operation === undefined ? [] : change.add)
		const removed = operation === undefined ? nothing.remove : change.remove
		for await (const rows of followedBy(first, pages)) {
			const members = await living(table, rows)
			yield members
				.filter(({ value }) => !removed.has(value))
				.map((member) => {
					const added = left.get(member.value)
					left.delete(member.value)
					return { ...member, ...added }
				})
		}
		yield [...left.values()]
		return
	}
}

async function firstRows(pages: AsyncGenerator<readonly Row[]>): Promise<readonly Row[]> {
	for (let page = await pages.next(); !page.done; page = await pages.next()) {
		if (page.value.length > 0) return page.value
	}
	return []
}

async function* followedBy(first: readonly Row[], rest: AsyncGenerator<readonly Row[]>) {
	yield first
	yield* rest
}

/** The operation of the change that the group is in the middle of, from the first rows of its members. */
export const openOperation = (rows: readonly Row[]): string | undefined => rows.map(markedOperation).find(Boolean)

const markedOperation = ({ RowKey }: Row): string | undefined => /\|!([^|]+)$/.exec(RowKey)?.[1]

/** The members in rows `m|<group>|<member>`, without those who are being deleted. */
export async function living(table: Table, rows: readonly Row[]): Promise<readonly Member[]> {
	const members = rows.filter((row) => markedOperation(row) === undefined)
	if (!members.some(isLeaving)) return members.map(memberIn)
	const alive = await inParallel(members, (row) => isAlive(table, row))
	return members.filter((_, index) => alive[index]).map(memberIn)
}

/** The member in a row `m|<group>|<member>`. */
const memberIn = (row: Row): Member => ({
	value: lastPart(row.RowKey),
	...(typeof row.d === 'string' && { display: row.d }),
})

/** Whether a user is in a group whose row has this `pend`. */
export async function isMember(
	table: Table,
	{ groupId, memberId, pend }: { readonly groupId: string; readonly memberId: string; readonly pend: string },
): Promise<boolean> {
	if (pend !== '') {
		const change = await openChange(table, { groupId, operation: pend })
		if (change.add.has(memberId)) return true
		if (change.remove.has(memberId)) return false
	}
	const row = await table.get(memberKey(groupId, memberId))
	return row !== undefined && isAlive(table, row)
}
