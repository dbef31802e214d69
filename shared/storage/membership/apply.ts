import { ScimError, unavailable } from '../../scim/error.ts'
import type { Directory } from '../rows/directory.ts'
import { committedKey, groupRow, type LargeChange, membersUnlockedRow } from '../rows/schema.ts'
import { insert, merge, remove } from '../table/batch.ts'
import { commitStep } from '../transaction/commit.ts'
import { applySlice, type SliceFindings } from './apply-slice.ts'
import { nameLatestChange } from './latest-change.ts'
import { slicePages } from './slices.ts'

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

/**
 * Applies a committed change from where an earlier process stopped.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns whether all of it is applied
 */
export async function apply(directory: Directory, large: LargeChange, until: number): Promise<boolean> {
	const { groupId, operation } = large
	const findings: SliceFindings = { areSomeGone: false, areSomeMembers: false }
	for await (const slices of slicePages(directory.table, large)) {
		for (const slice of slices) {
			if (!(await applySlice(directory, { large, slice, findings, until }))) return false
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
