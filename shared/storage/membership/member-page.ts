import type { Member } from '../../scim/resource.ts'
import { groupRow } from '../rows/schema.ts'
import type { Table } from '../table/tables.ts'
import { membersAfter, membersBefore } from './members.ts'

/** The members behind an id, or those before it. The id '' is before the first one for `after`, and behind the last one for `before`. */
export type MemberPlace = { readonly after: string } | { readonly before: string }

/** Some members in the order of their ids, which is the order in which the users were created. */
export type MemberPage = {
	readonly members: readonly Member[]
	readonly hasEarlier: boolean
	readonly hasLater: boolean
}

type MemberPageRequest = { readonly place: MemberPlace; readonly count: number; readonly now: number }

/**
 * A page of the members of a group; undefined if the group does not exist. A page of a group of a million members takes as
 * many requests as one of a small group, unless a large change is pending: its slices are read then.
 */
export async function memberPage(
	table: Table,
	groupId: string,
	{ place, count, now }: MemberPageRequest,
): Promise<MemberPage | undefined> {
	const group = await table.get(groupRow.key(groupId))
	if (group === undefined) return undefined
	const state = { groupId, pendingChange: groupRow.pendingChange.of(group) }
	if ('before' in place) {
		const found = await membersBefore(table, { ...state, id: place.before }, { count: count + 1, now })
		return { members: found.slice(-count), hasEarlier: found.length > count, hasLater: place.before !== '' }
	}
	const found: Member[] = []
	for await (const members of membersAfter(table, { ...state, id: place.after }, count + 2)) {
		found.push(...members)
		if (found.length > count) break
	}
	return { members: found.slice(0, count), hasEarlier: place.after !== '', hasLater: found.length > count }
}
