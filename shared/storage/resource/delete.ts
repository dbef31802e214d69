import { ScimError } from '../../scim/error.ts'
import { kindOfId } from '../../scim/id.ts'
import type { ResourceId } from '../../scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { finishPendingChange, workLimit } from '../membership/apply.ts'
import { memberIdIn } from '../membership/effective-change.ts'
import { isLatestChangeRow, nameLatestChange } from '../membership/latest-change.ts'
import { linksOf, type PendingMembership } from '../membership/links.ts'
import { removeOperations } from '../membership/operations.ts'
import { abandon } from '../membership/prepare.ts'
import { countBy, foldNowAndThen } from '../rows/counts.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { foldingIn, indexKeysOf, resourceOf } from '../rows/entity.ts'
import { hasPendingChange } from '../rows/group-header.ts'
import {
	deletedGroupRow,
	deletedUserRow,
	existenceRow,
	groupRow,
	kindOfKey,
	latestChangeRow,
	memberRow,
	membershipRow,
	membersUnlockedRow,
	userRow,
} from '../rows/schema.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf } from '../table/tables.ts'
import { commit, commitStep, failedOperation, maxOperations } from '../transaction/commit.ts'
import { removeRows } from '../transaction/remove-rows.ts'

type Deletion = 'deleted' | 'absent' | 'stale'

/** Deletes a resource, whose memberships go with it. */
export async function deleteResource(
	directory: Directory,
	type: ResourceType,
	id: string,
	condition?: VersionCondition,
): Promise<Deletion> {
	if (kindOfId(id) !== type.name) return 'absent'
	const deletion = await (type.name === 'User' ? deleteUser : deleteGroup)(directory, id, condition)
	if (deletion === 'deleted') await foldNowAndThen(directory, type)
	return deletion
}

/** How many transactions of a long deletion are under way at once. */
const width = 4
/** A marked membership takes two operations. */
const marksAtOnce = 49
/** A membership that outlives its user takes three operations, beside the entry of the feed. */
const leavesAtOnce = 33

/**
 * All rows that are the user go in one transaction. It requires the existence row as it was read: a request that adds the
 * user to a group touches that row. Memberships that do not fit are marked before and removed afterwards. A marked
 * membership counts only while the existence row is there.
 */
async function deleteUser(directory: Directory, id: string, condition?: VersionCondition): Promise<Deletion> {
	const { table, pause } = directory
	const leaving = { directory, userId: id, deletedGroups: new Set<string>() }
	return untilAnswered(pause, async () => {
		const [row, { existence, groupIds, pending }] = await Promise.all([table.get(userRow.key(id)), linksOf(table, id)])
		if (row === undefined) return 'absent'
		const resource = resourceOf(row)
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		if (pending.length > 0) {
			for (const membership of pending) await settlePending(directory, membership)
			return undefined
		}
		if (existence === undefined) return undefined
		const own = [
			remove(row.RowKey, etagOf(row)),
			remove(existence.RowKey, etagOf(existence)),
			...indexKeysOf(userType, resource, foldingIn(row)).map((key) => remove(key)),
		]
		if (4 * groupIds.length <= maxOperations - own.length - 1) {
			return (await leave(leaving, groupIds, own)) ? 'deleted' : undefined
		}
		const isMarked = await inParallel(chunked(groupIds, marksAtOnce), (some) => mark(leaving, some), width)
		if (!isMarked.every((isDone) => isDone)) return undefined
		if (!(await leave(leaving, [], [...own, insert(deletedUserRow.key(id), {})]))) return undefined
		await finishIfPossible(finishUserDeletion, directory, id)
		return 'deleted'
	})
}

/** Stops the large change that is to add the user, or applies it if it is committed. */
async function settlePending(directory: Directory, { groupId, operation }: PendingMembership): Promise<void> {
	if (!(await abandon(directory, { groupId, operation }))) await finishPendingChange(directory, groupId)
}

type LeavingUser = {
	readonly directory: Directory
	readonly userId: string
	/** Groups that turned out to be deleted: their memberships are still there, their own rows are not. */
	readonly deletedGroups: Set<string>
}

/**
 * Removes memberships of a user in one transaction; and the user, if `own` removes the user's own rows. No group may have
 * a pending large change, which would add the user again.
 */
async function leave(
	leaving: LeavingUser,
	groupIds: readonly ResourceId[],
	own: readonly Operation[],
): Promise<boolean> {
	const { directory, userId, deletedGroups } = leaving
	const isDeletion = own.length > 0
	for (;;) {
		const operation = directory.ids('Operation')
		const moved = groupRow.properties({ version: operation, lastModified: timestamp(directory) })
		const operations = [
			...own,
			...(isDeletion ? [countBy(userType, { operation, id: userId, difference: -1 })] : []),
			...groupIds.flatMap((groupId) => [
				...removeOperations(groupId, userId),
				...(deletedGroups.has(groupId) ? [] : [merge(groupRow.key(groupId), moved)]),
				...(deletedGroups.has(groupId) || !isDeletion ? [] : [merge(membersUnlockedRow.key(groupId), {})]),
			]),
		]
		const outcome = await commit(directory, {
			operation,
			entry: { kind: isDeletion ? 'delete' : 'unlink', type: userType, id: userId, changed: groupIds },
			operations,
		})
		if (outcome.kind === 'done') return true
		if (!(await isGroupDeleted(leaving, groupIds, failedOperation(outcome, operations)))) return false
	}
}

