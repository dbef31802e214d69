import type { CompareValue } from '../../scim/filter/ast.ts'
import { foldCase, keepCase } from '../../scim/fold-case.ts'
import type { AttributeValues } from '../../scim/resource.ts'
import {
	type AttributePath,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
	userType,
} from '../../scim/resource-type.ts'
import { urn } from '../../scim/urn.ts'
import { isObject, isUnassigned } from '../../scim/value.ts'
import type { Condition } from '../table/tables.ts'
import { boundsOf, type Folding, hasSpellings } from './folding.ts'
import { encode, isCut } from './keys.ts'

/**
 * A property that a user's row has beside its JSON, for an attribute without an index. The table service itself leaves
 * out the rows in which the attribute is not equal to what a filter asks for. `stored` is the name of the property.
 */
export type SearchColumn = ResolvedAttribute & { readonly stored: string }

const column = (stored: string, path: AttributePath): SearchColumn => {
	const resolved = resolveAttribute(userType, path)
	if (resolved === undefined) throw new TypeError(`User has no attribute ${path.name}`)
	return { ...resolved, stored }
}

const columns = {
	User: [
		column('ac', { name: 'active' }),
		column('ti', { name: 'title' }),
		column('ut', { name: 'userType' }),
		column('fn', { name: 'name', sub: 'familyName' }),
		column('gn', { name: 'name', sub: 'givenName' }),
		column('dep', { uri: urn.enterpriseUser, name: 'department' }),
	],
	Group: [],
} satisfies Record<ResourceType['name'], readonly SearchColumn[]>

/** The search columns of a resource type. */
export const columnsOf = ({ name }: ResourceType): readonly SearchColumn[] => columns[name]

/** The column of an attribute, or undefined. */
export const columnFor = (
	type: ResourceType,
	{ attribute, subAttribute }: ResolvedAttribute,
): SearchColumn | undefined =>
	columnsOf(type).find((each) => each.attribute === attribute && each.subAttribute === subAttribute)

/** A value as its column holds it. Undefined if no row can hold it. */
function columnValue(
	{ attribute, subAttribute = attribute }: SearchColumn,
	value: CompareValue | undefined,
	folding: Folding,
): string | boolean | undefined {
	if (isUnassigned(value)) return undefined
	if (subAttribute.type === 'boolean') return typeof value === 'boolean' ? value : undefined
	return encode(subAttribute.caseExact ? keepCase(String(value)) : folding(String(value)))
}

/** What the column must be if the attribute is equal to a value. Empty if the column cannot tell. */
export function columnConditions(column: SearchColumn, value: CompareValue): readonly Condition[] {
	const { stored: property, attribute, subAttribute = attribute } = column
	const folded = columnValue(column, value, foldCase)
	if (folded === undefined) return []
	const text = subAttribute.caseExact || typeof folded === 'boolean' ? '' : foldCase(String(value))
	if (!hasSpellings(text)) return [{ property, operator: 'eq', value: folded }]
	const [first, last] = boundsOf(text).map(encode)
	if (first === undefined || last === undefined || isCut(last)) return []
	return [
		{ property, operator: 'ge', value: first },
		{ property, operator: 'le', value: last },
	]
}

/** The columns of a resource's row. */
export function columnProperties(
	type: ResourceType,
	attributes: AttributeValues,
	folding: Folding,
): Readonly<Record<string, string | boolean>> {
	const properties: Record<string, string | boolean> = {}
	for (const each of columnsOf(type)) {
		const value = columnValue(each, valueIn(attributes, each), folding)
		if (value !== undefined) properties[each.stored] = value
	}
	return properties
}

function valueIn(
	attributes: AttributeValues,
	{ extension, attribute, subAttribute }: SearchColumn,
): CompareValue | undefined {
	const container = extension === undefined ? attributes : attributes[extension.urn]
	const value = isObject(container) ? container[attribute.name] : undefined
	const leaf = subAttribute === undefined || !isObject(value) ? value : value[subAttribute.name]
	return typeof leaf === 'string' || typeof leaf === 'boolean' ? leaf : undefined
}
