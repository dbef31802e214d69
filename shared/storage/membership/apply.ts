import { ScimError, unavailable } from '../../scim/error.ts'
import type { Directory } from '../rows/directory.ts'
import {
	committedKey,
	groupRow,
	type LargeChange,
	memberRow,
	membershipRow,
	membersUnlockedRow,
	pendingMembershipRow,
	sliceRow,
} from '../rows/schema.ts'
import { insert, insertOrMerge, merge, type Operation, remove, upsert } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Table } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { keepMembers } from './kept-members.ts'
import { nameLatestChange } from './latest-change.ts'
import { isEmpty, type MembershipChange, memberProperties, removeOperations, touchUser } from './operations.ts'
import { changeIn, slicePages } from './slices.ts'

// A committed large change is applied by the request that made it, by the next request that changes the group, or by the
// sweep. Several of them may do it at once. Each transaction requires the committed row, so that a late one does nothing.
// Each removes the pending memberships of the users that it adds, so that no user is added twice.

/** Milliseconds that a request spends on work that another process can finish. Then the request is answered. */
export const workLimit = 20_000

/** Applies a large change that has just been committed. The change is made even if applying it has to wait. */
export async function applyIfPossible(directory: Directory, large: LargeChange): Promise<void> {
	try {
		await apply(directory, large, directory.now() + workLimit)
	} catch (error) {
		// The next process to come here goes on.
		if (!(error instanceof ScimError)) throw error
	}
}

/**
 * Applies the pending change of a group, if it has one.
 *
 * @throws ScimError 503 if that takes too long
 */
export async function finishPendingChange(directory: Directory, groupId: string): Promise<void> {
	const row = await directory.table.get(groupRow.key(groupId))
	const operation = row === undefined ? '' : groupRow.pendingChange.of(row)
	if (operation === '') return
	const isDone = await apply(directory, { groupId, operation }, directory.now() + workLimit)
	if (!isDone) throw unavailable('the group is taking in a change of very many members', 5)
}

/** Four operations for each member to add, two for each to remove, one for the committed row and one for the ledger. */
const addsAtOnce = 24
const removesAtOnce = 49
const width = 8

/**
 * Applies a committed change from where an earlier process stopped.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns whether all of it is applied
 */
export async function apply(directory: Directory, large: LargeChange, until: number): Promise<boolean> {
	const { table } = directory
	const { groupId, operation } = large
	let areSomeGone = false
	for await (const slices of slicePages(table, large)) {
		for (const slice of slices) {
			const change = changeIn(slice)
			const isKept = sliceRow.isKept.of(slice)
			const rest: MembershipChange = areSomeGone ? await withoutNonMembers(table, large, change) : change
			const steps = await inParallel(
				chunksOf(rest),
				async (chunk) => (directory.now() < until ? applyChunk(directory, { large, isKept }, chunk) : undefined),
				width,
			)
			if (!steps.every((step) => step !== undefined)) return false
			areSomeGone ||= change.remove.length > 0 && steps.includes('narrowed')
			const kept = isKept && change.add.length > 0 ? [keepMembers(operation, { added: change.add, removed: [] })] : []
			await commitStep(directory, [merge(committedKey(large), {}), remove(slice.RowKey), ...kept])
		}
	}
	await commitStep(directory, [
		remove(committedKey(large)),
		nameLatestChange(groupId, { operation, isPending: false }),
		merge(groupRow.key(groupId), groupRow.properties({ pendingChange: '' })),
		insert(membersUnlockedRow.key(groupId), {}),
	])
	return true
}

const chunksOf = ({ add, remove: removed }: MembershipChange): readonly MembershipChange[] => [
	...chunked(add, addsAtOnce).map((some) => ({ add: some, remove: [] })),
	...chunked(removed, removesAtOnce).map((some) => ({ add: [], remove: some })),
]

type ChunkOptions = { readonly large: LargeChange; readonly isKept: boolean }

/**
 * Applies a part of a slice. For the ledger, the same transaction writes down which members it removes: a slice may name
 * users who were no members. The members to add are kept with their slice.
 *
 * @returns `narrowed` if some of the change had been applied before
 */
async function applyChunk(
	directory: Directory,
	{ large, isKept }: ChunkOptions,
	change: MembershipChange,
): Promise<'applied' | 'narrowed'> {
	const { table, pause } = directory
	let rest = change
	return untilAnswered(pause, async () => {
		const removed = rest.remove.map((value) => ({ value }))
		const kept = isKept && removed.length > 0 ? [keepMembers(large.operation, { added: [], removed })] : []
		const operations = [merge(committedKey(large), {}), ...applyOperations(large, rest), ...kept]
		const outcome = await table.transaction(operations)
		// Without the committed row, all of the change has been applied.
		const isApplied = outcome.kind === 'done' || (outcome.kind === 'missing' && outcome.index === 0)
		if (isApplied) return rest === change ? 'applied' : 'narrowed'
		rest = await unappliedPart(table, large, rest)
		return isEmpty(rest) ? 'narrowed' : undefined
	})
}

const applyOperations = (
	{ groupId, operation }: LargeChange,
	{ add, remove: removed }: MembershipChange,
): readonly Operation[] => [
	...add.flatMap((member) => [
		touchUser(member.value),
		insertOrMerge(memberRow.key(groupId, member.value), memberProperties(member)),
		upsert(membershipRow.key(member.value, groupId), {}),
		remove(pendingMembershipRow.key(member.value, operation)),
	]),
	...removed.flatMap((userId) => removeOperations(groupId, userId)),
]

/** What is still to be applied. A user who was deleted meanwhile has no pending membership. */
async function unappliedPart(table: Table, large: LargeChange, change: MembershipChange): Promise<MembershipChange> {
	const [pending, rest] = await Promise.all([
		inParallel(change.add, ({ value }) => table.get(pendingMembershipRow.key(value, large.operation))),
		withoutNonMembers(table, large, change),
	])
	return { ...rest, add: change.add.filter((_, index) => pending[index] !== undefined) }
}

/** A change without the removals of non-members. No user becomes a member before the change is applied. */
async function withoutNonMembers(
	table: Table,
	{ groupId }: LargeChange,
	{ add, remove: removed }: MembershipChange,
): Promise<MembershipChange> {
	const rows = await rowsAt(
		table,
		removed.map((id) => memberRow.key(groupId, id)),
	)
	return { add, remove: removed.filter((id) => rows.has(memberRow.key(groupId, id))) }
}
