import { requireFewRemoved } from '../guard-hold.ts'
import type { Directory } from '../rows/directory.ts'
import { committedKey, type LargeChange, membersUnlockedRow, preparedKey } from '../rows/schema.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import {
	type Change,
	type CommitOutcome,
	commit,
	type FeedEntry,
	failedOperation,
	maxOperations,
	newOperation,
} from '../transaction/commit.ts'
import { applyIfPossible } from './apply.ts'
import { isEffective } from './effective-change.ts'
import { nameLatestChange } from './latest-change.ts'
import { type MembershipChange, membershipOperations, noChange, operationCount } from './operations.ts'
import { abandonIfPossible, prepare } from './prepare.ts'

// A change of members is committed in one transaction if it fits. A larger one is prepared first, then committed in one
// transaction, then applied. Readers see it whole or not at all, whenever the process that makes it dies. docs/storage.md
// has the states, who ends each of them, and a sequence diagram.

/** The operations of the members in the transaction that commits a change. */
export type MembersPart = {
	readonly operations: readonly Operation[]
	/** Set if the members come in a large change: `operations` then only commit it. */
	readonly large?: LargeChange
}

/** What the entry of the feed says of a large change: the guard needs to know how many members it takes. */
export const largeOf = (
	large: LargeChange | undefined,
	{ add, remove: removed }: MembershipChange = noChange,
): Pick<FeedEntry, 'large' | 'addedMembers' | 'removedMembers'> =>
	large === undefined ? {} : { large: large.operation, addedMembers: add.length, removedMembers: removed.length }

/** Makes the change to commit: what else the request changes, with the part of the members. */
type Builder<C extends Change> = (operation: string, members: MembersPart) => C

/**
 * How a change with members ended. `stopped`: another process stopped the preparation, and nothing is left of it.
 * `unchanged`: the members are as they are to be, and nothing was written.
 */
type Commitment<C extends Change> = { readonly change: C; readonly outcome: CommitOutcome } | 'stopped' | 'unchanged'

type CommitRequest = {
	readonly id: string
	/** `new` for a group that the change creates; undefined for a user. */
	readonly group: 'new' | 'existing' | undefined
	readonly members: MembershipChange
	/** The request changes nothing but the members: if these do not change either, it is `unchanged`. */
	readonly isMembersAlone?: boolean
	/** The version that the change reads and replaces. */
	readonly replaced?: string
}

/** A change of members alone goes in a transaction with the group's row and the unlocked row. */
export const isLarge = (directory: Directory, members: MembershipChange): boolean =>
	operationCount(members) > maxOperations(directory) - 2

/**
 * Commits a change together with the members that come or go: in one transaction if all of it fits, as a large change
 * otherwise. This is the one place that decides between the two.
 *
 * @throws ScimError 503 if the service stays away, or if the guard holds the change back; 400 `invalidValue` if a member of a large change is not a user
 */
export async function commitWithMembers<C extends Change>(
	directory: Directory,
	{ id, group, members, isMembersAlone = false, replaced }: CommitRequest,
	build: Builder<C>,
): Promise<Commitment<C>> {
	if (group === 'existing') await requireFewRemoved(directory, id, members.remove)
	const operation = newOperation(directory, replaced)
	const change = build(operation, { operations: [...unlocked(id, group), ...membershipOperations(id, members)] })
	if (change.operations.length <= maxOperations(directory)) return { change, outcome: await commit(directory, change) }
	if (isMembersAlone && !(await isEffective(directory.table, id, members))) return 'unchanged'
	const large = { groupId: id, operation }
	return commitLarge(directory, { large, members, replaced }, (commitOperation) =>
		build(commitOperation, { large, operations: [...locking(id, group), ...opening(large)] }),
	)
}

type LargeCommit = Pick<CommitRequest, 'members'> & {
	readonly large: LargeChange
	readonly replaced: string | undefined
}

/**
 * Prepares, commits and applies a large change. If it is not committed, nothing of it is left.
 *
 * @param build makes what commits it. That has an operation of its own, which begins when the preparation has ended: the
 * feed is in the order of operations, and a preparation may take long.
 */
async function commitLarge<C extends Change>(
	directory: Directory,
	{ large, members, replaced }: LargeCommit,
	build: (operation: string) => C,
): Promise<Commitment<C>> {
	if (!(await prepare(directory, large, members))) {
		await abandonIfPossible(directory, large)
		return 'stopped'
	}
	const change = build(newOperation(directory, replaced))
	const outcome = await commit(directory, change)
	if (outcome.kind === 'done') {
		await applyIfPossible(directory, large)
		return { change, outcome }
	}
	await abandonIfPossible(directory, large)
	const isStopped = failedOperation(outcome, change.operations).key === preparedKey(large)
	return isStopped ? 'stopped' : { change, outcome }
}

/** A small change requires that the members are unlocked. A new group without a large change unlocks them. */
function unlocked(groupId: string, group: CommitRequest['group']): readonly Operation[] {
	if (group === undefined) return []
	const key = membersUnlockedRow.key(groupId)
	return [group === 'new' ? insert(key, {}) : merge(key, {})]
}

/** A large change locks the members of a group that exists, until it is applied. */
const locking = (groupId: string, group: CommitRequest['group']): readonly Operation[] =>
	group === 'existing' ? [remove(membersUnlockedRow.key(groupId))] : []

/** Commits a prepared change, in the transaction that names it as pending in the group's row. */
const opening = (large: LargeChange): readonly Operation[] => [
	remove(preparedKey(large)),
	insert(committedKey(large), {}),
	nameLatestChange(large.groupId, { operation: large.operation, isPending: true }),
]
