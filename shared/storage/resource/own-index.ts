import type { OwnIndex } from '../../scim/resource-type.ts'
import type { Directory } from '../rows/directory.ts'
import { copyOf, idOf, isCompressed, resourceOf } from '../rows/entity.ts'
import { ownCopyRow } from '../rows/indexes.ts'
import { claimKey, entryIn, entryKey, isClaim, ownIndexedValue, ownPrefix, ownValue } from '../rows/own-indexes.ts'
import { sharedValueRow, userRow, withEntry } from '../rows/schema.ts'
import { insert, merge, type Operation, remove, replace, upsert } from '../table/batch.ts'
import { after, within } from '../table/key-range.ts'
import { chunked } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf, type Row } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { removeRows } from '../transaction/remove-rows.ts'

// Fills and clears an index of a tenant's own, while requests go on. Writers keep the rows of all that they write; so only
// users that no request has written since are left. Every step requires the user's row as it was read, and can be
// repeated. So a process may die at any step, and another may do the same work at the same time.

/** How far work on an index has come. `position` is undefined if nothing is left. */
export type IndexStep = {
	/** The id of the last user that is done; empty at the beginning. */
	readonly position: string | undefined
	/** How many users were looked at. */
	readonly users: number
}

/** A user without the entry that the index is to have. */
type MissingEntry = { readonly row: Row; readonly id: string; readonly value: string }

type Filling = {
	readonly directory: Directory
	readonly index: OwnIndex
	/** Values that are known to be shared by several users. */
	readonly shared: Set<string>
}

/** Rows on a page of users. A larger page would keep the requests of other tenants waiting while it is parsed. */
const pageSize = 250

/**
 * Adds the entries that are missing, in the order of ids, until a time in milliseconds since 1970.
 *
 * @param position the id behind which to begin; empty for the beginning
 * @throws ScimError 503 if the service stays away
 */
export async function fillIndex(
	directory: Directory,
	index: OwnIndex,
	{ position, until }: { readonly position: string; readonly until: number },
): Promise<IndexStep> {
	const filling = { directory, index, shared: new Set<string>() }
	const range = { ...within(userRow.key('')), from: position === '' ? userRow.key('') : after(userRow.key(position)) }
	let last = position
	let users = 0
	for await (const rows of directory.table.pages(range, pageSize)) {
		await enterAll(
			filling,
			rows.flatMap((row) => missingEntry(index, row) ?? []),
		)
		users += rows.length
		for (const row of rows.slice(-1)) last = idOf(row)
		if (directory.now() >= until) return { position: last, users }
	}
	return { position: undefined, users }
}

function missingEntry(index: OwnIndex, row: Row): MissingEntry | undefined {
	if (entryIn(index, userRow.entries.of(row)) !== undefined) return undefined
	const value = ownIndexedValue(index, ownValue(index, resourceOf(row).attributes))
	return value === undefined ? undefined : { row, id: idOf(row), value }
}

async function enterAll(filling: Filling, missing: readonly MissingEntry[]): Promise<void> {
	for (const some of steps(filling, missing)) {
		const alone = await enterSome(filling, some)
		for (const id of alone) await enterOne(filling, id)
	}
}

/** Characters of JSON in one transaction, which takes 4 MiB. A character may take three bytes, or six if it is escaped. */
const maxStepLength = 500_000

/** Entries that fit one transaction of 100 operations: two for each user, and one for each value that is shared. */
function steps({ shared }: Filling, missing: readonly MissingEntry[]): readonly (readonly MissingEntry[])[] {
	const pieces: MissingEntry[][] = []
	let left = { operations: 0, length: 0 }
	for (const each of missing) {
		const operations = shared.has(each.value) ? 3 : 2
		const length = isCompressed(each.row) ? 0 : userRow.attributes.of(each.row).length
		if (left.operations < operations || left.length < length) {
			pieces.push([])
			left = { operations: 100, length: maxStepLength }
		}
		pieces.at(-1)?.push(each)
		left = { operations: left.operations - operations, length: left.length - length }
	}
	return pieces
}

