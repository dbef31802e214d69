import { timeOfId } from '../../scim/id.ts'
import type { TypeName } from '../../scim/resource-type.ts'
import { type RefusalCount, refusalsSince } from '../refusals.ts'
import type { Actor, Directory, Epoch } from '../rows/directory.ts'
import { resourceOf } from '../rows/entity.ts'
import { epochEntryRow, feedRow, resourceRows } from '../rows/schema.ts'
import { within } from '../table/key-range.ts'
import { type EndSearch, epochNumber, epochScale, idNumber, idScale, lastRows } from '../table/last-rows.ts'
import { inParallel } from '../table/parallel.ts'
import type { Row } from '../table/tables.ts'
import { readEpoch } from '../transaction/epochs.ts'
import { type LedgerEntry, ledgerEntryIn, placeIn } from './entry.ts'
import { feedKeyAt, feedRowsAfter, isWithdrawn } from './feed-rows.ts'

// What happens in a directory while a person watches. Watching reads, and never writes: the epoch of the feed stays open.
// So entries may still come before those that were read. Each reading therefore begins some entries earlier, and the
// watcher leaves out what it knows.

/** A change as a list of what happens shows it. */
export type ActivityEvent = Actor & {
	/** Names the change: the watcher may be told of it several times. */
	readonly key: string
	/** RFC 3339, UTC. */
	readonly at: string
	/** As in the feed: `create`, `update`, `members`, `unlink`, `delete`. */
	readonly kind: string
	readonly type: TypeName
	readonly id: string
	/** The userName or displayName now, or the last one; undefined if it is not known. */
	readonly name?: string
	/** As in the history: names of attributes, `+id` and `-id` for members, ids of groups that a user has left. */
	readonly changed: readonly string[]
	readonly isDeactivation: boolean
}

/** What is new. */
export type Activity = {
	/** In the order of the feed. */
	readonly changes: readonly ActivityEvent[]
	/** By the time of the last of these requests. */
	readonly refusals: readonly RefusalCount[]
	/** Where the next reading begins. */
	readonly cursor: ActivityCursor
	/** Whether more changes are there already. */
	readonly hasMore: boolean
	/** Whether refusals may be missing, because more are kept than one reading looks at. */
	readonly isPartial: boolean
}

export type ActivityCursor = {
	/** The beginning of a key of the feed; '' for the beginning of the feed. */
	readonly entry: string
	/** The greatest key of the feed that was told; '' for none. */
	readonly told: string
	/** Milliseconds since 1970: refusals whose last time is earlier were told. */
	readonly refusedSince: number
}

/** How many changes the first reading tells, and of how many a reading looks up the names. */
const shownAtMost = 50
const day = 24 * 60 * 60_000

/** The latest changes, and the latest refusals of the last day. */
export async function latestActivity(directory: Directory): Promise<Activity> {
	const since = directory.now() - day
	const [rows, recent] = await Promise.all([latestRows(directory, shownAtMost), recentRefusals(directory, since)])
	return told(directory, { rows, ...recent, cursor: { entry: '', told: '', refusedSince: since }, hasMore: false })
}

/**
 * What happened after another reading, and some of what that reading told. The names of resources are looked up for the
 * latest changes that are new.
 */
export async function activityAfter(directory: Directory, cursor: ActivityCursor): Promise<Activity> {
	const [{ rows, hasMore }, recent] = await Promise.all([
		rowsAfter(directory, cursor.entry),
		recentRefusals(directory, cursor.refusedSince),
	])
	return told(directory, { rows, ...recent, cursor, hasMore })
}

type Reading = Pick<Activity, 'refusals' | 'cursor' | 'hasMore' | 'isPartial'> & { readonly rows: readonly Row[] }

async function told(directory: Directory, { rows, refusals, cursor, hasMore, isPartial }: Reading): Promise<Activity> {
	const entries = rows.filter((row) => !isWithdrawn(row)).map((row) => ({ row, entry: ledgerEntryIn(row) }))
	const isNew = ({ key }: LedgerEntry) => key > cursor.told
	const names = await namesOf(
		directory,
		entries
			.map(({ entry }) => entry)
			.filter(isNew)
			.slice(-shownAtMost),
	)
	const last = rows.at(-1)?.RowKey ?? ''
	return {
		changes: entries.map(({ row, entry }) => eventOf(row, entry, names)),
		refusals: refusals.slice(-shownAtMost),
		cursor: {
			entry: placeAfter(rows, cursor.entry),
			told: [last, cursor.told].sort()[1] ?? last,
			refusedSince: refusedUntil(refusals, cursor.refusedSince),
		},
		hasMore,
		isPartial,
	}
}

/** When the last change was made: RFC 3339; undefined if none is kept. */
export async function lastWrite(directory: Directory): Promise<string | undefined> {
	const rows = await latestRows(directory, shownAtMost)
	return rows
		.filter((row) => !isWithdrawn(row))
		.flatMap((row) => ledgerEntryIn(row).at ?? [])
		.at(-1)
}

/** What is read of an entry. It may also have what the change has replaced, and that may be long. */
const select = ['RowKey'].concat(
	[
		...[feedRow.kind, feedRow.resourceType, feedRow.id, feedRow.changed, feedRow.name, feedRow.at],
		...[feedRow.credential, feedRow.label, feedRow.requestId, feedRow.client],
		...[feedRow.firstMembers, feedRow.isDeactivation],
	].map(({ stored }) => stored),
)

