import type { Attribute } from '../../scim/attribute.ts'
import { keepCase } from '../../scim/fold-case.ts'
import type { AttributeValues } from '../../scim/resource.ts'
import {
	groupType,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
	userType,
} from '../../scim/resource-type.ts'
import { isObject, isUnassigned } from '../../scim/value.ts'
import { type Folding, spellingsOf } from './folding.ts'
import { encode } from './keys.ts'
import { flag, rowKind } from './row-kind.ts'
import { groupRow, userRow } from './schema.ts'

/** The index rows of a user hold a copy of the user, or name it if it is long. */
export const userCopyRow = rowKind({
	parts: ['index', 'value'],
	key: (index, value) => `${index}|${value}`,
	meaning: 'A copy of the user.',
	columns: { ...userRow.columns, isReference: flag('big', 'the user is long: this row has its `id` alone') },
})

/** The index rows of a group hold its id alone. */
export const groupReferenceRow = rowKind({
	parts: ['index', 'value'],
	key: (index, value) => `${index}|${value}`,
	meaning: 'The id of the group.',
	columns: { id: groupRow.id },
})

/**
 * Rows under `prefix` that lead from a value of an attribute to the resources that have it. The key of a unique index
 * ends with the value, so that the table itself refuses a second one. In any other index the resource's id follows.
 */
export type Index = ResolvedAttribute & { readonly prefix: string; readonly unique: boolean }

function index(
	type: ResourceType,
	name: string,
	{ prefix, unique = false }: { prefix: string; unique?: boolean },
): Index {
	const resolved = resolveAttribute(type, { name })
	if (resolved === undefined) throw new TypeError(`${type.name} has no attribute ${name}`)
	return { ...resolved, prefix, unique }
}

const indexes = {
	User: [
		index(userType, 'userName', { prefix: 'x|un|', unique: true }),
		index(userType, 'externalId', { prefix: 'y|eu|' }),
		index(userType, 'emails', { prefix: 'y|em|' }),
		index(userType, 'displayName', { prefix: 'y|du|' }),
		index(userType, 'manager', { prefix: 'y|mg|' }),
	],
	Group: [
		index(groupType, 'displayName', { prefix: 'x|dg|', unique: true }),
		index(groupType, 'externalId', { prefix: 'y|eg|' }),
	],
} satisfies Record<ResourceType['name'], readonly Index[]>

/** The indexes of a resource type. An index that finds fewer resources comes first. */
export const indexesOf = ({ name }: ResourceType): readonly Index[] => indexes[name]

/** The attribute whose strings are indexed: `value` of a complex one. */
const indexedAttribute = ({ attribute }: Index): Attribute => attribute.subAttributes.get('value') ?? attribute

/** The row that leads from a value of a resource to the resource. */
export function indexKey(index: Index, value: string, { id, folding }: { id: string; folding: Folding }): string {
	const encoded = encode(indexedAttribute(index).caseExact ? keepCase(value) : folding(value))
	return index.unique ? `${index.prefix}${encoded}` : `${index.prefix}${encoded}|${id}`
}

/**
 * The encodings that a string may have in the index, and those that equal strings may have, as the attribute takes them:
 * that of format 2 first.
 */
export const indexedValues = (index: Index, value: string): readonly string[] =>
	(indexedAttribute(index).caseExact ? [keepCase(value)] : spellingsOf(value)).map(encode)

/** The keys that lead to what has a string in a unique index, or that those keys begin with in another one. */
export const lookupKeys = (index: Index, value: string): readonly string[] =>
	indexedValues(index, value).map((encoded) => `${index.prefix}${encoded}${index.unique ? '' : '|'}`)

/** The strings of a resource that an index holds, as the client sent them. */
export function valuesOf(index: Index, attributes: AttributeValues): readonly string[] {
	const { extension, attribute } = index
	const container = extension === undefined ? attributes : attributes[extension.urn]
	const value = isObject(container) ? container[attribute.name] : undefined
	return (Array.isArray(value) ? value : [value])
		.map((element: unknown) => (isObject(element) ? element.value : element))
		.filter((element): element is string => typeof element === 'string' && !isUnassigned(element))
}
