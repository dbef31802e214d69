import { type Attribute, type Attributes, findAttribute } from './attribute.ts'
import {
	booleanFromString,
	complexFromJson,
	complexFromString,
	displayFromDisplayName,
	numberFromString,
	type Quirks,
	roleFromJson,
	singleFromList,
	stringFromScalar,
	urnInOtherSpelling,
} from './dialect.ts'
import { invalidSyntax, invalidValue, type ScimError } from './error.ts'
import { foldCase, keepCase } from './fold-case.ts'
import type { AttributeValues } from './resource.ts'
import {
	builtInTypes,
	findExtension,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
} from './resource-type.ts'
import { shown } from './shown.ts'
import { meetUndeclared } from './undeclared.ts'

/** A JSON object from a client, with names in any letter case. */
export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
	typeof value === 'object' && value !== null && !Array.isArray(value)

/** The name in an object that is the same but for its letter case. */
export const keyLike = (object: JsonObject, name: string): string | undefined =>
	Object.hasOwn(object, name) ? name : Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase())

/** Null, "" and [] unassign an attribute (RFC 7643 section 2.5). Entra clears an attribute with "". */
export const isUnassigned = (value: unknown): boolean =>
	value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)

/** A value that a client has sent. `at` names it in error details; `quirks` takes the deviations tolerated in it. */
export type ClientValue = { readonly value: unknown; readonly at: string; readonly quirks: Quirks }

/**
 * Reads the attributes of a resource from a POST or PUT body; a group's members are among them. Unknown names are left
 * out, and so are attributes that only the service provider writes (RFC 7644 sections 3.3 and 3.5.1).
 *
 * @throws ScimError 400 `invalidSyntax` for a body of the wrong shape, `invalidValue` for a value of the wrong type
 */
export function parseResource(type: ResourceType, body: unknown, quirks: Quirks): AttributeValues {
	if (!isObject(body)) throw invalidSyntax(`the body must be a JSON object, not ${shown(body)}`)
	const values: Record<string, unknown> = {}
	const extensions: Record<string, Record<string, unknown>> = {}
	for (const assignment of [...assignmentsOf(type, body, quirks)]) {
		if ('kept' in assignment) {
			const { container, kept, value } = assignment
			if (container !== undefined) extensions[container] ??= {}
			const place = extensions[container ?? ''] ?? values
			if (!isUnassigned(value) && !Object.hasOwn(place, kept)) place[kept] = value
			continue
		}
		const { extension, attribute, input, at } = assignment
		if (attribute.mutability === 'readOnly') continue
		const value = parseValue(attribute, { value: input, at, quirks })
		if (value === undefined) continue
		if (extension !== undefined) extensions[extension.urn] ??= {}
		const container = extensions[extension?.urn ?? ''] ?? values
		if (Object.hasOwn(container, attribute.name)) throw invalidSyntax(`${at} is given twice`)
		container[attribute.name] = value
	}
	const resource = prune(type, { ...values, ...extensions })
	requirePrimaryOnce(type, resource)
	requireAssigned(type, resource)
	return resource
}

/** One name of a JSON object and the attribute that it names. `input` is the unread value; `at` is its place. */
export type Assignment = ResolvedAttribute & { readonly input: unknown; readonly at: string }

/** A name that no schema declares, and whose value is stored as it is; in the object under the URN `container`, if it has one. */
type KeptAssignment = { readonly kept: string; readonly container?: string; readonly value: unknown }

/** Finds the attributes that the names of an object stand for, also below an extension's URN. */
function* assignmentsOf(
	type: ResourceType,
	object: JsonObject,
	quirks: Quirks,
): Generator<Assignment | KeptAssignment> {
	for (const [sent, input] of Object.entries(object)) {
		const name = urnInOtherSpelling(sent, quirks)
		const extension = findExtension(type, name)
		if (extension !== undefined) {
			if (isUnassigned(input)) continue
			if (!isObject(input)) throw invalidValue(`${extension.urn} must be an object, not ${shown(input)}`)
			for (const [inner, value] of Object.entries(input)) {
				const attribute = findAttribute(extension.attributes, inner)
				if (attribute === undefined) yield* keptBelow(extension.urn, [[inner, value]], quirks)
				else yield { extension, attribute, input: value, at: `${extension.urn}:${attribute.name}` }
			}
			continue
		}
		const resolved = resolveAttribute(type, { name })
		if (resolved !== undefined) yield { ...resolved, input, at: resolved.attribute.name }
		else if (isUrn(name) && isObject(input)) yield* keptBelow(name, Object.entries(input), quirks)
		else {
			const kept = meetUndeclared({ path: name, value: input, quirks, refuse: invalidSyntax })
			if (kept !== undefined) yield { kept: name, value: kept.value }
		}
	}
}

