import type { Attribute } from './attribute.ts'
import { inDeclaredSpelling } from './declared-spelling.ts'
import { ScimError } from './error.ts'
import type { AttributeValues } from './resource.ts'
import type { ResourceType } from './resource-type.ts'
import { isUnassigned, parseValue, valuesByAttribute } from './value.ts'

/** A stored value that a declaration of the tenant does not allow. `path` has the URN. */
export type SchemaMismatch = { readonly path: string; readonly problem: string }

/** The stored values of a resource that do not fit the tenant's own declarations, and the required ones that are missing. */
export const mismatchesIn = (type: ResourceType, values: AttributeValues): readonly SchemaMismatch[] =>
	[...valuesByAttribute(type, inDeclaredSpelling(type, values))]
		.filter(({ attribute }) => attribute.isOwn)
		.flatMap(({ extension, attribute, at, value }) => {
			const path = extension === undefined ? `${type.schema.urn}:${at}` : at
			const problem = problemOf(attribute, value)
			return problem === undefined ? [] : [{ path, problem }]
		})

function problemOf(attribute: Attribute, value: unknown): string | undefined {
	if (isUnassigned(value)) return attribute.required ? 'is required and has no value' : undefined
	try {
		parseValue(attribute, { value, at: 'the value', quirks: new Set() })
		return undefined
	} catch (error) {
		if (error instanceof ScimError) return error.message
		throw error
	}
}
