import { foldCase, keepCase } from '../../scim/fold-case.ts'
import type { AttributeValues, StoredResource } from '../../scim/resource.ts'
import { type OwnIndex, type ResourceType, sameUrn } from '../../scim/resource-type.ts'
import { isObject, isUnassigned } from '../../scim/value.ts'
import { encode } from './keys.ts'

// The indexes that a tenant has of its own. Each user with a value has one row in each of them. The user's own row names
// the keys of these rows, its entries: so every writer knows which rows exist, even one that does not know the index.

/** How many indexes of its own a tenant may have. Each takes one operation of the transaction that deletes a user. */
export const maxOwnIndexes = 5

/** The keys of a user's rows in own indexes, by the index's slot. */
export type IndexEntries = readonly (string | undefined)[]

export const noEntries: IndexEntries = []

/** The keys of all rows of an own index begin with this. */
export const ownPrefix = ({ name }: Pick<OwnIndex, 'name'>): string => `y|${name}|`

/** The row of a user in an own index. `value` is encoded. */
export const entryKey = (index: Pick<OwnIndex, 'name'>, value: string, id: string): string =>
	`${ownPrefix(index)}${value}|${id}`

/**
 * The key of the claim: the row of the one user who has a value of a unique index. The table refuses a second claim. The
 * keys of all rows of the value begin with this key.
 */
export const claimKey = (index: Pick<OwnIndex, 'name'>, value: string): string => entryKey(index, value, '')

/** Whether a key is that of a claim: no id follows the value. */
export const isClaim = (key: string): boolean => key.endsWith('|')

/**
 * A value as an own index holds it: equal for values that the attribute takes for equal. Undefined if no user can have it.
 */
export function ownIndexedValue({ type, caseExact }: OwnIndex, value: unknown): string | undefined {
	if (isUnassigned(value) || (typeof value !== 'string' && typeof value !== 'number')) return undefined
	if (type === 'integer') return Number.isFinite(Number(value)) ? encode(String(Number(value))) : undefined
	return encode(caseExact ? keepCase(String(value)) : foldCase(String(value)))
}

/** The value of a resource, as the client sent it: the resource may have it under a name in another letter case. */
export function ownValue({ path: { uri, name, sub } }: OwnIndex, attributes: AttributeValues): unknown {
	const containers = uri === undefined ? [attributes] : partsLike(attributes, uri)
	const [value] = containers.flatMap((container) => partsLike(container, name))
	return sub === undefined ? value : partsLike(value, sub)[0]
}

/** The part of an object with this name, and behind it those with the same name in another letter case. */
function partsLike(object: unknown, name: string): readonly unknown[] {
	if (!isObject(object)) return []
	const others = Object.keys(object).filter((key) => key !== name && key.length === name.length && sameUrn(key, name))
	return [name, ...others].filter((key) => Object.hasOwn(object, key)).map((key) => object[key])
}

/** The entries of a user before a change. */
export type EntriesBefore = { readonly attributes: AttributeValues; readonly entries: IndexEntries }

/**
 * The entries of a user after a change. An entry whose value stays the same stays as it is, even if it is missing: the
 * fill of the index adds it. So no change is refused because of a value that it leaves alone.
 */
export function entriesOf(type: ResourceType, user: StoredResource, before: EntriesBefore | undefined): IndexEntries {
	const entries: (string | undefined)[] = []
	for (const index of (type.indexes ?? []).filter(({ isKept }) => isKept)) {
		const value = ownIndexedValue(index, ownValue(index, user.attributes))
		const isSame = before !== undefined && ownIndexedValue(index, ownValue(index, before.attributes)) === value
		if (isSame) entries[index.slot] = entryIn(index, before.entries)
		else if (value !== undefined) entries[index.slot] = newEntry(index, value, user.id)
	}
	return entries
}

const newEntry = (index: OwnIndex, value: string, id: string): string =>
	index.isUnique ? claimKey(index, value) : entryKey(index, value, id)

/** The entry of an index; undefined if the slot has none, or one of an index that had the slot before. */
export function entryIn(index: Pick<OwnIndex, 'name' | 'slot'>, entries: IndexEntries): string | undefined {
	const entry = entries[index.slot]
	return entry?.startsWith(ownPrefix(index)) ? entry : undefined
}

export const entryKeys = (entries: IndexEntries): readonly string[] =>
	entries.filter((entry): entry is string => entry !== undefined)
