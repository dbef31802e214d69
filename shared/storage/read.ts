import { kindOfId } from '../scim/id.ts'
import type { StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import type { Directory } from './directory.ts'
import { resourceOf, textOf } from './entity.ts'
import { resourceKey } from './keys.ts'
import { groupRows, groupsOf } from './links.ts'
import { membersOf } from './members.ts'
import type { Include } from './resource-store.ts'
import { etagOf, type Table } from './tables.ts'

/** Reads a resource and what is to be read along with it. */
export async function read(
	directory: Directory,
	type: ResourceType,
	id: string,
	include: Include = {},
): Promise<StoredResource | undefined> {
	if (kindOfId(id) !== type.name) return undefined
	return (await readForChange(directory, type, id, include))?.resource
}

/** A resource and the ETag of its row, for a change that must not meet another. */
export type Found = {
	readonly resource: StoredResource
	readonly etag: string
	/** Whether it is a group in the middle of a change of many members. */
	readonly isUnsettled: boolean
}

/**
 * Reads a resource that is to be changed on the condition that it still has its ETag. Members are read after the group's
 * row, so that they are the present ones for as long as that condition holds, or that of a client with the version.
 */
export async function readForChange(
	{ table }: Directory,
	type: ResourceType,
	id: string,
	include: Include = {},
): Promise<Found | undefined> {
	const isGroup = type.name === 'Group'
	const [row, groups] = await Promise.all([
		table.get(resourceKey(type, id)),
		isGroup ? undefined : linksFor(table, type, id, include),
	])
	if (row === undefined) return undefined
	const links = isGroup ? await linksFor(table, type, id, include) : groups
	return {
		resource: { ...resourceOf(row), ...links },
		etag: etagOf(row),
		isUnsettled: isGroup && textOf(row, 'pend') !== '',
	}
}

type Links = Pick<StoredResource, 'members' | 'groups'>

async function linksFor(table: Table, type: ResourceType, id: string, { members, groups }: Include): Promise<Links> {
	if (type.name === 'Group') return members ? { members: await membersOf(table, id) } : {}
	return groups ? { groups: await groupsOf(table, id, groupRows(table)) } : {}
}
