import { Fault } from '../../fault.ts'
import type { AttributeValues, Member, ResourceId, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { commitWithMembers, largeOf, type MembersPart } from '../membership/large-change.ts'
import { requireStorable, withChange } from '../membership/operations.ts'
import { countBy, foldNowAndThen } from '../rows/counts.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { indexKeysOf, rowsOf } from '../rows/entity.ts'
import { type Folding, foldingOf } from '../rows/folding.ts'
import { noEntries } from '../rows/own-indexes.ts'
import { existenceRow, groupRow, kindOfKey, letterOf } from '../rows/schema.ts'
import { insert, type Operation } from '../table/batch.ts'
import { untilAnswered } from '../table/retry.ts'
import { failedOperation } from '../transaction/commit.ts'
import { settleSharedValue, sharedValueIn } from './own-index.ts'
import { naming, ownerIn, refusalOf } from './refusal.ts'
import { guardSpellings } from './spellings.ts'

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

/**
 * Undefined if another process has stopped the preparation of the members, or has stored the same unique value; or if a
 * value has just become free.
 */
async function createOnce(
	directory: Directory,
	type: ResourceType,
	{ id, attributes, members }: Draft & { readonly id: ResourceId },
): Promise<StoredResource | undefined> {
	const added = { add: members ?? [], remove: [] }
	const folding = foldingOf(directory.writtenFormat)
	const draft = { id, attributes }
	const guards = await guardSpellings(directory.table, {
		type,
		resource: draft,
		keys: () => indexKeysOf(type, draft, { folding, entries: noEntries }),
	})
	const commitment = await commitWithMembers(
		directory,
		{ id, group: type.name === 'Group' ? 'new' : undefined, members: added },
		(operation, part) => {
			const time = timestamp(directory)
			const resource = { id, attributes, version: operation, created: time, lastModified: time }
			const { large } = part
			const firstMembers = large === undefined ? added.add.map(({ value }) => value) : []
			const entry = { kind: 'create', type, id, firstMembers, ...largeOf(large) } as const
			const operations = [...creationOf(type, resource, { ...part, folding }), ...guards]
			return { operation, entry, operations, resource }
		},
	)
	if (typeof commitment === 'string') return undefined
	const { change, outcome } = commitment
	const { resource, operations } = change
	if (outcome.kind === 'done') return members === undefined ? resource : { ...resource, members: withChange([], added) }
	const failed = failedOperation(outcome, operations)
	if (kindOfKey(failed.key) === 'spellings') return undefined
	const refusal = refusalOf(outcome, failed, { type, resource })
	if (refusal === undefined) throw new Fault(`creating met ${outcome.kind} at a row ${kindOfKey(failed.key)}`)
	if (refusal.scimType !== 'uniqueness') throw refusal
	const row = await directory.table.get(failed.key)
	const shared = sharedValueIn(row)
	if (shared !== undefined && (await settleSharedValue(directory, shared))) return undefined
	throw naming(ownerIn(row), type, refusal)
}

function creationOf(
	type: ResourceType,
	resource: StoredResource,
	{ large, operations, folding }: MembersPart & { readonly folding: Folding },
): readonly Operation[] {
	const { key, properties, index } = rowsOf(type, resource, { folding })
	const pending = groupRow.properties({ pendingChange: large?.operation, latestChange: large?.operation })
	return [
		insert(key, { ...properties, ...pending }),
		...[...index].map(([indexKey, copy]) => insert(indexKey, copy)),
		insert(existenceRow.key(resource.id), existenceRow.properties({ letter: letterOf(type) })),
		countBy(type, { operation: resource.version, id: resource.id, difference: 1 }),
		...operations,
	]
}
