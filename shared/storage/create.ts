import type { StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import { insert, type Operation } from './batch.ts'
import { changeRest } from './change-members.ts'
import { commit, maxOperations } from './commit.ts'
import { countBy, foldNowAndThen } from './counts.ts'
import { type Directory, timestamp } from './directory.ts'
import { rowsOf } from './entity.ts'
import { anchorKey, gateKey } from './keys.ts'
import { applyChange, isEmpty, membershipOperations, requireStorable, requireUsers, splitChange } from './membership.ts'
import { failedOperation, refusalOf } from './refusal.ts'
import type { Draft } from './resource-store.ts'

export async function create(directory: Directory, type: ResourceType, draft: Draft): Promise<StoredResource> {
	const { table, pause, ids } = directory
	const { attributes, members = [] } = draft
	requireStorable(members)
	const operation = ids('Operation')
	const time = timestamp(directory)
	const resource = { id: draft.id ?? ids(type.name), attributes, version: operation, created: time, lastModified: time }
	const own = creationOf(type, resource)
	const [first, rest] = splitChange({ add: members, remove: [] }, maxOperations - own.length)
	if (!isEmpty(rest)) await requireUsers(table, pause, members)
	const operations = [...own, ...membershipOperations(resource.id, first)]
	const outcome = await commit(table, pause, {
		operation,
		entry: { kind: 'create', type, id: resource.id },
		operations,
	})
	if (outcome.kind !== 'done') {
		const failed = failedOperation(outcome, operations)
		throw refusalOf(outcome, failed, { type, resource }) ?? new Error(`creating met ${outcome.kind} at ${failed.key}`)
	}
	const version = (await changeRest(directory, resource.id, rest)) ?? operation
	await foldNowAndThen(directory, type)
	return { ...resource, version, ...(draft.members && { members: applyChange([], { add: members, remove: [] }) }) }
}

function creationOf(type: ResourceType, resource: StoredResource): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource)
	const isGroup = type.name === 'Group'
	return [
		insert(key, properties),
		...[...index].map(([indexKey, copy]) => insert(indexKey, copy)),
		insert(anchorKey(resource.id), { t: isGroup ? 'g' : 'u' }),
		...(isGroup ? [insert(gateKey(resource.id), {})] : []),
		countBy(type, resource.version, 1),
	]
}