/** Whether a name is a URN, below which other names may stand. */
export const isUrn = (name: string): boolean => /^urn:/i.test(name)

function* keptBelow(
	container: string,
	entries: readonly (readonly [string, unknown])[],
	quirks: Quirks,
): Generator<KeptAssignment> {
	for (const [name, value] of entries) {
		const kept = meetUndeclared({ path: `${container}:${name}`, value, quirks, refuse: invalidSyntax })
		if (kept !== undefined) yield { kept: name, container, value: kept.value }
	}
}

/**
 * Reads the value of one attribute into the form in which it is stored; undefined if it unassigns the attribute.
 *
 * @throws ScimError 400 `invalidValue`
 */
export function parseValue(attribute: Attribute, input: ClientValue): unknown {
	const { at, quirks } = input
	const value = complexFromJson(attribute, input.value, quirks)
	if (!attribute.multiValued) {
		return parseElement(attribute, { value: singleFromList(attribute, value, quirks), at, quirks })
	}
	if (isUnassigned(value)) return undefined
	if (!Array.isArray(value)) return assignedIn(attribute, [parseListed(attribute, { value, at, quirks })])
	requireFew(attribute, value)
	return assignedIn(
		attribute,
		value.map((element, index) => parseListed(attribute, { value: element, at: `${at}[${index}]`, quirks })),
	)
}

/** The elements that have a value, each once; undefined if there are none. */
function assignedIn(attribute: Attribute, elements: readonly unknown[]): readonly unknown[] | undefined {
	const assigned = elements.filter((element) => element !== undefined)
	if (assigned.length === 0) return undefined
	// A group may have a million members. Members with one id become one member elsewhere.
	return isMembers(attribute) ? assigned : withElements(attribute, [], assigned)
}

/**
 * Adds elements to those of a multi-valued attribute. No two elements may have the same type and value (RFC 7643 section
 * 2.4). So an element that is already there takes the other sub-attributes of the added one. It becomes primary if the
 * added one is primary.
 */
export function withElements(
	attribute: Attribute,
	current: readonly unknown[],
	added: readonly unknown[],
): readonly unknown[] {
	const next = [...current]
	const positions = new Map(current.map((element, position) => [identityOf(attribute, element), position]))
	for (const element of added) {
		const identity = identityOf(attribute, element)
		const position = positions.get(identity)
		if (position === undefined) {
			positions.set(identity, next.length)
			next.push(element)
		} else {
			next[position] = completed(next[position], element)
		}
	}
	return next
}

/** Returns the element itself if the added one says nothing new. An element that is primary stays primary. */
function completed(element: unknown, added: unknown): unknown {
	if (!isObject(element) || !isObject(added)) return element
	const { primary, ...others } = added
	const merged = { ...element, ...others, ...(primary === true && { primary }) }
	return sameValue(merged, element) ? element : merged
}

/** A key that is equal for the same value of an attribute. `primary` is not part of it (RFC 7643 section 2.4). */
function identityOf(attribute: Attribute, element: unknown): string {
	if (!isObject(element)) return JSON.stringify(element)
	if (element.value !== undefined) return JSON.stringify([element.type, element.value])
	const { primary: _, ...rest } = element
	return JSON.stringify([...attribute.subAttributes.values()].map(({ name }) => rest[name]))
}

/** Says whether an attribute is the `members` of a group, which are stored apart from its other values. */
export const isMembers = (attribute: Attribute): boolean => attribute === members

const members = builtInTypes.Group.schema.attributes.get('members')

/** A PATCH may compare every operation with every value. More values would keep other requests waiting. */
const maxValues = 1000

/**
 * Limits the number of values of an attribute. The members of a group are not limited.
 *
 * @throws ScimError 400 `invalidValue`
 */
export function requireFew(attribute: Attribute, values: readonly unknown[]): void {
	if (values.length > maxValues && !isMembers(attribute)) {
		throw invalidValue(`${attribute.name}: ${values.length} values; the limit is ${maxValues}`)
	}
}

/** Skips an empty element, unless it lacks a required sub-attribute: otherwise `[null]` would empty a group. */
function parseListed(attribute: Attribute, input: ClientValue): unknown {
	const value = parseElement(attribute, input)
	if (value === undefined) requireSubAttributes(attribute, {}, input.at)
	return value
}

