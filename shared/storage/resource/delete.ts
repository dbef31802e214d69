import { ScimError } from '../../scim/error.ts'
import { kindOfId } from '../../scim/id.ts'
import type { ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { JsonObject } from '../../scim/value.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { type CountedLoss, countAhead, countLoss } from '../guard-hold.ts'
import { finishPendingChange, workLimit } from '../membership/apply.ts'
import { nameLatestChange } from '../membership/latest-change.ts'
import { linksOf, type PendingMembership } from '../membership/links.ts'
import { removeOperations } from '../membership/operations.ts'
import { abandon } from '../membership/prepare.ts'
import { countBy, foldNowAndThen } from '../rows/counts.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { foldingIn, indexKeysOf, resourceOf } from '../rows/entity.ts'
import { hasPendingChange } from '../rows/group-header.ts'
import { noEntries } from '../rows/own-indexes.ts'
import {
	deletedGroupRow,
	deletedUserRow,
	existenceRow,
	groupRow,
	kindOfKey,
	memberRow,
	membersUnlockedRow,
	userRow,
} from '../rows/schema.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf } from '../table/tables.ts'
import {
	commit,
	commitStep,
	type DeletedIdentity,
	type FeedEntry,
	failedOperation,
	maxOperations,
	newOperation,
} from '../transaction/commit.ts'
import { removeMembers } from './deleted-members.ts'

type Deletion = 'deleted' | 'absent' | 'stale'

type DeletionRequest = {
	readonly id: string
	readonly condition: VersionCondition | undefined
	/**
	 * The operations by which the guard counts the deletion.
	 *
	 * @throws ScimError 503 if the guard holds it back
	 */
	readonly count: () => Promise<readonly Operation[]>
}

/** Deletes a resource, whose memberships go with it. */
export async function deleteResource(
	directory: Directory,
	type: ResourceType,
	id: string,
	condition?: VersionCondition,
): Promise<Deletion> {
	if (kindOfId(id) !== type.name) return 'absent'
	const loss = lossOf(directory, type, id)
	countAhead(directory, id)
	try {
		const request = { id, condition, count: loss.count }
		const deletion = await (type.name === 'User' ? deleteUser : deleteGroup)(directory, type, request)
		loss.end(deletion === 'deleted' ? 'deleted' : 'kept')
		if (deletion === 'deleted') await foldNowAndThen(directory, type)
		return deletion
	} catch (error) {
		loss.end('unknown')
		throw error
	}
}

/** What the guard counts of a deletion: nothing before there is a resource to delete, and the same at each attempt. */
function lossOf(directory: Directory, { name }: ResourceType, id: string) {
	let counting: Promise<CountedLoss | undefined> | undefined
	let counted: CountedLoss | undefined
	return {
		async count(): Promise<readonly Operation[]> {
			counting ??= countLoss(directory, name, id)
			counted = await counting
			return counted?.operations ?? []
		},
		end: (outcome: Parameters<CountedLoss['end']>[0]) => counted?.end(outcome),
	}
}

/** What an entry of the feed and the counts say of a user. */
const user = { name: 'User' } as const

/** How many transactions of a long deletion are under way at once. */
const width = 4
/** A marked membership takes two operations. */
const marksAtOnce = 49
/** A membership that outlives its user takes three operations, beside the entry of the feed. */
const leavesAtOnce = (directory: Directory): number => Math.floor(maxOperations(directory) / 3)

/**
 * All rows that are the user go in one transaction. It requires the existence row as it was read: a request that adds the
 * user to a group touches that row. Memberships that do not fit are marked before and removed afterwards. A marked
 * membership counts only while the existence row is there.
 */
async function deleteUser(
	directory: Directory,
	type: ResourceType,
	{ id, condition, count }: DeletionRequest,
): Promise<Deletion> {
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
			...(await count()),
			remove(row.RowKey, etagOf(row)),
			remove(existence.RowKey, etagOf(existence)),
			...indexKeysOf(type, resource, { folding: foldingIn(row), entries: userRow.entries.of(row) }).map((key) =>
				remove(key),
			),
		]
		const gone = { before: wholeOf(resource), identity: identityOf(type, resource), replaced: resource.version }
		if (4 * groupIds.length <= maxOperations(directory) - own.length - 1) {
			return (await leave(leaving, groupIds, { own, ...gone })) ? 'deleted' : undefined
		}
		const isMarked = await inParallel(chunked(groupIds, marksAtOnce), (some) => mark(leaving, some), width)
		if (!isMarked.every((isDone) => isDone)) return undefined
		const marker = insert(deletedUserRow.key(id), {})
		if (!(await leave(leaving, [], { own: [...own, marker], ...gone }))) return undefined
		await finishIfPossible(directory, (until) => finishUserDeletion(directory, id, until))
		return 'deleted'
	})
}

/** What the ledger keeps of a resource that is deleted. */
const wholeOf = ({ attributes, created, lastModified }: StoredResource): JsonObject => ({
	created,
	lastModified,
	attributes,
})

