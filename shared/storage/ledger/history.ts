import type { AttributeValues } from '../../scim/resource.ts'
import type { TypeName } from '../../scim/resource-type.ts'
import { isObject, type JsonObject } from '../../scim/value.ts'
import { keptPages } from '../membership/kept-members.ts'
import { type RefusalCount, refusalsAbout, subjectOf } from '../refusals.ts'
import { valuesBefore } from '../rows/before-values.ts'
import type { Actor, Directory } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { historyRow, resourceRows } from '../rows/schema.ts'
import { within } from '../table/key-range.ts'
import { epochNumber, epochScale, lastRows } from '../table/last-rows.ts'
import { inParallel } from '../table/parallel.ts'
import type { Row } from '../table/tables.ts'
import { firstMembersOf, type MembersOfChange } from './changed-members.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'
import { type HistoryRow, historyRowsOf, historyRowsOfKept, withoutErased } from './history-rows.ts'
import { readPosition } from './index-ledger.ts'

/** What happened to a resource at one time. */
export type HistoryEvent = Actor & {
	readonly operation: string
	/** The epoch of the feed: the order of events of one epoch about members is not known. */
	readonly epoch: string
	/** RFC 3339, UTC; undefined for an entry of version 0.1.0. */
	readonly at?: string
	/** As in the feed; `joined` and `left` for a membership; `erased`. */
	readonly kind: string
	/** Of a membership: the other resource, and its name if it is known. */
	readonly other?: { readonly type: TypeName; readonly id: string; readonly name?: string }
	readonly changed: readonly string[]
	/** Of the latest changes of a group: whom it has added and removed. */
	readonly members?: MembersOfChange
	/** What was there before, of what changed; null for nothing. Undefined if it was not kept. */
	readonly before?: JsonObject
	/** The same afterwards, if it is known. */
	readonly after?: JsonObject
}

export type ResourceHistory = {
	readonly id: string
	readonly type: TypeName
	/** The userName or displayName now, or the last one. */
	readonly name?: string
	readonly isDeleted: boolean
	/** In the order of the feed. */
	readonly events: readonly HistoryEvent[]
	readonly refusals: readonly RefusalCount[]
}

/** A resource that is or was there. */
export type LedgerSubject = { readonly id: string; readonly type: TypeName }

/** The history of a resource: the rows that the sweep has written, and the end of the feed that it has not reached. */
export async function historyOf(directory: Directory, { id, type }: LedgerSubject): Promise<ResourceHistory> {
	const { table } = directory
	// The end of the feed comes first: what a sweep writes meanwhile is in both, and nothing is in neither.
	const [current, newer] = await Promise.all([table.get(resourceRows[type].key(id)), newerRows(directory, id)])
	const rows = inOrder([...(await indexedRows(directory, id)), ...newer])
	return told(directory, { id, type, current, rows, isUpToNow: true, namedChanges: 20 })
}

/** A part of a history. */
export type HistoryPage = ResourceHistory & {
	/** The place before which the next page of older events ends; undefined if there are none. */
	readonly older?: string
	/** Whether the newest events may be missing, because the sweep has not come to very many changes. */
	readonly isBehind: boolean
}

export type HistoryPageRequest = {
	/** '' for the newest events, or the `older` of another page. */
	readonly before: string
	/** At most 400. */
	readonly count: number
}

/** The newest events about a resource, or those before another page. It takes a bounded number of requests. */
export async function historyPage(
	directory: Directory,
	{ id, type }: LedgerSubject,
	{ before, count }: HistoryPageRequest,
): Promise<HistoryPage> {
	const { table, now } = directory
	const prefix = historyRow.key(id, '', '').slice(0, -1)
	const end = before === '' ? within(prefix).to : `${prefix}${before}`
	const search = { scale: epochScale(prefix), before: end, end: likelyEnd(prefix, before, now()), span: wholeHistory }
	// As in `historyOf`.
	const [current, newer] = await Promise.all([
		table.get(resourceRows[type].key(id)),
		newerUpTo(directory, id, readAtMost),
	])
	const indexed = await lastRows(table, search, count + 1)
	const all = inOrder([...indexed, ...newer.rows.filter(({ RowKey }) => RowKey < end)])
	const rows = all.slice(-count)
	const [first] = rows
	const isUpToNow = before === '' && newer.isWhole
	const history = await told(directory, { id, type, current, rows, isUpToNow, namedChanges: 5 })
	const hasOlder = all.length > count && first !== undefined
	return { ...history, isBehind: !newer.isWhole, ...(hasOlder && { older: first.RowKey.slice(prefix.length) }) }
}

/** Most histories are read at once. */
const wholeHistory = epochNumber(0xffff_ffff, 0)

const likelyEnd = (prefix: string, before: string, now: number): bigint =>
	before === '' ? epochNumber(0, now) : epochScale(prefix).numberOf(`${prefix}${before}`)

