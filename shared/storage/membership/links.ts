import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import { resourceOf } from '../rows/entity.ts'
import { groupRow, lastPartOf, membershipRow, pendingMembershipRow, pendingOperation } from '../rows/schema.ts'
import { within } from '../table/key-range.ts'
import { inParallel } from '../table/parallel.ts'
import { rowPagesTogether } from '../table/rows-at.ts'
import type { Row, Table } from '../table/tables.ts'
import { isMember } from './members.ts'

// The groups of a user are its rows `r|<user>|<group>`, and those that a pending large change is still to add. The
// group's row tells which change that is. It has to be read anyway, since a membership may outlive its group a little.

export type GroupReferences = NonNullable<StoredResource['groups']>

/** What a user's `groups` tell of a group, and the large change that is pending; '' for none. */
export type GroupHeading = { readonly id: ResourceId; readonly display: string; readonly pendingChange: string }

/** The headings of groups, each read once. */
export type GroupHeadings = {
	/** Undefined for a group that is gone. */
	readonly of: (groupId: string) => Promise<GroupHeading | undefined>
	/** Reads those of many groups, with one request if at most a thousand groups lie between the first and the last one. */
	readonly readTogether: (groupIds: readonly string[]) => Promise<void>
}

/** Keeps headings in memory and not rows, since a row may have a mebibyte. */
export function groupHeadings(table: Table): GroupHeadings {
	const headings = new Map<string, Promise<GroupHeading | undefined>>()
	return {
		of(groupId) {
			const heading = headings.get(groupId) ?? table.get(groupRow.key(groupId)).then((row) => row && headingIn(row))
			headings.set(groupId, heading)
			return heading
		},
		async readTogether(groupIds) {
			const unread = groupIds.filter((id) => !headings.has(id))
			const found = new Map<string, GroupHeading>()
			for await (const rows of rowPagesTogether(
				table,
				unread.map((id) => groupRow.key(id)),
			)) {
				for (const heading of rows.map(headingIn)) found.set(heading.id, heading)
			}
			for (const id of unread) headings.set(id, Promise.resolve(found.get(id)))
		},
	}
}

function headingIn(row: Row): GroupHeading {
	const { id, attributes } = resourceOf(row)
	return { id, display: String(attributes.displayName), pendingChange: groupRow.pendingChange.of(row) }
}

/** The rows `r|<user>|…`. Without the existence row the user does not exist. */
export type UserLinks = {
	readonly existence: Row | undefined
	readonly groupIds: readonly ResourceId[]
	readonly pending: readonly PendingMembership[]
}

/** A large change that will, or may, add the user to a group. */
export type PendingMembership = { readonly groupId: ResourceId; readonly operation: string }

export async function linksOf(table: Table, userId: string): Promise<UserLinks> {
	const rows: Row[] = []
	for await (const page of table.pages(within(membershipRow.key(userId, '')))) rows.push(...page)
	return linksIn(rows)
}

/** Tells apart the rows of one user. */
export function linksIn(rows: readonly Row[]): UserLinks {
	let existence: Row | undefined
	const groupIds: ResourceId[] = []
	const pending: PendingMembership[] = []
	for (const row of rows) {
		const last = lastPartOf(row.RowKey)
		const operation = pendingOperation(last)
		if (last === '') existence = row
		else if (operation === undefined)
			groupIds.push(last as ResourceId) // sound: the key ends with a group's id
		else pending.push({ groupId: pendingMembershipRow.groupId.of(row) as ResourceId, operation }) // sound: likewise
	}
	return { existence, groupIds, pending }
}

/** The ids of the groups that a user is in, or may be, in order. */
export function groupIdsIn({ existence, groupIds, pending }: UserLinks): readonly ResourceId[] {
	if (existence === undefined) return []
	return [...new Set([...groupIds, ...pending.map(({ groupId }) => groupId)])].sort()
}

type UserGroups<G> = {
	readonly userId: string
	readonly links: UserLinks
	readonly read: (groupId: string) => Promise<G | undefined>
	/** The groups to look at; all that the links name if left out. */
	readonly ids?: readonly ResourceId[]
}

/** The groups that a user is a member of, in the order of their ids. */
export async function groupsAmong<G extends Pick<GroupHeading, 'pendingChange'>>(
	table: Table,
	{ userId, links, read, ids = groupIdsIn(links) }: UserGroups<G>,
): Promise<readonly G[]> {
	const uncertain = new Set(links.pending.map(({ groupId }) => groupId))
	const found = await inParallel(ids, async (groupId) => {
		const group = await read(groupId)
		if (group === undefined) return []
		const { pendingChange } = group
		const isCertain = pendingChange === '' && !uncertain.has(groupId)
		return isCertain || (await isMember(table, { groupId, memberId: userId, pendingChange })) ? [group] : []
	})
	return found.flat()
}

/** A user's groups by their names. */
export async function groupsOf(table: Table, userId: string, read: GroupHeadings): Promise<GroupReferences> {
	return referencesTo(await groupsAmong(table, { userId, links: await linksOf(table, userId), read: read.of }))
}

/** Groups as a user's `groups` names them. */
export const referencesTo = (groups: readonly GroupHeading[]): GroupReferences =>
	groups.map(({ id, display }) => ({ value: id, display }))
