import type { ResourceId, StoredResource } from '../scim/resource.ts'
import { groupType } from '../scim/resource-type.ts'
import { resourceOf } from './entity.ts'
import { resourceKey, within } from './keys.ts'
import { lastPart } from './membership.ts'
import { inParallel } from './parallel.ts'
import type { Row, Table } from './tables.ts'

export type GroupReferences = NonNullable<StoredResource['groups']>

/** The displayName of a group, each read once; undefined for a group that is gone. */
export type GroupNames = (groupId: string) => Promise<string | undefined>

export function groupNames(table: Table): GroupNames {
	const names = new Map<string, Promise<string | undefined>>()
	return (groupId) => {
		const name = names.get(groupId) ?? readName(table, groupId)
		names.set(groupId, name)
		return name
	}
}

async function readName(table: Table, groupId: string): Promise<string | undefined> {
	const row = await table.get(resourceKey(groupType, groupId))
	return row && String(resourceOf(row).attributes.displayName)
}

/** The rows of a user's memberships; the anchor comes first where the user exists. */
export async function linkRows(table: Table, userId: string): Promise<readonly Row[]> {
	const rows: Row[] = []
	for await (const page of table.pages(within(`r|${userId}|`))) rows.push(...page)
	return rows
}

/** The groups that a user is a member of. */
export async function groupsOf(table: Table, userId: string, names: GroupNames): Promise<GroupReferences> {
	const rows = await linkRows(table, userId)
	return referencesTo(
		rows.map(({ RowKey }) => lastPart(RowKey)).filter((id) => id !== ''),
		names,
	)
}

/** Groups by their names. Memberships of a group that is gone may outlive it a little and are left out. */
export async function referencesTo(groupIds: readonly ResourceId[], names: GroupNames): Promise<GroupReferences> {
	const references = await inParallel(groupIds, async (value) => {
		const display = await names(value)
		return display === undefined ? [] : [{ value, display }]
	})
	return references.flat()
}
