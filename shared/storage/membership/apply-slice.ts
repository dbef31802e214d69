import type { Directory } from '../rows/directory.ts'
import {
	committedKey,
	type LargeChange,
	memberRow,
	membershipRow,
	pendingMembershipRow,
	sliceRow,
} from '../rows/schema.ts'
import { insert, insertOrMerge, merge, type Operation, remove, upsert } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Outcome, Row, Table } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { keepMembers } from './kept-members.ts'
import { isEmpty, type MembershipChange, memberProperties, removeOperations, touchUser } from './operations.ts'
import { changeIn } from './slices.ts'

// One slice of a committed large change is applied in parts, several at once. The ledger is to know which users a change
// has really added. So a part inserts the rows of members. If one exists, its user was a member before, since no other
// request changes the members meanwhile. Each part writes such users into the slice, in its own transaction: a process that
// goes on after another one finds them there.

/** Four operations for each member to add, two for each to remove, one for the committed row and one for the ledger. */
const addsAtOnce = 24
const removesAtOnce = 49
const width = 8

/** What earlier slices of a change have shown. */
export type SliceFindings = {
	/** Some users to remove were no members. */
	areSomeGone: boolean
	/** Some users to add were members already. */
	areSomeMembers: boolean
}

type SliceWork = {
	readonly large: LargeChange
	readonly slice: Row
	readonly findings: SliceFindings
	/** Milliseconds since 1970 at which to stop. */
	readonly until: number
}

/** Applies a slice and removes it. Answers false if the time was over before. */
export async function applySlice(directory: Directory, work: SliceWork): Promise<boolean> {
	const { table, now } = directory
	const { large, slice, findings, until } = work
	const change = changeIn(slice)
	const rest = findings.areSomeGone ? await withoutNonMembers(table, large, change) : change
	const members = membersOnce(table, large, change)
	if (sliceRow.isKept.of(slice) && findings.areSomeMembers) await members.read()
	const parts = await inParallel(
		partsOf(rest),
		async (part) => (now() < until ? applyPart(directory, { large, slice, members, part }) : undefined),
		width,
	)
	const done = parts.filter((part) => part !== undefined)
	if (done.length < parts.length) return false
	findings.areSomeGone ||= change.remove.length > 0 && done.some(({ isNarrowed }) => isNarrowed)
	findings.areSomeMembers ||= members.isRead()
	const kept = await keptAdditions(directory, work, done)
	await commitStep(directory, [merge(committedKey(large), {}), remove(slice.RowKey), ...kept])
	return true
}

/** A part of a slice; `number` counts from 0. */
type SlicePart = MembershipChange & { readonly number: number }

const partsOf = ({ add, remove: removed }: MembershipChange): readonly SlicePart[] =>
	[
		...chunked(add, addsAtOnce).map((some) => ({ add: some, remove: [] })),
		...chunked(removed, removesAtOnce).map((some) => ({ add: [], remove: some })),
	].map((part, number) => ({ ...part, number }))

/** Reads which users to add are members, at most once for a slice. */
function membersOnce(table: Table, large: LargeChange, { add }: MembershipChange) {
	let reading: Promise<ReadonlySet<string>> | undefined
	return {
		isRead: () => reading !== undefined,
		read() {
			reading ??= membersAmong(table, large, add)
			return reading
		},
	}
}

async function membersAmong(
	table: Table,
	{ groupId }: LargeChange,
	add: MembershipChange['add'],
): Promise<ReadonlySet<string>> {
	const keys = new Map(add.map(({ value }) => [memberRow.key(groupId, value), value as string]))
	const rows = await rowsAt(table, [...keys.keys()])
	return new Set([...rows.keys()].map((key) => keys.get(key) ?? ''))
}

type PartWork = Pick<SliceWork, 'large' | 'slice'> & {
	readonly members: ReturnType<typeof membersOnce>
	readonly part: SlicePart
}

type AppliedPart = {
	/** Whether some of the part had been applied before. */
	readonly isNarrowed: boolean
	/** The users to add who were members before; those that this process has seen. */
	readonly stayed: readonly string[]
}

