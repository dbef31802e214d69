import { ScimError } from '../../scim/error.ts'
import { kindOfId } from '../../scim/id.ts'
import type { ResourceId } from '../../scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { patience, settleGroup } from '../membership/apply.ts'
import { linksOf, type Note } from '../membership/links.ts'
import { lastPart, unlinkOperations } from '../membership/operations.ts'
import { abandon, tellLatest } from '../membership/prepare.ts'
import { countBy, foldNowAndThen } from '../rows/counts.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { indexKeysOf, resourceOf } from '../rows/entity.ts'
import { isUnsettled } from '../rows/group-header.ts'
import {
	anchorKey,
	gateKey,
	groupDeletionKey,
	latestChange,
	latestChangeKey,
	memberKey,
	resourceKey,
	reverseKey,
	userDeletionKey,
} from '../rows/keys.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf } from '../table/tables.ts'
import { commit, failedOperation, maxOperations, settled } from '../transaction/commit.ts'
import { removeRows } from '../transaction/remove-rows.ts'

type Answer = 'deleted' | 'absent' | 'stale'

/** Deletes a resource, whose memberships go with it. */
export async function deleteResource(
	directory: Directory,
	type: ResourceType,
	id: string,
	condition?: VersionCondition,
): Promise<Answer> {
	if (kindOfId(id) !== type.name) return 'absent'
	const answer = await (type.name === 'User' ? deleteUser : deleteGroup)(directory, id, condition)
	if (answer === 'deleted') await foldNowAndThen(directory, type)
	return answer
}

/** How many transactions of a long deletion are under way at once. */
const width = 4

/**
 * Everything that is the user goes in one transaction, which fails where a group takes the user in at the same time: the
 * anchor has then changed. Memberships that do not fit are marked before and removed after it; from a marked one the
 * user is gone when the anchor is.
 */
async function deleteUser(directory: Directory, id: string, condition?: VersionCondition): Promise<Answer> {
	const { table, pause } = directory
	const leaving = { directory, userId: id, gone: new Set<string>() }
	return untilAnswered(pause, async () => {
		const [row, { anchor, groupIds, notes }] = await Promise.all([
			table.get(resourceKey(userType, id)),
			linksOf(table, id),
		])
		if (row === undefined) return 'absent'
		const resource = resourceOf(row)
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		if (notes.length > 0) {
			for (const note of notes) await settleNote(directory, note)
			return undefined
		}
		if (anchor === undefined) return undefined
		const own = [
			remove(row.RowKey, etagOf(row)),
			remove(anchor.RowKey, etagOf(anchor)),
			...indexKeysOf(userType, resource).map((key) => remove(key)),
		]
		if (4 * groupIds.length <= maxOperations - own.length - 1) {
			return (await leave(leaving, groupIds, own)) ? 'deleted' : undefined
		}
		const isMarked = await inParallel(chunked(groupIds, 49), (some) => mark(leaving, some), width)
		if (!isMarked.every((isDone) => isDone)) return undefined
		if (!(await leave(leaving, [], [...own, insert(userDeletionKey(id), {})]))) return undefined
		await finishIfPossible(finishUserDeletion, directory, id)
		return 'deleted'
	})
}

/** A change of many members that is to add the user is stopped, or else applied. */
async function settleNote(directory: Directory, { groupId, operation }: Note): Promise<void> {
	if (!(await abandon(directory, { groupId, operation }))) await settleGroup(directory, groupId)
}

type Leaving = {
	readonly directory: Directory
	readonly userId: string
	/** Groups that turned out to be deleted: their memberships are still there, their rows are not. */
	readonly gone: Set<string>
}

/**
 * Takes a user out of groups in one transaction, and out of the directory where `own` removes the user's own rows. A
 * group must not be in the middle of a change of many members, which would put the user back.
 */
async function leave(leaving: Leaving, groupIds: readonly ResourceId[], own: readonly Operation[]): Promise<boolean> {
	const { directory, userId, gone } = leaving
	const { ids } = directory
	const isDeletion = own.length > 0
	for (;;) {
		const operation = ids('Operation')
		const touched = { mv: operation, lm: timestamp(directory) }
		const operations = [
			...own,
			...(isDeletion ? [countBy(userType, { operation, id: userId, difference: -1 })] : []),
			...groupIds.flatMap((groupId) => [
				...unlinkOperations(groupId, userId),
				...(gone.has(groupId) ? [] : [merge(resourceKey(groupType, groupId), touched)]),
				...(gone.has(groupId) || !isDeletion ? [] : [merge(gateKey(groupId), {})]),
			]),
		]
		const outcome = await commit(directory, {
			operation,
			entry: { kind: isDeletion ? 'delete' : 'unlink', type: userType, id: userId, changed: groupIds },
			operations,
		})
		if (outcome.kind === 'done') return true
		if (!(await isMended(leaving, groupIds, failedOperation(outcome, operations)))) return false
	}
}

