import { isDeepStrictEqual } from 'node:util'
import type { AttributeValues, Member, ResourceId } from '../../scim/resource.ts'
import { builtInTypes, type TypeName, typeNames } from '../../scim/resource-type.ts'
import { isObject } from '../../scim/value.ts'
import { finishPendingChange } from '../membership/apply.ts'
import { membersAfter } from '../membership/members.ts'
import { uniqueRows } from '../query/unique-rows.ts'
import { finishGroupDeletion, finishUserDeletion } from '../resource/delete.ts'
import type { Directory } from '../rows/directory.ts'
import { idOf, resourceOf } from '../rows/entity.ts'
import { indexesOf } from '../rows/indexes.ts'
import { deletedGroupRow, deletedUserRow, groupRow, lastPartOf, resourceRows } from '../rows/schema.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Row } from '../table/tables.ts'
import {
	type ChangedValue,
	type MembershipTrace,
	type ResourceTrace,
	readUndoWindow,
	type UndoSelection,
	type UndoWindow,
} from './undo-window.ts'

export type UndoRequest = UndoSelection & {
	/** Whether what was changed again after the selected changes is undone, too. */
	readonly isForced: boolean
}

/** A resource in a plan; `name` is the userName or displayName. */
export type UndoSubject = { readonly id: ResourceId; readonly type: TypeName; readonly name: string }

/** A value to set back, if it is still `is`. */
export type ValueToUndo = { readonly path: readonly string[]; readonly is: unknown; readonly was: unknown }

export type RevisionToUndo = UndoSubject & {
	readonly values: readonly ValueToUndo[]
	/** Whether the user becomes active again. */
	readonly isReactivation: boolean
}

export type ResourceToRestore = UndoSubject & { readonly attributes: AttributeValues }

export type MembershipsToUndo = UndoSubject & {
	readonly add: readonly Member[]
	readonly remove: readonly ResourceId[]
}

/** Why something is left as it is. */
export type LeavingReason = 'again' | 'gone' | 'taken' | 'values' | 'unsure' | 'unfinished' | 'recent'

export type LeftAsItIs = UndoSubject & { readonly reason: LeavingReason }

/** What an undo is to do. */
export type UndoPlan = {
	readonly revisions: readonly RevisionToUndo[]
	readonly restorations: readonly ResourceToRestore[]
	readonly memberships: readonly MembershipsToUndo[]
	readonly left: readonly LeftAsItIs[]
	/** How many people become active again. */
	readonly activated: number
}

/** Compares what the selected changes did with what is there now. Writes nothing. */
export async function planUndo(directory: Directory, request: UndoRequest): Promise<UndoPlan> {
	const window = await readUndoWindow(directory, request)
	const present = new Set<string>()
	const steps: UndoStep[] = []
	for (const traces of chunked([...window.resources.values()].filter(isTouched), tracesAtOnce)) {
		const rows = await rowsOf(directory, traces)
		for (const { RowKey } of rows.values()) present.add(lastPartOf(RowKey))
		steps.push(...(await inParallel(traces, (trace) => stepsFor(directory, { trace, request, rows }))).flat())
	}
	const restorations = steps.flatMap((step) => ('attributes' in step ? [step] : []))
	const revisions = steps.flatMap((step) => ('values' in step ? [step] : []))
	const restored = new Map(restorations.map((each) => [each.id as string, each]))
	const members: readonly (MembershipsToUndo | LeftAsItIs)[] = (
		await inParallel(
			[...window.memberships].filter(([group]) => !(window.resources.get(group)?.isCreated ?? false)),
			([group, traced]) => membershipsFor(directory, { group, traced, window, present, restored, request }),
			4,
		)
	).flat()
	return {
		revisions,
		restorations,
		memberships: members.flatMap((each) => ('add' in each ? [each] : [])),
		left: [...steps, ...members].flatMap((each) => ('reason' in each ? [each] : [])),
		activated:
			revisions.filter(({ isReactivation }) => isReactivation).length +
			restorations.filter(({ type, attributes }) => type === 'User' && attributes.active !== false).length,
	}
}

type UndoStep = RevisionToUndo | ResourceToRestore | LeftAsItIs

type TraceRequest = {
	readonly trace: ResourceTrace
	readonly request: UndoRequest
	/** The resources that are there, by their keys. */
	readonly rows: ReadonlyMap<string, Row>
}

/** So many resources are in memory at once. */
const tracesAtOnce = 1000

/** Whether a selected change may have left something to undo. What the window has created stays. */
const isTouched = (trace: ResourceTrace): boolean =>
	!trace.isCreated &&
	(trace.values.size > 0 ||
		trace.isDeletionSelected ||
		trace.isWithoutValues ||
		trace.isWithoutMembers ||
		trace.large.size > 0)

