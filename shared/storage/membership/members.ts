import { isDeepStrictEqual } from 'node:util'
import type { Member } from '../../scim/resource.ts'
import { textOf } from '../rows/entity.ts'
import { type Intent, latestChange, latestChangeKey, memberKey } from '../rows/keys.ts'
import { after as behind, within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import { attempts, tooContended } from '../table/retry.ts'
import type { Row, Table } from '../table/tables.ts'
import { isAlive, isLeaving, lastPart } from './operations.ts'
import { type OpenChange, openChange } from './prepare.ts'

// The members of a group are its rows `m|`, and what a committed change of many members is still to do to them.

/** All members of a group in the order of their ids; where there are more than `limit`, as many as are found to be more. */
export async function membersOf(
	table: Table,
	groupId: string,
	limit = Number.POSITIVE_INFINITY,
): Promise<readonly Member[]> {
	const pages = await mapMembers(table, groupId, { write: (page) => page, limit })
	return pages?.flat() ?? []
}

type Mapping<T> = {
	readonly write: (page: readonly Member[]) => T
	/** It ends where there are more, which nobody is to take for all of them. */
	readonly limit?: number
	/** The latest change, but for those of a few members, that the group's row knows of. */
	readonly latest?: string
}

/**
 * What `write` makes of the members of a group, page by page in the order of their ids, so that not all of them need to be
 * in memory at once. Every change of many members is in it whole or not at all: where one came in between, all is read
 * and written again.
 *
 * @returns undefined where another change is the latest than that of which the group's row knows
 * @throws ScimError 503 where changes come in between again and again
 */
export async function mapMembers<T>(
	table: Table,
	groupId: string,
	mapping: Mapping<T>,
): Promise<readonly T[] | undefined> {
	let known: Open | undefined
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		const result = await writeOnce(table, groupId, { ...mapping, known })
		if (result === undefined) return undefined
		if ('written' in result) return result.written
		known = result.open
	}
	throw tooContended()
}

/** A change of many members that has been read and may not be in the rows yet. */
type Open = { readonly operation: string; readonly change: OpenChange }

async function writeOnce<T>(
	table: Table,
	groupId: string,
	{
		known,
		write,
		limit = Number.POSITIVE_INFINITY,
		latest: expected,
	}: Mapping<T> & { readonly known: Open | undefined },
): Promise<{ readonly written: readonly T[] } | { readonly open: Open | undefined } | undefined> {
	const written: T[] = []
	let latest: Latest | undefined
	let change: Overlay = (members) => members
	let pages = 0
	let count = 0
	let isBegun = false
	for await (const rows of table.pages(within(`m|${groupId}|`))) {
		pages++
		const last = rows.at(-1)
		if (last === undefined) continue
		if (!isBegun) {
			isBegun = true
			latest = latestIn(rows[0])
			if (expected !== undefined && expected !== (latest?.operation ?? '')) return undefined
			if (latest?.isOpen && latest.operation !== known?.operation) {
				// The change is read first and the rows after it, so that what it no longer says is in the rows.
				return { open: await open(table, { groupId, operation: latest.operation }) }
			}
			if (latest?.isOpen && known) change = overlay(known.change)
		}
		const members = change(await living(table, rows), lastPart(last.RowKey))
		written.push(write(members))
		count += members.length
		if (count > limit) return { written }
	}
	const rest = change([], '~')
	if (rest.length > 0) written.push(write(rest))
	// One page is of one moment.
	const isWhole = pages === 1 || isDeepStrictEqual(latest, latestIn(await table.get(latestChangeKey(groupId))))
	return isWhole ? { written } : { open: known }
}

const open = async (table: Table, intent: Intent): Promise<Open> => ({
	operation: intent.operation,
	change: await openChange(table, intent),
})

/** The members of a group behind an id, page by page. Pages are of different moments. `pend` is that of the group's row. */
export async function* membersAfter(
	table: Table,
	{ groupId, id, pend }: { readonly groupId: string; readonly id: string; readonly pend: string },
): AsyncGenerator<readonly Member[]> {
	const change = pend === '' ? undefined : await openChange(table, { groupId, operation: pend })
	const put: Overlay = change === undefined ? (members) => members : overlay(change, id)
	const range = within(`m|${groupId}|`)
	const from = id === '' ? range.from : behind(memberKey(groupId, id))
	for await (const rows of table.pages({ ...range, from })) {
		const last = rows.at(-1)
		if (last !== undefined) yield put(await living(table, rows), lastPart(last.RowKey))
	}
	yield put([], '~')
}

/** Puts a change over the members of one page after another. They begin behind `id`; each page goes up to `last`, and the rest is up to `~`. */
type Overlay = (members: readonly Member[], last: string) => readonly Member[]

function overlay({ add, remove }: OpenChange, id = ''): Overlay {
	const left = [...add.values()]
		.filter(({ value }) => value > id)
		.sort(byId)
		.values()
	let next = left.next()
	return (members, last) => {
		const page = new Map(members.map((member) => [member.value, member]))
		for (; !next.done && next.value.value <= last; next = left.next()) {
			page.set(next.value.value, { ...page.get(next.value.value), ...next.value })
		}
		return [...page.values()].filter(({ value }) => !remove.has(value)).sort(byId)
	}
}

const byId = (a: Member, b: Member): number => (a.value < b.value ? -1 : 1)

type Latest = { readonly operation: string; readonly isOpen: boolean }

function latestIn(row: Row | undefined): Latest | undefined {
	if (row === undefined || !isLatest(row)) return undefined
	return { operation: textOf(row, 'op'), isOpen: row.open === true }
}

const isLatest = ({ RowKey }: Row): boolean => lastPart(RowKey) === latestChange

/** Whether there is more to the members in these rows than the rows. */
export const isOpen = (rows: readonly Row[]): boolean => latestIn(rows[0])?.isOpen ?? false

/** The members in rows `m|<group>|<member>`, without those who are being deleted. */
export async function living(table: Table, rows: readonly Row[]): Promise<readonly Member[]> {
	const members = rows.filter((row) => !isLatest(row))
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
