import type { Attribute, Attributes } from '../../../shared/scim/attribute.ts'
import { commonAttributes } from '../../../shared/scim/resource.ts'
import { builtInTypes, type ResourceType, type Schema } from '../../../shared/scim/resource-type.ts'

/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 has it. */
export type JsonSchema = { readonly [keyword: string]: unknown }

/** The direction of a message. A client may write a value in more ways than an answer does. */
type Direction = 'answer' | 'request'

/** The name under which the components of the description have a schema. */
export const componentName = ({ name }: Pick<Schema, 'name'>, direction: Direction): string =>
	direction === 'answer' ? name : `${name}Request`

/** The schemas of all resources and extensions, as answers have them and as requests may have them. */
export const resourceSchemas = (): Readonly<Record<string, JsonSchema>> =>
	Object.fromEntries(
		Object.values(builtInTypes).flatMap((type) =>
			(['answer', 'request'] as const).flatMap((direction) => [
				[componentName(type, direction), resourceSchema(type, direction)],
				...type.extensions.map((extension) => [
					componentName(extension, direction),
					objectSchema(extension.attributes, extension.description, direction),
				]),
			]),
		),
	)

function resourceSchema(type: ResourceType, direction: Direction): JsonSchema {
	const attributes = new Map([...commonAttributes, ...type.schema.attributes])
	const { properties, ...schema } = objectSchema(attributes, type.description, direction)
	const extensions = type.extensions.map((extension) => [
		extension.urn,
		{ $ref: `#/components/schemas/${componentName(extension, direction)}` },
	])
	const required = direction === 'answer' ? ['schemas', 'id'] : requiredNames(type.schema.attributes)
	return { ...schema, required, properties: { ...(properties as object), ...Object.fromEntries(extensions) } }
}

const requiredNames = (attributes: Attributes): readonly string[] =>
	[...attributes.values()].filter(({ required }) => required).map(({ name }) => name)

const objectSchema = (attributes: Attributes, description: string, direction: Direction) => ({
	type: 'object',
	description,
	...propertiesOf(
		Object.fromEntries(
			[...attributes.values()].map((attribute) => [attribute.name, attributeSchema(attribute, direction)]),
		),
	),
})

/** The schemas of properties. Tools take a property called `$ref` for a reference, so a pattern stands for its name. */
export const propertiesOf = ({ $ref, ...properties }: Readonly<Record<string, JsonSchema>>) => ({
	properties,
	...($ref !== undefined && { patternProperties: { '^\\$ref$': $ref } }),
})

function attributeSchema(attribute: Attribute, direction: Direction): JsonSchema {
	const { description, mutability, uniqueness, canonicalValues, multiValued } = attribute
	const value = direction === 'answer' ? valueSchema(attribute, direction) : requestValue(attribute)
	const list = direction === 'answer' ? { type: 'array', items: value } : listInRequest(value)
	return {
		...(multiValued ? list : value),
		description: uniqueness === 'none' ? description : `${description} No other resource has the value.`,
		...(canonicalValues.length > 0 && { examples: canonicalValues }),
		...(mutability === 'readOnly' && { readOnly: true }),
	}
}

function valueSchema(attribute: Attribute, direction: Direction): JsonSchema {
	switch (attribute.type) {
		case 'boolean':
		case 'integer':
			return { type: attribute.type }
		case 'decimal':
			return { type: 'number' }
		case 'dateTime':
			return { type: 'string', format: 'date-time' }
		case 'binary':
			return { type: 'string', contentEncoding: 'base64' }
		case 'complex':
			return objectSchema(attribute.subAttributes, attribute.description, direction)
		default:
			return { type: 'string' }
	}
}

/**
 * A value as clients send it. Null and an empty text leave the attribute without a value. Some clients send booleans and
 * numbers as text, and the `value` of a complex value alone.
 */
function requestValue(attribute: Attribute): JsonSchema {
	if (attribute.mutability === 'readOnly') return {}
	const value = valueSchema(attribute, 'request')
	switch (attribute.type) {
		case 'complex':
			return { anyOf: [value, { type: ['string', 'null'] }] }
		case 'boolean':
			return {
				anyOf: [value, { type: 'null' }, { type: 'string', pattern: '^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|)$' }],
			}
		case 'integer':
		case 'decimal':
			return { anyOf: [value, { type: ['string', 'null'] }] }
		default:
			return { ...value, type: ['string', 'null'] }
	}
}

/** A list, or a single value instead of a list of one. */
const listInRequest = (value: JsonSchema): JsonSchema => ({
	anyOf: [{ type: 'array', items: value }, value, { type: 'null' }],
})
