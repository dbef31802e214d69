import { isDeepStrictEqual } from 'node:util'
import { kindOfId } from '../scim/id.ts'
import type { AttributeValues, StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import { insert, merge, type Operation, remove, replace, upsert } from './batch.ts'
import { changedMembers, changeRest } from './change-members.ts'
import { commit, maxOperations } from './commit.ts'
import { type Directory, timestamp } from './directory.ts'
import { indexKeysOf, rowsOf } from './entity.ts'
import { gateKey } from './keys.ts'
import {
	applyChange,
	effectiveChange,
	isEmpty,
	isMembership,
	membershipOperations,
	noChange,
	requireStorable,
	requireUsers,
	splitChange,
} from './membership.ts'
import { type Found, read } from './read.ts'
import { failedOperation, refusalOf } from './refusal.ts'
import type { MembershipChange, UpdateOptions } from './resource-store.ts'
import { untilAnswered } from './retry.ts'

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
		const found = await read(directory, type, id, include)
		if (found === undefined) return 'absent'
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
	const { table, pause, ids } = directory
	const operation = ids('Operation')
	const resource = { ...found.resource, attributes, version: operation, lastModified: timestamp(directory) }
	const own = replacementOf(type, found, resource)
	const [first, rest] = splitChange(change, maxOperations - own.length)
	if (!isEmpty(rest)) await requireUsers(table, pause, change.add)
	const operations = [...own, ...membershipOperations(resource.id, first)]
	const changed = [...changedNames(found.resource.attributes, attributes), ...changedMembers(first)]
	const outcome = await commit(table, pause, {
		operation,
		entry: { kind: 'update', type, id: resource.id, changed },
		operations,
	})
	if (outcome.kind === 'done') {
		const version = (await changeRest(directory, resource.id, rest)) ?? operation
		const { members } = resource
		return { ...resource, version, ...(members && { members: applyChange(members, change) }) }
	}
	const failed = failedOperation(outcome, operations)
	if (isMembership(failed)) return 'narrow'
	const refusal = refusalOf(outcome, failed, { type, resource })
	// An update of the same resource that came first may have put the value there.
	if (refusal !== undefined && (await table.get(failed.key))?.id !== resource.id) throw refusal
	return undefined
}

function replacementOf(type: ResourceType, found: Found, resource: StoredResource): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource)
	const isGroup = type.name === 'Group'
	const before = new Set(indexKeysOf(type, found.resource))
	const kept = [...index].filter(([indexKey]) => before.has(indexKey))
	return [
		replace(key, properties, found.etag),
		...(isGroup ? [merge(gateKey(resource.id), {})] : []),
		...[...before].filter((indexKey) => !index.has(indexKey)).map((indexKey) => remove(indexKey)),
		...[...index].filter(([indexKey]) => !before.has(indexKey)).map(([indexKey, copy]) => insert(indexKey, copy)),
		...(isGroup ? [] : kept.map(([indexKey, copy]) => upsert(indexKey, copy))),
	]
}

const changedNames = (before: AttributeValues, now: AttributeValues): readonly string[] =>
	[...new Set([...Object.keys(before), ...Object.keys(now)])].filter(
		(name) => before[name] !== now[name] && !isDeepStrictEqual(before[name], now[name]),
	)
