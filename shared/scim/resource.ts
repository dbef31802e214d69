import * as z from 'zod'
import { type Attributes, attributesOf, complex, dateTime, reference, string, strings } from './attribute.ts'

const readOnly = { mutability: 'readOnly' } as const

/** What every resource has (RFC 7643 section 3.1), written by the service provider alone. */
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

/** The identifier that we give to a resource: 32 hexadecimal digits. Never given twice. */
export type ResourceId = string & { readonly __brand: 'ResourceId' }

/**
 * A resource's own attributes by their declared names; an extension's are an object under its URN. A value that is not
 * assigned has no key. `id`, `schemas`, `meta`, a group's `members` and a user's `groups` are kept apart.
 */
export type AttributeValues = { readonly [name: string]: unknown }

/** A member of a group; `display` is what the client called it. */
export type Member = { readonly value: ResourceId; readonly display?: string }

/** A resource as it is stored. Times are RFC 3339 in UTC; `version` is opaque and has no quotes. */
export type StoredResource = {
	readonly id: ResourceId
	readonly attributes: AttributeValues
	readonly version: string
	readonly created: string
	readonly lastModified: string
	/** The members of a group in the order of their ids. Present only where they were asked for. */
	readonly members?: readonly Member[]
	/** The groups of a user. Present only where they were asked for. */
	readonly groups?: readonly { readonly value: ResourceId; readonly display: string }[]
}

/** A resource as it stands on the wire (RFC 7643 section 3). */
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
