import { instantOf } from './filter/compare.ts'
import type { OwnSchema } from './own-schema.ts'
import { isObject, type JsonObject } from './value.ts'

// The declaration of an attribute from values that are stored already.

type InferredAttribute = OwnSchema['attributes'][number]
type InferredType = NonNullable<InferredAttribute['type']>

/**
 * The declaration that all of these values fit. Texts stay strings, also if they look like numbers. Undefined if there are
 * objects beside simple values, lists in lists, or objects in objects.
 */
export function inferredAttribute(name: string, values: readonly unknown[]): InferredAttribute | undefined {
	const multiValued = values.some(Array.isArray)
	const elements = values.flatMap((value) => (Array.isArray(value) ? value : [value])).filter((value) => value !== null)
	if (elements.some(Array.isArray)) return undefined
	const objects = elements.filter(isObject)
	const list = multiValued ? { multiValued } : {}
	if (objects.length === 0) return attributeOf(name, simpleType(elements), list)
	if (objects.length < elements.length) return undefined
	const subAttributes = partsOf(objects)
	return subAttributes && { ...attributeOf(name, 'complex', list), subAttributes }
}

const attributeOf = (name: string, type: InferredType, list: { readonly multiValued?: boolean }): InferredAttribute =>
	({ name, type, ...list }) as InferredAttribute // sound: what is left out may be undefined

function partsOf(objects: readonly JsonObject[]): InferredAttribute['subAttributes'] {
	// Names are the same in any letter case (RFC 7643 section 2.1): the first spelling is declared.
	const found = new Map<string, { readonly name: string; readonly values: unknown[] }>()
	for (const [name, value] of objects.flatMap((object) => Object.entries(object))) {
		const part = found.get(name.toLowerCase()) ?? { name, values: [] }
		part.values.push(value)
		found.set(name.toLowerCase(), part)
	}
	const parts = [...found.values()].map(({ name, values }) => inferredAttribute(name, values))
	if (parts.some((part) => part === undefined || part.type === 'complex')) return undefined
	return parts as unknown as InferredAttribute['subAttributes'] // sound: no part is undefined or complex
}

function simpleType(values: readonly unknown[]): InferredType {
	const isAll = (is: (value: unknown) => boolean) => values.length > 0 && values.every(is)
	if (isAll((value) => typeof value === 'boolean')) return 'boolean'
	if (isAll(Number.isSafeInteger)) return 'integer'
	if (isAll((value) => typeof value === 'number')) return 'decimal'
	return isAll((value) => typeof value === 'string' && instantOf(value) !== undefined) ? 'dateTime' : 'string'
}
