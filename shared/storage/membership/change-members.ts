import { kindOfId } from '../../scim/id.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { hasPendingChange } from '../rows/group-header.ts'
import { groupRow, type KeyKind, kindOfKey } from '../rows/schema.ts'
import { merge, type Operation } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf, type Row } from '../table/tables.ts'
import { type Failure, failedOperation } from '../transaction/commit.ts'
import { finishPendingChange } from './apply.ts'
import { effectiveChange, isEffective } from './effective-change.ts'
import { commitWithMembers, isLarge, largeOf, type MembersPart } from './large-change.ts'
import {
	isEmpty,
	type MembershipChange,
	requireStorable,
	stayOperations,
	touchedUser,
	unknownMember,
} from './operations.ts'

/** The group's version after the change, or why there was none. */
type MembersResult = { readonly version: string } | 'absent' | 'stale'

type MembersRequest = {
	readonly groupId: string
	readonly requested: MembershipChange
	readonly condition: VersionCondition | undefined
}

/** Changes the members of a group, whatever else other requests do to them. */
export async function changeMembers(
	directory: Directory,
	groupId: string,
	{ add, remove }: MembershipChange,
	condition?: VersionCondition,
): Promise<MembersResult> {
	if (kindOfId(groupId) !== 'Group') return 'absent'
	requireStorable(add)
	const requested = { add, remove: remove.filter((id) => kindOfId(id) === 'User') }
	return (isLarge(directory, requested) ? changeMany : changeFew)(directory, { groupId, requested, condition })
}

/**
 * Makes a change that fits into one transaction, at first without reading anything unless there is a condition. If it
 * fails because a user is a member already, or is none, the change is narrowed to what has an effect.
 */
async function changeFew(directory: Directory, request: MembersRequest): Promise<MembersResult> {
	let isNarrowed = isEmpty(request.requested)
	return untilAnswered(directory.pause, async () => {
		for (;;) {
			const result = await tryFew(directory, request, isNarrowed)
			if (result !== 'narrow') return result === 'retry' ? undefined : result
			isNarrowed = true
		}
	})
}

async function tryFew(
	directory: Directory,
	{ groupId, requested, condition }: MembersRequest,
	isNarrowed: boolean,
): Promise<MembersResult | 'narrow' | 'retry'> {
	let members = requested
	let header: Row | undefined
	if (isNarrowed || condition !== undefined) {
		header = await directory.table.get(groupRow.key(groupId))
		const result = await resultBefore(directory, header, { groupId, condition })
		if (header === undefined || result !== undefined) return result ?? 'absent'
		if (isNarrowed) members = await effectiveChange(directory.table, groupId, requested)
		if (isEmpty(members)) return { version: groupRow.version.of(header) }
	}
	// A removal that was dropped had no effect. That holds as long as the group's row is the same.
	const isTied = condition !== undefined || members.remove.length < requested.remove.length
	const commitment = await commitWithMembers(
		directory,
		{ id: groupId, group: 'existing', members },
		(operation, part: MembersPart) => ({
			operation,
			entry: { kind: 'members', type: { name: 'Group' }, id: groupId, changed: changedMembers(members) },
			operations: [
				moveVersion(directory, { groupId, operation }, isTied ? header : undefined),
				...part.operations,
				...staysOf(groupId, requested, members),
			],
		}),
	)
	if (typeof commitment === 'string') return 'retry'
	const { change, outcome } = commitment
	if (outcome.kind === 'done') return { version: change.operation }
	const failed = failedOperation(outcome, change.operations)
	const reaction = await react(directory, groupId, { failure: outcome, failed })
	return reaction === 'narrow' && isNarrowed ? 'retry' : reaction
}

/** Users to add who are members already must still be members when the rest is committed. */
function staysOf(groupId: string, requested: MembershipChange, members: MembershipChange): readonly Operation[] {
	const added = new Set(members.add)
	return requested.add.filter((member) => !added.has(member)).flatMap(({ value }) => stayOperations(groupId, value))
}

type FailedChange = { readonly failure: Failure; readonly failed: Operation }

