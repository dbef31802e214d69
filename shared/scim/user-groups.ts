import type { ResourceType } from './resource-type.ts'

/**
 * The type of users whose `groups` are returned by default, as RFC 7643 section 8.7.1 declares them. The type of every
 * tenant returns them on request: a client that matches users does not wait for them.
 */
export function withGroupsByDefault(type: ResourceType): ResourceType {
	const { attributes } = type.schema
	const groups = attributes.get('groups')
	if (groups === undefined) return type
	const description = 'The groups of the user. Changed through the groups.'
	const returned = { ...groups, description, returned: 'default' } as const
	return { ...type, schema: { ...type.schema, attributes: new Map([...attributes, ['groups', returned]]) } }
}
