import { kindOfId } from '../../scim/id.ts'
import type { Member, StoredResource } from '../../scim/resource.ts'
import { groupType, type ResourceType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { groupRows, groupsOf } from '../membership/links.ts'
import { mapMembers } from '../membership/members.ts'
import type { Directory } from '../rows/directory.ts'
import { resourceOf, textOf } from '../rows/entity.ts'
import { resourceKey } from '../rows/keys.ts'
import { attempts, tooContended } from '../table/retry.ts'
import { etagOf, type Row, type Table } from '../table/tables.ts'

export type Include = { readonly members?: boolean; readonly groups?: boolean }

export type GroupOptions<T> = {
	readonly write: (page: readonly Member[]) => T
	readonly isKnown?: VersionCondition
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

/** A resource and the ETag of its row, for a change that must not meet another. */
export type Found = {
	readonly resource: StoredResource
	readonly etag: string
	/** Of a group: whether it is in the middle of a change of many members, and which change its row tells of. */
	readonly group?: { readonly isUnsettled: boolean; readonly latestChange: string }
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
	if (type.name === 'Group') return readGroupForChange(table, id, include)
	const [row, groups] = await Promise.all([
		table.get(resourceKey(type, id)),
		include.groups ? groupsOf(table, id, groupRows(table)) : undefined,
	])
	if (row === undefined) return undefined
	return { resource: { ...resourceOf(row), ...(groups && { groups }) }, etag: etagOf(row) }
}

async function readGroupForChange(table: Table, id: string, include: Include): Promise<Found | undefined> {
	const found = await readGroup(table, id, { write: (page) => page, isKnown: () => include.members !== true })
	if (found === undefined) return undefined
	const { row, written } = found
	return {
		resource: { ...resourceOf(row), ...(written && { members: written.flat() }) },
		etag: etagOf(row),
		group: { isUnsettled: textOf(row, 'pend') !== '', latestChange: latestChangeIn(row) },
	}
}

/** Reads a group and what is made of its members. */
export async function getGroup<T>(
	{ table }: Directory,
	id: string,
	options: GroupOptions<T>,
): Promise<GroupInPieces<T> | undefined> {
	if (kindOfId(id) !== 'Group') return undefined
	const found = await readGroup(table, id, options)
	return found && { resource: resourceOf(found.row), members: found.written }
}

/**
 * Reads a group's row and then its members. The row tells the latest change of many members, or of its name and members
 * together, and so does the first of the members' rows: where the two differ such a change has come in between, and both
 * are read again. Where it is the same row the second time, it is of a time when it did not tell.
 */
async function readGroup<T>(table: Table, id: string, { write, isKnown }: GroupOptions<T>) {
	let before: Row | undefined
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		const row = await table.get(resourceKey(groupType, id))
		if (row === undefined) return undefined
		if (isKnown?.(resourceOf(row).version)) return { row, written: undefined }
		const isSame = before !== undefined && etagOf(before) === etagOf(row)
		const written = await mapMembers(table, id, isSame ? { write } : { write, latest: latestChangeIn(row) })
		if (written !== undefined) return { row, written }
		before = row
	}
	throw tooContended()
}

const latestChangeIn = ({ lc }: Row): string => (typeof lc === 'string' ? lc : '')
