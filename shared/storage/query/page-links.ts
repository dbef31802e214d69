import { kindOfId } from '../../scim/id.ts'
import type { Member, ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import {
	type GroupReferences,
	type GroupRows,
	groupRows,
	groupsAmong,
	groupsOf,
	linksIn,
	referencesTo,
} from '../membership/links.ts'
import { isChangePending, isMember, membersIn, membersOf } from '../membership/members.ts'
import type { Include } from '../resource/read.ts'
import type { Directory } from '../rows/directory.ts'
import { groupRow, memberRow, membershipRow } from '../rows/schema.ts'
import { within } from '../table/key-range.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import type { LinkNeed } from './plan.ts'

// Memberships beside a number of resources: a group's members, a user's groups.

/** `pendingChange` is that of a group's row. */
type LinkOwner = { readonly id: ResourceId; readonly pendingChange?: string }
type Links = Pick<StoredResource, 'members' | 'groups'>

type IncludeOptions = {
	readonly include: Include
	/** Whether the resources are all that there are between the first and the last one. */
	readonly isRange: boolean
}

/** Memberships on a page. A page ends early behind the resource that exceeds it, and has one resource at least. */
const maxLinks = 20_000
/** Resources whose memberships are read at the same time. */
const ownersAtOnce = 8

/** Adds the memberships that the client asked for to a page. If there are too many, only the first resources are returned. */
export async function withInclude<R extends LinkOwner>(
	{ table }: Directory,
	type: ResourceType,
	resources: readonly R[],
	{ include, isRange }: IncludeOptions,
): Promise<readonly (R & Links)[]> {
	const isAsked = type.name === 'Group' ? include.members : include.groups
	if (!isAsked) return resources
	const rows = groupRows(table)
	if (isRange) return withAll(table, type, resources, { rows, isRange, limit: maxLinks })
	const page: (R & Links)[] = []
	let count = 0
	for (const some of chunked(resources, ownersAtOnce)) {
		for (const resource of await withAll(table, type, some, { rows, isRange })) {
			count += (resource.members ?? resource.groups ?? []).length
			if (page.length > 0 && count > maxLinks) return page
			page.push(resource)
		}
	}
	return page
}

/** For more resources, one range over all of them costs less than looking each one up. */
const fewResources = 30

type LinkOptions = {
	readonly need: LinkNeed
	/** Whether the resources are all that there are between the first and the last one. */
	readonly isRange: boolean
	/** The rows of groups that the query has read. */
	readonly rows: GroupRows
}

/** Adds as much of the memberships as a filter looks at. The resources are in the order of their ids. */
export async function withLinks<R extends LinkOwner>(
	{ table }: Directory,
	type: ResourceType,
	resources: readonly R[],
	{ need, isRange, rows }: LinkOptions,
): Promise<readonly (R & Links)[]> {
	if (need.length === 0 || resources.length === 0) return resources
	const isLongRange = isRange && resources.length > fewResources
	if (need === 'all' || isLongRange) return withAll(table, type, resources, { rows, isRange: isLongRange })
	return inParallel(resources, async (resource) => ({
		...resource,
		...(await linksAmong(table, type, resource, need)),
	}))
}

/** Which of these members a group has, or of these groups a user is in. */
async function linksAmong(
	table: Table,
	type: ResourceType,
	{ id, pendingChange = '' }: LinkOwner,
	need: readonly string[],
): Promise<Links> {
	const isGroup = type.name === 'Group'
	const ids = need.filter((other) => kindOfId(other) === (isGroup ? 'User' : 'Group')) as ResourceId[] // sound: looked at
	const linked = await inParallel(ids, (other) =>
		isGroup ? isMember(table, { groupId: id, memberId: other, pendingChange }) : isIn(table, id, other),
	)
	const values = ids.filter((_, index) => linked[index])
	return isGroup
		? { members: values.map((value) => ({ value })) }
		: { groups: values.map((value) => ({ value, display: '' })) }
}

async function isIn(table: Table, userId: string, groupId: string): Promise<boolean> {
	const [link, group] = await Promise.all([
		table.get(membershipRow.key(userId, groupId)),
		table.get(groupRow.key(groupId)),
	])
	if (group === undefined) return false
	const pendingChange = groupRow.pendingChange.of(group)
	return pendingChange === '' ? link !== undefined : isMember(table, { groupId, memberId: userId, pendingChange })
}

/** `limit` is how many rows of a range are read. Resources behind them are left out, but for the first one. */
type RangeOptions = { readonly rows: GroupRows; readonly isRange: boolean; readonly limit?: number }

async function withAll<R extends LinkOwner>(
	table: Table,
	type: ResourceType,
	resources: readonly R[],
	{ rows: groups, isRange, limit = Number.POSITIVE_INFINITY }: RangeOptions,
): Promise<readonly (R & Links)[]> {
	const byOwner = isRange ? await rowsByOwner(table, type, { resources, limit }) : undefined
	const [first, ...others] = resources
	const read = others.filter(({ id }) => byOwner === undefined || byOwner.isRead(id))
	return inParallel(first === undefined ? [] : [first, ...read], async (resource) => ({
		...resource,
		...(type.name === 'Group'
			? { members: await membersAmong(table, resource.id, byOwner) }
			: { groups: await groupsFrom(table, resource.id, { groups, byOwner }) }),
	}))
}

function membersAmong(table: Table, id: string, byOwner: RowsByOwner | undefined): Promise<readonly Member[]> {
	const rows = byOwner?.of(id) ?? []
	const isWhole = byOwner?.isRead(id) && !byOwner.isDivided(id) && !isChangePending(rows)
	return isWhole ? membersIn(table, rows) : membersOf(table, id)
}

type OwnerRows = { readonly groups: GroupRows; readonly byOwner: RowsByOwner | undefined }

async function groupsFrom(table: Table, id: string, { groups, byOwner }: OwnerRows): Promise<GroupReferences> {
	if (!byOwner?.isRead(id)) return groupsOf(table, id, groups)
	return referencesTo(await groupsAmong(table, { userId: id, links: linksIn(byOwner.of(id)), rows: groups }))
}

type RowsByOwner = {
	of(id: string): readonly Row[]
	/** Whether all rows of an owner were read. */
	isRead(id: string): boolean
	/** Whether the rows of an owner may be of several moments, because a page ends among them. */
	isDivided(id: string): boolean
}

/** The membership rows of all the resources from the first to the last one, read in one range. */
async function rowsByOwner(
	table: Table,
	type: ResourceType,
	{ resources, limit }: { readonly resources: readonly LinkOwner[]; readonly limit: number },
): Promise<RowsByOwner> {
	const { key } = type.name === 'Group' ? memberRow : membershipRow
	const byOwner = new Map<string, Row[]>()
	const divisions: { readonly from: string; readonly to: string }[] = []
	const last = resources.at(-1)?.id ?? ''
	let from = resources[0]?.id ?? ''
	let isFirst = true
	let count = 0
	reading: for await (const rows of table.pages({ from: key(from, ''), to: within(key(last, '')).to })) {
		if (!isFirst) divisions.push({ from, to: rows[0] === undefined ? last : ownerOf(rows[0]) })
		isFirst = false
		for (const row of rows) {
			from = ownerOf(row)
			if (++count > limit) break reading
			const known = byOwner.get(from)
			if (known === undefined) byOwner.set(from, [row])
			else known.push(row)
		}
	}
	return {
		of: (id) => byOwner.get(id) ?? [],
		isRead: (id) => count <= limit || id < from,
		isDivided: (id) => divisions.some((division) => division.from <= id && id <= division.to),
	}
}

const ownerOf = ({ RowKey }: Row): string => RowKey.split('|')[1] ?? ''
