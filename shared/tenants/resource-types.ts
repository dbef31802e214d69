import { builtInTypes, type ResourceTypes } from '../scim/resource-type.ts'
import { withIndexes } from './index-definition.ts'
import type { Tenant } from './tenants.ts'

/** The resource types of a tenant. */
export const typesOf = ({ indexes }: Pick<Tenant, 'indexes'>): ResourceTypes => ({
	...builtInTypes,
	User: withIndexes(builtInTypes.User, indexes),
})
