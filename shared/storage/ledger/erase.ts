import type { Member } from '../../scim/resource.ts'
import { keepMembers, keptMembersIn, keptPages } from '../membership/kept-members.ts'
import { refusalKeysAbout, subjectOf } from '../refusals.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { epochPart, feedRow, historyRow, userRow } from '../rows/schema.ts'
import { insert, type Properties, replace } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf, type Row } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { entryKey } from '../transaction/epochs.ts'
import { removeRows } from '../transaction/remove-rows.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn, lostNames, placeIn } from './entry.ts'
import { indexedRows, newerRows } from './history.ts'
import { namePart } from './history-rows.ts'

/** What was removed of a person. */
export type Erasure = {
	/** Entries that have no values any more. */
	readonly entries: number
	readonly historyRows: number
	readonly refusals: number
}

/**
 * Takes a user out of the ledger: the values in the entries of the feed, the history, the names in lists of members, and
 * the refusals. The user stays as it is, and so do the ids in the feed, whose readers need them. A row says that this was
 * done. It can be interrupted and repeated.
 */
export async function eraseUser(directory: Directory, userId: string): Promise<Erasure> {
	const { table } = directory
	const current = await table.get(userRow.key(userId))
	const rows = [...(await indexedRows(directory, userId)), ...(await newerRows(directory, userId))]
	const events = [...new Map(rows.map((row) => [row.RowKey, row])).values()].filter((row) => !isErasure(row))
	const own = events.map(ledgerEntryIn).filter(({ id, kind }) => id === userId && kind !== 'name')
	const names = namesOf(own, current)
	let entries = 0
	for (const row of events) {
		const { epoch, operation } = placeIn(row.RowKey)
		if (await eraseEntry(directory, entryKey(Number.parseInt(epoch, 16), operation), userId)) entries++
	}
	const historyKeys = [...events.map(({ RowKey }) => RowKey), ...nameKeysOf(own)]
	await removeRows(directory, historyKeys)
	const refusalKeys = await refusalKeysAbout(table, [userId, ...names.map((name) => subjectOf({ name }))])
	await removeRows(directory, refusalKeys)
	const fact = historyRow.key(userId, epochPart(0), directory.ids('Operation'))
	const properties = { kind: 'erased', resourceType: 'User', id: userId, at: timestamp(directory) }
	await commitStep(directory, [insert(fact, historyRow.properties(properties))])
	return { entries, historyRows: historyKeys.length, refusals: refusalKeys.length }
}

const isErasure = (row: Row): boolean => historyRow.kind.of(row) === 'erased'

/** The names by which requests may have called the user. */
function namesOf(own: readonly LedgerEntry[], current: Row | undefined): readonly string[] {
	const attributes = [
		...(current === undefined ? [] : [resourceOf(current).attributes]),
		...own.map((entry) => deletedAttributes(entry) ?? entry.before ?? {}),
	]
	const values = attributes.flatMap(({ userName, displayName, externalId }) => [userName, displayName, externalId])
	return [...new Set(values.filter((value) => typeof value === 'string' && value !== '').map(String))]
}

const nameKeysOf = (own: readonly LedgerEntry[]): readonly string[] =>
	own.flatMap((entry) => lostNames(entry).map((name) => historyRow.key(namePart(name), entry.epoch, entry.operation)))

/** Removes the values from an entry of the user, or the user's name from the members that an entry has beside it. */
async function eraseEntry(directory: Directory, key: string, userId: string): Promise<boolean> {
	const { table, pause } = directory
	return untilAnswered(pause, async () => {
		const row = await table.get(key)
		if (row === undefined) return false
		const entry = ledgerEntryIn(row)
		if (entry.id !== userId) return entry.lists === undefined ? false : eraseMember(directory, entry.lists, userId)
		if (![feedRow.before, feedRow.name, feedRow.externalId].some((column) => column.isIn(row))) return false
		const { kind } = await table.transaction([replace(key, withoutValues(row), etagOf(row))])
		return kind === 'done' ? true : undefined
	})
}

const nameColumns: readonly string[] = [feedRow.name.stored, feedRow.externalId.stored]

/** The properties of an entry without what was there before, and without the names of a deletion. All others are text. */
function withoutValues(row: Row): Properties {
	const isLeft = (name: string) =>
		!/^w\d*$/.test(name) && !/odata|^(PartitionKey|RowKey|Timestamp)$/.test(name) && !nameColumns.includes(name)
	const kept = Object.entries(row).filter(([name, value]) => typeof value === 'string' && isLeft(name))
	return Object.fromEntries(kept) as Properties // sound: all of them are text
}

async function eraseMember(directory: Directory, lists: string, userId: string): Promise<boolean> {
	let isErased = false
	const nameless = (member: Member): Member => (member.value === userId ? { value: member.value } : member)
	for await (const rows of keptPages(directory.table, lists)) {
		for (const row of rows) {
			const members = keptMembersIn(row)
			const { added, removed } = members
			const isNamed = [...added, ...removed].some(({ value, display }) => value === userId && display !== undefined)
			if (!isNamed) continue
			const kept = { ...members, added: added.map(nameless), removed: removed.map(nameless) }
			await commitStep(directory, [keepMembers(lists, kept)])
			isErased = true
		}
	}
	return isErased
}
