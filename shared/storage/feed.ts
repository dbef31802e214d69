import { Fault } from '../fault.ts'
import { expiredCursor, invalidCursor } from '../scim/error.ts'
import { kindOfId, timeOfId } from '../scim/id.ts'
import { type ChangeEntry, inEpochOrder } from './feed-order.ts'
import type { Directory, Epoch } from './rows/directory.ts'
import { epochEntryRow, feedRow, lastPartOf } from './rows/schema.ts'
import { within } from './table/key-range.ts'
import type { Row, Table } from './table/tables.ts'
import { withdrawn } from './transaction/commit.ts'
import { closeEpoch, entryKey, hasEntries, mayClose, readEpoch } from './transaction/epochs.ts'

/** Some changes, and the cursor of those that follow. Without changes, nothing is new. */
export type ChangePage = { readonly changes: readonly ChangeEntry[]; readonly nextCursor: string }

/**
 * Where a reader is: behind an operation of an epoch, or behind all of the epoch, or at the beginning.
 * - `''`: the beginning.
 * - `<operation>`: behind an entry `c|`, which is one of epoch 0.
 * - `<time>`: before the entries `c|` of operations that began at this time or later. It has 12 digits.
 * - `<epoch>-<operation>`, `<epoch>-~`: behind an entry `f|`, or behind the epoch.
 */
type FeedPlace = { readonly epoch: number; readonly after: 'nothing' | 'all' | PlaceInEpoch }

/** `time` is in milliseconds since 1970. */
type PlaceInEpoch = { readonly operation: string } | { readonly time: number }

/** @throws ScimError 400 `invalidCursor` */
function placeOf(cursor: string): FeedPlace {
	if (cursor === '') return { epoch: 0, after: 'nothing' }
	if (kindOfId(cursor) === 'Operation') return { epoch: 0, after: { operation: cursor } }
	if (/^[0-9a-f]{12}$/.test(cursor)) return { epoch: 0, after: { time: Number.parseInt(cursor, 16) } }
	const [, digits, operation = ''] = /^([0-9a-f]{12})-(~|[0-9a-f]{32})$/.exec(cursor) ?? []
	if (digits === undefined || (operation !== '~' && kindOfId(operation) !== 'Operation')) {
		throw invalidCursor('the cursor does not belong to /Changes: begin again with an empty cursor')
	}
	return { epoch: Number.parseInt(digits, 16), after: operation === '~' ? 'all' : { operation } }
}

function cursorOf({ epoch, after }: FeedPlace): string {
	if (after === 'nothing') return ''
	if (after === 'all') return `${digitsOf(epoch)}-~`
	if ('time' in after) return digitsOf(after.time)
	return epoch === 0 ? after.operation : `${digitsOf(epoch)}-${after.operation}`
}

const digitsOf = (value: number): string => value.toString(16).padStart(12, '0')

const expired = () => expiredCursor('the cursor is older than the changes that are kept: begin again')

/**
 * The cursor of all changes that are made from now on. A change that was made just before may follow the cursor, too.
 *
 * It is the end of the last closed epoch. Before epochs, it is the time before which all entries are written.
 */
export async function feedEnd(directory: Directory): Promise<string> {
	const open = await readEpoch(directory)
	if (open !== undefined && open.number > 0) return cursorOf({ epoch: open.number - 1, after: 'all' })
	return cursorOf({ epoch: 0, after: { time: shownUntil(directory) } })
}

/**
 * Up to `count` changes after a cursor. A change of an open epoch is not shown: the reader closes the epoch first, if the
 * process may do so now.
 *
 * @throws ScimError 400 `expiredCursor` if changes after the cursor may be gone; 400 `invalidCursor`
 */
export async function changesAfter(directory: Directory, cursor: string, count: number): Promise<ChangePage> {
	const place = placeOf(cursor)
	if (count === 0) return { changes: [], nextCursor: cursor }
	const isOfEpochs = directory.feed !== 'operations' || cursor.includes('-')
	const open = isOfEpochs ? await readEpoch(directory) : undefined
	if (open === undefined || open.number === 0) {
		if (cursor.includes('-')) throw expired()
		return changesByClock(directory, place, count)
	}
	if (!isKept(place, open)) throw expired()
	// Epoch 0 is closed: each of its entries is there, however young.
	const isOld = place.epoch === 0 && place.after !== 'all' && open.first === 0
	const old = isOld && (await pageByOperation(directory, place, { to: within(feedRow.key('')).to, count }))
	if (old && old.changes.length > 0) return old
	const from: FeedPlace = isOld ? { epoch: 0, after: 'all' } : place.after === 'nothing' ? firstPlace(open) : place
	const page = await changesOfEpochs(directory, { place: from, open, count })
	if (page !== undefined) return page
	if (place.after !== 'nothing') throw expired()
	return changesAfter(directory, cursor, count)
}