/** Adds entries in one transaction, and answers the ids of users that need one of their own. */
async function enterSome(filling: Filling, missing: readonly MissingEntry[]): Promise<readonly string[]> {
	const { directory, index } = filling
	const [first, repeated] = withoutRepeated(filling, missing)
	const alone = repeated.map(({ id }) => id)
	let left = first
	while (left.length > 0) {
		const steps = left.map((each) => ({ id: each.id, operations: entryOperations(filling, each) }))
		const guards = index.isUnique ? guardsOf(filling, left) : []
		const outcome = await commitStep(directory, [...steps.flatMap(({ operations }) => operations), ...guards])
		if (outcome.kind === 'done') break
		// The user was changed or deleted, or another user has the value. Of a shared value, all its users are set aside.
		const failed = left[Math.floor(outcome.index / 2)]
		const value = failed?.value ?? valueOfGuard(index, guards[outcome.index - 2 * left.length])
		const isSetAside = (each: MissingEntry) => (failed === undefined ? each.value === value : each === failed)
		alone.push(...left.filter(isSetAside).map(({ id }) => id))
		left = left.filter((each) => !isSetAside(each))
	}
	return alone
}

/** Of users with one value, only the first may enter a unique index in a transaction, unless the value is shared. */
function withoutRepeated(
	{ index, shared }: Filling,
	missing: readonly MissingEntry[],
): readonly [readonly MissingEntry[], readonly MissingEntry[]] {
	const seen = new Set<string>()
	const isFirst = ({ value }: MissingEntry) => !index.isUnique || shared.has(value) || seen.size < seen.add(value).size
	const first = missing.filter(isFirst)
	return [first, missing.filter((each) => !first.includes(each))]
}

function entryOperations({ index, shared }: Filling, { row, id, value }: MissingEntry): readonly Operation[] {
	const key = index.isUnique && !shared.has(value) ? claimKey(index, value) : entryKey(index, value, id)
	return [merge(row.RowKey, withEntry(index.slot, key), etagOf(row)), insert(key, copyOf(row))]
}

/** They require that each shared value is still marked as shared. */
const guardsOf = ({ index, shared }: Filling, missing: readonly MissingEntry[]): readonly Operation[] =>
	[...new Set(missing.map(({ value }) => value))]
		.filter((value) => shared.has(value))
		.map((value) => merge(claimKey(index, value), {}))

const valueOfGuard = (index: OwnIndex, guard: Operation | undefined): string | undefined =>
	guard?.key.slice(ownPrefix(index).length, -1)

/** Adds the entry of one user, whatever its state is. */
async function enterOne(filling: Filling, id: string): Promise<void> {
	const { directory, index, shared } = filling
	await untilAnswered(directory.pause, async () => {
		const row = await directory.table.get(userRow.key(id))
		const missing = row && missingEntry(index, row)
		if (missing === undefined) return 'done'
		shared.delete(missing.value)
		const outcome = await commitStep(directory, entryOperations(filling, missing))
		if (outcome.kind === 'done') return 'done'
		if (outcome.kind !== 'exists' || !(await share(filling, missing))) return undefined
		shared.add(missing.value)
		return 'done'
	})
}

/**
 * Enters a user whose value another user has already. Neither has the claim then: a row that is no copy takes its place,
 * so that no third user gets the value. Answers false if another process was faster.
 */
async function share({ directory, index }: Filling, { row, id, value }: MissingEntry): Promise<boolean> {
	const claim = await directory.table.get(claimKey(index, value))
	if (claim === undefined) return false
	const own = entryKey(index, value, id)
	const enter = [merge(row.RowKey, withEntry(index.slot, own), etagOf(row)), insert(own, copyOf(row))]
	if (ownCopyRow.isShared.of(claim)) {
		return (await commitStep(directory, [...enter, merge(claim.RowKey, {}, etagOf(claim))])).kind === 'done'
	}
	const owner = await directory.table.get(userRow.key(idOf(claim)))
	if (owner === undefined || entryIn(index, userRow.entries.of(owner)) !== claim.RowKey) return false
	const owners = entryKey(index, value, idOf(owner))
	const outcome = await commitStep(directory, [
		...enter,
		merge(owner.RowKey, withEntry(index.slot, owners), etagOf(owner)),
		insert(owners, copyOf(owner)),
		replace(claim.RowKey, ownCopyRow.properties({ isShared: true }), etagOf(claim)),
		upsert(sharedValueRow.key(index.name, value), {}),
	])
	return outcome.kind === 'done'
}

