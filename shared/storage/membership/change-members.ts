import { kindOfId } from '../../scim/id.ts'
import { groupType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { textOf } from '../rows/entity.ts'
import { isUnsettled } from '../rows/group-header.ts'
import { gateKey, type Intent, preparedKey, resourceKey } from '../rows/keys.ts'
import { merge } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { etagOf, type Row } from '../table/tables.ts'
import { type Change, type Committed, commit, failedOperation, maxOperations } from '../transaction/commit.ts'
import { applyCommitted, settleGroup } from './apply.ts'
import type { MembershipChange } from './operations.ts'
import {
	effectiveChange,
	fits,
	isEffective,
	isEmpty,
	isMembership,
	membershipOperations,
	requireStorable,
	stayOperations,
	touchedMember,
	unknownMember,
} from './operations.ts'
import { abandonIfPossible, closingGate, prepare } from './prepare.ts'

type Answer = { readonly version: string } | 'absent' | 'stale'

/** Header and gate take part in every change of members. */
const room = maxOperations - 2

export async function changeMembers(
	directory: Directory,
	groupId: string,
	asked: MembershipChange,
	condition?: VersionCondition,
): Promise<Answer> {
	if (kindOfId(groupId) !== 'Group') return 'absent'
	requireStorable(asked.add)
	const change = { add: asked.add, remove: asked.remove.filter((id) => kindOfId(id) === 'User') }
	return (fits(change, room) ? changeFew : changeMany)(directory, groupId, change, condition)
}

/**
 * Makes a change that fits into one transaction: without a condition at first without reading anything. Where the
 * transaction fails because somebody is a member already, or is none, the change is narrowed to what would change
 * anything, and where nothing would, nothing is written.
 */
async function changeFew(
	directory: Directory,
	groupId: string,
	asked: MembershipChange,
	condition?: VersionCondition,
): Promise<Answer> {
	const { table, pause, ids } = directory
	let narrowed = isEmpty(asked)
	return untilAnswered(pause, async function attempt(): Promise<Answer | undefined> {
		let change = asked
		let header: Row | undefined
		if (narrowed || condition !== undefined) {
			header = await table.get(resourceKey(groupType, groupId))
			if (header === undefined) return 'absent'
			if (isUnsettled(header)) {
				await settleGroup(directory, groupId)
				return undefined
			}
			const version = textOf(header, 'mv')
			if (condition !== undefined && !condition(version)) return 'stale'
			if (narrowed) change = await effectiveChange(table, groupId, asked)
			if (isEmpty(change)) return { version }
		}
		// That somebody is no member is still true where the group's row is still the same.
		const isFree = condition === undefined && change.remove.length === asked.remove.length
		const operation = ids('Operation')
		const operations = [
			touch(directory, { groupId, operation }, isFree ? undefined : header),
			merge(gateKey(groupId), {}),
			...membershipOperations(groupId, change),
			...asked.add
				.filter((member) => !change.add.includes(member))
				.flatMap(({ value }) => stayOperations(groupId, value)),
		]
		const outcome = await commit(directory, {
			operation,
			entry: { kind: 'members', type: groupType, id: groupId, changed: changedMembers(change) },
			operations,
		})
		if (outcome.kind === 'done') return { version: operation }
		if (isHeaderMissing(outcome)) return 'absent'
		const failed = failedOperation(outcome, operations)
		const unknown = touchedMember(failed)
		if (unknown !== undefined) throw unknownMember(unknown)
		if (isMembership(failed) && !narrowed) {
			narrowed = true
			return attempt()
		}
		if (failed.key === gateKey(groupId)) await settleGroup(directory, groupId)
		return undefined
	})
}

/** Makes a change of any size: it is prepared, then committed in one transaction, then applied. */
async function changeMany(
	directory: Directory,
	groupId: string,
	change: MembershipChange,
	condition?: VersionCondition,
): Promise<Answer> {
	const { table, pause, ids } = directory
	return untilAnswered(pause, async () => {
		const [header, isAny] = await Promise.all([
			table.get(resourceKey(groupType, groupId)),
			isEffective(table, groupId, change),
		])
		if (header === undefined) return 'absent'
		if (isUnsettled(header)) {
			await settleGroup(directory, groupId)
			return undefined
		}
		const version = textOf(header, 'mv')
		if (condition !== undefined && !condition(version)) return 'stale'
		if (!isAny) return { version }
		const intent = { groupId, operation: ids('Operation') }
		const committed = await commitPrepared(directory, intent, change, (operation) => ({
			operation,
			entry: { kind: 'update', type: groupType, id: groupId, changed: ['members'] },
			operations: [
				touch(directory, { groupId, operation }, condition && header, { pend: intent.operation, lc: intent.operation }),
				...closingGate(intent),
			],
		}))
		if (committed === undefined) return undefined
		const { outcome, commitment } = committed
		if (outcome.kind === 'done') return { version: commitment.operation }
		return isHeaderMissing(outcome) ? 'absent' : undefined
	})
}

type Prepared<C> = { readonly commitment: C; readonly outcome: Committed }

/**
 * Prepares a change of many members, commits it and applies it. Where it is not committed nothing of it is left;
 * undefined where somebody stopped it.
 *
 * @param commitmentBy what commits it. Its operation is another than that of the intent, since the feed is in the order of
 * operations: this one begins when the change is prepared, however long that took.
 */
export async function commitPrepared<C extends Change>(
	directory: Directory,
	intent: Intent,
	change: MembershipChange,
	commitmentBy: (operation: string) => C,
): Promise<Prepared<C> | undefined> {
	if (!(await prepare(directory, intent, change))) {
		await abandonIfPossible(directory, intent)
		return undefined
	}
	const commitment = commitmentBy(directory.ids('Operation'))
	const outcome = await commit(directory, commitment)
	if (outcome.kind === 'done') {
		await applyCommitted(directory, intent)
		return { commitment, outcome }
	}
	await abandonIfPossible(directory, intent)
	const isStopped = failedOperation(outcome, commitment.operations).key === preparedKey(intent)
	return isStopped ? undefined : { commitment, outcome }
}

/** Moves the group's version; the row that was read must still be the same. */
const touch = (
	directory: Directory,
	{ groupId, operation }: Intent,
	header: Row | undefined,
	properties: { readonly pend?: string; readonly lc?: string } = {},
) =>
	merge(
		resourceKey(groupType, groupId),
		{ mv: operation, lm: timestamp(directory), ...properties },
		header === undefined ? '*' : etagOf(header),
	)

const isHeaderMissing = ({ kind, ...outcome }: Committed): boolean =>
	kind === 'missing' && 'index' in outcome && outcome.index === 0

/** `+<id>` for a member that was added and `-<id>` for one that was removed. */
export const changedMembers = ({ add, remove }: MembershipChange): readonly string[] => [
	...add.map(({ value }) => `+${value}`),
	...remove.map((id) => `-${id}`),
]
