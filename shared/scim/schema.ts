import type { Attribute, Characteristics } from './attribute.ts'
import { type OwnIndex, type ResourceType, resolveAttribute, type Schema } from './resource-type.ts'
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

/**
 * The attributes of a resource type that no two resources may have one value of, because a complete index sees to it.
 * While several users share a value, no other user gets the value.
 */
export const uniqueAttributesOf = (type: ResourceType): ReadonlySet<Attribute> =>
	new Set((type.indexes ?? []).filter((own) => own.isComplete && own.isUnique).flatMap((own) => indexedBy(type, own)))

/** Nothing if the attribute is declared otherwise since the index was added. */
function indexedBy(type: ResourceType, { path, type: indexed, caseExact }: OwnIndex): readonly Attribute[] {
	const resolved = resolveAttribute(type, path)
	if (resolved === undefined) return []
	const { attribute, subAttribute = attribute } = resolved
	const isSame = subAttribute.type === indexed && subAttribute.caseExact === caseExact
	return isSame && !attribute.multiValued && !subAttribute.multiValued ? [subAttribute] : []
}

/**
 * Writes the document of a schema. `baseUrl` is the base URL of the tenant, without a trailing slash. Attributes in `unique`
 * are said to be unique, whatever their declaration says.
 */
export const schemaDocument = (
	schema: Schema,
	baseUrl: string,
	unique: ReadonlySet<Attribute> = new Set(),
): SchemaDocument => ({
	schemas: [urn.schema],
	id: schema.urn,
	name: schema.name,
	description: schema.description,
	attributes: [...schema.attributes.values()].map((attribute) => attributeDocument(attribute, unique)),
	meta: { resourceType: 'Schema', location: `${baseUrl}/Schemas/${schema.urn}` },
})

/** Entra's client cannot read empty lists and nulls here. A characteristic that does not apply has no key. */
function attributeDocument(attribute: Attribute, unique: ReadonlySet<Attribute>): AttributeDocument {
	const { schema, isOwn, isEnforced, subAttributes, canonicalValues, referenceTypes, ...characteristics } = attribute
	return {
		...characteristics,
		...(unique.has(attribute) && { uniqueness: 'server' }),
		...(attribute.type === 'complex' && {
			subAttributes: [...subAttributes.values()].map((sub) => attributeDocument(sub, unique)),
		}),
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