/** The rows of resources that are there. */
async function rowsOf({ table }: Directory, traces: readonly ResourceTrace[]): Promise<ReadonlyMap<string, Row>> {
	const keysOf = (name: TypeName) =>
		traces.filter(({ type }) => type === name).map(({ id }) => resourceRows[name].key(id))
	const found = await inParallel(typeNames, (name) => rowsAt(table, keysOf(name)))
	return new Map(found.flatMap((rows) => [...rows]))
}

async function stepsFor(directory: Directory, { trace, request, rows }: TraceRequest): Promise<readonly UndoStep[]> {
	const row = rows.get(resourceRows[trace.type].key(trace.id))
	const now = row && resourceOf(row).attributes
	const subject = subjectOf(trace, now ?? trace.deletion?.attributes)
	const values = isWithoutSomething(trace, now, request) ? [{ ...subject, reason: 'values' } as const] : []
	if (row !== undefined && now !== undefined) {
		const isPending = trace.type === 'Group' && trace.large.has(groupRow.pendingChange.of(row))
		const pending = isPending ? [{ ...subject, reason: 'unfinished' } as const] : []
		return [...values, ...pending, ...(await revisionOf(directory, { subject, trace, now, request }))]
	}
	if (trace.deletion !== undefined) return restorationOf(directory, { subject, trace, request })
	const isGone = trace.values.size > 0 && !trace.isDeletionSelected
	return isGone ? [...values, { ...subject, reason: 'gone' }] : values
}

/** Whether a selected change cannot be undone because its values, or its members, are not kept. */
const isWithoutSomething = (trace: ResourceTrace, now: AttributeValues | undefined, { only }: UndoRequest): boolean =>
	(trace.isWithoutMembers && now !== undefined) ||
	(trace.isWithoutValues &&
		(now === undefined
			? trace.isDeletionSelected
			: only.includes('attributes') || (trace.type === 'User' && only.includes('deactivations'))))

const subjectOf = (
	{ id, type }: Pick<ResourceTrace, 'id' | 'type'>,
	attributes: AttributeValues = {},
): UndoSubject => ({
	id: id as ResourceId, // sound: the ledger names resources by their ids
	type,
	name: String(attributes.userName ?? attributes.displayName ?? id),
})

type TracedResource = { readonly subject: UndoSubject; readonly trace: ResourceTrace; readonly request: UndoRequest }

async function revisionOf(
	directory: Directory,
	{ subject, trace, now, request }: TracedResource & { readonly now: AttributeValues },
): Promise<readonly UndoStep[]> {
	const wanted = wantedValues(trace, now, request)
	const values = wanted.filter(({ isAgain }) => request.isForced || !isAgain)
	const again: readonly UndoStep[] = values.length < wanted.length ? [{ ...subject, reason: 'again' }] : []
	if (values.length === 0) return again
	const restored = withValues(now, values)
	if (await isTaken(directory, subject, restored, now)) return [...again, { ...subject, reason: 'taken' }]
	const isReactivation = subject.type === 'User' && now.active === false && restored.active !== false
	const plain = values.map(({ path, was, is }) => ({ path, was, is }))
	return [...again, { ...subject, values: plain, isReactivation }]
}

/** The values of the wanted kinds that are not what they were. */
function wantedValues(
	{ type, values }: ResourceTrace,
	now: AttributeValues,
	{ only }: UndoRequest,
): readonly (ChangedValue & ValueToUndo)[] {
	return [...values.values()]
		.map((value) => ({ ...value, is: valueAt(now, value.path) }))
		.filter(({ is, was }) => !isDeepStrictEqual(is, was))
		.filter(({ path, is }) => {
			const isDeactivation = type === 'User' && path[0] === 'active' && is === false
			return only.includes(isDeactivation ? 'deactivations' : 'attributes')
		})
}

/** The value at a path; null for nothing. */
export function valueAt(values: AttributeValues, [name = '', ...rest]: readonly string[]): unknown {
	const value = values[name]
	if (rest.length === 0 || value === undefined) return value ?? null
	return isObject(value) ? valueAt(value, rest) : null
}

/** The attributes with values set back. A complex attribute without any value is left out. */
export const withValues = (
	attributes: AttributeValues,
	values: readonly Pick<ValueToUndo, 'path' | 'was'>[],
): AttributeValues => values.reduce((now, { path, was }) => withValue(now, path, was), attributes)

function withValue(now: AttributeValues, [name = '', ...rest]: readonly string[], was: unknown): AttributeValues {
	const part = now[name]
	const value = rest.length === 0 ? was : withValue(isObject(part) ? part : {}, rest, was)
	if (value !== null && !(isObject(value) && Object.keys(value).length === 0)) return { ...now, [name]: value }
	const { [name]: _, ...others } = now
	return others
}

