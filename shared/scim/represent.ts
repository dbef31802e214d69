import { withActive } from './active.ts'
import { findAttribute } from './attribute.ts'
import type { AttributeValues, Member, Resource, StoredResource } from './resource.ts'
import { findExtension, type ResourceType, type Schema, sameUrn } from './resource-type.ts'
import { isObject, isUrn, type JsonObject } from './value.ts'
import { etag } from './version.ts'

/** Writes a stored resource in its wire format. `baseUrl` is the base URL of the tenant, without a trailing slash. */
export function represent(stored: StoredResource, type: ResourceType, baseUrl: string): Resource {
	const { id, attributes, version, created, lastModified, members, groups } = stored
	return {
		schemas: schemasOf(type, attributes),
		id,
		...withActive(type, attributes),
		...(members !== undefined && { members: representMembers(members, baseUrl) }),
		...(groups !== undefined &&
			groups.length > 0 && {
				groups: groups.map(({ value, display }) => ({
					value,
					$ref: `${baseUrl}/Groups/${value}`,
					display,
					type: 'direct',
				})),
			}),
		meta: {
			resourceType: type.name,
			created,
			lastModified,
			location: locationOf(type, id, baseUrl),
			version: etag(version),
		},
	}
}

/** Writes members in their wire format. A group may have a million members. */
export const representMembers = (members: readonly Member[], baseUrl: string): readonly JsonObject[] =>
	members.map(({ value, display }) => {
		const member = { value, $ref: `${baseUrl}/Users/${value}`, type: 'User' }
		return display === undefined ? member : { ...member, display }
	})

/** The address of a resource (RFC 7644 section 3.1). */
export const locationOf = (type: ResourceType, id: string, baseUrl: string): string =>
	`${baseUrl}${type.endpoint}/${id}`

/** Lists the URN of an extension only if the resource has values of the extension (RFC 7643 section 3). */
export const schemasOf = (type: ResourceType, attributes: AttributeValues): readonly string[] => [
	type.schema.urn,
	...type.extensions.filter((extension) => hasValues(type, extension, attributes)).map(({ urn }) => urn),
	...(type.keepsUndeclared ? keptUrns(type, attributes) : []),
]

/** A value may be left of a time when the schema declared more. */
function hasValues({ keepsUndeclared }: ResourceType, { urn, attributes }: Schema, resource: AttributeValues): boolean {
	const values = resource[urn]
	if (!isObject(values)) return false
	return keepsUndeclared || Object.keys(values).some((name) => findAttribute(attributes, name) !== undefined)
}

const keptUrns = (type: ResourceType, attributes: AttributeValues): readonly string[] =>
	Object.keys(attributes).filter(
		(name) =>
			isUrn(name) &&
			isObject(attributes[name]) &&
			!sameUrn(name, type.schema.urn) &&
			findExtension(type, name) === undefined,
	)
