import { kindOfId } from '../scim/id.ts'
import { groupType } from '../scim/resource-type.ts'
import { merge } from './batch.ts'
import { commit, maxOperations } from './commit.ts'
import { type Directory, timestamp } from './directory.ts'
import { textOf } from './entity.ts'
import { gateKey, resourceKey } from './keys.ts'
import {
	effectiveChange,
	isEmpty,
	isMembership,
	membershipOperations,
	requireStorable,
	requireUsers,
	splitChange,
	touchedMember,
	unknownMember,
} from './membership.ts'
import { failedOperation } from './refusal.ts'
import type { MembershipChange, VersionCondition } from './resource-store.ts'
import { untilAnswered } from './retry.ts'
import { etagOf } from './tables.ts'

type Answer = { readonly version: string } | 'absent' | 'stale'

/** Header and gate take part in every change of members. */
const room = maxOperations - 2

export async function changeMembers(
	directory: Directory,
	groupId: string,
	change: MembershipChange,
	condition?: VersionCondition,
): Promise<Answer> {
	if (kindOfId(groupId) !== 'Group') return 'absent'
	requireStorable(change.add)
	const remove = change.remove.filter((id) => kindOfId(id) === 'User')
	const [first, rest] = splitChange({ add: change.add, remove }, room)
	if (!isEmpty(rest)) await requireUsers(directory.table, directory.pause, change.add)
	const answer = await changeOnce(directory, groupId, first, { condition })
	if (typeof answer === 'string') return answer
	return { version: (await changeRest(directory, groupId, rest)) ?? answer.version }
}

/**
 * Makes what did not fit into the transaction of a request, in as many as it takes, and answers the group's version
 * after the last one; undefined where there was nothing to make. A user who was deleted since the request was looked at
 * is left out, and a group that was deleted has no members to change any more.
 */
export async function changeRest(
	directory: Directory,
	groupId: string,
	change: MembershipChange,
): Promise<string | undefined> {
	let version: string | undefined
	for (let left = change; !isEmpty(left); ) {
		const [next, rest] = splitChange(left, room)
		const answer = await changeOnce(directory, groupId, next, { leaveOutUnknown: true })
		if (typeof answer === 'string') break
		version = answer.version
		left = rest
	}
	return version
}

type OnceOptions = { readonly condition?: VersionCondition | undefined; readonly leaveOutUnknown?: boolean }

/**
 * Makes a change that fits into one transaction: without a condition at first without reading anything. Where the
 * transaction fails because somebody is a member already, or is none, the change is narrowed to what would change
 * anything, and where nothing would, nothing is written.
 */
async function changeOnce(
	directory: Directory,
	groupId: string,
	asked: MembershipChange,
	{ condition, leaveOutUnknown = false }: OnceOptions,
): Promise<Answer> {
	const { table, pause, ids } = directory
	let wanted = asked
	let narrowed = isEmpty(asked)
	return untilAnswered(pause, async function attempt(): Promise<Answer | undefined> {
		const looks = narrowed || condition !== undefined
		const [header, change] = await Promise.all([
			looks ? table.get(resourceKey(groupType, groupId)) : undefined,
			narrowed ? effectiveChange(table, groupId, wanted) : wanted,
		])
		if (looks) {
			if (header === undefined) return 'absent'
			const version = textOf(header, 'mv')
			if (condition !== undefined && !condition(version)) return 'stale'
			if (isEmpty(change)) return { version }
		}
		const operation = ids('Operation')
		const operations = [
			merge(
				resourceKey(groupType, groupId),
				{ mv: operation, lm: timestamp(directory) },
				condition === undefined || header === undefined ? '*' : etagOf(header),
			),
			merge(gateKey(groupId), {}),
			...membershipOperations(groupId, change),
		]
		const outcome = await commit(table, pause, {
			operation,
			entry: { kind: 'members', type: groupType, id: groupId, changed: changedMembers(change) },
			operations,
		})
		if (outcome.kind === 'done') return { version: operation }
		if (outcome.kind === 'missing' && outcome.index === 0) return 'absent'
		const failed = failedOperation(outcome, operations)
		const unknown = touchedMember(failed)
		if (unknown !== undefined) {
			if (!leaveOutUnknown) throw unknownMember(unknown)
			wanted = { ...wanted, add: wanted.add.filter(({ value }) => value !== unknown) }
			return attempt()
		}
		if (isMembership(failed) && !narrowed) {
			narrowed = true
			return attempt()
		}
		return undefined
	})
}

/** `+<id>` for a member that was added and `-<id>` for one that was removed. */
export const changedMembers = ({ add, remove }: MembershipChange): readonly string[] => [
	...add.map(({ value }) => `+${value}`),
	...remove.map((id) => `-${id}`),
]
