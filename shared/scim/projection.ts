import { type Attribute, type Attributes, findAttribute } from './attribute.ts'
import { type Quirks, urnInOtherSpelling } from './dialect.ts'
import { invalidValue } from './error.ts'
import { readAttributePath } from './filter/lex.ts'
import { commonAttributes, type ResourceId } from './resource.ts'
import { findExtension, type ResourceType, resolveAttribute } from './resource-type.ts'
import { isObject, type JsonObject } from './value.ts'

/** The attributes that a client wants: the default ones, only the `named` ones, or all except the `named` ones. */
export type Selection = { readonly mode: 'default' | 'only' | 'except'; readonly named: ReadonlySet<Attribute> }

/** The selection of a client that names no attributes. */
export const defaultSelection: Selection = { mode: 'default', named: new Set() }

/** A resource without the attributes that the client does not want. It always has `id` and `schemas`. */
export type Projection = {
	readonly schemas: readonly string[]
	readonly id: ResourceId
	readonly [name: string]: unknown
}

/** Names of attributes: separated by commas in a query, a list in a search request. */
type AttributeNames = string | readonly string[] | undefined

/**
 * Reads the parameters `attributes` and `excludedAttributes` for the resource types of a request. A name may have a URN
 * and a sub-attribute, or be the whole URN of an extension, in any letter case. Unknown names are ignored, because one
 * request may search two resource types and only one of them has the attribute.
 *
 * @throws ScimError 400 `invalidValue` if the request has both parameters, which are mutually exclusive (RFC 7644 section
 * 3.9), or more than 1,000 names
 */
export function parseSelection(
	parameters: { readonly attributes?: AttributeNames; readonly excludedAttributes?: AttributeNames },
	types: readonly ResourceType[],
	quirks: Quirks = new Set(),
): Selection {
	const only = namesOf('attributes', parameters.attributes)
	const except = namesOf('excludedAttributes', parameters.excludedAttributes)
	if (only.length > 0 && except.length > 0) {
		throw invalidValue('attributes and excludedAttributes are mutually exclusive: send one of them')
	}
	if (only.length > 0) return { mode: 'only', named: attributesNamed(only, types, quirks) }
	return except.length > 0 ? { mode: 'except', named: attributesNamed(except, types, quirks) } : defaultSelection
}

/**
 * Microsoft's test collection selects by a value path: `attributes=emails[type eq "work"]`. We return the whole
 * attribute. https://github.com/AzureAD/SCIMReferenceCode/blob/master/PostmanCollection.json
 */
const withoutValueFilters = (names: string): string => names.replace(/\[[^[\]]*\]/g, '')

// The body of a search request has room for a million names.
const maxNames = 1000

function namesOf(parameter: string, value: AttributeNames = []): readonly string[] {
	const names = [value]
		.flat()
		.flatMap((text) => withoutValueFilters(text).split(','))
		.map((name) => name.trim())
		.filter((name) => name !== '')
	if (names.length > maxNames) throw invalidValue(`${parameter} has more than ${maxNames} names`)
	return names
}

const attributesNamed = (
	names: readonly string[],
	types: readonly ResourceType[],
	quirks: Quirks,
): ReadonlySet<Attribute> =>
	new Set(types.flatMap((type) => names.flatMap((name) => attributesOfName(name, type, quirks))))

function attributesOfName(name: string, type: ResourceType, quirks: Quirks): readonly Attribute[] {
	const extension = findExtension(type, urnInOtherSpelling(name, quirks))
	if (extension !== undefined) return [...extension.attributes.values()]
	const path = readAttributePath(name, quirks)
	const resolved = path && resolveAttribute(type, path)
	return resolved === undefined ? [] : [resolved.subAttribute ?? resolved.attribute]
}

/**
 * Says whether the client wants an attribute that costs extra to read. `members` are returned by default, `groups` only if
 * the client names them.
 */
