import { invalidValue, type ScimError } from '../../scim/error.ts'
import { kindOfId } from '../../scim/id.ts'
import type { Member, ResourceId } from '../../scim/resource.ts'
import { existenceRow, kindOfKey, memberRow, membershipRow } from '../rows/schema.ts'
import { insert, merge, type Operation, type Properties, remove } from '../table/batch.ts'

/** Members to add, each once, and ids to remove; no id is in both lists. */
export type MembershipChange = { readonly add: readonly Member[]; readonly remove: readonly ResourceId[] }

export const noChange: MembershipChange = { add: [], remove: [] }

export const isEmpty = ({ add, remove }: MembershipChange): boolean => add.length === 0 && remove.length === 0

/** How many operations a change of members takes in a transaction. */
export const operationCount = ({ add, remove: removed }: MembershipChange): number =>
	3 * add.length + 2 * removed.length

/** The operations that make a change of members: three for each to add and two for each to remove. */
export const membershipOperations = (groupId: string, change: MembershipChange): readonly Operation[] => [
	...change.add.flatMap((member) => addOperations(groupId, member)),
	...change.remove.flatMap((userId) => removeOperations(groupId, userId)),
]

/**
 * Touches the existence row of a user. That fails if the user is gone. If the user is being deleted, the deletion fails
 * at this row and reads the user's memberships again.
 */
export const touchUser = (userId: string): Operation =>
	merge(existenceRow.key(userId), existenceRow.properties({ letter: 'u' }))

const addOperations = (groupId: string, member: Member): readonly Operation[] => [
	touchUser(member.value),
	insert(memberRow.key(groupId, member.value), memberProperties(member)),
	insert(membershipRow.key(member.value, groupId), {}),
]

export const memberProperties = ({ display }: Member): Properties => memberRow.properties({ letter: 'u', display })

/** Operations that fail if the user has left the group. */
export const stayOperations = (groupId: string, userId: string): readonly Operation[] => [
	touchUser(userId),
	merge(memberRow.key(groupId, userId), {}),
]

export const removeOperations = (groupId: string, userId: string): readonly Operation[] => [
	remove(memberRow.key(groupId, userId)),
	remove(membershipRow.key(userId, groupId)),
]

/** Whether an operation fails if a user is a member already, or is none. */
export const isMembership = ({ key }: Operation): boolean => ['member', 'membership'].includes(kindOfKey(key))

/** The user whose existence row the operation touches, or undefined for any other operation. */
export const touchedUser = ({ key }: Operation): string | undefined =>
	kindOfKey(key) === 'existence' ? key.split('|')[1] : undefined

export const unknownMember = (id: string): ScimError =>
	invalidValue(`members[value eq ${JSON.stringify(id)}]: no user has this id`)

/** A string property holds 32,768 UTF-16 code units. */
const maxDisplayLength = 30_000

/** @throws ScimError 400 `invalidValue` for an id that no user can have, and for a display that no row can hold */
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

/** A member list after a change, in the order of the ids. */
export function withChange(members: readonly Member[], change: MembershipChange): readonly Member[] {
	const changed = new Map(members.map((member) => [member.value, member]))
	for (const id of change.remove) changed.delete(id)
	for (const member of change.add) changed.set(member.value, member)
	return [...changed.values()].sort((a, b) => (a.value < b.value ? -1 : 1))
}