/** A value of a unique index, as it is in keys. */
export type SharedValue = { readonly index: string; readonly value: string }

/** The shared value that a row in the place of a claim stands for; undefined for any other row. */
export function sharedValueIn(row: Row | undefined): SharedValue | undefined {
	if (row === undefined || !isClaim(row.RowKey) || !ownCopyRow.isShared.of(row)) return undefined
	const [, index = '', value = ''] = row.RowKey.split('|')
	return { index, value }
}

/**
 * If one user at most is left of those who shared a value, that user gets the claim, or the value becomes free.
 *
 * @returns whether the value is shared no longer
 */
export async function settleSharedValue(directory: Directory, { index, value }: SharedValue): Promise<boolean> {
	const { table } = directory
	const key = claimKey({ name: index }, value)
	const job = remove(sharedValueRow.key(index, value))
	const rows = await table.first(within(key), 3)
	const mark = rows.find(({ RowKey }) => RowKey === key)
	const users = rows.filter((row) => row !== mark)
	if (mark === undefined) return (await commitStep(directory, [job])).kind === 'done'
	if (users.length > 1) return false
	const [user] = users
	if (user === undefined) return (await commitStep(directory, [remove(key, etagOf(mark)), job])).kind === 'done'
	const row = await table.get(userRow.key(idOf(user)))
	const slot = row === undefined ? -1 : userRow.entries.of(row).indexOf(user.RowKey)
	if (row === undefined || slot === -1) return false
	const outcome = await commitStep(directory, [
		merge(row.RowKey, withEntry(slot, key), etagOf(row)),
		replace(key, copyOf(row), etagOf(mark)),
		remove(user.RowKey),
		job,
	])
	return outcome.kind === 'done'
}

/** How many rows one step of a clearing removes: each takes two operations. */
const clearedAtOnce = 50

/**
 * Removes all rows of an index that no writer keeps and no reader uses any more, until a time in milliseconds since 1970.
 *
 * @returns whether no row is left
 */
export async function clearIndex(
	directory: Directory,
	index: Pick<OwnIndex, 'name' | 'slot'>,
	until: number,
): Promise<boolean> {
	const range = { ...within(ownPrefix(index)), select: ['RowKey', userRow.id.stored] }
	for await (const rows of directory.table.pages(range)) {
		for (const some of chunked(rows, clearedAtOnce)) {
			if (directory.now() >= until) return false
			await clearSome(directory, index, some)
		}
	}
	for await (const rows of directory.table.pages({
		...within(sharedValueRow.key(index.name, '')),
		select: ['RowKey'],
	})) {
		await removeRows(
			directory,
			rows.map(({ RowKey }) => RowKey),
		)
	}
	return true
}

type ClearedIndex = Pick<OwnIndex, 'name' | 'slot'>

async function clearSome(directory: Directory, index: ClearedIndex, rows: readonly Row[]): Promise<void> {
	const outcome = await commitStep(
		directory,
		rows.flatMap((row) => clearing(index, row)),
	)
	if (outcome.kind !== 'done') for (const row of rows) await clearOne(directory, index, row.RowKey)
}

const clearing = ({ slot }: ClearedIndex, row: Row): readonly Operation[] => [
	remove(row.RowKey),
	...(isCopy(row) ? [merge(userRow.key(idOf(row)), withEntry(slot, ''))] : []),
]

/** Of a row that is no copy, the service says null for the id that was asked for. */
const isCopy = (row: Row): boolean => typeof row[userRow.id.stored] === 'string'

/** Removes a row, which a writer may have removed, and the entry of its user, who may be deleted. */
async function clearOne(directory: Directory, index: ClearedIndex, key: string): Promise<void> {
	const { table, pause } = directory
	await untilAnswered(pause, async () => {
		const row = await table.get(key)
		if (row === undefined) return 'done'
		const user = isCopy(row) ? await table.get(userRow.key(idOf(row))) : undefined
		const hasEntry = user !== undefined && entryIn(index, userRow.entries.of(user)) === key
		const operations = hasEntry ? [merge(user.RowKey, withEntry(index.slot, ''), etagOf(user))] : []
		const outcome = await commitStep(directory, [remove(key), ...operations])
		return outcome.kind === 'done' ? 'done' : undefined
	})
}