export function selects(selection: Selection, type: ResourceType, name: 'members' | 'groups'): boolean {
	const attribute = findAttribute(type.schema.attributes, name)
	return attribute !== undefined && isSelected(attribute, selection)
}

/** Leaves out the attributes that the client does not want and those that are never returned (RFC 7643 section 7). */
export function project(resource: Projection, type: ResourceType, selection: Selection = defaultSelection): Projection {
	const extensions: Record<string, JsonObject> = {}
	for (const { urn, attributes } of type.extensions) {
		const values = resource[urn]
		const projected = isObject(values) ? projectValues(values, attributes, selection) : {}
		if (!isEmpty(projected)) extensions[urn] = projected
	}
	// A resource without values of an extension does not name its URN. With `attributes`, `schemas` is as it is stored.
	const isExcluded = (urn: string) =>
		selection.mode === 'except' && isObject(resource[urn]) && !Object.hasOwn(extensions, urn)
	const projected = {
		schemas: resource.schemas,
		id: resource.id,
		...projectValues(resource, type.schema.attributes, selection),
		...extensions,
		...projectValues(resource, commonAttributes, selection),
	}
	return { ...projected, schemas: resource.schemas.filter((urn) => !isExcluded(urn)) }
}

/** Leaves out of one attribute's value what the client does not want; undefined if the client wants nothing of it. */
export function projectAttribute(
	name: string,
	value: unknown,
	{ type, selection }: { readonly type: ResourceType; readonly selection: Selection },
): unknown {
	const attribute = findAttribute(type.schema.attributes, name)
	return attribute !== undefined && isSelected(attribute, selection)
		? projectValue(value, attribute, selection)
		: undefined
}

function projectValues(values: JsonObject, attributes: Attributes, selection: Selection): JsonObject {
	const projected: Record<string, unknown> = {}
	for (const [name, value] of Object.entries(values)) {
		const attribute = findAttribute(attributes, name)
		if (attribute === undefined || !isSelected(attribute, selection)) continue
		const kept = projectValue(value, attribute, selection)
		if (kept !== undefined) projected[name] = kept
	}
	return projected
}

/** The value with the sub-attributes that the client wants; undefined if the value has none of them. */
function projectValue(value: unknown, attribute: Attribute, selection: Selection): unknown {
	if (attribute.type !== 'complex') return value
	const { mode, named } = selection
	const isWhole = mode === 'only' && (named.has(attribute) || !isNamedInPart(attribute, named))
	const inner = isWhole ? { mode: 'default' as const, named } : selection
	const selectedNames = new Set(
		[...attribute.subAttributes.values()].filter((sub) => isSelected(sub, inner)).map(({ name }) => name),
	)
	const project = (element: unknown): unknown => {
		const kept = isObject(element) ? Object.entries(element).filter(([name]) => selectedNames.has(name)) : []
		return kept.length === 0 ? undefined : Object.fromEntries(kept)
	}
	if (!Array.isArray(value)) return project(value)
	// A list that has no elements at all is one that a GET shows as empty: the members of a group.
	if (value.length === 0) return value
	const elements = value.map(project).filter((element) => element !== undefined)
	return elements.length === 0 ? undefined : elements
}

function isSelected(attribute: Attribute, { mode, named }: Selection): boolean {
	const isNamed = named.has(attribute)
	switch (attribute.returned) {
		case 'always':
			return true
		case 'never':
			return false
		case 'request':
			return mode !== 'except' && (isNamed || isNamedInPart(attribute, named))
		case 'default':
			return mode === 'only' ? isNamed || isNamedInPart(attribute, named) : !(mode === 'except' && isNamed)
	}
}

const isNamedInPart = ({ subAttributes }: Attribute, named: ReadonlySet<Attribute>): boolean =>
	[...subAttributes.values()].some((subAttribute) => named.has(subAttribute))

const isEmpty = (object: JsonObject): boolean => Object.keys(object).length === 0