/** A longer value is no name that an application looks for, and might not fit beside the rest of the entry. */
const longestIdentity = 1000

/** By what an application may know a resource that it can no longer read. */
function identityOf({ name }: Pick<ResourceType, 'name'>, { attributes }: StoredResource): DeletedIdentity {
	const known = { name: attributes[name === 'User' ? 'userName' : 'displayName'], externalId: attributes.externalId }
	return Object.fromEntries(
		Object.entries(known).filter(([, value]) => typeof value === 'string' && value.length <= longestIdentity),
	)
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

/** The operations that remove the user's own rows, the user for the ledger, and the version that is removed. */
type UserDeletion = Pick<FeedEntry, 'identity'> & {
	readonly own: readonly Operation[]
	readonly before: JsonObject
	readonly replaced: string
}

/**
 * Removes memberships of a user in one transaction; and the user, if it is a deletion. No group may have a pending large
 * change, which would add the user again.
 */
async function leave(leaving: LeavingUser, groupIds: readonly ResourceId[], deletion?: UserDeletion): Promise<boolean> {
	const { directory, userId, deletedGroups } = leaving
	const isDeletion = deletion !== undefined
	for (;;) {
		const operation = newOperation(directory, deletion?.replaced)
		const moved = groupRow.properties({ version: operation, lastModified: timestamp(directory) })
		const operations = [
			...(deletion?.own ?? []),
			...(isDeletion ? [countBy(user, { operation, id: userId, difference: -1 })] : []),
			...groupIds.flatMap((groupId) => [
				...removeOperations(groupId, userId),
				...(deletedGroups.has(groupId) ? [] : [merge(groupRow.key(groupId), moved)]),
				...(deletedGroups.has(groupId) || !isDeletion ? [] : [merge(membersUnlockedRow.key(groupId), {})]),
			]),
		]
		const outcome = await commit(directory, {
			operation,
			entry: {
				kind: isDeletion ? 'delete' : 'unlink',
				type: user,
				id: userId,
				changed: groupIds,
				...(isDeletion && { before: deletion.before, identity: deletion.identity ?? {} }),
			},
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
			chunked(groupIds, leavesAtOnce(directory)),
			async (some) => now() < until && (await leave(leaving, some)),
			width,
		)
		if (steps.every((isDone) => isDone)) return true
		return now() < until ? undefined : false
	})
	if (isFinished) await commitStep(directory, [remove(deletedUserRow.key(userId))])
	return isFinished
}

/** The group goes in one transaction. From then on no reader sees its memberships; they are removed afterwards. */
async function deleteGroup(
	directory: Directory,
	type: ResourceType,
	{ id, condition, count }: DeletionRequest,
): Promise<Deletion> {
	const { table, pause } = directory
	let kept: string | undefined
	const deletion = await untilAnswered(pause, async () => {
		const row = await table.get(groupRow.key(id))
		if (row === undefined) return 'absent'
		if (hasPendingChange(row)) {
			await finishPendingChange(directory, id)
			return undefined
		}
		const resource = resourceOf(row)
		if (condition !== undefined && !condition(resource.version)) return 'stale'
		const counted = await count()
		const operation = newOperation(directory, groupRow.attributesVersion.of(row))
		kept = directory.history === 'full' ? operation : undefined
		const outcome = await commit(directory, {
			operation,
			entry: { kind: 'delete', type, id, before: wholeOf(resource), identity: identityOf(type, resource) },
			operations: [
				remove(row.RowKey, etagOf(row)),
				remove(existenceRow.key(id)),
				remove(membersUnlockedRow.key(id)),
				...indexKeysOf(type, resource, { folding: foldingIn(row), entries: noEntries }).map((key) => remove(key)),
				countBy(type, { operation, id, difference: -1 }),
				insert(deletedGroupRow.key(id), deletedGroupRow.properties({ operation: kept })),
				// A reader who has read the group's row and comes to the members sees another latest change: it reads again.
				nameLatestChange(id, { operation, isPending: false }),
				...counted,
			],
		})
		return outcome.kind === 'done' ? 'deleted' : undefined
	})
	if (deletion === 'deleted')
		await finishIfPossible(directory, (until) => removeMembers(directory, { groupId: id, kept }, until))
	return deletion
}

/** The same for a group. */
export async function finishGroupDeletion(directory: Directory, groupId: string, until: number): Promise<boolean> {
	const row = await directory.table.get(deletedGroupRow.key(groupId))
	return row === undefined || removeMembers(directory, { groupId, kept: deletedGroupRow.operation.of(row) }, until)
}

/** The resource is deleted even if this fails: the row that says what is left stays, and the sweep goes on. */
async function finishIfPossible(directory: Directory, finish: (until: number) => Promise<boolean>): Promise<void> {
	try {
		await finish(directory.now() + workLimit)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
	}
}
