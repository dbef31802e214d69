import type { AttributeValues } from '../resource.ts'
import { findExtension, type ResourceType, sameUrn } from '../resource-type.ts'
import { isObject, isUnassigned, isUrn, type JsonObject, keyLike, sameValue } from '../value.ts'
import type { PatchOperation } from './operation.ts'

/** Where an undeclared path leads. Without a container it is beside the core attributes. */
type Place = { readonly container?: string; readonly name: string; readonly sub?: string }

/** Applies an operation whose path no schema declares. */
export function applyUndeclared(
	type: ResourceType,
	values: AttributeValues,
	operation: PatchOperation,
): AttributeValues {
	const place = placeOf(type, values, operation)
	if (place === undefined) return values
	const { container, name, sub } = place
	if (container === undefined) return changed(values, name, (current) => nextAt(operation, current, sub))
	return changed(values, container, (inner) =>
		emptyAsNothing(changed(objectOf(inner), name, (current) => nextAt(operation, current, sub))),
	)
}

const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {})

const emptyAsNothing = (object: JsonObject): JsonObject | undefined =>
	Object.keys(object).length === 0 ? undefined : object

function changed(object: JsonObject, name: string, change: (current: unknown) => unknown): JsonObject {
	const current = Object.hasOwn(object, name) ? object[name] : undefined
	const next = change(current)
	if (next === current) return object
	const { [name]: _, ...rest } = object
	return next === undefined ? rest : { ...object, [name]: next }
}

/**
 * Finds the place of a path. What is stored decides first: the whole path may be the name. Below a URN, the longest one
 * that is declared or stored counts. If none fits, an object is stored under the whole URN, and any other value under the
 * part before the last colon. A URN may have dots and colons.
 */
function placeOf(type: ResourceType, values: AttributeValues, { target, value }: PatchOperation): Place | undefined {
	const { text } = target
	const whole = keyLike(values, text)
	if (whole !== undefined) return { name: whole }
	if (!isUrn(text)) return placeIn(values, text)
	const container = longestContainer(type, values, text)
	if (container !== undefined) {
		const rest = text.slice(container.length + 1)
		return sameUrn(container, type.schema.urn) ? placeIn(values, rest) : within(values, container, rest)
	}
	if (isObject(value)) return { name: text }
	const colon = text.lastIndexOf(':')
	return within(values, text.slice(0, colon), text.slice(colon + 1))
}

function within(values: AttributeValues, container: string, rest: string): Place | undefined {
	const place = placeIn(objectOf(values[container]), rest)
	return place && { ...place, container }
}

function placeIn(container: JsonObject, text: string): Place | undefined {
	const whole = keyLike(container, text)
	if (whole !== undefined) return { name: whole }
	const [, start = text, sub] = /^([^.]+)\.([^.]+)$/.exec(text) ?? []
	if (start === '') return undefined
	const name = keyLike(container, start) ?? start
	return sub === undefined ? { name } : { name, sub }
}

function longestContainer(type: ResourceType, values: AttributeValues, text: string): string | undefined {
	const declared = [type.schema, ...type.extensions].map(({ urn }) => urn)
	const stored = Object.keys(values).filter(
		(name) => isUrn(name) && isObject(values[name]) && findExtension(type, name) === undefined,
	)
	return [...declared, ...stored]
		.filter((urn) => sameUrn(text.slice(0, urn.length + 1), `${urn}:`))
		.sort((one, other) => other.length - one.length)[0]
}

function nextAt(operation: PatchOperation, current: unknown, sub: string | undefined): unknown {
	if (sub === undefined) return nextValue(operation, current)
	const object = objectOf(current)
	return emptyAsNothing(changed(object, keyLike(object, sub) ?? sub, (inner) => nextValue(operation, inner)))
}

/** RFC 7644 section 3.5.2, for a value whose type is not known: objects are merged, and lists take more by `add`. */
function nextValue({ op, value }: PatchOperation, current: unknown): unknown {
	if (op === 'remove') return remaining(value, current)
	if (isUnassigned(value)) return op === 'add' && Array.isArray(current) ? current : undefined
	if (isObject(value) && isObject(current)) return merged(current, value)
	if (op === 'replace' || !Array.isArray(current)) return value
	const added = Array.isArray(value) ? value : [value]
	return [...current, ...added.filter((element) => !current.some((known) => sameValue(known, element)))]
}

function merged(current: JsonObject, value: JsonObject): JsonObject | undefined {
	let next = current
	for (const [name, inner] of Object.entries(value)) {
		next = changed(next, keyLike(next, name) ?? name, () => (isUnassigned(inner) ? undefined : inner))
	}
	return emptyAsNothing(next)
}

/** A removal takes all, or the elements that it names. */
function remaining(value: unknown, current: unknown): unknown {
	if (isUnassigned(value) || !Array.isArray(current)) return undefined
	const named = Array.isArray(value) ? value : [value]
	const kept = current.filter((element) => !named.some((each) => sameValue(each, element)))
	return kept.length === 0 ? undefined : kept
}
