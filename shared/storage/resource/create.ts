import type { AttributeValues, Member, ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { commitPrepared } from '../membership/change-members.ts'
import { applyChange, membershipOperations, requireStorable } from '../membership/operations.ts'
import { opening } from '../membership/prepare.ts'
import { countBy, foldNowAndThen } from '../rows/counts.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { rowsOf } from '../rows/entity.ts'
import { anchorKey, gateKey, type Intent } from '../rows/keys.ts'
import { insert, type Operation } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { commit, failedOperation, maxOperations } from '../transaction/commit.ts'
import { refusalOf } from './refusal.ts'

export type Draft = {
	readonly id?: ResourceId
	readonly attributes: AttributeValues
	readonly members?: readonly Member[]
}

export async function create(directory: Directory, type: ResourceType, draft: Draft): Promise<StoredResource> {
	requireStorable(draft.members ?? [])
	const id = draft.id ?? directory.ids(type.name)
	const created = await untilAnswered(directory.pause, () => createOnce(directory, type, { ...draft, id }))
	await foldNowAndThen(directory, type)
	return created
}

/** Undefined where somebody has stopped the preparation of the members. */
async function createOnce(
	directory: Directory,
	type: ResourceType,
	{ id, attributes, members }: Draft & { readonly id: ResourceId },
): Promise<StoredResource | undefined> {
	const change = { add: members ?? [], remove: [] }
	const creation = (operation: string, intent?: Intent) => {
		const time = timestamp(directory)
		const resource = { id, attributes, version: operation, created: time, lastModified: time }
		const entry = { kind: 'create', type, id } as const
		return { operation, entry, operations: creationOf(type, resource, intent), resource }
	}
	const bare = creation(directory.ids('Operation'))
	const whole = { ...bare, operations: [...bare.operations, ...membershipOperations(id, change)] }
	const intent = { groupId: id, operation: bare.operation }
	const committed =
		whole.operations.length <= maxOperations
			? { commitment: whole, outcome: await commit(directory, whole) }
			: await commitPrepared(directory, intent, change, (operation) => creation(operation, intent))
	if (committed === undefined) return undefined
	const { outcome, commitment } = committed
	const { resource, operations } = commitment
	if (outcome.kind === 'done') return { ...resource, ...(members && { members: applyChange([], change) }) }
	const failed = failedOperation(outcome, operations)
	throw refusalOf(outcome, failed, { type, resource }) ?? new Error(`creating met ${outcome.kind} at ${failed.key}`)
}

/** Where many members come with it, `intent` says so. */
function creationOf(type: ResourceType, resource: StoredResource, intent?: Intent): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource)
	const isGroup = type.name === 'Group'
	return [
		insert(key, intent === undefined ? properties : { ...properties, pend: intent.operation, lc: intent.operation }),
		...[...index].map(([indexKey, copy]) => insert(indexKey, copy)),
		insert(anchorKey(resource.id), { t: isGroup ? 'g' : 'u' }),
		...(isGroup && intent === undefined ? [insert(gateKey(resource.id), {})] : []),
		...(intent === undefined ? [] : opening(intent)),
		countBy(type, { operation: resource.version, id: resource.id, difference: 1 }),
	]
}
