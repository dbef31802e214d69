import { kindOfId } from '../scim/id.ts'
import type { ResourceId, StoredResource } from '../scim/resource.ts'
import { groupType, type ResourceType } from '../scim/resource-type.ts'
import type { Directory } from './directory.ts'
import { textOf } from './entity.ts'
import { resourceKey, reverseKey, within } from './keys.ts'
import { type GroupRows, groupRows, groupsAmong, groupsOf, linksIn, referencesTo } from './links.ts'
import { isMember, living, membersOf, openOperation } from './members.ts'
import { inParallel } from './parallel.ts'
import type { LinkNeed } from './plan.ts'
import type { Include } from './resource-store.ts'
import type { Row, Table } from './tables.ts'

// Memberships beside a number of resources: a group's members, a user's groups.

/** `pend` is that of a group's row. */
type Identified = { readonly id: ResourceId; readonly pend?: string }
type Links = Pick<StoredResource, 'members' | 'groups'>

type Asked = {
	readonly include: Include
	/** Whether the resources are all that there are between the first and the last one. */
	readonly isRange: boolean
}

/** Adds the memberships that are to be answered with a page. */
export async function withInclude<R extends Identified>(
	{ table }: Directory,
	type: ResourceType,
	resources: readonly R[],
	{ include, isRange }: Asked,
): Promise<readonly (R & Links)[]> {
	const isAsked = type.name === 'Group' ? include.members : include.groups
	return isAsked ? withAll(table, type, resources, isRange) : resources
}

/** Where it is more, one range over all of them costs less than looking each one up. */
const fewResources = 30

/** Adds as much of the memberships as a filter looks at. The resources are in the order of their ids. */
export async function withLinks<R extends Identified>(
	{ table }: Directory,
	type: ResourceType,
	resources: readonly R[],
	need: LinkNeed,
): Promise<readonly (R & Links)[]> {
	if (need.length === 0 || resources.length === 0) return resources
	const isFew = resources.length <= fewResources
	if (need === 'all' || !isFew) return withAll(table, type, resources, !isFew)
	return inParallel(resources, async (resource) => ({
		...resource,
		...(await linksAmong(table, type, resource, need)),
	}))
}

/** Which of these members a group has, or of these groups a user is in. */
async function linksAmong(
	table: Table,
	type: ResourceType,
	{ id, pend = '' }: Identified,
	need: readonly string[],
): Promise<Links> {
	const isGroup = type.name === 'Group'
	const ids = need.filter((other) => kindOfId(other) === (isGroup ? 'User' : 'Group')) as ResourceId[] // sound: looked at
	const linked = await inParallel(ids, (other) =>
		isGroup ? isMember(table, { groupId: id, memberId: other, pend }) : isIn(table, id, other),
	)
	const values = ids.filter((_, index) => linked[index])
	return isGroup
		? { members: values.map((value) => ({ value })) }
		: { groups: values.map((value) => ({ value, display: '' })) }
}

async function isIn(table: Table, userId: string, groupId: string): Promise<boolean> {
	const [link, group] = await Promise.all([
		table.get(reverseKey(userId, groupId)),
		table.get(resourceKey(groupType, groupId)),
	])
	if (group === undefined) return false
	const pend = textOf(group, 'pend')
	return pend === '' ? link !== undefined : isMember(table, { groupId, memberId: userId, pend })
}

async function withAll<R extends Identified>(
	table: Table,
	type: ResourceType,
	resources: readonly R[],
	isRange: boolean,
): Promise<readonly (R & Links)[]> {
	const groups = groupRows(table)
	const byOwner = isRange ? await rowsByOwner(table, type, resources) : undefined
	return inParallel(resources, async (resource) => ({
		...resource,
		...(await linksOf(table, type, resource.id, { groups, rows: byOwner && (byOwner.get(resource.id) ?? []) })),
	}))
}

type Known = { readonly groups: GroupRows; readonly rows: readonly Row[] | undefined }

async function linksOf(table: Table, type: ResourceType, id: ResourceId, { groups, rows }: Known): Promise<Links> {
	if (type.name === 'Group') {
		const isSettled = rows !== undefined && openOperation(rows) === undefined
		return { members: isSettled ? await living(table, rows) : await membersOf(table, id) }
	}
	if (rows === undefined) return { groups: await groupsOf(table, id, groups) }
	return { groups: referencesTo(await groupsAmong(table, { userId: id, links: linksIn(rows), rows: groups })) }
}

/** The membership rows of all the resources from the first to the last one, read in one range. */
async function rowsByOwner(
	table: Table,
	type: ResourceType,
	resources: readonly Identified[],
): Promise<ReadonlyMap<string, readonly Row[]>> {
	const prefix = type.name === 'Group' ? 'm' : 'r'
	const byOwner = new Map<string, Row[]>()
	const first = resources[0]?.id ?? ''
	const last = resources.at(-1)?.id ?? ''
	for await (const rows of table.pages({ from: `${prefix}|${first}|`, to: within(`${prefix}|${last}|`).to })) {
		for (const row of rows) {
			const owner = row.RowKey.split('|')[1] ?? ''
			const known = byOwner.get(owner)
			if (known === undefined) byOwner.set(owner, [row])
			else known.push(row)
		}
	}
	return byOwner
}
