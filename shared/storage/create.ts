import type { ResourceId, StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import { insert, type Operation } from './batch.ts'
import { commitPrepared } from './change-members.ts'
import { commit, maxOperations } from './commit.ts'
import { countBy, foldNowAndThen } from './counts.ts'
import { type Directory, timestamp } from './directory.ts'
import { rowsOf } from './entity.ts'
import { opening } from './intent.ts'
import { anchorKey, gateKey } from './keys.ts'
import { applyChange, fits, membershipOperations, requireStorable } from './membership.ts'
import { failedOperation, refusalOf } from './refusal.ts'
import type { Draft } from './resource-store.ts'
import { untilAnswered } from './retry.ts'

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
	const { table, pause, ids } = directory
	const operation = ids('Operation')
	const time = timestamp(directory)
	const resource = { id, attributes, version: operation, created: time, lastModified: time }
	const change = { add: members ?? [], remove: [] }
	const own = creationOf(type, resource, 'open')
	const isWhole = fits(change, maxOperations - own.length)
	const intent = { groupId: id, operation }
	const operations = isWhole
		? [...own, ...membershipOperations(id, change)]
		: [...creationOf(type, resource, 'closed'), ...opening(intent)]
	const commitment = { operation, entry: { kind: 'create', type, id }, operations } as const
	const outcome = isWhole
		? await commit(table, pause, commitment)
		: await commitPrepared(directory, intent, change, commitment)
	if (outcome === undefined) return undefined
	if (outcome.kind === 'done') return { ...resource, ...(members && { members: applyChange([], change) }) }
	const failed = failedOperation(outcome, operations)
	throw refusalOf(outcome, failed, { type, resource }) ?? new Error(`creating met ${outcome.kind} at ${failed.key}`)
}

/** `gate` is open where the members are whole with this transaction. */
function creationOf(type: ResourceType, resource: StoredResource, gate: 'open' | 'closed'): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource)
	const isGroup = type.name === 'Group'
	return [
		insert(key, gate === 'open' ? properties : { ...properties, pend: resource.version }),
		...[...index].map(([indexKey, copy]) => insert(indexKey, copy)),
		insert(anchorKey(resource.id), { t: isGroup ? 'g' : 'u' }),
		...(isGroup && gate === 'open' ? [insert(gateKey(resource.id), {})] : []),
		countBy(type, { operation: resource.version, id: resource.id, difference: 1 }),
	]
}