/** The beginning of the entries that are kept. */
const firstPlace = ({ first }: Epoch): FeedPlace => ({ epoch: first - 1, after: 'all' })

/** Whether no entry behind the place has been removed. A number above that of the open epoch is from a table that was removed. */
function isKept({ epoch, after }: FeedPlace, { number, first }: Epoch): boolean {
	const next = after === 'all' ? epoch + 1 : epoch
	return after === 'nothing' || (next >= first && next <= number)
}

type EpochRequest = { readonly place: FeedPlace; readonly open: Epoch; readonly count: number }

/** Undefined if entries behind the place were removed meanwhile. */
async function changesOfEpochs(
	directory: Directory,
	{ place, open, count }: EpochRequest,
): Promise<ChangePage | undefined> {
	const closed = await readClosed(directory.table, { place, open, count })
	const more = count - closed.changes.length
	const next = more > 0 ? await closeIfDue(directory, open) : open
	const news =
		next.number > open.number && (await readClosed(directory.table, { place: closed.place, open: next, count: more }))
	const changes = news ? [...closed.changes, ...news.changes] : closed.changes
	const end = news ? news.place : closed.place
	// Entries are removed after the row `e|!` says so. What was read before that is complete.
	const isMoved = cursorOf(end) !== cursorOf(place)
	const now = isMoved ? await readEpoch(directory) : open
	if (now === undefined || !isKept(place, now)) return undefined
	return { changes, nextCursor: cursorOf(end) }
}

/** Closes the open epoch if it has entries, and if this process may do so now. Returns the epoch that is open then. */
async function closeIfDue(directory: Directory, open: Epoch): Promise<Epoch> {
	if (!mayClose(directory) || !(await hasEntries(directory, open))) return open
	// Whatever the answer is: if another process came first, or if the answer is lost, the row `e|!` tells.
	return (await closeEpoch(directory, open)) ?? (await readEpoch(directory)) ?? open
}

type ClosedPart = { readonly changes: readonly ChangeEntry[]; readonly place: FeedPlace }

/** Up to `count` changes of closed epochs behind a place, and the place behind them. */
async function readClosed(table: Table, { place, open, count }: EpochRequest): Promise<ClosedPart> {
	const changes: ChangeEntry[] = []
	let end = place
	for await (const { epoch, rows } of closedEpochs(table, { place, open, count })) {
		for (const entry of behind(inEpochOrder(rows.filter(isDone).map(entryOf)), epoch, place)) {
			if (changes.length === count) return { changes, place: end }
			changes.push(entry)
			end = { epoch, after: { operation: entry.operation } }
		}
		end = { epoch, after: 'all' }
	}
	return { changes, place: { epoch: open.number - 1, after: 'all' } }
}

/** @throws ScimError 400 `invalidCursor` if the cursor names an entry that no reader was told */
function behind(entries: readonly ChangeEntry[], epoch: number, place: FeedPlace): readonly ChangeEntry[] {
	if (epoch !== place.epoch || typeof place.after === 'string' || 'time' in place.after) return entries
	const { operation } = place.after
	const index = entries.findIndex((entry) => entry.operation === operation)
	if (index < 0) throw invalidCursor('the cursor names no change: begin again with an empty cursor')
	return entries.slice(index + 1)
}

/** What readers are told. An entry also has what only the ledger tells, and that may be long. */
const select = ['RowKey'].concat(
	[feedRow.kind, feedRow.resourceType, feedRow.id, feedRow.changed, feedRow.at, feedRow.name, feedRow.externalId].map(
		({ stored }) => stored,
	),
)

type EpochRows = { readonly epoch: number; readonly rows: readonly Row[] }

/** The entries of each closed epoch, from the one of a place on. */
async function* closedEpochs(table: Table, { place, open, count }: EpochRequest): AsyncGenerator<EpochRows> {
	const from = entryKey(place.after === 'all' ? place.epoch + 1 : place.epoch, '')
	const to = entryKey(open.number, '')
	if (from >= to) return
	let rows: Row[] = []
	for await (const page of table.pages({ from, to, select }, Math.max(count, 100))) {
		for (const row of page) {
			const [last] = rows
			if (last !== undefined && epochOfKey(last.RowKey) !== epochOfKey(row.RowKey)) {
				yield { epoch: epochOfKey(last.RowKey), rows }
				rows = []
			}
			rows.push(row)
		}
	}
	const [last] = rows
	if (last !== undefined) yield { epoch: epochOfKey(last.RowKey), rows }
}

