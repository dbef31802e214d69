import { isDeepStrictEqual } from 'node:util'
import { isDeactivated } from '../../scim/active.ts'
import { kindOfId } from '../../scim/id.ts'
import type { AttributeValues, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { finishPendingChange } from '../membership/apply.ts'
import { changedMembers } from '../membership/change-members.ts'
import { effectiveChange } from '../membership/effective-change.ts'
import { commitWithMembers, largeOf, type MembersPart } from '../membership/large-change.ts'
import { nameLatestChange } from '../membership/latest-change.ts'
import {
	isEmpty,
	isMembership,
	type MembershipChange,
	noChange,
	requireStorable,
	withChange,
} from '../membership/operations.ts'
import { beforeValues } from '../rows/before-values.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { indexKeysOf, rowsOf } from '../rows/entity.ts'
import { type Folding, foldingOf } from '../rows/folding.ts'
import { indexedValues, indexesOf, valuesOf } from '../rows/indexes.ts'
import { noEntries } from '../rows/own-indexes.ts'
import { groupRow } from '../rows/schema.ts'
import { insert, type Operation, remove, replace, upsert } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { failedOperation } from '../transaction/commit.ts'
import { settleSharedValue, sharedValueIn } from './own-index.ts'
import { type Include, type ResourceState, readForChange } from './read.ts'
import { naming, ownerIn, refusalOf } from './refusal.ts'
import { guardSpellings } from './spellings.ts'

export type UpdateOptions = {
	readonly include?: Include
	readonly condition?: VersionCondition
	readonly revise: (current: StoredResource) => Revision | undefined | Promise<Revision | undefined>
}

/** All new attributes; of the members only what changes. */
export type Revision = { readonly attributes: AttributeValues; readonly membership?: MembershipChange }

type UpdateResult = StoredResource | 'absent' | 'stale'

/** Reads a resource, revises it and stores the revision, again and again while other requests change it. */
export async function update(
	directory: Directory,
	type: ResourceType,
	id: string,
	options: UpdateOptions,
): Promise<UpdateResult> {
	if (kindOfId(id) !== type.name) return 'absent'
	let isNarrowed = false
	return untilAnswered(directory.pause, async () => {
		for (;;) {
			const result = await tryUpdate(directory, { type, id, options, isNarrowed })
			if (result !== 'narrow') return result === 'retry' ? undefined : result
			if (isNarrowed) return undefined
			isNarrowed = true
		}
	})
}

type UpdateAttempt = {
	readonly type: ResourceType
	readonly id: string
	readonly options: UpdateOptions
	/** Whether what has no effect on the members is left out, at the cost of reading them. */
	readonly isNarrowed: boolean
}

async function tryUpdate(
	directory: Directory,
	{ type, id, options: { include, condition, revise }, isNarrowed }: UpdateAttempt,
): Promise<UpdateResult | 'narrow' | 'retry'> {
	const state = await readForChange(directory, type, id, include)
	if (state === undefined) return 'absent'
	const { resource, group } = state
	if (group?.hasPendingChange) {
		await finishPendingChange(directory, id)
		return 'retry'
	}
	if (condition !== undefined && !condition(resource.version)) return 'stale'
	const revision = await revise(resource)
	if (revision === undefined) return resource
	const { attributes, membership = noChange } = revision
	requireStorable(membership.add)
	const members = isNarrowed ? await effectiveChange(directory.table, id, membership) : membership
	if (attributes === resource.attributes && isEmpty(members)) return resource
	return store(directory, type, state, { attributes, members })
}

type StorableRevision = { readonly attributes: AttributeValues; readonly members: MembershipChange }

/** Stores a revision of the resource that was read. `retry` if another request changed it first. */
async function store(
	directory: Directory,
	type: ResourceType,
	state: ResourceState,
	{ attributes, members }: StorableRevision,
): Promise<StoredResource | 'narrow' | 'retry'> {
	const { id } = state.resource
	const names = changedNames(state.resource.attributes, attributes)
	const isTogether = names.length > 0 && !isEmpty(members)
	const folding = foldingAfter(directory, type, state, attributes)
	const keys = () => {
		const keysBefore = indexKeysOf(type, state.resource, { folding: state.folding, entries: noEntries })
		const keysAfter = indexKeysOf(type, { id, attributes }, { folding, entries: noEntries })
		return keysAfter.filter((key) => !keysBefore.includes(key))
	}
	const guards = await guardSpellings(directory.table, { type, resource: { id, attributes }, keys })
	const commitment = await commitWithMembers(
		directory,
		{
			id,
			group: state.group === undefined ? undefined : 'existing',
			members,
			isMembersAlone: attributes === state.resource.attributes,
			replaced: state.replaced,
		},
		(operation, part) => {
			const resource = { ...state.resource, attributes, version: operation, lastModified: timestamp(directory) }
			const changed = [...names, ...(part.large === undefined ? changedMembers(members) : ['members'])]
			const before = directory.history === 'full' ? beforeValues(state.resource.attributes, attributes) : {}
			const isDeactivation = isDeactivated(type, state.resource.attributes, attributes)
			const entry = {
				kind: 'update',
				type,
				id,
				changed,
				before,
				isDeactivation,
				...largeOf(part.large, members),
			} as const
			const replacement = replacementOf(type, state, resource, { ...part, isTogether, folding })
			return { operation, entry, operations: [...replacement, ...guards], resource }
		},
	)
	if (commitment === 'unchanged') return state.resource
	if (commitment === 'stopped') return 'retry'
	const { change, outcome } = commitment
	const { resource, operations } = change
	if (outcome.kind === 'done') {
		const before = resource.members
		return before === undefined ? resource : { ...resource, members: withChange(before, members) }
	}
	const failed = failedOperation(outcome, operations)
	if (isMembership(failed)) return 'narrow'
	const refusal = refusalOf(outcome, failed, { type, resource })
	if (refusal === undefined) return 'retry'
	// An update of the same resource that came first may have put the value there.
	const row = await directory.table.get(failed.key)
	const owner = ownerIn(row)
	if (owner === id) return 'retry'
	const shared = sharedValueIn(row)
	if (shared !== undefined && (await settleSharedValue(directory, shared))) return 'retry'
	throw naming(owner, type, refusal)
}

/**
 * The folding of a resource's rows after a change. All of them have the same one. A resource keeps it unless a unique value
 * changes: another resource may have the same value since format 2, and must not get into the way of other changes.
 */
function foldingAfter(
	{ writtenFormat }: Directory,
	type: ResourceType,
	{ resource, folding }: ResourceState,
	attributes: AttributeValues,
): Folding {
	const uniqueIn = (values: AttributeValues) =>
		indexesOf(type)
			.filter(({ unique }) => unique)
			.map((index) => valuesOf(index, values).map((value) => indexedValues(index, value)[0]))
	return isDeepStrictEqual(uniqueIn(resource.attributes), uniqueIn(attributes)) ? folding : foldingOf(writtenFormat)
}

/** `isTogether` if attributes and members change in one request. */
type ReplacementPart = MembersPart & { readonly isTogether: boolean; readonly folding: Folding }

function replacementOf(
	type: ResourceType,
	{ resource: before, etag, folding, entries, group }: ResourceState,
	resource: StoredResource,
	part: ReplacementPart,
): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource, {
		folding: part.folding,
		before: { attributes: before.attributes, entries },
	})
	const keysBefore = new Set(indexKeysOf(type, before, { folding, entries }))
	const keys = [...index.keys()]
	const moved = [
		...[...keysBefore].filter((indexKey) => !index.has(indexKey)).map((indexKey) => remove(indexKey)),
		...keys
			.filter((indexKey) => !keysBefore.has(indexKey))
			.map((indexKey) => insert(indexKey, index.get(indexKey) ?? {})),
	]
	if (group === undefined) {
		const kept = keys.filter((indexKey) => keysBefore.has(indexKey))
		const copies = kept.map((indexKey) => upsert(indexKey, index.get(indexKey) ?? {}))
		return [replace(key, properties, etag), ...moved, ...copies, ...part.operations]
	}
	const header = groupRow.properties(headerOf(resource, group, part))
	return [
		replace(key, { ...properties, ...header }, etag),
		...moved,
		...part.operations,
		...(part.large === undefined && part.isTogether
			? [nameLatestChange(resource.id, { operation: resource.version, isPending: false })]
			: []),
	]
}

/** What the group's row says of large changes after the replacement. */
function headerOf(
	{ version }: StoredResource,
	{ latestChange }: NonNullable<ResourceState['group']>,
	{ large, isTogether }: ReplacementPart,
): { readonly pendingChange?: string; readonly latestChange: string } {
	if (large !== undefined) return { pendingChange: large.operation, latestChange: large.operation }
	return { latestChange: isTogether ? version : latestChange }
}

const changedNames = (before: AttributeValues, now: AttributeValues): readonly string[] =>
	[...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
		(name) => before[name] !== now[name] && !isDeepStrictEqual(before[name], now[name]),
	)