const inOrder = (rows: readonly Row[]): readonly Row[] =>
	[...new Map(rows.map((row) => [row.RowKey, row])).values()].sort((a, b) => (a.RowKey < b.RowKey ? -1 : 1))

type HistoryRows = LedgerSubject & {
	readonly current: Row | undefined
	/** In the order of the feed. */
	readonly rows: readonly Row[]
	/** Whether the last row is the latest one, so that what was there afterwards is what is there now. */
	readonly isUpToNow: boolean
	/** So many of the latest changes of a group name the members that they have changed. */
	readonly namedChanges: number
}

async function told(
	directory: Directory,
	{ id, type, current, rows, isUpToNow, namedChanges }: HistoryRows,
): Promise<ResourceHistory> {
	const own = type === 'Group' ? rows.map(ledgerEntryIn) : []
	const members = await firstMembersOf(directory, own, namedChanges)
	const events = rows.map((row) => withMembers(eventIn(row, id), members))
	const attributes = current && resourceOf(current).attributes
	const last = attributes ?? lastAttributes(rows, id)
	const name = nameIn(last) ?? deletedName(rows, id)
	return {
		id,
		type,
		...(name !== undefined && { name }),
		isDeleted: current === undefined,
		events: withAfter(await withNames(directory, type, events), isUpToNow ? attributes : undefined),
		refusals: await refusalsOf(directory, id, last),
	}
}

function withMembers(event: HistoryEvent, members: ReadonlyMap<string, MembersOfChange>): HistoryEvent {
	const ofChange = members.get(event.operation)
	return ofChange === undefined || event.other !== undefined ? event : { ...event, members: ofChange }
}

export async function indexedRows({ table }: Directory, id: string): Promise<readonly Row[]> {
	const rows: Row[] = []
	for await (const page of table.pages(within(historyRow.key(id, '', '').slice(0, -1)))) rows.push(...page)
	return rows
}

/** The rows that the sweep will write. */
export const newerRows = async (directory: Directory, id: string): Promise<readonly Row[]> =>
	(await newerUpTo(directory, id, Number.POSITIVE_INFINITY)).rows

/** How many pages of the feed, and of lists of members, a page of a history reads at most. */
const readAtMost = 10

type NewerRows = {
	readonly rows: readonly Row[]
	/** Whether the feed was read to its end. */
	readonly isWhole: boolean
}

/** @param pagesAtMost how many pages of the feed, and of lists of members, are read at most */
async function newerUpTo(directory: Directory, id: string, pagesAtMost: number): Promise<NewerRows> {
	const { position } = await readPosition(directory.table)
	const found: HistoryRow[] = []
	let pages = 0
	for await (const rows of feedRowsAfter(directory, position, { isFinalOnly: false })) {
		if (++pages > pagesAtMost) return { rows: found.filter(isAbout(id)).map(asRow), isWhole: false }
		for (const entry of rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)) {
			found.push(...withoutErased(entry, historyRowsOf(entry, noName)))
			for await (const kept of listsOf(directory, entry)) {
				if (++pages > pagesAtMost) return { rows: found.filter(isAbout(id)).map(asRow), isWhole: false }
				const members = kept.flatMap((row) => historyRowsOfKept(entry, row, noName)).filter(isAbout(id))
				found.push(...withoutErased(entry, members))
			}
		}
	}
	return { rows: found.filter(isAbout(id)).map(asRow), isWhole: true }
}

const noName = () => undefined

async function* listsOf({ table }: Directory, { lists }: LedgerEntry): AsyncGenerator<readonly Row[]> {
	if (lists !== undefined) yield* keptPages(table, lists)
}

const isAbout =
	(id: string) =>
	({ key }: HistoryRow): boolean =>
		key.startsWith(historyRow.key(id, '', '').slice(0, -1))

/** A row as it will be read, once it is written. */
function asRow({ key, values }: HistoryRow): Row {
	const properties = historyRow.properties(values)
	const read = Object.entries(properties).map(([name, value]) => [
		name,
		value instanceof Buffer ? value.toString('base64') : value,
	])
	return { RowKey: key, ...Object.fromEntries(read) }
}

function eventIn(row: Row, id: string): HistoryEvent {
	const { kind, at, changed, before, operation, epoch, credential, requestId, client, ...entry } = ledgerEntryIn(row)
	const name = historyRow.name.of(row)
	const isMembership = kind === 'joined' || kind === 'left'
	return {
		operation,
		epoch,
		...(at !== undefined && { at }),
		kind,
		...(isMembership && { other: { type: entry.resourceType, id: entry.id, ...(name !== undefined && { name }) } }),
		changed: kind === 'create' && entry.id === id ? entry.firstMembers.map((member) => `+${member}`) : changed,
		...(before !== undefined && { before }),
		...(credential !== undefined && { credential }),
		...(requestId !== undefined && { requestId }),
		...(client !== undefined && { client }),
	}
}