const epochOfKey = (key: string): number => Number.parseInt(key.split('|')[1] ?? '', 16)

/**
 * Before epochs, readers see a change when it is this old, in milliseconds. Entries are in the order of their writers'
 * clocks. By then every entry that belongs before it is written, so that a reader that goes on from its last entry misses
 * none. Clocks differ by seconds. The last copy of a transaction is sent after 15 s and given up 10 s later. The service
 * may still do it within 30 s.
 */
const shownAfter = 60_000

const shownUntil = ({ now }: Directory): number => Math.max(now() - shownAfter, 0)

async function changesByClock(directory: Directory, place: FeedPlace, count: number): Promise<ChangePage> {
	const until = shownUntil(directory)
	const page = await pageByOperation(directory, place, { to: keyAt(until), count })
	return page.changes.length > 0 ? page : { ...page, nextCursor: cursorOf(movedOn(place, until)) }
}

/**
 * The place of a reader without entries is a time. It moves on once a day, so that it expires only if the reader stays away.
 */
function movedOn(place: FeedPlace, until: number): FeedPlace {
	if (typeof place.after === 'string' || !('time' in place.after)) return place
	return until - place.after.time > 24 * 60 * 60_000 ? { epoch: 0, after: { time: until } } : place
}

type PageRequest = { readonly to: string; readonly count: number }

/** The next entries `c|` that are not withdrawn. */
async function pageByOperation(directory: Directory, place: FeedPlace, request: PageRequest): Promise<ChangePage> {
	for (let after = place.after; ; ) {
		const rows = await rowsAfter(directory, after, request)
		const changes = rows.filter(isDone).map(entryOf)
		const last = rows.at(-1)
		// An answer without changes says that there are none.
		if (changes.length > 0 || last === undefined) {
			return { changes, nextCursor: changes.at(-1)?.operation ?? cursorOf(place) }
		}
		after = { operation: lastPartOf(last.RowKey) }
	}
}

/** @throws ScimError 400 `expiredCursor` if the entry of the operation is gone, and with it perhaps some after it */
async function rowsAfter(
	directory: Directory,
	after: FeedPlace['after'],
	{ to, count }: PageRequest,
): Promise<readonly Row[]> {
	const { table } = directory
	if (typeof after === 'string') return table.first({ from: feedRow.key(''), to, select }, count)
	if ('time' in after) return rowsSince(directory, after.time, { to, count })
	const from = feedRow.key(after.operation)
	if (from >= to) return []
	const [known, ...rows] = await table.first({ from, to, select }, count + 1)
	// Old entries are removed in their order, and the newest of them stays. So while an entry is there, all after it are too.
	if (known?.RowKey !== from) throw expired()
	return rows
}

/** @throws ScimError 400 `expiredCursor` if entries since the time may be gone, by the clock of the sweep */
async function rowsSince(
	{ table, now, keepFeedFor }: Directory,
	time: number,
	{ to, count }: PageRequest,
): Promise<readonly Row[]> {
	if (time < now() - keepFeedFor + shownAfter) throw expired()
	const from = keyAt(time)
	return from >= to ? [] : table.first({ from, to, select }, count)
}

/** The beginning of the keys of operations that began at a time, in milliseconds since 1970. */
const keyAt = (time: number): string => feedRow.key(digitsOf(time))

const isDone = (row: Row): boolean => feedRow.kind.of(row) !== withdrawn

function entryOf(row: Row): ChangeEntry {
	const operation = lastPartOf(row.RowKey)
	if (kindOfId(operation) !== 'Operation') throw new Fault('a row of the feed is no entry')
	const { kind, resourceType, id, changed } = epochEntryRow
	const [name, externalId] = [epochEntryRow.name.of(row), epochEntryRow.externalId.of(row)]
	return {
		operation,
		time: timeOf(row, operation),
		kind: kind.of(row) as ChangeEntry['kind'], // sound: commit writes no other
		resourceType: resourceType.of(row),
		id: id.of(row),
		changed: (changed.of(row) ?? '').split(' ').filter((each) => each !== ''),
		...(name !== undefined && { name }),
		...(externalId !== undefined && { externalId }),
	}
}

/** Of an entry `c|` it is the time by which the feed is in order, as 0.1.0 says it, too. */
function timeOf(row: Row, operation: string): number {
	const at = row.RowKey.startsWith(feedRow.key('')) ? undefined : epochEntryRow.at.of(row)
	return at === undefined ? timeOfId(operation) : Date.parse(at)
}