/**
 * Applies a part of a slice. For the ledger, the same transaction writes down which members it removes, and which users to
 * add were members before. The slice alone does not tell.
 */
async function applyPart(directory: Directory, { large, slice, members, part }: PartWork): Promise<AppliedPart> {
	const { table, pause } = directory
	const isKept = sliceRow.isKept.of(slice)
	let rest: MembershipChange = part
	let known: ReadonlySet<string> | undefined = members.isRead() ? await members.read() : undefined
	return untilAnswered(pause, async () => {
		const stayed = rest.add.map(({ value }) => value).filter((value) => known?.has(value) === true)
		const operations = [
			merge(committedKey(large), {}),
			...applyOperations(large, rest, isKept ? new Set(stayed) : 'any'),
			...(isKept ? noteOf(large, slice, { ...rest, number: part.number }, stayed) : []),
		]
		const outcome = await table.transaction(operations)
		// Without the committed row, all of the change has been applied.
		const isApplied = outcome.kind === 'done' || (outcome.kind === 'missing' && outcome.index === 0)
		if (isApplied) return { isNarrowed: rest !== part, stayed }
		if (known === undefined && isMemberThere(outcome, operations)) {
			known = await members.read()
			return undefined
		}
		rest = await unappliedPart(table, large, rest)
		if (isEmpty(rest)) return { isNarrowed: true, stayed: [] }
		if (isKept) known = await membersAmong(table, large, rest.add)
		return undefined
	})
}

const isMemberThere = (outcome: Outcome, operations: readonly Operation[]): boolean =>
	outcome.kind === 'exists' && operations[outcome.index]?.key.startsWith(memberRow.key('', '').slice(0, -1)) === true

/** @param stayed the users who are members already; `any` if that is not to be known */
const applyOperations = (
	{ groupId, operation }: LargeChange,
	{ add, remove: removed }: MembershipChange,
	stayed: ReadonlySet<string> | 'any',
): readonly Operation[] => [
	...add.flatMap((member) => {
		const isNew = stayed !== 'any' && !stayed.has(member.value)
		const key = memberRow.key(groupId, member.value)
		return [
			touchUser(member.value),
			isNew ? insert(key, memberProperties(member)) : insertOrMerge(key, memberProperties(member)),
			upsert(membershipRow.key(member.value, groupId), {}),
			remove(pendingMembershipRow.key(member.value, operation)),
		]
	}),
	...removed.flatMap((userId) => removeOperations(groupId, userId)),
]

/** What the ledger is to know of a part, in the transaction that applies it. */
function noteOf(
	{ operation }: LargeChange,
	slice: Row,
	{ add, remove: removed, number }: SlicePart,
	stayed: readonly string[],
): readonly Operation[] {
	if (add.length > 0) {
		return [merge(slice.RowKey, sliceRow.properties({ stayed: new Map([[number, stayed.join(' ')]]) }))]
	}
	return [keepMembers(operation, { added: [], removed: removed.map((value) => ({ value })) })]
}

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

/** The row of the ledger for the users whom a slice has added. */
async function keptAdditions(
	{ table }: Directory,
	{ large, slice }: SliceWork,
	parts: readonly AppliedPart[],
): Promise<readonly Operation[]> {
	const { add } = changeIn(slice)
	if (add.length === 0 || !sliceRow.isKept.of(slice)) return []
	const stayed = parts.some(({ isNarrowed }) => isNarrowed)
		? stayedIn(await table.get(slice.RowKey), Math.ceil(add.length / addsAtOnce))
		: new Set(parts.flatMap((part) => part.stayed))
	const added = stayed === undefined ? add : add.filter(({ value }) => !stayed.has(value))
	const isExact = stayed !== undefined && { isExact: true as const }
	return added.length === 0 ? [] : [keepMembers(large.operation, { added, removed: [], ...isExact })]
}

/** The users who were members before; undefined if another version of the app has applied some part. */
function stayedIn(slice: Row | undefined, parts: number): ReadonlySet<string> | undefined {
	const stayed = slice && sliceRow.stayed.of(slice)
	if (stayed === undefined || stayed.size < parts) return undefined
	return new Set([...stayed.values()].flatMap((ids) => ids.split(' ')))
}