/** Does what the failed operation asks for, and says how the change goes on. */
async function react(
	directory: Directory,
	groupId: string,
	{ failure, failed }: FailedChange,
): Promise<'absent' | 'narrow' | 'retry'> {
	const reaction = reactionTo(failure, failed)
	switch (reaction) {
		case 'refuse':
			throw unknownMember(touchedUser(failed) ?? '')
		case 'finish':
			await finishPendingChange(directory, groupId)
			return 'retry'
		case 'absent':
		case 'narrow':
		case 'retry':
			return reaction
	}
}

type Reaction = 'absent' | 'refuse' | 'narrow' | 'finish' | 'retry'

/** What a small change does about the row that made its transaction fail; `retry` for any other row. */
const reactions: readonly { readonly row: KeyKind; readonly outcome?: Failure['kind']; readonly reaction: Reaction }[] =
	[
		// The group was deleted. If its row only has another ETag, another request changed it since it was read.
		{ row: 'group', outcome: 'missing', reaction: 'absent' },
		// A large change is pending. Without it, a member that this change removes might be added by that one afterwards.
		{ row: 'membersUnlocked', reaction: 'finish' },
		// The user to add does not exist.
		{ row: 'existence', reaction: 'refuse' },
		// A user to add is a member already, or a user to remove is none.
		{ row: 'member', reaction: 'narrow' },
		{ row: 'membership', reaction: 'narrow' },
	]

function reactionTo({ kind }: Failure, failed: Operation): Reaction {
	const row = kindOfKey(failed.key)
	const found = reactions.find((each) => each.row === row && (each.outcome ?? kind) === kind)
	return found?.reaction ?? 'retry'
}

/** Makes a large change, if it has an effect. */
async function changeMany(
	directory: Directory,
	{ groupId, requested, condition }: MembersRequest,
): Promise<MembersResult> {
	const { table, pause } = directory
	return untilAnswered(pause, async () => {
		const [header, isAny] = await Promise.all([
			table.get(groupRow.key(groupId)),
			isEffective(table, groupId, requested),
		])
		const result = await resultBefore(directory, header, { groupId, condition })
		if (result === 'retry') return undefined
		if (header === undefined || result !== undefined) return result ?? 'absent'
		if (!isAny) return { version: groupRow.version.of(header) }
		const commitment = await commitWithMembers(
			directory,
			{ id: groupId, group: 'existing', members: requested },
			(operation, { large, operations }: MembersPart) => ({
				operation,
				entry: {
					kind: 'update',
					type: { name: 'Group' },
					id: groupId,
					changed: ['members'],
					...largeOf(large, requested),
				},
				operations: [
					moveVersion(directory, { groupId, operation }, condition && header, large?.operation),
					...operations,
				],
			}),
		)
		if (typeof commitment === 'string') return undefined
		const { change, outcome } = commitment
		if (outcome.kind === 'done') return { version: change.operation }
		return reactionTo(outcome, failedOperation(outcome, change.operations)) === 'absent' ? 'absent' : undefined
	})
}

/** What the group's row answers before any change is tried: nothing if the change may go on. */
async function resultBefore(
	directory: Directory,
	header: Row | undefined,
	{ groupId, condition }: Pick<MembersRequest, 'groupId' | 'condition'>,
): Promise<'absent' | 'stale' | 'retry' | undefined> {
	if (header === undefined) return 'absent'
	if (hasPendingChange(header)) {
		await finishPendingChange(directory, groupId)
		return 'retry'
	}
	return condition === undefined || condition(groupRow.version.of(header)) ? undefined : 'stale'
}

/** Moves the group's version. `header` must still be the group's row if it is given. */
const moveVersion = (
	directory: Directory,
	{ groupId, operation }: { readonly groupId: string; readonly operation: string },
	header: Row | undefined,
	pending?: string,
): Operation =>
	merge(
		groupRow.key(groupId),
		groupRow.properties({
			version: operation,
			lastModified: timestamp(directory),
			pendingChange: pending,
			latestChange: pending,
		}),
		header === undefined ? '*' : etagOf(header),
	)

/** `+<id>` for a member that was added and `-<id>` for one that was removed. */
export const changedMembers = ({ add, remove }: MembershipChange): readonly string[] => [
	...add.map(({ value }) => `+${value}`),
	...remove.map((id) => `-${id}`),
]
