import { type ScimError, uniqueness } from '../scim/error.ts'
import type { StoredResource } from '../scim/resource.ts'
import type { ResourceType } from '../scim/resource-type.ts'
import type { Operation } from './batch.ts'
import type { Committed } from './commit.ts'
import { indexesOf, valuesOf } from './indexes.ts'
import { touchedMember, unknownMember } from './membership.ts'

export type Failure = Exclude<Committed, { kind: 'done' }>

/** The operation that made a transaction fail. */
export function failedOperation({ kind, index }: Failure, operations: readonly Operation[]): Operation {
	const operation = operations[index]
	if (operation === undefined)
		throw new RangeError(`a transaction of ${operations.length} ended with ${kind} at ${index}`)
	return operation
}

/** What the client did that makes the operation fail: a value that is taken, a member that is no user. */
export function refusalOf(
	{ kind }: Failure,
	operation: Operation,
	{ type, resource }: { readonly type: ResourceType; readonly resource: StoredResource },
): ScimError | undefined {
	if (kind === 'exists') return takenValue(operation, type, resource)
	const member = touchedMember(operation)
	return member !== undefined && kind === 'missing' ? unknownMember(member) : undefined
}

function takenValue({ key }: Operation, type: ResourceType, { attributes }: StoredResource): ScimError | undefined {
	const index = indexesOf(type).find(({ unique, prefix }) => unique && key.startsWith(prefix))
	if (index === undefined) return undefined
	const [value] = valuesOf(index, attributes)
	return uniqueness(`${index.attribute.name} ${JSON.stringify(value)} is already taken`)
}
