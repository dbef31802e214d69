import { type Attribute, type Attributes, findAttribute } from './attribute.ts'
import { type Quirks, unknownLeftOut } from './dialect.ts'
import { type AttributeValues, commonAttributes } from './resource.ts'
import { findExtension, type ResourceType } from './resource-type.ts'
import { isObject, isUrn, type JsonObject } from './value.ts'

// What a resource has that no schema of the tenant declares. It stands beside the declared attributes, in the object of an
// extension, in an object under a URN of its own, or in a declared complex value.

/** One of them. The parts of all elements of a list have the same path. */
export type KeptValue = {
	readonly path: string
	readonly value: unknown
	/** Whether it is a part of a declared complex value. */
	readonly isPart: boolean
}

/** What one resource may hold of them. */
const keptLimits = { names: 200, bytes: 16_384 } as const

/** All that no schema declares. */
export function keptIn(type: ResourceType, values: AttributeValues): readonly KeptValue[] {
	const found: KeptValue[] = []
	filterKept(type, values, (kept) => found.push(kept) > 0)
	return found
}

/** The resource without the undeclared values for which `keeps` is false; the same object if it holds for all. */
export function filterKept(
	type: ResourceType,
	values: AttributeValues,
	keeps: (kept: KeptValue) => boolean,
): AttributeValues {
	return mapObject(values, (name, value) => {
		const extension = findExtension(type, name)
		if (extension !== undefined)
			return filterNames(value, { attributes: extension.attributes, urn: extension.urn, keeps })
		const attribute = findAttribute(type.schema.attributes, name) ?? findAttribute(commonAttributes, name)
		if (attribute !== undefined) return filterParts(value, { attribute, at: attribute.name, keeps })
		if (isUrn(name) && isObject(value)) return filterNames(value, { attributes: none, urn: name, keeps })
		return keeps({ path: name, value, isPart: false }) ? value : undefined
	})
}

const none: Attributes = new Map()

type NamesFilter = {
	readonly attributes: Attributes
	readonly urn: string
	readonly keeps: (kept: KeptValue) => boolean
}

function filterNames(values: unknown, { attributes, urn, keeps }: NamesFilter): unknown {
	if (!isObject(values)) return values
	const filtered = mapObject(values, (name, value) => {
		const attribute = findAttribute(attributes, name)
		const path = `${urn}:${attribute?.name ?? name}`
		if (attribute !== undefined) return filterParts(value, { attribute, at: path, keeps })
		return keeps({ path, value, isPart: false }) ? value : undefined
	})
	return Object.keys(filtered).length === 0 ? undefined : filtered
}

type PartsFilter = {
	readonly attribute: Attribute
	readonly at: string
	readonly keeps: (kept: KeptValue) => boolean
}

function filterParts(value: unknown, { attribute, at, keeps }: PartsFilter): unknown {
	if (attribute.type !== 'complex' || attribute.mutability === 'readOnly') return value
	const filterElement = (element: unknown): unknown =>
		!isObject(element)
			? element
			: mapObject(element, (name, part) =>
					findAttribute(attribute.subAttributes, name) !== undefined ||
					keeps({ path: `${at}.${name}`, value: part, isPart: true })
						? part
						: undefined,
				)
	if (!Array.isArray(value)) return filterElement(value)
	const filtered = value.map(filterElement)
	return filtered.every((element, index) => element === value[index]) ? value : filtered
}

/** The object with other values; the same object if none is another. A value that becomes undefined goes. */
function mapObject(object: JsonObject, map: (name: string, value: unknown) => unknown): JsonObject {
	let isChanged = false
	const entries = Object.entries(object).flatMap(([name, value]) => {
		const mapped = map(name, value)
		if (mapped !== value) isChanged = true
		return mapped === undefined ? [] : [[name, mapped] as const]
	})
	return isChanged ? Object.fromEntries(entries) : object
}

/**
 * Leaves out what exceeds the limits of what one resource may keep. What was there before comes first. The rest of the
 * request is done all the same.
 */
export function limitKept(
	type: ResourceType,
	{ before, after }: { readonly before: AttributeValues; readonly after: AttributeValues },
	quirks: Quirks,
): AttributeValues {
	if (quirks.undeclared?.rule !== 'keep' || quirks.undeclared.isUnlimited) return after
	const sizes = sizesIn(type, after)
	const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
	if (sizes.size <= keptLimits.names && total <= keptLimits.bytes) return after
	const known = sizesIn(type, before)
	const paths = [...sizes.keys()].sort((one, other) => Number(known.has(other)) - Number(known.has(one)))
	const within = new Set<string>()
	let bytes = 0
	for (const path of paths) {
		const size = sizes.get(path) ?? 0
		if (within.size === keptLimits.names || bytes + size > keptLimits.bytes) continue
		within.add(path)
		bytes += size
	}
	unknownLeftOut(quirks)
	return filterKept(type, after, ({ path }) => within.has(path))
}

/** The bytes of the JSON of what is kept at each path. */
function sizesIn(type: ResourceType, values: AttributeValues): ReadonlyMap<string, number> {
	const sizes = new Map<string, number>()
	for (const { path, value } of keptIn(type, values)) {
		sizes.set(path, (sizes.get(path) ?? path.length) + encoder.encode(JSON.stringify(value)).length)
	}
	return sizes
}

const encoder = new TextEncoder()

/**
 * The attributes that replace those of a resource, with what clients of this tenant cannot see. A client that does not know
 * of a value does not mean to remove it.
 */
export function withUnseen(type: ResourceType, next: AttributeValues, current: AttributeValues): AttributeValues {
	if (type.keepsUndeclared) return next
	const kept = keptIn(type, current).filter(({ isPart }) => !isPart)
	const unseen = new Set(kept.map(({ path }) => path))
	if (unseen.size === 0) return next
	const seen: Record<string, unknown> = { ...next }
	for (const [name, value] of Object.entries(current)) {
		const extension = findExtension(type, name)
		if (extension === undefined && !isUrn(name)) {
			if (unseen.has(name)) seen[name] = value
			continue
		}
		const hidden = isObject(value)
			? Object.entries(value).filter(([inner]) => unseen.has(`${extension?.urn ?? name}:${inner}`))
			: []
		const shown = next[name]
		if (hidden.length > 0) seen[name] = { ...(isObject(shown) && shown), ...Object.fromEntries(hidden) }
	}
	return seen
}
