import { withActive } from '../../scim/active.ts'
import { schemasOf } from '../../scim/represent.ts'
import type { AttributeValues, StoredResource } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import { etag } from '../../scim/version.ts'

/** A resource as filters and sorting see it. `meta.location` is not in it, since it depends on the client's address. */
export const viewOf = (
	type: ResourceType,
	{ id, attributes, version, created, lastModified, members, groups }: StoredResource,
): AttributeValues => ({
	...withActive(type, attributes),
	id,
	schemas: schemasOf(type, attributes),
	meta: { resourceType: type.name, created, lastModified, version: etag(version) },
	...(members && { members: members.map((member) => ({ ...member, type: 'User' })) }),
	...(groups && { groups: groups.map((group) => ({ ...group, type: 'direct' })) }),
})