/**
 * Reads one value of an attribute; of a multi-valued attribute, one element.
 *
 * @throws ScimError 400 `invalidValue`
 */
function parseElement(attribute: Attribute, input: ClientValue): unknown {
	const { at, quirks } = input
	if (isUnassigned(input.value)) return undefined
	if (attribute.type === 'complex') return parseComplex(attribute, input)
	const value = converted(attribute, input.value, quirks)
	if (!attribute.schema.safeParse(value).success || !isInstant(attribute, value)) {
		throw invalidValue(`${at} must be ${typeInWords[attribute.type]}, not ${shown(input.value)}`)
	}
	requireCanonical(attribute, value, at)
	if (typeof value === 'string') requireStorable(value, at)
	return value
}

/** The value in the JSON type that the declaration asks for, if it can be converted without loss. */
function converted(attribute: Attribute, value: unknown, quirks: Quirks): unknown {
	switch (attribute.type) {
		case 'boolean':
			return booleanFromString(value, quirks)
		case 'integer':
		case 'decimal':
			return numberFromString(attribute, value, quirks)
		default:
			return stringFromScalar(attribute, value, quirks)
	}
}

const typeInWords: Readonly<Record<Attribute['type'], string>> = {
	string: 'a string',
	boolean: 'a boolean',
	decimal: 'a decimal',
	integer: 'an integer',
	dateTime: 'a dateTime',
	reference: 'a reference',
	binary: 'a binary',
	complex: 'an object',
}

/** A time is stored as the client wrote it. Text that is no time at all in a tenant's own attribute is a mistake. */
const isInstant = ({ type, isOwn }: Attribute, value: unknown): boolean =>
	type !== 'dateTime' || !isOwn || !Number.isNaN(Date.parse(String(value)))

function requireCanonical({ isEnforced, canonicalValues, caseExact }: Attribute, value: unknown, at: string): void {
	if (!isEnforced) return
	const form = caseExact ? keepCase : foldCase
	if (canonicalValues.some((each) => form(each) === form(String(value)))) return
	throw invalidValue(`${at} must be one of ${canonicalValues.join(', ')}, not ${shown(value)}`)
}

function parseComplex(attribute: Attribute, input: ClientValue): JsonObject | undefined {
	const values: Record<string, unknown> = {}
	for (const [name, value] of parseSubAttributes(attribute, input)) {
		if (value !== undefined) values[name] = value
	}
	requireSubAttributes(attribute, values, input.at)
	return Object.keys(values).length === 0 ? undefined : values
}

/**
 * Reads the sub-attributes of a complex attribute: their values by declared name, undefined for a sub-attribute that
 * the object unassigns (`{"givenName": null}`). Unknown and read-only names are left out.
 *
 * @throws ScimError 400 `invalidValue`, `invalidSyntax` for a name given twice
 */
export function parseSubAttributes(attribute: Attribute, input: ClientValue): ReadonlyMap<string, unknown> {
	const { at, quirks } = input
	const object = complexFromString(attribute, complexFromJson(attribute, input.value, quirks), quirks)
	if (!isObject(object)) throw invalidValue(`${at} must be an object, not ${shown(input.value)}`)
	const values = new Map<string, unknown>()
	for (const [name, value] of Object.entries(roleFromJson(attribute, object, quirks))) {
		const subAttribute = findAttribute(attribute.subAttributes, displayFromDisplayName(attribute, name, quirks))
		if (subAttribute === undefined) {
			const kept = meetUndeclaredPart(attribute, { value, at: `${at}.${name}`, quirks })
			if (kept !== undefined) values.set(name, isUnassigned(kept.value) ? undefined : kept.value)
			continue
		}
		if (subAttribute.mutability === 'readOnly') continue
		if (values.has(subAttribute.name)) throw invalidSyntax(`${at}.${subAttribute.name} is given twice`)
		values.set(subAttribute.name, parseValue(subAttribute, { value, at: `${at}.${subAttribute.name}`, quirks }))
	}
	return values
}

const meetUndeclaredPart = (attribute: Attribute, { value, at, quirks }: ClientValue) =>
	meetUndeclared({
		path: at.replace(/\[.*\]/, ''),
		value,
		quirks,
		hasPlace: !isMembers(attribute),
		refuse: invalidSyntax,
	})

/**
 * Every required sub-attribute of a complex value must have a value.
 *
 * @throws ScimError 400 `invalidValue`
 */