/** The last entries of the feed. Entries of epochs are later than all others. */
async function latestRows(directory: Directory, count: number): Promise<readonly Row[]> {
	const { table, feed, now } = directory
	const epoch = feed === 'operations' ? undefined : await readEpoch(directory)
	const found = epoch === undefined || epoch.number === 0 ? [] : await lastRows(table, ofEpochs(epoch, now()), count)
	if (found.length === count) return found
	const older = await lastRows(table, byClock(now()), count - found.length)
	return [...older, ...found]
}

/** The beginning of the keys of all entries of epochs. */
const epochEntries = epochEntryRow.key('', '').slice(0, -1)

const ofEpochs = ({ number }: Epoch, now: number): EndSearch => ({
	scale: epochScale(epochEntries),
	before: within(epochEntries).to,
	end: epochNumber(number, now),
	span: epochNumber(4, 0),
	select,
})

const byClock = (now: number): EndSearch => ({
	scale: idScale(feedRow.key('')),
	before: within(feedRow.key('')).to,
	end: idNumber(now),
	span: idNumber(10 * 60_000),
	select,
})

/** The entries of one page behind a place. */
async function rowsAfter(
	directory: Directory,
	place: string,
): Promise<{ readonly rows: readonly Row[]; readonly hasMore: boolean }> {
	let rows: readonly Row[] = []
	for await (const page of feedRowsAfter(directory, place, { isFinalOnly: false, select })) {
		// An empty page comes from a part of the feed that has ended.
		if (rows.length > 0 && page.length > 0) return { rows, hasMore: true }
		if (page.length > 0) rows = page
	}
	return { rows, hasMore: false }
}

/** Entries that are this many milliseconds older than the last one are read again. */
const overlap = 60_000
/** No more entries than these are read again. */
const repeatedAtMost = 500

/**
 * The place behind which the next reading begins: before all entries of the epoch of the last one, since others may still
 * be added to it. Entries in the order of clocks are read again for a minute.
 */
function placeAfter(rows: readonly Row[], place: string): string {
	const last = rows.at(-1)?.RowKey
	if (last === undefined) return place
	const { epoch, operation } = placeIn(last)
	const isByClock = last.startsWith(feedRow.key(''))
	const wanted = isByClock ? feedKeyAt(timeOfId(operation) - overlap) : epochEntryRow.key(epoch, '')
	const least = rows.at(-repeatedAtMost)?.RowKey.slice(0, -1) ?? ''
	return [wanted, least, place].sort().at(-1) ?? place
}

/**
 * The pages of refusals that one reading takes at most. Keys have no time, so that the service looks at all refusals that
 * are kept, about a thousand for a page, and a page may be empty.
 */
const refusalPages = 10

async function recentRefusals({ table }: Directory, since: number): Promise<Pick<Activity, 'refusals' | 'isPartial'>> {
	const found: RefusalCount[] = []
	let pages = 0
	let isPartial = false
	for await (const refusals of refusalsSince(table, since)) {
		found.push(...refusals.filter(({ isOthers }) => isOthers === undefined))
		// The page behind the last one tells that there are more.
		isPartial = pages++ === refusalPages
		if (isPartial) break
	}
	return { refusals: found.sort((a, b) => a.last - b.last), isPartial }
}

/** Processes store refusals a second after they came, by their own clocks. */
const refusedUntil = (refusals: readonly RefusalCount[], since: number): number =>
	Math.max(since, (refusals.at(-1)?.last ?? 0) - overlap)

type ResourceNames = ReadonlyMap<string, string>

/** The names of the resources of some entries. Each resource is read once. */
async function namesOf({ table }: Directory, entries: readonly LedgerEntry[]): Promise<ResourceNames> {
	const gone = new Map(entries.flatMap(({ id, deletedName }) => (deletedName === undefined ? [] : [[id, deletedName]])))
	const wanted = new Map(entries.filter(({ id }) => !gone.has(id)).map(({ id, resourceType }) => [id, resourceType]))
	const rows = await inParallel([...wanted], ([id, type]) => table.get(resourceRows[type].key(id)))
	const there = rows.flatMap((row) => {
		const resource = row && resourceOf(row)
		const name = resource?.attributes.userName ?? resource?.attributes.displayName
		return resource === undefined || typeof name !== 'string' ? [] : [[resource.id, name] as const]
	})
	return new Map([...gone, ...there])
}

function eventOf(row: Row, entry: LedgerEntry, names: ResourceNames): ActivityEvent {
	const { key, operation, kind, resourceType, id, changed, firstMembers, credential, requestId, client } = entry
	const name = names.get(id)
	return {
		key,
		at: entry.at ?? new Date(timeOfId(operation)).toISOString(),
		kind,
		type: resourceType,
		id,
		...(name !== undefined && { name }),
		changed: kind === 'create' ? firstMembers.map((member) => `+${member}`) : changed,
		isDeactivation: feedRow.isDeactivation.of(row),
		...(credential !== undefined && { credential }),
		...(requestId !== undefined && { requestId }),
		...(client !== undefined && { client }),
	}
}
