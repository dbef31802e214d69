import { invalidValue, type ScimError } from '../../scim/error.ts'
import { kindOfId } from '../../scim/id.ts'
import type { Member, ResourceId } from '../../scim/resource.ts'
import { anchorKey, memberKey, reverseKey } from '../rows/keys.ts'
import { insert, merge, type Operation, type Properties, remove } from '../table/batch.ts'
import { inParallel } from '../table/parallel.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Row, Table } from '../table/tables.ts'

/** Members to add, each once, and ids to remove, none of them added too. */
export type MembershipChange = { readonly add: readonly Member[]; readonly remove: readonly ResourceId[] }

export const noChange: MembershipChange = { add: [], remove: [] }

export const isEmpty = ({ add, remove }: MembershipChange): boolean => add.length === 0 && remove.length === 0

/** The operations that make a change of members, three for each to add and two for each to remove. */
export const membershipOperations = (groupId: string, change: MembershipChange): readonly Operation[] => [
	...change.add.flatMap((member) => linkOperations(groupId, member)),
	...change.remove.flatMap((memberId) => unlinkOperations(groupId, memberId)),
]

/** Touching the anchor fails where the user is gone, and makes a deletion of the user that is under way look again. */
const linkOperations = (groupId: string, member: Member): readonly Operation[] => [
	merge(anchorKey(member.value), { t: 'u' }),
	insert(memberKey(groupId, member.value), memberProperties(member)),
	insert(reverseKey(member.value, groupId), {}),
]

/** What a row `m|` has beside its key. */
export const memberProperties = ({ display }: Member): Properties => ({
	t: 'u',
	...(display !== undefined && { d: display }),
})

/** Fail where somebody is no member any more. */
export const stayOperations = (groupId: string, memberId: string): readonly Operation[] => [
	merge(anchorKey(memberId), { t: 'u' }),
	merge(memberKey(groupId, memberId), {}),
]

export const unlinkOperations = (groupId: string, memberId: string): readonly Operation[] => [
	remove(memberKey(groupId, memberId)),
	remove(reverseKey(memberId, groupId)),
]

const isAnchor = (key: string): boolean => key.startsWith('r|') && key.endsWith('|')

/** Whether an operation that failed tells that somebody is a member already, or is none. */
export const isMembership = ({ key }: Operation): boolean =>
	key.startsWith('m|') || (key.startsWith('r|') && !isAnchor(key))

/** The member whose anchor the operation touches, or undefined for any other operation. */
export const touchedMember = ({ key }: Operation): string | undefined => (isAnchor(key) ? key.slice(2, -1) : undefined)

export const unknownMember = (id: string): ScimError =>
	invalidValue(`members[value eq ${JSON.stringify(id)}]: no user has this id`)

/** A string property holds 32,768 UTF-16 code units. */
const maxDisplayLength = 30_000

/** @throws ScimError 400 `invalidValue` for an id that no user can have, and for a name that no row can hold */
export function requireStorable(members: readonly Member[]): void {
	for (const { value, display = '' } of members) {
		if (kindOfId(value) !== 'User') throw unknownMember(value)
		if (display.length > maxDisplayLength) {
			throw invalidValue(
				`members[value eq ${JSON.stringify(value)}].display: ${display.length} characters; the limit is ${maxDisplayLength}`,
			)
		}
	}
}

/** Whether a change can be made beside other operations in one transaction that has room for so many more. */
export const fits = ({ add, remove: removed }: MembershipChange, room: number): boolean =>
	3 * add.length + 2 * removed.length <= room

/** What of a change would change anything: members to add that are none, members to remove that are some. */
export async function effectiveChange(
	table: Table,
	groupId: string,
	change: MembershipChange,
): Promise<MembershipChange> {
	const ids = [...change.add.map(({ value }) => value), ...change.remove]
	const rows = await rowsAt(
		table,
		ids.map((id) => memberKey(groupId, id)),
	)
	const alive = await inParallel(ids, async (id) => {
		const row = rows.get(memberKey(groupId, id))
		return row !== undefined && isAlive(table, row)
	})
	const present = new Set(ids.filter((_, index) => alive[index]))
	return {
		add: change.add.filter(({ value }) => !present.has(value)),
		remove: change.remove.filter((id) => present.has(id)),
	}
}

/** Whether anything of a change would change anything. Mostly a few members tell. */
export async function isEffective(table: Table, groupId: string, { add, remove }: MembershipChange): Promise<boolean> {
	const few = { add: add.slice(0, 4), remove: remove.slice(0, 4) }
	if (!isEmpty(await effectiveChange(table, groupId, few))) return true
	return !isEmpty(await effectiveChange(table, groupId, { add: add.slice(4), remove: remove.slice(4) }))
}

/** Whether the row of a member is marked, as it is before the user is deleted. */
export const isLeaving = (row: Row): boolean => row.x === true

/** Whether the user of a member's row exists; where it is marked the anchor tells. */
export const isAlive = async (table: Table, row: Row): Promise<boolean> =>
	!isLeaving(row) || (await table.get(anchorKey(lastPart(row.RowKey)))) !== undefined

/** The id at the end of a membership's key. */
export const lastPart = (key: string): ResourceId => key.slice(key.lastIndexOf('|') + 1) as ResourceId // sound: membership keys end with an id

/** A member list after a change, in the order of the ids. */
export function applyChange(members: readonly Member[], change: MembershipChange): readonly Member[] {
	const left = new Map(members.map((member) => [member.value, member]))
	for (const id of change.remove) left.delete(id)
	for (const member of change.add) left.set(member.value, member)
	return [...left.values()].sort((a, b) => (a.value < b.value ? -1 : 1))
}
