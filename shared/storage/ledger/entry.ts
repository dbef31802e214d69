import type { AttributeValues } from '../../scim/resource.ts'
import type { TypeName } from '../../scim/resource-type.ts'
import { isObject, type JsonObject } from '../../scim/value.ts'
import type { Actor } from '../rows/directory.ts'
import { parseStored } from '../rows/json-text.ts'
import { epochPart, feedRow } from '../rows/schema.ts'
import type { Row } from '../table/tables.ts'

/** An entry of the feed with all that the ledger keeps of the change. */
export type LedgerEntry = Actor & {
	/** The key of the row. */
	readonly key: string
	/** The epoch, as a part of a key; that of entries `c|` is 0. */
	readonly epoch: string
	readonly operation: string
	/** RFC 3339, UTC; undefined for an entry of version 0.1.0. */
	readonly at?: string
	readonly kind: string
	readonly resourceType: TypeName
	readonly id: string
	readonly changed: readonly string[]
	readonly firstMembers: readonly string[]
	/** Of an update: what it has replaced. Of a deletion: `attributes`, `created` and `lastModified`. */
	readonly before?: JsonObject
	/** Of a deletion: the userName or displayName. */
	readonly deletedName?: string
	/** The operation of the rows `l|` that have the members. */
	readonly lists?: string
	/** The ids of people who were erased: their histories leave the entry out. */
	readonly erased?: readonly string[]
}

/** The entry that a row `c|`, `f|` or `h|` holds. */
export function ledgerEntryIn(row: Row): LedgerEntry {
	const { epoch, operation } = placeIn(row.RowKey)
	const kind = feedRow.kind.of(row)
	const resourceType = feedRow.resourceType.of(row) === 'Group' ? 'Group' : 'User'
	const before = feedRow.before.of(row)
	const at = feedRow.at.of(row)
	const deletedName = kind === 'delete' ? feedRow.name.of(row) : undefined
	// Of a deletion with its whole group, the members are kept under the deletion.
	const isDeletedGroup = kind === 'delete' && resourceType === 'Group' && before !== undefined
	const erased = words(feedRow.erased.of(row))
	const lists = feedRow.large.of(row) ?? (isDeletedGroup ? operation : undefined)
	return {
		...actorIn(row),
		key: row.RowKey,
		epoch,
		operation,
		...(at !== undefined && { at }),
		kind,
		resourceType,
		id: feedRow.id.of(row),
		changed: words(feedRow.changed.of(row)),
		firstMembers: words(feedRow.firstMembers.of(row)),
		...(before !== undefined && { before: parseStored(before) }),
		...(deletedName !== undefined && { deletedName }),
		...(lists !== undefined && { lists }),
		...(erased.length > 0 && { erased }),
	}
}

function actorIn(row: Row): Actor {
	const id = feedRow.credential.of(row)
	const label = feedRow.label.of(row)
	const requestId = feedRow.requestId.of(row)
	const client = feedRow.client.of(row) as Actor['client'] // sound: written from an actor
	return {
		...(id !== undefined && { credential: { id, ...(label !== undefined && { label }) } }),
		...(requestId !== undefined && { requestId }),
		...(client !== undefined && { client }),
	}
}

const words = (text = ''): readonly string[] => text.split(' ').filter((word) => word !== '')

/** The epoch and the operation in the key of an entry, or of a row of a history. */
export function placeIn(key: string): { readonly epoch: string; readonly operation: string } {
	const parts = key.split('|')
	const operation = parts.at(-1) ?? ''
	return { operation, epoch: parts.length === 2 ? epochPart(0) : (parts.at(-2) ?? '') }
}

/** A user who joins or leaves a group, as the history of one of the two tells it. */
export type Mention = {
	/** Whose history tells it. */
	readonly resource: string
	readonly kind: 'joined' | 'left'
	readonly otherType: TypeName
	readonly other: string
}

/** The resources that an entry is about beside its own. Members that no entry holds are left out. */
export function mentionsIn({ kind, resourceType, id, changed, firstMembers }: LedgerEntry): readonly Mention[] {
	if (resourceType === 'User') {
		const isLeaving = kind === 'delete' || kind === 'unlink'
		return isLeaving ? changed.map((group) => ({ resource: group, kind: 'left', otherType: 'User', other: id })) : []
	}
	return [
		...firstMembers.map((user) => mention(user, 'joined', id)),
		...changed.filter((name) => name.startsWith('+')).map((name) => mention(name.slice(1), 'joined', id)),
		...changed.filter((name) => name.startsWith('-')).map((name) => mention(name.slice(1), 'left', id)),
	]
}

export const mention = (user: string, kind: Mention['kind'], group: string): Mention => ({
	resource: user,
	kind,
	otherType: 'Group',
	other: group,
})

/** The attributes of a resource that an entry has deleted; undefined for any other entry. */
export function deletedAttributes({ kind, before }: LedgerEntry): AttributeValues | undefined {
	return kind === 'delete' && isObject(before?.attributes) ? before.attributes : undefined
}

/** The names that the resource of an entry had until then, and lost. */
export function lostNames(entry: LedgerEntry): readonly string[] {
	const values = deletedAttributes(entry) ?? entry.before ?? {}
	const names = [entry.deletedName, values.userName, values.displayName]
	return [...new Set(names.filter((name) => typeof name === 'string' && name !== '').map(String))]
}
