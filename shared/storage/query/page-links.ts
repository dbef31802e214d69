import { kindOfId } from '../../scim/id.ts'
import type { Member, ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import {
	type GroupHeadings,
	type GroupReferences,
	groupHeadings,
	groupIdsIn,
	groupsAmong,
	groupsOf,
	linksIn,
	referencesTo,
} from '../membership/links.ts'
import {
	anyMemberOf,
	displayBound,
	isChangePending,
	isMember,
	mapMembers,
	membersIn,
	membersOf,
} from '../membership/members.ts'
import type { Include } from '../resource/read.ts'
import type { Directory } from '../rows/directory.ts'
import { groupRow, memberRow, membershipRow } from '../rows/schema.ts'
import { within } from '../table/key-range.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import type { DecidingLinks } from './deciding-links.ts'
import type { LinkNeed } from './plan.ts'

// Memberships beside a number of resources: a group's members, a user's groups.

/** A resource with memberships. `pendingChange` is that of a group's row. */
export type LinkOwner = { readonly id: ResourceId; readonly pendingChange?: string }
/** What is read of the memberships of a resource. */
export type Links = Pick<StoredResource, 'members' | 'groups'>

type IncludeOptions = {
	readonly include: Include
	/** Whether the resources are all that there are between the first and the last one. */
	readonly isRange: boolean
}

/**
 * Memberships on a page, where a long display counts as several. A page ends early behind the resource that exceeds it,
 * and has one resource at least.
 */
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
	const groups = groupHeadings(table)
	if (isRange) return withAll(table, type, resources, { groups, isRange, limit: maxLinks, areGroupsTogether: true })
	const page: (R & Links)[] = []
	let count = 0
	for (const some of chunked(resources, ownersAtOnce)) {
		for (const resource of await withAll(table, type, some, { groups, isRange })) {
			count += weightOf(resource.members ?? resource.groups ?? [])
			if (page.length > 0 && count > maxLinks) return page
			page.push(resource)
		}
	}
	return page
}

/** A display may have 30,000 characters. Most have fewer than 500. */
const weightOf = (links: readonly { readonly display?: string }[]): number =>
	links.reduce((sum, { display = '' }) => sum + 1 + Math.floor(display.length / 500), 0)

/** For more resources, one range over all of them costs less than looking each one up. */
const fewResources = 30

/** Memberships of a range that are in memory at once. */
const rangeLimit = 4000

type LinkOptions = {
	readonly need: LinkNeed
	/** Whether the resources are all that there are between the first and the last one. */
	readonly isRange: boolean
	/** The groups that the query has read. */
	readonly groups: GroupHeadings
	readonly deciding: DecidingLinks
}

/** Adds as much of the memberships as decides whether the filter matches. The resources are in the order of their ids. */
export async function withLinks<R extends LinkOwner>(
	{ table }: Directory,
	type: ResourceType,
	resources: readonly R[],
	{ need, isRange, groups, deciding }: LinkOptions,
): Promise<readonly (R & Links)[]> {
	if (need.length === 0 || resources.length === 0) return resources
	if (typeof need !== 'string' && !(isRange && resources.length > fewResources)) {
		return inParallel(resources, async (resource) => ({
			...resource,
			...(await linksAmong(table, type, resource, need)),
		}))
	}
	const found: (R & Links)[] = []
	let isDense = true
	while (found.length < resources.length) {
		const left = resources.slice(found.length)
		const isLongRange: boolean = isRange && isDense && left.length > fewResources
		const reading = { groups, isRange: isLongRange, limit: rangeLimit, deciding, need }
		const read: readonly (R & Links)[] = await withAll(
			table,
			type,
			isLongRange ? left : left.slice(0, fewResources),
			reading,
		)
		found.push(...read)
		// If a range has the memberships of a few resources only, the next ones are read one by one.
		isDense = !isLongRange || read.length >= fewResources
	}
	return found
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

type RangeOptions = {
	readonly groups: GroupHeadings
	readonly isRange: boolean
	/** How many rows of a range are read. Resources behind them are left out, but for the first one. */
	readonly limit?: number
	/** Whether the groups of all users are read together before they are told of each user. */
	readonly areGroupsTogether?: boolean
	/** Keeps of the memberships of each resource what decides a filter; all of them if left out. */
	readonly deciding?: DecidingLinks
	readonly need?: LinkNeed
}

async function withAll<R extends LinkOwner>(
	table: Table,
	type: ResourceType,
	resources: readonly R[],
	{ isRange, limit = Number.POSITIVE_INFINITY, areGroupsTogether = false, ...reading }: RangeOptions,
): Promise<readonly (R & Links)[]> {
	const byOwner = isRange ? await rowsByOwner(table, type, { resources, limit }) : undefined
	const [first, ...others] = resources
	const read = others.filter(({ id }) => byOwner === undefined || byOwner.isRead(id))
	const owners = first === undefined ? [] : [first, ...read]
	if (areGroupsTogether && byOwner !== undefined && type.name === 'User') {
		await reading.groups.readTogether(groupIdsOf(owners, byOwner))
	}
	return inParallel(
		owners,
		async (resource) => ({
			...resource,
			...(type.name === 'Group'
				? { members: await membersAmong(table, resource.id, { ...reading, byOwner }) }
				: { groups: await groupsFrom(table, resource.id, { ...reading, byOwner }) }),
		}),
		// Pages of large groups are in memory while the members that decide are picked.
		reading.deciding === undefined ? undefined : ownersAtOnce,
	)
}

/** The groups that users are in, or may be, by the rows that were read. */
const groupIdsOf = (owners: readonly LinkOwner[], byOwner: RowsByOwner): readonly string[] => [
	...new Set(owners.flatMap(({ id }) => (byOwner.isRead(id) ? groupIdsIn(linksIn(byOwner.of(id))) : []))),
]

type OwnerReading = Omit<RangeOptions, 'isRange' | 'limit' | 'areGroupsTogether'> & {
	readonly byOwner: RowsByOwner | undefined
}

async function membersAmong(
	table: Table,
	id: string,
	{ byOwner, deciding, need }: OwnerReading,
): Promise<readonly Member[]> {
	const rows = byOwner?.of(id) ?? []
	const isWhole = byOwner?.isRead(id) && !byOwner.isDivided(id) && !isChangePending(rows)
	if (deciding === undefined) {
		return isWhole ? displayBound('leaveOut')(await membersIn(table, rows)) : membersOf(table, id)
	}
	if (isWhole) return deciding.among(await membersIn(table, rows))
	if (need === 'any') return anyMemberOf(table, id)
	const pages = await mapMembers(table, id, { write: (page) => deciding.among(page), longDisplays: 'keep' })
	return deciding.among(pages?.flat() ?? [])
}

async function groupsFrom(
	table: Table,
	id: string,
	{ groups, byOwner, deciding }: OwnerReading,
): Promise<GroupReferences> {
	const found = byOwner?.isRead(id)
		? referencesTo(await groupsAmong(table, { userId: id, links: linksIn(byOwner.of(id)), read: groups.of }))
		: await groupsOf(table, id, groups)
	return deciding === undefined ? found : deciding.among(found)
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
			count += 1 + Math.floor((memberRow.display.of(row) ?? '').length / 500)
			if (count > limit) break reading
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
