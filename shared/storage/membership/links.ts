import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import { groupType } from '../../scim/resource-type.ts'
import { resourceOf, textOf } from '../rows/entity.ts'
import { resourceKey } from '../rows/keys.ts'
import { within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import { isMember } from './members.ts'
import { lastPart } from './operations.ts'

// The groups of a user are its rows `r|`, and those that a committed change of many members is still to make. The group's
// row tells which change that is, and has to be read anyway, since a membership may outlive its group a little.

export type GroupReferences = NonNullable<StoredResource['groups']>

/** The row of a group, each read once; undefined for a group that is gone. */
export type GroupRows = (groupId: string) => Promise<Row | undefined>

export function groupRows(table: Table): GroupRows {
	const rows = new Map<string, Promise<Row | undefined>>()
	return (groupId) => {
		const row = rows.get(groupId) ?? table.get(resourceKey(groupType, groupId))
		rows.set(groupId, row)
		return row
	}
}

/** The rows `r|<user>|…`. Without the anchor the user does not exist. */
export type Links = {
	readonly anchor: Row | undefined
	readonly groupIds: readonly ResourceId[]
	/** Changes that will, or may, add the user to a group. */
	readonly notes: readonly Note[]
}

export type Note = { readonly groupId: ResourceId; readonly operation: string }

export async function linksOf(table: Table, userId: string): Promise<Links> {
	const rows: Row[] = []
	for await (const page of table.pages(within(`r|${userId}|`))) rows.push(...page)
	return linksIn(rows)
}

/** Tells apart the rows of one user. */
export function linksIn(rows: readonly Row[]): Links {
	const parts = rows.map((row) => ({ row, last: lastPart(row.RowKey) }))
	return {
		anchor: parts.find(({ last }) => last === '')?.row,
		groupIds: parts.map(({ last }) => last).filter((last) => last !== '' && !last.startsWith('!')),
		notes: parts
			.filter(({ last }) => last.startsWith('!'))
			.map(({ row, last }) => ({ groupId: textOf(row, 'g') as ResourceId, operation: last.slice(1) })), // sound: notes get it from a group
	}
}

/** The ids of the groups that a user is in, or may be, in order. */
export function groupIdsIn({ anchor, groupIds, notes }: Links): readonly ResourceId[] {
	if (anchor === undefined) return []
	return [...new Set([...groupIds, ...notes.map(({ groupId }) => groupId)])].sort()
}

type Among = {
	readonly userId: string
	readonly links: Links
	readonly rows: GroupRows
	/** Only of these. */
	readonly ids?: readonly ResourceId[]
}

/** The rows of the groups that a user is a member of, in the order of their ids. */
export async function groupsAmong(
	table: Table,
	{ userId, links, rows, ids = groupIdsIn(links) }: Among,
): Promise<readonly Row[]> {
	const noted = new Set(links.notes.map(({ groupId }) => groupId))
	const found = await inParallel(ids, async (groupId) => {
		const row = await rows(groupId)
		if (row === undefined) return []
		const pend = textOf(row, 'pend')
		const isCertain = pend === '' && !noted.has(groupId)
		return isCertain || (await isMember(table, { groupId, memberId: userId, pend })) ? [row] : []
	})
	return found.flat()
}

/** A user's groups by their names. */
export async function groupsOf(table: Table, userId: string, rows: GroupRows): Promise<GroupReferences> {
	return referencesTo(await groupsAmong(table, { userId, links: await linksOf(table, userId), rows }))
}

/** Groups as a user's `groups` has them. */
export const referencesTo = (rows: readonly Row[]): GroupReferences =>
	rows.map(resourceOf).map(({ id, attributes }) => ({ value: id, display: String(attributes.displayName) }))
