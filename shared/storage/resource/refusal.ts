import { type ScimError, uniqueness } from '../../scim/error.ts'
import { printAttributePath } from '../../scim/filter/print.ts'
import type { AttributeValues, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { touchedUser, unknownMember } from '../membership/operations.ts'
import { idOf } from '../rows/entity.ts'
import { type Index, indexesOf, valuesOf } from '../rows/indexes.ts'
import { ownPrefix, ownValue } from '../rows/own-indexes.ts'
import { userRow } from '../rows/schema.ts'
import type { Operation } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'
import type { Failure } from '../transaction/commit.ts'

/** The client's mistake that made the operation fail: a value that is taken, or a member that does not exist. */
export function refusalOf(
	{ kind }: Failure,
	operation: Operation,
	{ type, resource }: { readonly type: ResourceType; readonly resource: StoredResource },
): ScimError | undefined {
	if (kind === 'exists') return takenValueOf(operation, type, resource)
	const member = kind === 'missing' ? touchedUser(operation) : undefined
	return member === undefined ? undefined : unknownMember(member)
}

function takenValueOf({ key }: Operation, type: ResourceType, { attributes }: StoredResource): ScimError | undefined {
	const index = indexesOf(type).find(({ unique, prefix }) => unique && key.startsWith(prefix))
	if (index === undefined) return takenOwnValue(key, type, attributes)
	const [value = ''] = valuesOf(index, attributes)
	return takenValue(index, value)
}

/** The refusal of a value of a unique index that another resource has. */
export const takenValue = ({ attribute }: Index, value: string): ScimError =>
	uniqueness(`${attribute.name} ${JSON.stringify(value)} is already taken`)

function takenOwnValue(
	key: string,
	{ indexes = [] }: ResourceType,
	attributes: AttributeValues,
): ScimError | undefined {
	const index = indexes.find((each) => each.isUnique && key.startsWith(ownPrefix(each)))
	if (index === undefined) return undefined
	const value = JSON.stringify(ownValue(index, attributes))
	return uniqueness(`${printAttributePath(index.path)} ${value} is already taken`)
}

/** The id of the resource to which a row of an index leads; undefined if there is none. */
export const ownerIn = (row: Row | undefined): string | undefined =>
	row !== undefined && userRow.id.isIn(row) ? idOf(row) : undefined

/** Adds the id of the resource that has the value, so that an administrator finds it. Other refusals stay as they are. */
export function naming(owner: string | undefined, { name }: ResourceType, refusal: ScimError): ScimError {
	if (owner === undefined || refusal.scimType !== 'uniqueness') return refusal
	return uniqueness(`${refusal.message} by the ${name} with the id "${owner}"`)
}