export function requireSubAttributes(attribute: Attribute, values: JsonObject, at: string): void {
	for (const { name, required } of attribute.subAttributes.values()) {
		if (required && !Object.hasOwn(values, name)) throw invalidValue(`${at}.${name} is required`)
	}
}

/** Table Storage cannot hold NUL in every place where a value is stored. UTF-8 cannot hold half of a surrogate pair. */
function requireStorable(value: string, at: string): void {
	if (value.includes('\0')) throw invalidValue(`${at} must not contain the character U+0000`)
	if (!value.isWellFormed()) throw invalidValue(`${at} must not contain half of a surrogate pair`)
}

/**
 * Leaves out elements that have a label but no value (`{"type": "work"}`), then empty lists, complex values and
 * extensions. What no schema declares stays as it is. Returns the same object if there is nothing to leave out.
 */
export function prune(type: ResourceType, values: AttributeValues): AttributeValues {
	let changed = false
	const kept: Record<string, unknown> = {}
	for (const [name, value] of Object.entries(values)) {
		const extension = type.extensions.find(({ urn }) => urn === name)
		const isDeclared = findAttribute(type.schema.attributes, name) !== undefined
		const pruned =
			extension !== undefined && isObject(value)
				? pruneObject(value, extension.attributes)
				: isDeclared || isEmpty(value)
					? pruneValue(value)
					: value
		if (pruned !== value) changed = true
		if (pruned !== undefined) kept[name] = pruned
	}
	return changed ? kept : values
}

const isEmpty = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0

function pruneObject(object: JsonObject, attributes: Attributes): JsonObject | undefined {
	const entries = Object.entries(object)
	const kept = entries
		.map(([name, value]) => [name, findAttribute(attributes, name) === undefined ? value : pruneValue(value)] as const)
		.filter(([, value]) => value !== undefined)
	if (kept.length === 0) return undefined
	const same = kept.length === entries.length && kept.every(([name, value]) => value === object[name])
	return same ? object : Object.fromEntries(kept)
}

function pruneValue(value: unknown): unknown {
	if (isObject(value)) return Object.keys(value).length === 0 ? undefined : value
	if (!Array.isArray(value)) return value
	const kept = value.filter((element) => !isObject(element) || Object.keys(element).some((name) => !labels.has(name)))
	if (kept.length === 0) return undefined
	return kept.length === value.length ? value : kept
}

const labels = new Set(['type', 'primary'])

/** RFC 7643 section 2.4: "The primary attribute value 'true' MUST appear no more than once." */
function requirePrimaryOnce(type: ResourceType, values: AttributeValues): void {
	for (const { attribute, value } of valuesByAttribute(type, values)) {
		if (Array.isArray(value) && value.filter(isPrimary).length > 1) throw severalPrimary(attribute.name)
	}
}

export const isPrimary = (element: unknown): element is JsonObject => isObject(element) && element.primary === true

export const severalPrimary = (name: string): ScimError => invalidValue(`${name}: more than one value has primary true`)

/**
 * Every required attribute of the resource type must have a value.
 *
 * @throws ScimError 400 `invalidValue`
 */
function requireAssigned(type: ResourceType, values: AttributeValues): void {
	for (const { attribute, at, value } of valuesByAttribute(type, values)) {
		if (attribute.required && isUnassigned(value)) throw invalidValue(`${at} is required`)
	}
}

/** Every declared attribute of a resource with its value; undefined if it is unassigned. `at` is its name, with the URN. */
export function* valuesByAttribute(
	type: ResourceType,
	values: AttributeValues,
): Generator<ResolvedAttribute & { readonly at: string; readonly value: unknown }> {
	for (const attribute of type.schema.attributes.values()) {
		yield { attribute, at: attribute.name, value: values[attribute.name] }
	}
	for (const extension of type.extensions) {
		const inner = values[extension.urn]
		for (const attribute of extension.attributes.values()) {
			const value = isObject(inner) ? inner[attribute.name] : undefined
			yield { extension, attribute, at: `${extension.urn}:${attribute.name}`, value }
		}
	}
}

/** Says whether two JSON values are equal. The order of the names in an object does not count. */
export function sameValue(a: unknown, b: unknown): boolean {
	if (a === b) return true
	if (Array.isArray(a)) {
		return Array.isArray(b) && a.length === b.length && a.every((element, index) => sameValue(element, b[index]))
	}
	if (!isObject(a) || !isObject(b)) return false
	const names = Object.keys(a)
	return (
		names.length === Object.keys(b).length &&
		names.every((name) => Object.hasOwn(b, name) && sameValue(a[name], b[name]))
	)
}
