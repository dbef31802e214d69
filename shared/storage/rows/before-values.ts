import { isDeepStrictEqual } from 'node:util'
import type { AttributeValues } from '../../scim/resource.ts'
import { isObject, type JsonObject } from '../../scim/value.ts'

/**
 * What the attributes of a resource were, of those that a change has changed; null for one that was not there. Of a complex
 * attribute or an extension that was there and still is, only the sub-attributes that changed. A list is there whole.
 *
 * @example beforeValues({ name: { givenName: 'Al', familyName: 'Li' } }, { name: { givenName: 'Al' } }) // { name: { familyName: 'Li' } }
 */
export function beforeValues(before: AttributeValues, now: AttributeValues): JsonObject {
	const names = new Set([...Object.keys(before), ...Object.keys(now)])
	const changed = [...names].filter((name) => !isSame(before[name], now[name]))
	return Object.fromEntries(changed.map((name) => [name, beforeValue(before[name], now[name])]))
}

const isSame = (before: unknown, now: unknown): boolean => before === now || isDeepStrictEqual(before, now)

function beforeValue(before: unknown, now: unknown): unknown {
	if (before === undefined) return null
	return isObject(before) && isObject(now) ? beforeValues(before, now) : before
}

/** The attributes as they were before a change, by what they are after it and what `beforeValues` has kept. */
export function valuesBefore(now: AttributeValues, kept: JsonObject): AttributeValues {
	const before: Record<string, unknown> = { ...now }
	for (const [name, value] of Object.entries(kept)) {
		const current = now[name]
		if (value === null) delete before[name]
		else before[name] = isObject(value) && isObject(current) ? valuesBefore(current, value) : value
	}
	return before
}
