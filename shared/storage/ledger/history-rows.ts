import { foldCase } from '../../scim/fold-case.ts'
import { keptMembersIn } from '../membership/kept-members.ts'
import { encode } from '../rows/keys.ts'
import { historyRow } from '../rows/schema.ts'
import type { Row } from '../table/tables.ts'
import { type LedgerEntry, lostNames, type Mention, mention, mentionsIn } from './entry.ts'

/** A row `h|`: an entry of the feed as the history of one resource tells it. */
export type HistoryRow = { readonly key: string; readonly values: Parameters<typeof historyRow.properties>[0] }

/** The name of a group, if it is known. */
export type NameOf = (groupId: string) => string | undefined

/** A name as a part of a key, in the place of an id. */
export const namePart = (name: string): string => `=${encode(foldCase(name))}`

/** The rows of an entry, without those of members that no entry holds. */
export function historyRowsOf(entry: LedgerEntry, nameOf: NameOf): readonly HistoryRow[] {
	return [
		{ key: keyFor(entry, entry.id), values: ownValues(entry) },
		...mentionsIn(entry).map((each) => mentionRow(entry, each, nameOf)),
		...lostNames(entry).map((name) => ({
			key: keyFor(entry, namePart(name)),
			values: { kind: 'name', resourceType: entry.resourceType, id: entry.id, at: entry.at },
		})),
	]
}

/** The rows of the members that a row `l|` keeps of an entry. */
export function historyRowsOfKept(entry: LedgerEntry, kept: Row, nameOf: NameOf): readonly HistoryRow[] {
	const { added, removed } = keptMembersIn(kept)
	return [
		...added.map(({ value }) => mentionRow(entry, mention(value, 'joined', entry.id), nameOf)),
		...removed.map(({ value }) => mentionRow(entry, mention(value, 'left', entry.id), nameOf)),
	]
}

/** Leaves out what the histories of erased people had of an entry. */
export const withoutErased = ({ erased }: LedgerEntry, rows: readonly HistoryRow[]): readonly HistoryRow[] =>
	erased === undefined ? rows : rows.filter((row) => !erased.includes(personIn(row)))

/** The resource whose history has the row, or which had the name. */
const personIn = ({ key, values }: HistoryRow): string => (values.kind === 'name' ? values.id : key.split('|')[1]) ?? ''

const keyFor = ({ epoch, operation }: LedgerEntry, id: string): string => historyRow.key(id, epoch, operation)

const actorValues = ({ at, credential, requestId, client }: LedgerEntry) => ({
	at,
	credential: credential?.id,
	label: credential?.label,
	requestId,
	client,
})

const ownValues = (entry: LedgerEntry): HistoryRow['values'] => ({
	...actorValues(entry),
	kind: entry.kind,
	resourceType: entry.resourceType,
	id: entry.id,
	changed: entry.changed.join(' '),
	firstMembers: entry.firstMembers.length === 0 ? undefined : entry.firstMembers.join(' '),
	before: entry.before === undefined ? undefined : JSON.stringify(entry.before),
	large: entry.lists,
	name: entry.deletedName,
})

function mentionRow(entry: LedgerEntry, { resource, kind, otherType, other }: Mention, nameOf: NameOf): HistoryRow {
	const name = otherType === 'Group' ? nameOf(other) : undefined
	return {
		key: keyFor(entry, resource),
		values: { ...actorValues(entry), kind, resourceType: otherType, id: other, name },
	}
}
