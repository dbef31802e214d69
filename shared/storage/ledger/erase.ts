import { unavailable } from '../../scim/error.ts'
import type { Member } from '../../scim/resource.ts'
import { finishPendingChange, workLimit } from '../membership/apply.ts'
import { keepMembers, keptMembersIn, keptPages } from '../membership/kept-members.ts'
import { refusalKeysAbout, subjectOf } from '../refusals.ts'
import { finishGroupDeletion, finishUserDeletion } from '../resource/delete.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { deletedUserRow, epochPart, feedRow, historyRow, userRow } from '../rows/schema.ts'
import { insert, merge, type Properties, replace } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf, type Row } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { entryKey } from '../transaction/epochs.ts'
import { removeRows } from '../transaction/remove-rows.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn, lostNames, placeIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'
import { indexedRows, newerRows } from './history.ts'
import { namePart } from './history-rows.ts'
import { readPosition } from './index-ledger.ts'
import { endTurn } from './index-turn.ts'

/** What was removed of a person. */
export type Erasure = {
	/** Entries that have no values any more. */
	readonly entries: number
	readonly historyRows: number
	readonly refusals: number
}

/** Requests about the person that go on meanwhile end the passes all the same. */
const passesAtMost = 10

/**
 * Takes a user out of the ledger: the values in the entries of the feed, the history, the names in lists of members, and
 * the refusals. The user stays as it is, and so do the ids in the feed, whose readers need them. A row says that this was
 * done. It can be interrupted and repeated. It passes over the ledger until it finds nothing.
 *
 * @throws ScimError 503 if the service stays away, or if a group takes very long to change
 */
export async function eraseUser(directory: Directory, userId: string): Promise<Erasure> {
	await finishLists(directory, userId)
	const names = new Set<string>()
	let total: Erasure = { entries: 0, historyRows: 0, refusals: 0 }
	for (let pass = 0; pass < passesAtMost; pass++) {
		const erased = await eraseOnce(directory, userId, names)
		total = sumOf(total, erased)
		if (erased.historyRows === 0 && erased.refusals === 0) break
	}
	const fact = historyRow.key(userId, epochPart(0), directory.ids('Operation'))
	const properties = { kind: 'erased', resourceType: 'User', id: userId, at: timestamp(directory) }
	await commitStep(directory, [insert(fact, historyRow.properties(properties))])
	return total
}

/**
 * Finishes large changes and deletions. What is applied later would bring names into lists of members again. The index waits
 * for them, so that their entries are among those that it has not reached.
 */
async function finishLists(directory: Directory, userId: string): Promise<void> {
	const { table } = directory
	const unfinished = await table.get(deletedUserRow.key(userId))
	if (unfinished !== undefined) requireFinished(await finishUserDeletion(directory, userId, workEnd(directory)))
	const { position } = await readPosition(table)
	const finished = new Set<string>()
	for await (const rows of feedRowsAfter(directory, position, { isFinalOnly: false })) {
		for (const { lists, kind, id } of rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)) {
			if (lists === undefined || finished.has(`${kind} ${id}`)) continue
			if (kind === 'delete') requireFinished(await finishGroupDeletion(directory, id, workEnd(directory)))
			else await finishPendingChange(directory, id)
			finished.add(`${kind} ${id}`)
		}
	}
}

const sumOf = (one: Erasure, other: Erasure): Erasure => ({
	entries: one.entries + other.entries,
	historyRows: one.historyRows + other.historyRows,
	refusals: one.refusals + other.refusals,
})

const workEnd = ({ now }: Directory): number => now() + workLimit

function requireFinished(isFinished: boolean): void {
	if (!isFinished) throw unavailable('the person or a group of the person is being deleted', 5)
}

/**
 * One pass. An erasure that dies must leave what leads the next one on. So the refusals come first, because entries and
 * rows have the names. Then come the entries. Then the turn ends, so that no sweep can write rows of what they were before.
 * Then the rows that a sweep has written are removed: those of names, and at last those that have the names.
 *
 * @param names by which requests may have called the user; those that the pass finds are added
 */
async function eraseOnce(directory: Directory, userId: string, names: Set<string>): Promise<Erasure> {
	const { table } = directory
	const current = await table.get(userRow.key(userId))
	const events = await eventsOf(directory, userId)
	const own = events.map(ledgerEntryIn).filter(({ id, kind }) => id === userId && kind !== 'name')
	for (const name of namesOf(own, current)) names.add(name)
	const refusalKeys = await refusalKeysAbout(table, [userId, ...[...names].map((name) => subjectOf({ name }))])
	await removeRows(directory, refusalKeys)
	let entries = 0
	for (const row of events) {
		const { epoch, operation } = placeIn(row.RowKey)
		if (await eraseEntry(directory, entryKey(Number.parseInt(epoch, 16), operation), userId)) entries++
	}
	if (events.length > 0) await endTurn(directory)
	const nameKeys = nameKeysOf(own)
	await removeRows(directory, nameKeys)
	const written = (await indexedRows(directory, userId)).filter((row) => !isErasure(row)).map(({ RowKey }) => RowKey)
	const historyKeys = [...new Set([...events.map(({ RowKey }) => RowKey), ...written])]
	await removeRows(directory, historyKeys)
	return { entries, historyRows: historyKeys.length + nameKeys.length, refusals: refusalKeys.length }
}

/** What the history of the user has, and will have. */
async function eventsOf(directory: Directory, userId: string): Promise<readonly Row[]> {
	// What a sweep writes between the two reads is in both.
	const newer = await newerRows(directory, userId)
	const rows = [...(await indexedRows(directory, userId)), ...newer]
	return [...new Map(rows.map((row) => [row.RowKey, row])).values()].filter((row) => !isErasure(row))
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

/** An entry names no more people who were erased: a property has 32,768 characters. */
const erasedAtMost = 900

/**
 * Removes the values from an entry of the user, or the user's name from the members that an entry has beside it. The entry
 * says that the history of the user is to leave it out. Answers whether there was a value or a name.
 */
async function eraseEntry(directory: Directory, key: string, userId: string): Promise<boolean> {
	const { table, pause } = directory
	let isNamed = false
	return untilAnswered(pause, async () => {
		const row = await table.get(key)
		if (row === undefined) return isNamed
		const entry = ledgerEntryIn(row)
		const isOwn = entry.id === userId
		if (!isOwn && entry.lists !== undefined) isNamed = (await eraseMember(directory, entry.lists, userId)) || isNamed
		const hasValues = isOwn && [feedRow.before, feedRow.name, feedRow.externalId].some((column) => column.isIn(row))
		const { erased = [] } = entry
		if (!hasValues && (erased.includes(userId) || erased.length >= erasedAtMost)) return isNamed
		const mark = feedRow.properties({ erased: [...new Set([...erased, userId])].join(' ') })
		const change = hasValues
			? replace(key, { ...withoutValues(row), ...mark }, etagOf(row))
			: merge(key, mark, etagOf(row))
		const { kind } = await table.transaction([change])
		return kind === 'done' ? hasValues || isNamed : undefined
	})
}

const nameColumns: readonly string[] = [feedRow.name.stored, feedRow.externalId.stored]

/** The properties of an entry without what was there before, and without the names of a deletion. */
function withoutValues(row: Row): Properties {
	const isLeft = (name: string) =>
		!/^w\d*$/.test(name) && !/odata|^(PartitionKey|RowKey|Timestamp)$/.test(name) && !nameColumns.includes(name)
	const kept = Object.entries(row).filter(([name]) => isLeft(name))
	return Object.fromEntries(kept) as Properties // sound: the columns that are left are text, numbers and flags
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
