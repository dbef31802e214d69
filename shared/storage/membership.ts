import { invalidValue, type ScimError } from '../scim/error.ts'
import { kindOfId } from '../scim/id.ts'
import type { Member, ResourceId } from '../scim/resource.ts'
import { insert, merge, type Operation, remove } from './batch.ts'
import { anchorKey, memberKey, reverseKey, within } from './keys.ts'
import { chunked, inParallel } from './parallel.ts'
import type { MembershipChange } from './resource-store.ts'
import { attempts, type Pause, tableUnavailable } from './retry.ts'
import type { Row, Table } from './tables.ts'

export const noChange: MembershipChange = { add: [], remove: [] }

export const isEmpty = ({ add, remove }: MembershipChange): boolean => add.length === 0 && remove.length === 0

/** The operations that make a change of members, three for each to add and two for each to remove. */
export const membershipOperations = (groupId: string, change: MembershipChange): readonly Operation[] => [
	...change.add.flatMap((member) => linkOperations(groupId, member)),
	...change.remove.flatMap((memberId) => unlinkOperations(groupId, memberId)),
]

/** Touching the anchor fails where the user is gone, and makes a deletion of the user that is under way look again. */
const linkOperations = (groupId: string, { value, display }: Member): readonly Operation[] => [
	insert(memberKey(groupId, value), { t: 'u', ...(display !== undefined && { d: display }) }),
	insert(reverseKey(value, groupId), {}),
	merge(anchorKey(value), { t: 'u' }),
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

/**
 * Splits a change into what fits beside other operations in one transaction and the rest.
 *
 * @param room how many operations there is room for
 */
export function splitChange(change: MembershipChange, room: number): [first: MembershipChange, rest: MembershipChange] {
	const adds = Math.min(change.add.length, Math.floor(room / 3))
	const removes = Math.min(change.remove.length, Math.floor((room - 3 * adds) / 2))
	return [
		{ add: change.add.slice(0, adds), remove: change.remove.slice(0, removes) },
		{ add: change.add.slice(adds), remove: change.remove.slice(removes) },
	]
}

/**
 * Makes sure that all the users exist before the first of several transactions is made, without reading any of them.
 *
 * @throws ScimError 400 `invalidValue` that names the first one that does not
 */
export async function requireUsers(table: Table, pause: Pause, members: readonly Member[]): Promise<void> {
	await inParallel(chunked(members, 100), (chunk) => requireChunk(table, pause, chunk), 4)
}

async function requireChunk(table: Table, pause: Pause, members: readonly Member[]): Promise<void> {
	const touches = members.map(({ value }) => merge(anchorKey(value), { t: 'u' }))
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction(touches)
		if (outcome.kind === 'done') return
		if (outcome.kind === 'missing') throw unknownMember(members[outcome.index]?.value ?? '')
		if (attempt === attempts.outage) throw tableUnavailable('cause' in outcome ? outcome.cause : outcome)
		await pause(attempt)
	}
}

/** What of a change would change anything: members to add that are none, members to remove that are some. */
export async function effectiveChange(
	table: Table,
	groupId: string,
	change: MembershipChange,
): Promise<MembershipChange> {
	const ids = [...change.add.map(({ value }) => value), ...change.remove]
	const rows = await inParallel(ids, (id) => table.get(memberKey(groupId, id)))
	const present = new Set(ids.filter((_, index) => rows[index] !== undefined))
	return {
		add: change.add.filter(({ value }) => !present.has(value)),
		remove: change.remove.filter((id) => present.has(id)),
	}
}

/** All members of a group in the order of their ids. */
export async function membersOf(table: Table, groupId: string): Promise<readonly Member[]> {
	const members: Member[] = []
	for await (const rows of table.pages(within(`m|${groupId}|`))) members.push(...rows.map(memberIn))
	return members
}

/** The member in a row `m|<group>|<member>`. */
export const memberIn = (row: Row): Member => ({
	value: lastPart(row.RowKey),
	...(typeof row.d === 'string' && { display: row.d }),
})

/** The id at the end of a membership's key. */
export const lastPart = (key: string): ResourceId => key.slice(key.lastIndexOf('|') + 1) as ResourceId // sound: membership keys end with an id

/** A member list after a change, in the order of the ids. */
export function applyChange(members: readonly Member[], change: MembershipChange): readonly Member[] {
	const left = new Map(members.map((member) => [member.value, member]))
	for (const id of change.remove) left.delete(id)
	for (const member of change.add) left.set(member.value, member)
	return [...left.values()].sort((a, b) => (a.value < b.value ? -1 : 1))
}
