import { groupType, resourceTypes, userType } from '../shared/scim/resource-type.ts'
import { bulk } from './bulk.ts'
import type { Handler } from './call.ts'
import { listChanges } from './changes.ts'
import { getResourceType, getSchema, getServiceProviderConfig, listResourceTypes, listSchemas } from './discovery.ts'
import { health } from './health.ts'
import { me } from './me.ts'
import { createResource, deleteResource, getResource, patchResource, replaceResource } from './resources.ts'
import { listResources, searchResources } from './search.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One HTTP trigger: `path` is below `/scim/{tenant}`. */
export type Route = {
	readonly name: string
	readonly path: string
	readonly handlers: Readonly<Partial<Record<Method, Handler>>>
}

/** The only endpoint that is ours also where the others are those of a SCIM server behind a relay. */
export const healthRoute: Route = { name: 'health', path: 'health', handlers: { GET: health } }

/**
 * Every endpoint. The Functions host tries triggers in the alphabetical order of their names and takes the first whose
 * route fits, so `Users/.search` must come before `Users/{id}`: hence `dotSearch…`.
 */
export const routes: readonly Route[] = [
	{ name: 'bulk', path: 'Bulk', handlers: { POST: bulk } },
	{ name: 'changes', path: 'Changes', handlers: { GET: listChanges } },
	{ name: 'dotSearch', path: '.search', handlers: { POST: searchResources(...resourceTypes) } },
	{ name: 'dotSearchGroups', path: 'Groups/.search', handlers: { POST: searchResources(groupType) } },
	{ name: 'dotSearchUsers', path: 'Users/.search', handlers: { POST: searchResources(userType) } },
	{ name: 'group', path: 'Groups/{id}', handlers: resource(groupType) },
	{ name: 'groups', path: 'Groups', handlers: { GET: listResources(groupType), POST: createResource(groupType) } },
	healthRoute,
	{ name: 'me', path: 'Me', handlers: { GET: me, POST: me, PUT: me, PATCH: me, DELETE: me } },
	{ name: 'resourceType', path: 'ResourceTypes/{id}', handlers: { GET: getResourceType } },
	{ name: 'resourceTypes', path: 'ResourceTypes', handlers: { GET: listResourceTypes } },
	{ name: 'root', path: '', handlers: { GET: listResources(...resourceTypes) } },
	{ name: 'schema', path: 'Schemas/{id}', handlers: { GET: getSchema } },
	{ name: 'schemas', path: 'Schemas', handlers: { GET: listSchemas } },
	{ name: 'serviceProviderConfig', path: 'ServiceProviderConfig', handlers: { GET: getServiceProviderConfig } },
	{ name: 'user', path: 'Users/{id}', handlers: resource(userType) },
	{ name: 'users', path: 'Users', handlers: { GET: listResources(userType), POST: createResource(userType) } },
]

function resource(type: typeof userType): Route['handlers'] {
	return {
		GET: getResource(type),
		PUT: replaceResource(type),
		PATCH: patchResource(type),
		DELETE: deleteResource(type),
	}
}
