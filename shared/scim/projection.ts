import { type Attribute, type Attributes, findAttribute } from './attribute.ts'
import { type Quirks, urnInOtherSpelling } from './dialect.ts'
import { invalidValue } from './error.ts'
import { readAttributePath } from './filter/lex.ts'
import { commonAttributes, type ResourceId } from './resource.ts'
import { findExtension, type ResourceType, resolveAttribute } from './resource-type.ts'
import { isObject, isUrn, type JsonObject } from './value.ts'

/** The attributes that a client wants: the default ones, only the `named` ones, or all except the `named` ones. */
export type Selection = {
	readonly mode: 'default' | 'only' | 'except'
	readonly named: ReadonlySet<Attribute>
	/** Names that no schema declares, in lower case: resources may have kept them all the same. */
	readonly undeclared?: ReadonlySet<string>
	/** Whether parts of complex values that no schema declares are shown. */
	readonly showsUndeclared?: boolean
}

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
	const names = only.length > 0 ? only : except
	if (names.length === 0) return defaultSelection
	return {
		mode: only.length > 0 ? 'only' : 'except',
		named: attributesNamed(names, types, quirks),
		undeclared: new Set(types.some((type) => type.keepsUndeclared) ? names.map((name) => name.toLowerCase()) : []),
	}
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
export function project(resource: Projection, type: ResourceType, asked: Selection = defaultSelection): Projection {
	const selection: Selection = type.keepsUndeclared ? { ...asked, showsUndeclared: true } : asked
	const extensions: Record<string, JsonObject> = {}
	for (const { urn, attributes } of type.extensions) {
		const values = resource[urn]
		const projected = isObject(values)
			? {
					...projectValues(values, attributes, selection),
					...projectKept(values, { type, attributes, urn, selection }),
				}
			: {}
		if (!isEmpty(projected)) extensions[urn] = projected
	}
	// A resource without values of an extension does not name its URN. With `attributes`, `schemas` is as it is stored.
	const isExcluded = (urn: string) =>
		selection.mode === 'except' && isObject(resource[urn]) && !Object.hasOwn(projected, urn)
	const projected = {
		schemas: resource.schemas,
		id: resource.id,
		...projectValues(resource, type.schema.attributes, selection),
		...extensions,
		...projectKept(resource, { type, attributes: type.schema.attributes, selection }),
		...projectValues(resource, commonAttributes, selection),
	}
	return { ...projected, schemas: resource.schemas.filter((urn) => !isExcluded(urn)) }
}

type KeptSelection = {
	readonly type: ResourceType
	readonly attributes: Attributes
	/** The URN of an extension, or of an object that the resource keeps. */
	readonly urn?: string
	readonly selection: Selection
}

/** What the tenant keeps although no schema declares it: returned as it is stored, unless the client does not want it. */
function projectKept(values: JsonObject, { type, attributes, urn, selection }: KeptSelection): JsonObject {
	if (!type.keepsUndeclared) return {}
	const kept: Record<string, unknown> = {}
	for (const [name, value] of Object.entries(values)) {
		const isDeclared = findAttribute(attributes, name) !== undefined
		if (isDeclared || (urn === undefined && isDeclaredOnTop(type, name))) continue
		const path = urn === undefined ? name : `${urn}:${name}`
		const isBelow = urn === undefined && isUrn(name) && isObject(value)
		const shown = isBelow && !isNamed(path, selection) ? projectBelow(name, value, { type, selection }) : value
		if (shown !== undefined && (isBelow || isWanted(path, urn, selection))) kept[name] = shown
	}
	return kept
}

function projectBelow(
	urn: string,
	values: JsonObject,
	{ type, selection }: Pick<KeptSelection, 'type' | 'selection'>,
): JsonObject | undefined {
	const projected = projectKept(values, { type, attributes: new Map(), urn, selection })
	return isEmpty(projected) ? undefined : projected
}

const isDeclaredOnTop = (type: ResourceType, name: string): boolean =>
	findAttribute(commonAttributes, name) !== undefined || findExtension(type, name) !== undefined

const isNamed = (path: string, { mode, undeclared }: Selection): boolean =>
	mode === 'only' && undeclared?.has(path.toLowerCase()) === true

function isWanted(path: string, urn: string | undefined, { mode, undeclared = new Set() }: Selection): boolean {
	const isSaid = undeclared.has(path.toLowerCase()) || (urn !== undefined && undeclared.has(urn.toLowerCase()))
	return mode === 'default' || isSaid === (mode === 'only')
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
	const { mode, named, showsUndeclared = false } = selection
	const isWhole = mode === 'only' && (named.has(attribute) || !isNamedInPart(attribute, named))
	const inner: Selection = isWhole ? { mode: 'default', named } : selection
	const selectedNames = new Set(
		[...attribute.subAttributes.values()].filter((sub) => isSelected(sub, inner)).map(({ name }) => name),
	)
	const isPartShown = (name: string): boolean =>
		selectedNames.has(name) ||
		(showsUndeclared && inner.mode !== 'only' && findAttribute(attribute.subAttributes, name) === undefined)
	const project = (element: unknown): unknown => {
		const kept = isObject(element) ? Object.entries(element).filter(([name]) => isPartShown(name)) : []
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
