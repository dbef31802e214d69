import type { StoredResource } from '../scim/resource.ts'
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
import { tooContended } from './retry.ts'

export async function create(directory: Directory, type: ResourceType, draft: Draft): Promise<StoredResource> {
	const { table, pause, ids } = directory
	const { attributes, members = [] } = draft
	requireStorable(members)
	const operation = ids('Operation')
	const time = timestamp(directory)
	const resource = { id: draft.id ?? ids(type.name), attributes, version: operation, created: time, lastModified: time }
	const change = { add: members, remove: [] }
	const isWhole = fits(change, maxOperations - creationOf(type, resource, 'open').length)
	const operations = isWhole
		? [...creationOf(type, resource, 'open'), ...membershipOperations(resource.id, change)]
		: [...creationOf(type, resource, 'closed'), ...opening({ groupId: resource.id, operation })]
	const commitment = { operation, entry: { kind: 'create', type, id: resource.id }, operations } as const
	const outcome = isWhole
		? await commit(table, pause, commitment)
		: await commitPrepared(directory, { groupId: resource.id, operation }, change, commitment)
	if (outcome === undefined) throw tooContended()
	if (outcome.kind !== 'done') {
		const failed = failedOperation(outcome, operations)
		throw refusalOf(outcome, failed, { type, resource }) ?? new Error(`creating met ${outcome.kind} at ${failed.key}`)
	}
	await foldNowAndThen(directory, type)
	return { ...resource, ...(draft.members && { members: applyChange([], change) }) }
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
