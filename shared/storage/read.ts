import { kindOfId } from '../scim/id.ts'
import type { StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import type { Directory } from './directory.ts'
import { resourceOf } from './entity.ts'
import { resourceKey } from './keys.ts'
import { groupNames, groupsOf } from './links.ts'
import { membersOf } from './membership.ts'
import type { Include } from './resource-store.ts'
import { etagOf } from './tables.ts'

/** A resource and the ETag of its row, for a change that must not meet another. */
export type Found = { readonly resource: StoredResource; readonly etag: string }

/** Reads a resource and, at the same time, what is to be read along with it. */
export async function read(
	{ table }: Directory,
	type: ResourceType,
	id: string,
	include: Include = {},
): Promise<Found | undefined> {
	if (kindOfId(id) !== type.name) return undefined
	const [row, members, groups] = await Promise.all([
		table.get(resourceKey(type, id)),
		include.members && type.name === 'Group' ? membersOf(table, id) : undefined,
		include.groups && type.name === 'User' ? groupsOf(table, id, groupNames(table)) : undefined,
	])
	if (row === undefined) return undefined
	return { resource: { ...resourceOf(row), ...(members && { members }), ...(groups && { groups }) }, etag: etagOf(row) }
}