/** Marks memberships of a user who is about to be deleted. */
async function mark(leaving: LeavingUser, groupIds: readonly ResourceId[]): Promise<boolean> {
	const { directory, userId, deletedGroups } = leaving
	const marked = memberRow.properties({ isLeaving: true })
	for (;;) {
		const operations = groupIds
			.filter((groupId) => !deletedGroups.has(groupId))
			.flatMap((groupId) => [merge(memberRow.key(groupId, userId), marked), merge(membersUnlockedRow.key(groupId), {})])
		if (operations.length === 0) return true
		const outcome = await commitStep(directory, operations)
		if (outcome.kind === 'done') return true
		if (!(await isGroupDeleted(leaving, groupIds, failedOperation(outcome, operations)))) return false
	}
}

/**
 * Whether an operation failed because its group is deleted; that is remembered, and the transaction can be sent again
 * without it. If the group has a pending large change instead, that is finished.
 */
async function isGroupDeleted(
	{ directory, deletedGroups }: LeavingUser,
	groupIds: readonly ResourceId[],
	{ key }: Operation,
): Promise<boolean> {
	if (!['group', 'membersUnlocked'].includes(kindOfKey(key))) return false
	const groupId = groupIds.find((each) => key === groupRow.key(each) || key === membersUnlockedRow.key(each))
	if (groupId === undefined) return false
	const group = await directory.table.get(groupRow.key(groupId))
	if (group === undefined) deletedGroups.add(groupId)
	else if (hasPendingChange(group)) await finishPendingChange(directory, groupId)
	return group === undefined
}

/**
 * Removes the remaining memberships of a deleted user, and then the row `j|du|` that lists the user as unfinished.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns whether nothing is left
 */
export async function finishUserDeletion(directory: Directory, userId: string, until: number): Promise<boolean> {
	const { table, pause, now } = directory
	const leaving = { directory, userId, deletedGroups: new Set<string>() }
	const isFinished = await untilAnswered(pause, async () => {
		const { groupIds } = await linksOf(table, userId)
		const steps = await inParallel(
			chunked(groupIds, leavesAtOnce),
			async (some) => now() < until && (await leave(leaving, some, [])),
			width,
		)
		if (steps.every((isDone) => isDone)) return true
		return now() < until ? undefined : false
	})
	if (isFinished) await commitStep(directory, [remove(deletedUserRow.key(userId))])
	return isFinished
}

/** The group goes in one transaction. From then on no reader sees its memberships; they are removed afterwards. */
async function deleteGroup(directory: Directory, id: string, condition?: VersionCondition): Promise<Deletion> {
	const { table, pause, ids } = directory
	const deletion = await untilAnswered(pause, async () => {
		const row = await table.get(groupRow.key(id))
		if (row === undefined) return 'absent'
		if (hasPendingChange(row)) {
			await finishPendingChange(directory, id)
			return undefined
		}
		const resource = resourceOf(row)
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		const operation = ids('Operation')
		const outcome = await commit(directory, {
			operation,
			entry: { kind: 'delete', type: groupType, id },
			operations: [
				remove(row.RowKey, etagOf(row)),
				remove(existenceRow.key(id)),
				remove(membersUnlockedRow.key(id)),
				...indexKeysOf(groupType, resource, foldingIn(row)).map((key) => remove(key)),
				countBy(groupType, { operation, id, difference: -1 }),
				insert(deletedGroupRow.key(id), {}),
				// A reader who has read the group's row and comes to the members sees another latest change: it reads again.
				nameLatestChange(id, { operation, isPending: false }),
			],
		})
		return outcome.kind === 'done' ? 'deleted' : undefined
	})
	if (deletion === 'deleted') await finishIfPossible(finishGroupDeletion, directory, id)
	return deletion
}

/** The same for a group. */
export async function finishGroupDeletion(directory: Directory, groupId: string, until: number): Promise<boolean> {
	const { table, now } = directory
	for await (const rows of table.pages({ ...within(memberRow.key(groupId, '')), select: ['RowKey'] })) {
		if (now() >= until) return false
		const members = rows.filter((row) => !isLatestChangeRow(row))
		await removeRows(
			directory,
			members.flatMap((row) => [row.RowKey, membershipRow.key(memberIdIn(row), groupId)]),
		)
	}
	await removeRows(directory, [latestChangeRow.key(groupId)])
	await commitStep(directory, [remove(deletedGroupRow.key(groupId))])
	return true
}

/** The resource is deleted even if this fails: the row that says what is left stays, and the sweep goes on. */
async function finishIfPossible(finish: typeof finishGroupDeletion, directory: Directory, id: string): Promise<void> {
	try {
		await finish(directory, id, directory.now() + workLimit)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
	}
}
