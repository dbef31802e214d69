import type { Attribute } from '../../scim/attribute.ts'
import { keepCase } from '../../scim/fold-case.ts'
import type { AttributeValues } from '../../scim/resource.ts'
import {
	groupType,
	type OwnIndex,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
	userType,
} from '../../scim/resource-type.ts'
import { isObject, isUnassigned } from '../../scim/value.ts'
import { type Folding, spellingsOf } from './folding.ts'
import { encode } from './keys.ts'
import { entryKey, ownIndexedValue, ownPrefix } from './own-indexes.ts'
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

/** The row of a user in an index of the tenant's own: the key ends with the id, or alone with the value if it is unique. */
export const ownCopyRow = rowKind({
	parts: ['own index', 'value', 'id'],
	key: (index, value, id) => entryKey({ name: index }, value, id),
	meaning: "A copy of the user, in an index of the tenant's own. Without the id if no other user may have the value.",
	columns: {
		...userCopyRow.columns,
		isShared: flag('many', 'several users have the value: this row is no copy, and keeps others from the value'),
	},
})

/**
 * Rows under `prefix` that lead from a value of an attribute to the resources that have it. The key of a unique index
 * ends with the value, so that the table itself refuses a second one. In any other index the resource's id follows.
 */
export type Index = ResolvedAttribute & {
	readonly prefix: string
	readonly unique: boolean
	/** Set if the index is a tenant's own. Its rows of one value lie in one range, also if it is unique. */
	readonly own?: OwnIndex
}

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

/** The indexes that filters may use: those of every tenant, and the tenant's own that are complete. */
export const usableIndexesOf = (type: ResourceType): readonly Index[] => [
	...indexesOf(type),
	...(type.indexes ?? []).flatMap((own) => usableOwnIndex(type, own) ?? []),
]

/** Undefined if the attribute is declared otherwise by now: the index would not have all that a filter takes for equal. */
function usableOwnIndex(type: ResourceType, own: OwnIndex): Index | undefined {
	const resolved = own.isComplete ? resolveAttribute(type, own.path) : undefined
	if (resolved === undefined) return undefined
	const { attribute, subAttribute = attribute } = resolved
	const isSame = subAttribute.type === own.type && subAttribute.caseExact === own.caseExact
	// The index has no rows of lists.
	const isSingle = !attribute.multiValued && !subAttribute.multiValued
	return isSame && isSingle ? { ...resolved, prefix: ownPrefix(own), unique: false, own } : undefined
}

/** The attribute whose strings are indexed: `value` of a complex one. */
const indexedAttribute = ({ attribute }: Index): Attribute => attribute.subAttributes.get('value') ?? attribute

/** The row that leads from a value of a resource to the resource, in an index that every tenant has. */
export function indexKey(index: Index, value: string, { id, folding }: { id: string; folding: Folding }): string {
	const encoded = encode(indexedAttribute(index).caseExact ? keepCase(value) : folding(value))
	return index.unique ? `${index.prefix}${encoded}` : `${index.prefix}${encoded}|${id}`
}

/**
 * The encodings that a string may have in the index, and those that equal strings may have, as the attribute takes them:
 * that of format 2 first. An index of the tenant's own has that one alone.
 */
export function indexedValues(index: Index, value: string): readonly string[] {
	// No user has a value that an index cannot hold: nothing follows the empty text.
	if (index.own !== undefined) return [ownIndexedValue(index.own, value) ?? '']
	return (indexedAttribute(index).caseExact ? [keepCase(value)] : spellingsOf(value)).map(encode)
}

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
