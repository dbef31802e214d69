import { ScimError } from '../../scim/error.ts'
import type { Directory } from '../rows/directory.ts'
import { committedKey, type LargeChange, pendingMembershipRow, preparedKey } from '../rows/schema.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { commitStep, failedOperation } from '../transaction/commit.ts'
import { removeRows } from '../transaction/remove-rows.ts'
import { type MembershipChange, touchedUser, touchUser, unknownMember } from './operations.ts'
import { changeIn, sliceOperations, slicePages } from './slices.ts'

const slicesAtOnce = 10
/** A pending membership takes two operations, and one requires the prepared row. */
const pendingAtOnce = 49
const width = 8

/**
 * Prepares a large change: writes its slices, and a pending membership for each user to add. So each user is known to
 * exist, and the deletion of one finds the pending membership.
 *
 * @returns false if another process has stopped the preparation
 * @throws ScimError 400 `invalidValue` if a member is not a user; then all rows of the change are removed
 */
export async function prepare(directory: Directory, large: LargeChange, change: MembershipChange): Promise<boolean> {
	const slices = chunked(sliceOperations(large, change, { isKept: directory.history === 'full' }), slicesAtOnce)
	const pending = chunked(change.add, pendingAtOnce).map((members) =>
		members.flatMap(({ value }) => [touchUser(value), addPending(large, value)]),
	)
	const [first = [], ...rest] = slices
	try {
		await commitStep(directory, [insert(preparedKey(large), {}), ...first])
		// The slices name all pending memberships, so they come first: what stops the preparation finds each of these.
		return (await prepareSteps(directory, large, rest)) && (await prepareSteps(directory, large, pending))
	} catch (error) {
		await abandonIfPossible(directory, large)
		throw error
	}
}

const addPending = ({ groupId, operation }: LargeChange, userId: string): Operation =>
	insert(pendingMembershipRow.key(userId, operation), pendingMembershipRow.properties({ groupId }))

async function prepareSteps(
	directory: Directory,
	large: LargeChange,
	steps: readonly (readonly Operation[])[],
): Promise<boolean> {
	const done = await inParallel(steps, (step) => prepareStep(directory, large, step), width)
	return done.every((isDone) => isDone)
}

async function prepareStep(directory: Directory, large: LargeChange, step: readonly Operation[]): Promise<boolean> {
	const operations = [merge(preparedKey(large), {}), ...step]
	const outcome = await commitStep(directory, operations)
	// No other process writes under this operation: a row that exists is from an earlier attempt of this process.
	if (outcome.kind === 'done' || outcome.kind === 'exists') return true
	const unknown = touchedUser(failedOperation(outcome, operations))
	if (unknown !== undefined) throw unknownMember(unknown)
	return false
}

/**
 * Stops the preparation of a large change and removes what it has written. The change cannot be committed any more.
 *
 * @returns false if the change is committed already and must be applied
 */
export async function abandon(directory: Directory, large: LargeChange): Promise<boolean> {
	const { table } = directory
	await commitStep(directory, [remove(preparedKey(large))])
	// A late copy of the first write may have marked a committed change as prepared again: the committed row tells.
	if ((await table.get(committedKey(large))) !== undefined) return false
	for await (const slices of slicePages(table, large)) {
		for (const slice of slices) {
			const pending = changeIn(slice).add.map(({ value }) => pendingMembershipRow.key(value, large.operation))
			await removeRows(directory, pending)
			await removeRows(directory, [slice.RowKey])
		}
	}
	return true
}

/** The same after another failure, which is the one to report. The sweep removes what cannot be removed now. */
export async function abandonIfPossible(directory: Directory, large: LargeChange): Promise<void> {
	try {
		await abandon(directory, large)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
	}
}
