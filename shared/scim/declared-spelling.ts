import { type Attribute, type Attributes, findAttribute } from './attribute.ts'
import type { AttributeValues } from './resource.ts'
import { findExtension, type ResourceType } from './resource-type.ts'
import { isObject, isUrn, type JsonObject } from './value.ts'

// A tenant may keep values before a schema declares them, in the letter case in which a client has sent their names. Names
// and URNs are case-insensitive (RFC 7643 sections 2.1 and 10.3, RFC 8141 section 3): the declaration is about such values too.

/**
 * The attributes of a resource with the names and URNs that schemas of the tenant declare, whatever the letter case in
 * which they are stored. If a name is stored twice, the value in the declared spelling counts: it was written last.
 *
 * @returns `values` itself if all names are spelled as they are declared
 */
export const inDeclaredSpelling = (type: ResourceType, values: AttributeValues): AttributeValues =>
	declaresOwn(type) ? respelled(values, (name) => placeOnTop(type, name)) : values

/** Known once for each type: a type without own attributes stores all names as they are declared. */
const known = new WeakMap<ResourceType, boolean>()

function declaresOwn(type: ResourceType): boolean {
	const scopes = [type.schema, ...type.extensions]
	const isOwn = known.get(type) ?? scopes.some(({ attributes }) => [...attributes.values()].some((each) => each.isOwn))
	known.set(type, isOwn)
	return isOwn
}

/** The declared name for a name that is stored, and what becomes of the value. */
type DeclaredPlace = { readonly name: string; readonly revise: (value: unknown) => unknown }

function placeOnTop(type: ResourceType, name: string): DeclaredPlace | undefined {
	const extension = isUrn(name) ? findExtension(type, name) : undefined
	if (extension === undefined) return placeOf(type.schema.attributes, name)
	return { name: extension.urn, revise: inside(extension.attributes) }
}

function placeOf(attributes: Attributes, name: string): DeclaredPlace | undefined {
	const attribute = findAttribute(attributes, name)
	return attribute?.isOwn ? { name: attribute.name, revise: partsOf(attribute) } : undefined
}

const inside =
	(attributes: Attributes) =>
	(value: unknown): unknown =>
		isObject(value) ? respelled(value, (name) => placeOf(attributes, name)) : value

function partsOf({ type, subAttributes }: Attribute): (value: unknown) => unknown {
	if (type !== 'complex') return (value) => value
	const revise = inside(subAttributes)
	return (value) => (Array.isArray(value) ? mapped(value, revise) : revise(value))
}

function mapped(list: readonly unknown[], revise: (value: unknown) => unknown): readonly unknown[] {
	const revised = list.map(revise)
	return revised.every((value, index) => value === list[index]) ? list : revised
}

function respelled(object: JsonObject, placeIn: (name: string) => DeclaredPlace | undefined): JsonObject {
	let isChanged = false
	const spelled = new Map<string, unknown>()
	const others: (readonly [name: string, value: unknown])[] = []
	for (const [stored, value] of Object.entries(object)) {
		const { name, revise } = placeIn(stored) ?? { name: stored, revise: asItIs }
		const revised = revise(value)
		if (name === stored) spelled.set(name, revised)
		else others.push([name, revised])
		if (name !== stored || revised !== value) isChanged = true
	}
	for (const [name, value] of others) spelled.set(name, together(spelled.get(name), value))
	return isChanged ? Object.fromEntries(spelled) : object
}

const asItIs = (value: unknown): unknown => value

/** Objects under one URN have the names of both. */
const together = (first: unknown, second: unknown): unknown =>
	isObject(first) && isObject(second) ? { ...second, ...first } : (first ?? second)
