import { type Attribute, type Attributes, findAttribute } from './attribute.ts'
import { invalidValue } from './error.ts'
import { readAttributePath } from './filter/lex.ts'
import { commonAttributes, type ResourceId } from './resource.ts'
import { findExtension, type ResourceType, resolveAttribute } from './resource-type.ts'
import { isObject, type JsonObject } from './value.ts'

/** Which attributes a client wants: those that are returned by default, only the named ones, or all except those. */
export type Selection = { readonly mode: 'default' | 'only' | 'except'; readonly named: ReadonlySet<Attribute> }

/** What is returned where the client says nothing. */
export const defaultSelection: Selection = { mode: 'default', named: new Set() }

/** What is left of a resource: `id` and `schemas` always. */
export type Projection = {
	readonly schemas: readonly string[]
	readonly id: ResourceId
	readonly [name: string]: unknown
}

/** As they come in a query, separated by commas, or in a search request, in a list. */
type AttributeNames = string | readonly string[] | undefined

/**
 * Reads the parameters `attributes` and `excludedAttributes` for the resource types that may be answered. A name may have
 * a URN, a sub-attribute, or be an extension's whole URN, in any letter case. Unknown names are ignored: of two resource
 * types that are searched at once, one may have the attribute.
 *
 * @throws ScimError 400 `invalidValue` for both at once, since they are mutually exclusive (RFC 7644 section 3.9), and for
 * more than 1,000 names
 */
export function parseSelection(
	parameters: { readonly attributes?: AttributeNames; readonly excludedAttributes?: AttributeNames },
	types: readonly ResourceType[],
): Selection {
	const only = namesOf('attributes', parameters.attributes)
	const except = namesOf('excludedAttributes', parameters.excludedAttributes)
	if (only.length > 0 && except.length > 0) {
		throw invalidValue('attributes and excludedAttributes are mutually exclusive: send one of them')
	}
	if (only.length > 0) return { mode: 'only', named: attributesNamed(only, types) }
	return except.length > 0 ? { mode: 'except', named: attributesNamed(except, types) } : defaultSelection
}

/**
 * Microsoft's test collection selects by a value path: `attributes=emails[type eq "work"]`. The whole attribute is
 * returned. https://github.com/AzureAD/SCIMReferenceCode/blob/master/PostmanCollection.json
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

const attributesNamed = (names: readonly string[], types: readonly ResourceType[]): ReadonlySet<Attribute> =>
	new Set(types.flatMap((type) => names.flatMap((name) => attributesOfName(name, type))))

function attributesOfName(name: string, type: ResourceType): readonly Attribute[] {
	const extension = findExtension(type, name)
	if (extension !== undefined) return [...extension.attributes.values()]
	const path = readAttributePath(name)
	const resolved = path && resolveAttribute(type, path)
	return resolved === undefined ? [] : [resolved.subAttribute ?? resolved.attribute]
}

/**
 * Says whether an attribute is wanted that costs extra to read: `members` are returned by default, `groups` only where
 * they are named.
 */
export function selects(selection: Selection, type: ResourceType, name: 'members' | 'groups'): boolean {
	const attribute = findAttribute(type.schema.attributes, name)
	return attribute !== undefined && isSelected(attribute, selection)
}

/** Leaves out of a resource what the client does not want, and what is never returned (RFC 7643 section 7, `returned`). */
export function project(resource: Projection, type: ResourceType, selection: Selection = defaultSelection): Projection {
	const extensions: Record<string, JsonObject> = {}
	for (const { urn, attributes } of type.extensions) {
		const values = resource[urn]
		const projected = isObject(values) ? projectValues(values, attributes, selection) : {}
		if (!isEmpty(projected)) extensions[urn] = projected
	}
	return {
		schemas: resource.schemas,
		id: resource.id,
		...projectValues(resource, type.schema.attributes, selection),
		...extensions,
		...projectValues(resource, commonAttributes, selection),
	}
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

/** The value with its wanted sub-attributes; undefined where it has none of them. */
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
