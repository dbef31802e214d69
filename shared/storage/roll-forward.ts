import { ScimError, unavailable } from '../scim/error.ts'
import { groupType } from '../scim/resource-type.ts'
import { insert, insertOrMerge, merge, type Operation, remove, upsert } from './batch.ts'
import { settled } from './commit.ts'
import type { Directory } from './directory.ts'
import { textOf } from './entity.ts'
import { changeIn, partPages } from './intent.ts'
import {
	anchorKey,
	gateKey,
	type Intent,
	intentKey,
	latestChangeKey,
	memberKey,
	noteKey,
	resourceKey,
	reverseKey,
} from './keys.ts'
import { isEmpty, memberProperties, unlinkOperations } from './membership.ts'
import { chunked, inParallel } from './parallel.ts'
import type { MembershipChange } from './resource-store.ts'
import { untilAnswered } from './retry.ts'

// Committed changes of many members are applied by whoever made them, by the next one to change the group, and by the
// sweeper; by several of them at once, too. Each transaction needs the row of the intent, so that one that comes late
// does nothing; and each removes the notes of the users that it adds, so that none is done twice.

/** Milliseconds that a request works on what may be left to others; then it is answered. */
export const patience = 20_000

/** Applies a change that has just been committed. The change is made, even where its application has to wait. */
export async function applyCommitted(directory: Directory, intent: Intent): Promise<void> {
	try {
		await rollForward(directory, intent, directory.now() + patience)
	} catch (error) {
		// Whoever comes next goes on.
		if (!(error instanceof ScimError)) throw error
	}
}

/**
 * Applies the change of many members that a group is in the middle of, if it is.
 *
 * @throws ScimError 503 where it takes too long
 */
export async function settleGroup(directory: Directory, groupId: string): Promise<void> {
	const header = await directory.table.get(resourceKey(groupType, groupId))
	const operation = header === undefined ? '' : textOf(header, 'pend')
	if (operation === '') return
	const isDone = await rollForward(directory, { groupId, operation }, directory.now() + patience)
	if (!isDone) throw unavailable('the group is taking in a change of very many members', 5)
}

/** Four operations for each member to add and two for each one to remove, and one is the fence. */
const addsAtOnce = 24
const removesAtOnce = 49
const width = 8

/**
 * Applies a committed change; what has been applied is left out.
 *
 * @param until milliseconds since 1970 at which to stop
 * @returns whether all of it is applied
 */
export async function rollForward(directory: Directory, intent: Intent, until: number): Promise<boolean> {
	for await (const parts of partPages(directory.table, intent)) {
		for (const part of parts) {
			const steps = await inParallel(
				chunksOf(changeIn(part)),
				async (chunk) => directory.now() < until && (await applyChunk(directory, intent, chunk)),
				width,
			)
			if (!steps.every((isApplied) => isApplied)) return false
			await settled(directory, [merge(intentKey(intent), {}), remove(part.RowKey)])
		}
	}
	await settled(directory, [
		remove(intentKey(intent)),
		upsert(latestChangeKey(intent.groupId), { op: intent.operation, open: false }),
		merge(resourceKey(groupType, intent.groupId), { pend: '' }),
		insert(gateKey(intent.groupId), {}),
	])
	return true
}

const chunksOf = ({ add, remove: removed }: MembershipChange): readonly MembershipChange[] => [
	...chunked(add, addsAtOnce).map((some) => ({ add: some, remove: [] })),
	...chunked(removed, removesAtOnce).map((some) => ({ add: [], remove: some })),
]

async function applyChunk(directory: Directory, intent: Intent, change: MembershipChange): Promise<true> {
	const { table, pause } = directory
	let left = change
	return untilAnswered(pause, async () => {
		const outcome = await table.transaction([merge(intentKey(intent), {}), ...applying(intent, left)])
		// Without the intent all of it has been applied.
		if (outcome.kind === 'done' || (outcome.kind === 'missing' && outcome.index === 0)) return true
		left = await unapplied(directory, intent, left)
		return isEmpty(left) || undefined
	})
}

const applying = ({ groupId, operation }: Intent, { add, remove: removed }: MembershipChange): readonly Operation[] => [
	...add.flatMap((member) => [
		merge(anchorKey(member.value), { t: 'u' }),
		insertOrMerge(memberKey(groupId, member.value), memberProperties(member)),
		upsert(reverseKey(member.value, groupId), {}),
		remove(noteKey(member.value, operation)),
	]),
	...removed.flatMap((memberId) => unlinkOperations(groupId, memberId)),
]

/** What is left to do of a change. A user who was deleted has no note any more. */
async function unapplied(
	{ table }: Directory,
	{ groupId, operation }: Intent,
	{ add, remove: removed }: MembershipChange,
): Promise<MembershipChange> {
	const [notes, members] = await Promise.all([
		inParallel(add, ({ value }) => table.get(noteKey(value, operation))),
		inParallel(removed, (id) => table.get(memberKey(groupId, id))),
	])
	return {
		add: add.filter((_, index) => notes[index] !== undefined),
		remove: removed.filter((_, index) => members[index] !== undefined),
	}
}
