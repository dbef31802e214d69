import { ScimError } from '../scim/error.ts'
import { kindOfId } from '../scim/id.ts'
import type { ResourceId } from '../scim/resource.ts'
import { groupType, type ResourceType, userType } from '../scim/resource-type.ts'
import { insert, merge, type Operation, remove } from './batch.ts'
import { commit, maxOperations } from './commit.ts'
import { countBy, foldNowAndThen } from './counts.ts'
import { type Directory, timestamp } from './directory.ts'
import { indexKeysOf, resourceOf } from './entity.ts'
import { anchorKey, deletionKey, gateKey, resourceKey, within } from './keys.ts'
import { linkRows } from './links.ts'
import { effectiveChange, lastPart, unlinkOperations } from './membership.ts'
import { chunked, inParallel } from './parallel.ts'
import { failedOperation } from './refusal.ts'
import type { VersionCondition } from './resource-store.ts'
import { untilAnswered } from './retry.ts'
import { etagOf } from './tables.ts'

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
 * anchor has then changed. Memberships that do not fit are removed before.
 */
async function deleteUser(directory: Directory, id: string, condition?: VersionCondition): Promise<Answer> {
	const { table, pause } = directory
	const leaving = { directory, userId: id, gone: new Set<string>() }
	return untilAnswered(pause, async () => {
		const [row, [anchor, ...links]] = await Promise.all([table.get(resourceKey(userType, id)), linkRows(table, id)])
		if (row === undefined) return 'absent'
		const resource = resourceOf(row)
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		if (anchor?.RowKey !== anchorKey(id)) return undefined
		const own = [
			remove(row.RowKey, etagOf(row)),
			remove(anchor.RowKey, etagOf(anchor)),
			...indexKeysOf(userType, resource).map((key) => remove(key)),
		]
		const groupIds = links.map(({ RowKey }) => lastPart(RowKey))
		const fitting = Math.floor((maxOperations - own.length - 1) / 3)
		const chunks = chunked(groupIds.slice(fitting), Math.floor(maxOperations / 3))
		const left = await inParallel(chunks, (chunk) => leave(leaving, chunk), width)
		const goes = left.every((done) => done) && (await leave(leaving, groupIds.slice(0, fitting), own))
		return goes ? 'deleted' : undefined
	})
}

type Leaving = {
	readonly directory: Directory
	readonly userId: string
	/** Groups that turned out to be deleted: their memberships are still there, their headers are not. */
	readonly gone: Set<string>
}

/** Takes a user out of groups in one transaction, and out of the directory where `own` removes the user's own rows. */
async function leave(
	{ directory, userId, gone }: Leaving,
	groupIds: readonly ResourceId[],
	own: readonly Operation[] = [],
): Promise<boolean> {
	const { table, pause, ids } = directory
	const isDeletion = own.length > 0
	for (;;) {
		const operation = ids('Operation')
		const touched = { mv: operation, lm: timestamp(directory) }
		const operations = [
			...own,
			...(isDeletion ? [countBy(userType, operation, -1)] : []),
			...groupIds.flatMap((groupId) => [
				...unlinkOperations(groupId, userId),
				...(gone.has(groupId) ? [] : [merge(resourceKey(groupType, groupId), touched)]),
			]),
		]
		const outcome = await commit(table, pause, {
			operation,
			entry: { kind: isDeletion ? 'delete' : 'unlink', type: userType, id: userId, changed: groupIds },
			operations,
		})
		if (outcome.kind === 'done') return true
		const { key } = failedOperation(outcome, operations)
		const groupId = groupIds.find((each) => key === resourceKey(groupType, each))
		if (groupId === undefined) return false
		gone.add(groupId)
	}
}

/** The group goes in one transaction, from which on nobody sees its memberships; they are removed after it. */
async function deleteGroup(directory: Directory, id: string, condition?: VersionCondition): Promise<Answer> {
	const { table, pause, ids } = directory
	const answer = await untilAnswered(pause, async () => {
		const row = await table.get(resourceKey(groupType, id))
		if (row === undefined) return 'absent'
		const resource = resourceOf(row)
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		const operation = ids('Operation')
		const outcome = await commit(table, pause, {
			operation,
			entry: { kind: 'delete', type: groupType, id },
			operations: [
				remove(row.RowKey, etagOf(row)),
				remove(anchorKey(id)),
				remove(gateKey(id)),
				...indexKeysOf(groupType, resource).map((key) => remove(key)),
				countBy(groupType, operation, -1),
				insert(deletionKey(id), { op: operation }),
			],
		})
		return outcome.kind === 'done' ? 'deleted' : undefined
	})
	if (answer === 'deleted') await removeMemberships(directory, id)
	return answer
}

/** Removes what is left of a deleted group, and then the note that there is something left. */
async function removeMemberships(directory: Directory, groupId: string): Promise<void> {
	const { table } = directory
	try {
		for await (const rows of table.pages({ ...within(`m|${groupId}|`), select: ['RowKey'] })) {
			const memberIds = rows.map(({ RowKey }) => lastPart(RowKey))
			await inParallel(chunked(memberIds, 50), (chunk) => unlink(directory, groupId, chunk), width)
		}
		await table.transaction([remove(deletionKey(groupId))])
	} catch (error) {
		// The group is deleted all the same, and the note stays with what is left.
		if (!(error instanceof ScimError)) throw error
	}
}

async function unlink({ table, pause }: Directory, groupId: string, memberIds: readonly ResourceId[]): Promise<void> {
	let left = memberIds
	await untilAnswered(pause, async () => {
		const outcome = await table.transaction(left.flatMap((memberId) => unlinkOperations(groupId, memberId)))
		if (outcome.kind === 'done') return 'done'
		// Some were removed already, with their users or by an attempt that was not answered.
		left = (await effectiveChange(table, groupId, { add: [], remove: left })).remove
		return left.length === 0 ? 'done' : undefined
	})
}
