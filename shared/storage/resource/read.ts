import { kindOfId } from '../../scim/id.ts'
import type { Member, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { groupHeadings, groupsOf } from '../membership/links.ts'
import { type LongDisplays, mapMembers } from '../membership/members.ts'
import type { Directory } from '../rows/directory.ts'
import { declaredResourceOf, foldingIn, resourceOf } from '../rows/entity.ts'
import type { Folding } from '../rows/folding.ts'
import { hasPendingChange } from '../rows/group-header.ts'
import { type IndexEntries, noEntries } from '../rows/own-indexes.ts'
import { groupRow, userRow } from '../rows/schema.ts'
import { attempts, tooContended } from '../table/retry.ts'
import { etagOf, type Row, type Table } from '../table/tables.ts'

/** What is read along with a resource. */
export type Include = {
	readonly members?: boolean
	readonly groups?: boolean
	/** Whether no display of a member may be missing, because the caller compares displays. */
	readonly areDisplaysNeeded?: boolean
}

export type GroupOptions<T> = {
	readonly write: (page: readonly Member[]) => Promise<T>
	/** The members are not read if the group has a version of which this holds. */
	readonly skipMembersIf?: VersionCondition
}

export type GroupInPieces<T> = { readonly resource: StoredResource; readonly members: readonly T[] | undefined }

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

/** A resource and the ETag of its row, for a change that requires the same row. */
export type ResourceState = {
	readonly resource: StoredResource
	readonly etag: string
	/** The folding of the keys and columns that the resource has now. */
	readonly folding: Folding
	/** Of a user. */
	readonly entries: IndexEntries
	/** The operation that last wrote the row whole. */
	readonly replaced: string
	/** Of a group. */
	readonly group?: { readonly hasPendingChange: boolean; readonly latestChange: string }
}

/**
 * Reads a resource for a change that requires the same ETag. Members are read after the group's row: they are the present
 * ones as long as the ETag is, and as long as a client's If-Match names the version.
 */
export async function readForChange(
	{ table }: Directory,
	type: ResourceType,
	id: string,
	include: Include = {},
): Promise<ResourceState | undefined> {
	if (type.name === 'Group') return readGroupForChange(table, type, { id, include })
	const [row, groups] = await Promise.all([
		table.get(userRow.key(id)),
		include.groups ? groupsOf(table, id, groupHeadings(table)) : undefined,
	])
	if (row === undefined) return undefined
	return {
		resource: { ...declaredResourceOf(type, row), ...(groups && { groups }) },
		etag: etagOf(row),
		folding: foldingIn(row),
		entries: userRow.entries.of(row),
		replaced: userRow.version.of(row),
	}
}

async function readGroupForChange(
	table: Table,
	type: ResourceType,
	{ id, include }: { readonly id: string; readonly include: Include },
): Promise<ResourceState | undefined> {
	const areMembersSkipped = include.members !== true
	const group = await readGroup(table, id, {
		write: async (page) => page,
		skipMembersIf: () => areMembersSkipped,
		longDisplays: include.areDisplaysNeeded ? 'refuse' : 'leaveOut',
	})
	if (group === undefined) return undefined
	const { row, written } = group
	return {
		resource: { ...declaredResourceOf(type, row), ...(written && { members: written.flat() }) },
		etag: etagOf(row),
		folding: foldingIn(row),
		entries: noEntries,
		replaced: groupRow.attributesVersion.of(row),
		group: { hasPendingChange: hasPendingChange(row), latestChange: latestChangeOf(row) },
	}
}

/** Reads a group and what is made of its members. */
export async function getGroup<T>(
	{ table }: Directory,
	id: string,
	options: GroupOptions<T>,
): Promise<GroupInPieces<T> | undefined> {
	if (kindOfId(id) !== 'Group') return undefined
	const group = await readGroup(table, id, { ...options, longDisplays: 'leaveOut' })
	return group && { resource: resourceOf(group.row), members: group.written }
}

/**
 * Reads a group's row and then its members. The row names the latest large change, or change of attributes and members
 * together, and so does the first row of the members. If the two differ, such a change came in between, and both are read
 * again. If the second read returns the same ETag, the row predates `latestChange`: the members are accepted.
 */
async function readGroup<T>(
	table: Table,
	id: string,
	{ skipMembersIf, ...mapping }: GroupOptions<T> & { readonly longDisplays: LongDisplays },
) {
	let before: Row | undefined
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		const row = await table.get(groupRow.key(id))
		if (row === undefined) return undefined
		if (skipMembersIf?.(resourceOf(row).version)) return { row, written: undefined }
		const isSame = before !== undefined && etagOf(before) === etagOf(row)
		const written = await mapMembers(table, id, isSame ? mapping : { ...mapping, latestChange: latestChangeOf(row) })
		if (written !== undefined) return { row, written }
		before = row
	}
	throw tooContended()
}

const latestChangeOf = (row: Row): string => groupRow.latestChange.of(row) ?? ''
