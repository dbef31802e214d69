import * as z from 'zod'
import { type Attributes, attributesOf, complex, dateTime, reference, string, strings } from './attribute.ts'

const readOnly = { mutability: 'readOnly' } as const

/** The attributes of every resource (RFC 7643 section 3.1). Only the service provider writes them. */
export const commonAttributes: Attributes = attributesOf(
	z.object({
		schemas: strings({
			description: 'The URNs of the schemas of the resource.',
			returned: 'always',
			caseExact: true,
			...readOnly,
		}),
		id: string({
			description: 'The identifier of the resource.',
			returned: 'always',
			caseExact: true,
			uniqueness: 'server',
			...readOnly,
		}),
		meta: complex(
			{
				resourceType: string({ description: 'The name of the resource type.', caseExact: true, ...readOnly }),
				created: dateTime({ description: 'When the resource was created.', ...readOnly }),
				lastModified: dateTime({ description: 'When the resource was last changed.', ...readOnly }),
				location: reference({ description: 'The address of the resource.', caseExact: true, ...readOnly }),
				version: string({ description: 'The version of the resource: its ETag.', caseExact: true, ...readOnly }),
			},
			{ description: 'Facts about the resource.', ...readOnly },
		),
	}),
)

/** The identifier that we give to a resource: 32 hexadecimal digits. Only the same resource gets an identifier again, by an undo. */
export type ResourceId = string & { readonly __brand: 'ResourceId' }

/**
 * The attributes of a resource by their declared names. The attributes of an extension are an object under the URN of
 * the extension. An unassigned attribute has no key. `id`, `schemas`, `meta`, `members` and `groups` are kept apart.
 */
export type AttributeValues = { readonly [name: string]: unknown }

/** A member of a group. `display` is the name that the client gave the member. */
export type Member = { readonly value: ResourceId; readonly display?: string }

/** A resource as storage returns it. Times are RFC 3339 in UTC. `version` is opaque and has no quotes. */
export type StoredResource = {
	readonly id: ResourceId
	readonly attributes: AttributeValues
	readonly version: string
	readonly created: string
	readonly lastModified: string
	/** The members of a group, in the order of their ids. Present only if the caller asked for them. */
	readonly members?: readonly Member[]
	/** The groups of a user. Present only if the caller asked for them. */
	readonly groups?: readonly { readonly value: ResourceId; readonly display: string }[]
}

/** A resource in its wire format (RFC 7643 section 3). */
export type Resource = {
	readonly schemas: readonly string[]
	readonly id: ResourceId
	readonly meta: Meta
	readonly [name: string]: unknown
}

/** RFC 7643 section 3.1. */
export type Meta = {
	readonly resourceType: string
	readonly created: string
	readonly lastModified: string
	readonly location: string
	readonly version: string
}