/** The attributes that a deleted resource had. */
function lastAttributes(rows: readonly Row[], id: string): AttributeValues | undefined {
	const deletion = rows.map(ledgerEntryIn).findLast((entry) => entry.kind === 'delete' && entry.id === id)
	return deletion && deletedAttributes(deletion)
}

/** The name that a deleted resource had, if its attributes are not kept. */
const deletedName = (rows: readonly Row[], id: string): string | undefined =>
	rows.map(ledgerEntryIn).findLast((entry) => entry.kind === 'delete' && entry.id === id)?.deletedName

const nameIn = (attributes: AttributeValues | undefined): string | undefined =>
	[attributes?.userName, attributes?.displayName].filter((name) => typeof name === 'string').map(String)[0]

/** Says what was there after each change: what was there before the next one, or what is there now. */
function withAfter(events: readonly HistoryEvent[], current: AttributeValues | undefined): readonly HistoryEvent[] {
	let after: AttributeValues | undefined = current
	const told = events.toReversed().map((event) => {
		const { kind, before } = event
		if (kind === 'delete') {
			after = isObject(before?.attributes) ? before.attributes : undefined
			return event
		}
		if (kind !== 'update') return event
		const now = after
		after = now === undefined || before === undefined ? undefined : valuesBefore(now, before)
		// Without the values of a change of attributes, nothing is known of what was there earlier.
		if (before === undefined)
			after = event.changed.every((name) => name === 'members' || /^[+-]/.test(name)) ? now : undefined
		return before === undefined || now === undefined ? event : { ...event, after: sameParts(now, before) }
	})
	return told.toReversed()
}

/** The values of the same attributes and sub-attributes; null for one that is not there. */
function sameParts(values: AttributeValues, parts: JsonObject): JsonObject {
	return Object.fromEntries(
		Object.entries(parts).map(([name, part]) => {
			const value = values[name]
			return [name, isObject(part) && isObject(value) ? sameParts(value, part) : (value ?? null)]
		}),
	)
}

/** So many names are read one by one, so that the history of a user takes 20 requests at most. Others stay ids. */
const namesAtMost = { User: 8, Group: 200 } as const satisfies Record<TypeName, number>

/** Adds the names of the other resources that the rows do not have. The latest ones come first. */
async function withNames(
	{ table }: Directory,
	type: TypeName,
	events: readonly HistoryEvent[],
): Promise<readonly HistoryEvent[]> {
	const unnamed = events.flatMap(({ other }) => (other !== undefined && other.name === undefined ? [other] : []))
	const wanted = [...new Map(unnamed.map((other) => [other.id, other])).values()].slice(-namesAtMost[type])
	const rows = await inParallel(wanted, (other) => table.get(resourceRows[other.type].key(other.id)))
	const names = new Map<string, string>()
	for (const row of rows) {
		const resource = row && resourceOf(row)
		const name = nameIn(resource?.attributes)
		if (resource !== undefined && name !== undefined) names.set(resource.id, name)
	}
	return events.map((event) => {
		const { other } = event
		const name = other && names.get(other.id)
		return other === undefined || name === undefined ? event : { ...event, other: { ...other, name } }
	})
}

/** The refusals about a resource, by its id and by the names that it has now. */
async function refusalsOf({ table }: Directory, id: string, attributes: AttributeValues | undefined) {
	const { userName, displayName, externalId } = attributes ?? {}
	const name = typeof userName === 'string' ? userName : displayName
	const names = [name, externalId].filter((each) => typeof each === 'string' && each !== '').map(String)
	const subjects = [id, ...new Set(names.map((each) => subjectOf({ name: each })))]
	const found = await inParallel(subjects, (subject) => refusalsAbout(table, subject))
	return found.flat().sort((a, b) => a.first - b.first)
}

/** The resources that had a name until they were renamed or deleted. The latest one comes last. */
export async function resourcesNamed(directory: Directory, part: string): Promise<readonly LedgerSubject[]> {
	const newer = await newerRows(directory, part)
	return subjectsIn([await indexedRows(directory, part), newer])
}

/** The same with a bounded number of requests. The newest names are missing if the sweep has not come to very many changes. */
export async function someResourcesNamed(directory: Directory, part: string): Promise<readonly LedgerSubject[]> {
	const indexed = directory.table.first(within(historyRow.key(part, '', '').slice(0, -1)), namedAtMost)
	const [rows, newer] = await Promise.all([indexed, newerUpTo(directory, part, readAtMost)])
	return subjectsIn([rows, newer.rows])
}

const namedAtMost = 100

function subjectsIn(rows: readonly (readonly Row[])[]): readonly LedgerSubject[] {
	const found = new Map<string, LedgerSubject>()
	for (const { id, resourceType } of rows.flat().map(ledgerEntryIn)) {
		found.delete(id)
		found.set(id, { id, type: resourceType })
	}
	return [...found.values()]
}
