import { ScimError, unavailable } from '../../scim/error.ts'
import { groupType } from '../../scim/resource-type.ts'
import type { Directory } from '../rows/directory.ts'
import { textOf } from '../rows/entity.ts'
import {
	anchorKey,
	gateKey,
	type Intent,
	intentKey,
	memberKey,
	noteKey,
	resourceKey,
	reverseKey,
} from '../rows/keys.ts'
import { insert, insertOrMerge, merge, type Operation, remove, upsert } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Table } from '../table/tables.ts'
import { settled } from '../transaction/commit.ts'
import type { MembershipChange } from './operations.ts'
import { isEmpty, memberProperties, unlinkOperations } from './operations.ts'
import { changeIn, partPages, tellLatest } from './prepare.ts'

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
	const { table } = directory
	let areSomeGone = false
	for await (const parts of partPages(table, intent)) {
		for (const part of parts) {
			const change = changeIn(part)
			const left: MembershipChange = areSomeGone ? await withoutGone(table, intent, change) : change
			const steps = await inParallel(
				chunksOf(left),
				async (chunk) => (directory.now() < until ? applyChunk(directory, intent, chunk) : undefined),
				width,
			)
			if (!steps.every((step) => step !== undefined)) return false
			areSomeGone ||= change.remove.length > 0 && steps.includes('looked')
			await settled(directory, [merge(intentKey(intent), {}), remove(part.RowKey)])
		}
	}
	await settled(directory, [
		remove(intentKey(intent)),
		tellLatest(intent),
		merge(resourceKey(groupType, intent.groupId), { pend: '' }),
		insert(gateKey(intent.groupId), {}),
	])
	return true
}

const chunksOf = ({ add, remove: removed }: MembershipChange): readonly MembershipChange[] => [
	...chunked(add, addsAtOnce).map((some) => ({ add: some, remove: [] })),
	...chunked(removed, removesAtOnce).map((some) => ({ add: [], remove: some })),
]

/** Tells whether it had to look what is left to do. */
async function applyChunk(
	directory: Directory,
	intent: Intent,
	change: MembershipChange,
): Promise<'applied' | 'looked'> {
	const { table, pause } = directory
	let left = change
	return untilAnswered(pause, async () => {
		const outcome = await table.transaction([merge(intentKey(intent), {}), ...applying(intent, left)])
		// Without the intent all of it has been applied.
		const isApplied = outcome.kind === 'done' || (outcome.kind === 'missing' && outcome.index === 0)
		if (isApplied) return left === change ? 'applied' : 'looked'
		left = await unapplied(table, intent, left)
		return isEmpty(left) ? 'looked' : undefined
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
async function unapplied(table: Table, intent: Intent, change: MembershipChange): Promise<MembershipChange> {
	const [notes, left] = await Promise.all([
		inParallel(change.add, ({ value }) => table.get(noteKey(value, intent.operation))),
		withoutGone(table, intent, change),
	])
	return { ...left, add: change.add.filter((_, index) => notes[index] !== undefined) }
}

/** A change without the removal of those who are no members. Nobody becomes one before it is applied. */
async function withoutGone(
	table: Table,
	{ groupId }: Intent,
	{ add, remove: removed }: MembershipChange,
): Promise<MembershipChange> {
	const rows = await rowsAt(
		table,
		removed.map((id) => memberKey(groupId, id)),
	)
	return { add, remove: removed.filter((id) => rows.has(memberKey(groupId, id))) }
}