/** Whether another resource has a unique value of the attributes that the resource does not have now. */
async function isTaken(
	{ table }: Directory,
	{ id, type }: UndoSubject,
	attributes: AttributeValues,
	now: AttributeValues = {},
): Promise<boolean> {
	const isChanged = (name: string) => attributes[name] !== now[name]
	const unique = indexesOf(builtInTypes[type]).filter((index) => index.unique && isChanged(index.attribute.name))
	const owners = await inParallel(unique, async (index) => {
		const value = attributes[index.attribute.name]
		return typeof value === 'string' ? uniqueRows(table, index, value) : []
	})
	return owners.flat().some((row) => idOf(row) !== id)
}

/** A resource may be removed again by a late copy of its deletion, until this many milliseconds are over. */
const restoredAfter = 60_000

async function restorationOf(
	directory: Directory,
	{ subject, trace, request }: TracedResource,
): Promise<readonly UndoStep[]> {
	const { deletion } = trace
	if (deletion === undefined) return []
	if (directory.now() - deletion.at < restoredAfter) return [{ ...subject, reason: 'recent' }]
	if (await isUnfinished(directory, subject)) return [{ ...subject, reason: 'unfinished' }]
	const wanted = wantedValues(trace, deletion.attributes, request)
	const values = wanted.filter(({ isAgain }) => request.isForced || !isAgain)
	const attributes = withValues(deletion.attributes, values)
	const again: readonly UndoStep[] = values.length < wanted.length ? [{ ...subject, reason: 'again' }] : []
	if (await isTaken(directory, subject, attributes)) return [...again, { ...subject, reason: 'taken' }]
	return [...again, { ...subjectOf(trace, attributes), attributes }]
}

const isUnfinished = async ({ table }: Directory, { id, type }: UndoSubject): Promise<boolean> =>
	(await table.get((type === 'User' ? deletedUserRow : deletedGroupRow).key(id))) !== undefined

type TracedGroup = {
	readonly group: string
	readonly traced: ReadonlyMap<string, MembershipTrace>
	readonly window: UndoWindow
	readonly present: ReadonlySet<string>
	readonly restored: ReadonlyMap<string, ResourceToRestore>
	readonly request: UndoRequest
}

/** The memberships of a group that are not as they were. People whom the window has created stay as they are. */
async function membershipsFor(
	directory: Directory,
	{ group, traced, window: { resources }, present, restored, request }: TracedGroup,
): Promise<readonly (MembershipsToUndo | LeftAsItIs)[]> {
	const wanted = [...traced.values()].filter(({ net, isUnsure }) => net !== 0 || isUnsure)
	if (wanted.length === 0) return []
	const row = await directory.table.get(groupRow.key(group))
	const coming = restored.get(group)
	if (row === undefined && coming === undefined) return []
	const subject = subjectOf(
		{ id: group, type: 'Group' },
		row === undefined ? coming?.attributes : resourceOf(row).attributes,
	)
	const now = new Set<string>()
	if (row !== undefined) {
		const state = { groupId: group, pendingChange: groupRow.pendingChange.of(row), id: '' }
		for await (const page of membersAfter(directory.table, state)) for (const { value } of page) now.add(value)
	}
	const isThere = (user: string): boolean =>
		!(resources.get(user)?.isDeleted ?? false) || present.has(user) || restored.has(user)
	const different = wanted
		.filter(({ member: { value } }) => !(resources.get(value)?.isCreated ?? false) && isThere(value))
		.filter(({ net, isUnsure, member }) => (isUnsure ? now.has(member.value) : net < 0 !== now.has(member.value)))
	const sure = different.filter(({ isUnsure }) => !isUnsure)
	const done = sure.filter(({ isAgain }) => request.isForced || !isAgain)
	const add = done.filter(({ net }) => net < 0).map(({ member }) => member)
	const remove = done.filter(({ net }) => net > 0).map(({ member }) => member.value)
	return [
		...(sure.length < different.length ? [{ ...subject, reason: 'unsure' } as const] : []),
		...(done.length < sure.length ? [{ ...subject, reason: 'again' } as const] : []),
		...(done.length > 0 ? [{ ...subject, add, remove }] : []),
	]
}

/** Finishes the deletions and large changes that a plan had to wait for, so that the next plan can undo them. */
export async function finishChanges(directory: Directory, { left }: UndoPlan): Promise<void> {
	for (const { id, type, reason } of left) {
		if (reason !== 'unfinished') continue
		const finish = type === 'User' ? finishUserDeletion : finishGroupDeletion
		await finish(directory, id, Number.POSITIVE_INFINITY)
		if (type === 'Group') await finishPendingChange(directory, id)
	}
}
