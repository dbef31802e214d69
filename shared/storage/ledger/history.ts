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
import { inParallel } from '../table/parallel.ts'
import type { Row } from '../table/tables.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'
import { type HistoryRow, historyRowsOf, historyRowsOfKept } from './history-rows.ts'
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
	const [current, indexed, newer] = await Promise.all([
		table.get(resourceRows[type].key(id)),
		indexedRows(directory, id),
		newerRows(directory, id),
	])
	const rows = new Map([...indexed, ...newer].map((row) => [row.RowKey, row]))
	const events = [...rows.values()].sort((a, b) => (a.RowKey < b.RowKey ? -1 : 1)).map((row) => eventIn(row, id))
	const attributes = current && resourceOf(current).attributes
	const last = attributes ?? lastAttributes([...rows.values()], id)
	const name = nameIn(last) ?? deletedName([...rows.values()], id)
	return {
		id,
		type,
		...(name !== undefined && { name }),
		isDeleted: current === undefined,
		events: withAfter(await withNames(directory, type, events), attributes),
		refusals: await refusalsOf(directory, id, last),
	}
}

export async function indexedRows({ table }: Directory, id: string): Promise<readonly Row[]> {
	const rows: Row[] = []
	for await (const page of table.pages(within(historyRow.key(id, '', '').slice(0, -1)))) rows.push(...page)
	return rows
}

/** The rows that the sweep will write. */
export async function newerRows(directory: Directory, id: string): Promise<readonly Row[]> {
	const { position } = await readPosition(directory.table)
	const found: HistoryRow[] = []
	for await (const rows of feedRowsAfter(directory, position, { isFinalOnly: false })) {
		for (const entry of rows.filter((row) => !isWithdrawn(row)).map(ledgerEntryIn)) {
			found.push(...historyRowsOf(entry, noName))
			for await (const kept of listsOf(directory, entry)) {
				found.push(...kept.flatMap((row) => historyRowsOfKept(entry, row, noName)).filter(isAbout(id)))
			}
		}
	}
	return found.filter(isAbout(id)).map(asRow)
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
	const [indexed, newer] = await Promise.all([indexedRows(directory, part), newerRows(directory, part)])
	const found = new Map<string, LedgerSubject>()
	for (const { id, resourceType } of [...indexed, ...newer].map(ledgerEntryIn)) {
		found.delete(id)
		found.set(id, { id, type: resourceType })
	}
	return [...found.values()]
}