/** Marks memberships of a user who is about to be deleted. */
async function mark(leaving: Leaving, groupIds: readonly ResourceId[]): Promise<boolean> {
	const { directory, userId, gone } = leaving
	for (;;) {
		const operations = groupIds
			.filter((groupId) => !gone.has(groupId))
			.flatMap((groupId) => [merge(memberKey(groupId, userId), { x: true }), merge(gateKey(groupId), {})])
		if (operations.length === 0) return true
		const outcome = await settled(directory, operations)
		if (outcome.kind === 'done') return true
		if (!(await isMended(leaving, groupIds, failedOperation(outcome, operations)))) return false
	}
}

/** What failed was that a group is deleted, which is known from then on; or else that it was in the middle of a change. */
async function isMended(
	{ directory, gone }: Leaving,
	groupIds: readonly ResourceId[],
	{ key }: Operation,
): Promise<boolean> {
	const groupId = groupIds.find((each) => key === resourceKey(groupType, each) || key === gateKey(each))
	if (groupId === undefined) return false
	const group = await directory.table.get(resourceKey(groupType, groupId))
	if (group === undefined) gone.add(groupId)
	else if (isUnsettled(group)) await settleGroup(directory, groupId)
	return group === undefined
}

/**
 * Removes what is left of a deleted user, and then the note that there is something left.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns whether nothing is left
 */
export async function finishUserDeletion(directory: Directory, userId: string, until: number): Promise<boolean> {
	const { table, pause, now } = directory
	const leaving = { directory, userId, gone: new Set<string>() }
	const isFinished = await untilAnswered(pause, async () => {
		const { groupIds } = await linksOf(table, userId)
		const isLeft = await inParallel(
			chunked(groupIds, 33),
			async (some) => now() < until && (await leave(leaving, some, [])),
			width,
		)
		if (isLeft.every((isDone) => isDone)) return true
		return now() < until ? undefined : false
	})
	if (isFinished) await settled(directory, [remove(userDeletionKey(userId))])
	return isFinished
}

/** The group goes in one transaction, from which on nobody sees its memberships; they are removed after it. */
async function deleteGroup(directory: Directory, id: string, condition?: VersionCondition): Promise<Answer> {
	const { table, pause, ids } = directory
	const answer = await untilAnswered(pause, async () => {
		const row = await table.get(resourceKey(groupType, id))
		if (row === undefined) return 'absent'
		const resource = resourceOf(row)
		if (isUnsettled(row)) {
			await settleGroup(directory, id)
			return undefined
		}
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		const operation = ids('Operation')
		const outcome = await commit(directory, {
			operation,
			entry: { kind: 'delete', type: groupType, id },
			operations: [
				remove(row.RowKey, etagOf(row)),
				remove(anchorKey(id)),
				remove(gateKey(id)),
				...indexKeysOf(groupType, resource).map((key) => remove(key)),
				countBy(groupType, { operation, id, difference: -1 }),
				insert(groupDeletionKey(id), {}),
				// Who has just read the group's row and comes to its members sees that they are leaving.
				tellLatest({ groupId: id, operation }),
			],
		})
		return outcome.kind === 'done' ? 'deleted' : undefined
	})
	if (answer === 'deleted') await finishIfPossible(finishGroupDeletion, directory, id)
	return answer
}

/** The same for a group. */
export async function finishGroupDeletion(directory: Directory, groupId: string, until: number): Promise<boolean> {
	const { table, now } = directory
	for await (const rows of table.pages({ ...within(`m|${groupId}|`), select: ['RowKey'] })) {
		if (now() >= until) return false
		const memberIds = rows.map(({ RowKey }) => lastPart(RowKey)).filter((last) => last !== latestChange)
		await removeRows(
			directory,
			memberIds.flatMap((memberId) => [memberKey(groupId, memberId), reverseKey(memberId, groupId)]),
		)
	}
	await removeRows(directory, [latestChangeKey(groupId)])
	await settled(directory, [remove(groupDeletionKey(groupId))])
	return true
}

/** The resource is deleted all the same, and the note stays with what is left. */
async function finishIfPossible(finish: typeof finishGroupDeletion, directory: Directory, id: string): Promise<void> {
	try {
		await finish(directory, id, directory.now() + patience)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
	}
}
