import { timeOfId } from '../../scim/id.ts'
import type { AttributeValues, Member } from '../../scim/resource.ts'
import type { TypeName } from '../../scim/resource-type.ts'
import { isObject, type JsonObject } from '../../scim/value.ts'
import { keptMembersIn, keptPages } from '../membership/kept-members.ts'
import type { Directory } from '../rows/directory.ts'
import { feedRow } from '../rows/schema.ts'
import type { Row } from '../table/tables.ts'
import { entryKey } from '../transaction/epochs.ts'
import { deletedAttributes, type LedgerEntry, ledgerEntryIn, mentionsIn, placeIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'
import { feedStart } from './feed-start.ts'

/** Which changes are to be undone. Times are milliseconds since 1970; both ends belong to the window. */
export type UndoSelection = {
	readonly since: number
	readonly until: number
	/** The id or the label of the credential that made the changes; any if left out. */
	readonly credential?: string
	/** The resource that was changed, or that joined or left a group; any if left out. */
	readonly resource?: string
	/** One change, in whose place `since` and `until` are not looked at; any if left out. */
	readonly change?: ChangePlace
	readonly only: readonly UndoKind[]
}

/** The operation of a change, and the epoch of the feed that has it, as a history tells them. */
export type ChangePlace = { readonly operation: string; readonly epoch: string }

export const undoKinds = ['deletions', 'deactivations', 'memberships', 'attributes'] as const

export type UndoKind = (typeof undoKinds)[number]

/** An attribute or sub-attribute that a selected change has changed. */
export type ChangedValue = {
	readonly path: readonly string[]
	/** What was there before the first selected change; null for nothing. */
	readonly was: unknown
	/** Whether a change that is not selected came afterwards. */
	isAgain: boolean
}

/** What has happened to a resource since the beginning of the window. */
export type ResourceTrace = {
	readonly id: string
	readonly type: TypeName
	readonly values: Map<string, ChangedValue>
	/** The last deletion, if it is selected and its values are kept. */
	deletion?: { readonly attributes: AttributeValues; readonly at: number } | undefined
	isCreated: boolean
	/** Whether the last creation or deletion is a deletion. */
	isDeleted: boolean
	/** Whether the last deletion is a selected one. */
	isDeletionSelected: boolean
	/** Whether a selected change has no values. */
	isWithoutValues: boolean
	/** Whether a selected large change of the members has kept none of them. */
	isWithoutMembers: boolean
	/** The operations of the selected large changes of the members. */
	readonly large: Set<string>
}

/** What has happened to a membership since the beginning of the window. */
export type MembershipTrace = {
	epoch: string
	/** Of the first epoch with an effect: how often the user joined, less how often the user left. */
	net: number
	/** Whether it is unknown if the user was a member before. */
	readonly isUnsure: boolean
	isAgain: boolean
	/** Whether the user was a member after the last of the changes. */
	isMember: boolean
	readonly member: Member
}

export type UndoWindow = {
	readonly resources: Map<string, ResourceTrace>
	/** By the group, and then by the user. */
	readonly memberships: Map<string, Map<string, MembershipTrace>>
}

/** Reads from the ledger what the selected changes have done, and which of it was changed again by others. */
export async function readUndoWindow(directory: Directory, selection: UndoSelection): Promise<UndoWindow> {
	const window: UndoWindow = { resources: new Map(), memberships: new Map() }
	const { change } = selection
	const since = change === undefined ? selection.since : 0
	const start = change === undefined ? await feedStart(directory, since) : startOf(change)
	for await (const rows of feedRowsAfter(directory, start, { isFinalOnly: false })) {
		for (const row of rows) {
			if (isWithdrawn(row) || timeIn(row) < since) continue
			const entry = ledgerEntryIn(row)
			const isSelected = isIn(window, entry, selection, timeIn(row))
			const isKindSelected = entry.kind !== 'delete' || selection.only.includes('deletions')
			const isOwnSelected = isSelected && isKindSelected && isWanted(selection, entry.id)
			traceResource(window, entry, { isSelected: isOwnSelected, at: timeIn(row) })
			const isMembersSelected = isSelected && selection.only.includes(membershipKindOf(entry))
			if (isMembersSelected) traceLargeChange(window, entry)
			for (const each of await joinsAndLeavesOf(directory, entry)) {
				const isPairWanted = isWanted(selection, each.group) || isWanted(selection, each.member.value)
				traceMembership(window, entry, { ...each, isSelected: isMembersSelected && isPairWanted })
			}
		}
	}
	return window
}

/** The place of the feed right before a change. What came before it does not matter to an undo. */
const startOf = (change: ChangePlace): string =>
	entryKey(Number.parseInt(change.epoch, 16), change.operation).slice(0, -1)

/** Memberships that end by the deletion of the user or of the group come back with that one. */
const membershipKindOf = ({ kind }: LedgerEntry): UndoKind =>
	kind === 'delete' || kind === 'unlink' ? 'deletions' : 'memberships'

const isWanted = ({ resource }: UndoSelection, id: string): boolean => resource === undefined || resource === id

function timeIn(row: Row): number {
	const at = feedRow.at.of(row)
	return at === undefined ? timeOfId(placeIn(row.RowKey).operation) : Date.parse(at)
}

/** What the sweep removes of a deleted user belongs to the deletion, whenever the sweep does it. */
function isIn(
	window: UndoWindow,
	{ kind, id, credential, operation }: LedgerEntry,
	selection: UndoSelection,
	at: number,
): boolean {
	if (kind === 'unlink') return window.resources.get(id)?.isDeletionSelected ?? false
	const { credential: wanted, until, change } = selection
	if (change !== undefined) return operation === change.operation
	return at <= until && (wanted === undefined || credential?.id === wanted || credential?.label === wanted)
}

type TracedChange = { readonly isSelected: boolean; readonly at: number }

function traceResource(window: UndoWindow, entry: LedgerEntry, change: TracedChange): void {
	const { id, resourceType: type, kind } = entry
	const known = window.resources.get(id)
	const trace = known ?? newTrace(id, type)
	if (kind === 'create') {
		trace.isCreated ||= known === undefined
		trace.isDeleted = false
		trace.deletion = undefined
	} else if (kind === 'delete') traceDeletion(trace, entry, change)
	else if (kind === 'update') traceValues(trace, entry, change.isSelected)
	else return
	window.resources.set(id, trace)
}

const newTrace = (id: string, type: TypeName): ResourceTrace => ({
	...{ id, type, values: new Map() },
	...{ isCreated: false, isDeleted: false, isDeletionSelected: false, isWithoutValues: false },
	...{ isWithoutMembers: false, large: new Set() },
})

/** Remembers a large change whose members may not be known, or not yet. */
function traceLargeChange({ resources }: UndoWindow, { id, kind, changed, lists }: LedgerEntry): void {
	const trace = resources.get(id)
	if (trace === undefined || kind !== 'update' || !changed.includes('members')) return
	if (lists === undefined) trace.isWithoutMembers = true
	else trace.large.add(lists)
}

function traceDeletion(trace: ResourceTrace, entry: LedgerEntry, { isSelected, at }: TracedChange): void {
	const attributes = deletedAttributes(entry)
	trace.isDeleted = true
	trace.isDeletionSelected = isSelected
	trace.deletion = isSelected && attributes !== undefined ? { attributes, at } : undefined
	if (isSelected && attributes === undefined) trace.isWithoutValues = true
}

function traceValues(trace: ResourceTrace, { before, changed }: LedgerEntry, isSelected: boolean): void {
	const names = changed.filter((name) => name !== 'members' && !/^[+-]/.test(name))
	const leaves = before === undefined ? names.map((name) => ({ path: [name], was: undefined })) : leavesOf(before)
	if (isSelected && before === undefined && names.length > 0) trace.isWithoutValues = true
	for (const { path, was } of leaves) {
		const known = [...trace.values.values()].filter((value) => isOverlapping(value.path, path))
		if (!isSelected) for (const value of known) value.isAgain = true
		else if (known.length === 0 && before !== undefined)
			trace.values.set(JSON.stringify(path), { path, was, isAgain: false })
	}
}

/** Whether one path leads to a part of what the other one leads to. */
const isOverlapping = (one: readonly string[], other: readonly string[]): boolean =>
	one.every((name, index) => index >= other.length || other[index] === name)

type ValueBefore = { readonly path: readonly string[]; readonly was: unknown }

/** The sub-attributes in the values that a change has replaced. A list is one value. */
const leavesOf = (before: JsonObject, path: readonly string[] = []): readonly ValueBefore[] =>
	Object.entries(before).flatMap(([name, was]) =>
		isObject(was) ? leavesOf(was, [...path, name]) : [{ path: [...path, name], was }],
	)

type JoinOrLeave = {
	readonly group: string
	readonly member: Member
	readonly isJoining: boolean
	/** Whether the user may have been a member already. */
	readonly isUnsure: boolean
}

/** The memberships that begin and end by a change. */
async function joinsAndLeavesOf({ table }: Directory, entry: LedgerEntry): Promise<readonly JoinOrLeave[]> {
	const found: JoinOrLeave[] = mentionsIn(entry).map(({ resource, kind, otherType, other }) => {
		const [group, user] = otherType === 'Group' ? [other, resource] : [resource, other]
		return { group, member: { value: user as Member['value'] }, isJoining: kind === 'joined', isUnsure: false } // sound: a user's id
	})
	if (entry.lists === undefined) return found
	for await (const rows of keptPages(table, entry.lists)) {
		for (const { added, removed, isExact = false } of rows.map(keptMembersIn)) {
			const isUnsure = entry.kind !== 'create' && !isExact
			for (const member of added) found.push({ group: entry.id, member, isJoining: true, isUnsure })
			for (const member of removed) found.push({ group: entry.id, member, isJoining: false, isUnsure: false })
		}
	}
	return found
}

type TracedMembership = JoinOrLeave & { readonly isSelected: boolean }

/**
 * Within an epoch of the feed the order of changes of one membership is unknown. Joining and leaving take turns, so that
 * their difference tells what was there before.
 */
function traceMembership(
	{ memberships }: UndoWindow,
	{ epoch }: LedgerEntry,
	{ group, member, isJoining, isUnsure, isSelected }: TracedMembership,
): void {
	const members = memberships.get(group) ?? new Map<string, MembershipTrace>()
	const known = members.get(member.value)
	// Adding a member again is no change.
	if (isUnsure && known?.isMember === true) return
	const sign = isJoining ? 1 : -1
	if (known !== undefined) known.isMember = isJoining
	if (!isSelected) {
		if (known !== undefined) known.isAgain = true
	} else if (known === undefined || (known.net === 0 && known.epoch !== epoch)) {
		const isFirst = known === undefined
		members.set(member.value, {
			...{ epoch, net: sign, member, isMember: isJoining },
			isUnsure: isFirst ? isUnsure : known.isUnsure,
			isAgain: known?.isAgain ?? false,
		})
		memberships.set(group, members)
	} else if (known.epoch === epoch) known.net += sign
}
