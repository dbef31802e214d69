import type { Attribute, Characteristics } from './attribute.ts'
import type { ResourceType, Schema } from './resource-type.ts'
import { urn } from './urn.ts'

type DocumentMeta = { readonly resourceType: 'Schema' | 'ResourceType'; readonly location: string }

/** The document of a schema (RFC 7643 section 7). */
export type SchemaDocument = {
	readonly schemas: readonly [typeof urn.schema]
	readonly id: string
	readonly name: string
	readonly description: string
	readonly attributes: readonly AttributeDocument[]
	readonly meta: DocumentMeta
}

/** An attribute in the document of a schema (RFC 7643 section 7). */
export type AttributeDocument = Required<Omit<Characteristics, 'canonicalValues' | 'referenceTypes'>> &
	Pick<Characteristics, 'canonicalValues' | 'referenceTypes'> & {
		readonly name: string
		readonly type: Attribute['type']
		readonly multiValued: boolean
		readonly subAttributes?: readonly AttributeDocument[]
	}

/** Writes the document of a schema. `baseUrl` is the base URL of the tenant, without a trailing slash. */
export const schemaDocument = (schema: Schema, baseUrl: string): SchemaDocument => ({
	schemas: [urn.schema],
	id: schema.urn,
	name: schema.name,
	description: schema.description,
	attributes: [...schema.attributes.values()].map(attributeDocument),
	meta: { resourceType: 'Schema', location: `${baseUrl}/Schemas/${schema.urn}` },
})

/** Entra's client cannot read empty lists and nulls here. A characteristic that does not apply has no key. */
function attributeDocument(attribute: Attribute): AttributeDocument {
	const { schema, isOwn, isEnforced, subAttributes, canonicalValues, referenceTypes, ...characteristics } = attribute
	return {
		...characteristics,
		...(attribute.type === 'complex' && { subAttributes: [...subAttributes.values()].map(attributeDocument) }),
		...(canonicalValues.length > 0 && { canonicalValues }),
		...(referenceTypes.length > 0 && { referenceTypes }),
	}
}

/** The document of a resource type (RFC 7643 section 6). */
export type ResourceTypeDocument = {
	readonly schemas: readonly [typeof urn.resourceType]
	readonly id: string
	readonly name: string
	readonly description: string
	readonly endpoint: string
	readonly schema: string
	readonly schemaExtensions?: readonly { readonly schema: string; readonly required: boolean }[]
	readonly meta: DocumentMeta
}

/** Writes the document of a resource type. `baseUrl` is the base URL of the tenant, without a trailing slash. */
export const resourceTypeDocument = (type: ResourceType, baseUrl: string): ResourceTypeDocument => ({
	schemas: [urn.resourceType],
	id: type.name,
	name: type.name,
	description: type.description,
	endpoint: type.endpoint,
	schema: type.schema.urn,
	...(type.extensions.length > 0 && {
		schemaExtensions: type.extensions.map((extension) => ({ schema: extension.urn, required: false })),
	}),
	meta: { resourceType: 'ResourceType', location: `${baseUrl}/ResourceTypes/${type.name}` },
})
