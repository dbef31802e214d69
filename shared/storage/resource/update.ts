import { isDeepStrictEqual } from 'node:util'
import { kindOfId } from '../../scim/id.ts'
import type { AttributeValues, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { VersionCondition } from '../../scim/version.ts'
import { settleGroup } from '../membership/apply.ts'
import { changedMembers, commitPrepared } from '../membership/change-members.ts'
import type { MembershipChange } from '../membership/operations.ts'
import {
	applyChange,
	effectiveChange,
	isEffective,
	isEmpty,
	isMembership,
	membershipOperations,
	noChange,
	requireStorable,
} from '../membership/operations.ts'
import { closingGate, tellLatest } from '../membership/prepare.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { indexKeysOf, rowsOf } from '../rows/entity.ts'
import { gateKey, type Intent } from '../rows/keys.ts'
import { insert, merge, type Operation, remove, replace, upsert } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { commit, failedOperation, maxOperations } from '../transaction/commit.ts'
import { type Found, type Include, readForChange } from './read.ts'
import { refusalOf } from './refusal.ts'

export type UpdateOptions = {
	readonly include?: Include
	readonly condition?: VersionCondition
	readonly revise: (current: StoredResource) => Revision | undefined
}

/** The whole of the new attributes; of the members only what changes. */
export type Revision = { readonly attributes: AttributeValues; readonly membership?: MembershipChange }

type Answer = StoredResource | 'absent' | 'stale'

export async function update(
	directory: Directory,
	type: ResourceType,
	id: string,
	{ include, condition, revise }: UpdateOptions,
): Promise<Answer> {
	if (kindOfId(id) !== type.name) return 'absent'
	const { table, pause } = directory
	let narrowed = false
	return untilAnswered(pause, async function attempt(): Promise<Answer | undefined> {
		const found = await readForChange(directory, type, id, include)
		if (found === undefined) return 'absent'
		if (found.group?.isUnsettled) {
			await settleGroup(directory, id)
			return undefined
		}
		if (condition !== undefined && !condition(found.resource.version)) return 'stale'
		const revision = revise(found.resource)
		if (revision === undefined) return found.resource
		const { attributes, membership = noChange } = revision
		requireStorable(membership.add)
		const change = narrowed ? await effectiveChange(table, id, membership) : membership
		if (attributes === found.resource.attributes && isEmpty(change)) return found.resource
		const answer = await revised(directory, type, found, { attributes, change })
		if (answer === 'narrow') {
			if (narrowed) return undefined
			narrowed = true
			return attempt()
		}
		return answer
	})
}

type Revised = { readonly attributes: AttributeValues; readonly change: MembershipChange }

/** Stores a revision of what was found; undefined where somebody else came first. */
async function revised(
	directory: Directory,
	type: ResourceType,
	found: Found,
	{ attributes, change }: Revised,
): Promise<StoredResource | 'narrow' | undefined> {
	const { id } = found.resource
	const names = changedNames(found.resource.attributes, attributes)
	const isTogether = names.length > 0 && !isEmpty(change)
	const replacement = (operation: string, intent?: Intent) => {
		const resource = { ...found.resource, attributes, version: operation, lastModified: timestamp(directory) }
		const changed = [...names, ...(intent === undefined ? changedMembers(change) : ['members'])]
		const entry = { kind: 'update', type, id, changed } as const
		const latestChange = intent?.operation ?? (isTogether ? operation : found.group?.latestChange)
		return { operation, entry, operations: replacementOf(type, found, resource, { intent, latestChange }), resource }
	}
	const bare = replacement(directory.ids('Operation'))
	const whole = {
		...bare,
		operations: [
			...bare.operations,
			...membershipOperations(id, change),
			...(isTogether ? [tellLatest({ groupId: id, operation: bare.operation })] : []),
		],
	}
	const isWhole = whole.operations.length <= maxOperations
	if (!isWhole && attributes === found.resource.attributes && !(await isEffective(directory.table, id, change))) {
		return found.resource
	}
	const intent = { groupId: id, operation: bare.operation }
	const committed = isWhole
		? { commitment: whole, outcome: await commit(directory, whole) }
		: await commitPrepared(directory, intent, change, (operation) => replacement(operation, intent))
	if (committed === undefined) return undefined
	const { outcome, commitment } = committed
	const { resource, operations } = commitment
	if (outcome.kind === 'done') {
		const { members } = resource
		return { ...resource, ...(members && { members: applyChange(members, change) }) }
	}
	const failed = failedOperation(outcome, operations)
	if (isMembership(failed)) return 'narrow'
	const refusal = refusalOf(outcome, failed, { type, resource })
	// An update of the same resource that came first may have put the value there.
	if (refusal !== undefined && (await directory.table.get(failed.key))?.id !== id) throw refusal
	return undefined
}

type Context = {
	/** Where many members change with it. */
	readonly intent: Intent | undefined
	/** Of a group. */
	readonly latestChange: string | undefined
}

function replacementOf(
	type: ResourceType,
	found: Found,
	resource: StoredResource,
	{ intent, latestChange }: Context,
): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource)
	const told = latestChange === undefined ? properties : { ...properties, lc: latestChange }
	const isGroup = type.name === 'Group'
	const gate = isGroup ? [merge(gateKey(resource.id), {})] : []
	const before = new Set(indexKeysOf(type, found.resource))
	const kept = [...index].filter(([indexKey]) => before.has(indexKey))
	return [
		replace(key, intent === undefined ? told : { ...told, pend: intent.operation }, found.etag),
		...(intent === undefined ? gate : closingGate(intent)),
		...[...before].filter((indexKey) => !index.has(indexKey)).map((indexKey) => remove(indexKey)),
		...[...index].filter(([indexKey]) => !before.has(indexKey)).map(([indexKey, copy]) => insert(indexKey, copy)),
		...(isGroup ? [] : kept.map(([indexKey, copy]) => upsert(indexKey, copy))),
	]
}

const changedNames = (before: AttributeValues, now: AttributeValues): readonly string[] =>
	[...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
		(name) => before[name] !== now[name] && !isDeepStrictEqual(before[name], now[name]),
	)
