import { groupType, resourceTypes, userType } from '../shared/scim/resource-type.ts'
import { bulk } from './bulk.ts'
import type { Handler } from './call.ts'
import { listChanges } from './changes.ts'
import { getResourceType, getSchema, getServiceProviderConfig, listResourceTypes, listSchemas } from './discovery.ts'
import { health } from './health.ts'
import { me } from './me.ts'
import { createResource, deleteResource, getResource, patchResource, replaceResource } from './resources.ts'
import type { Method, RouteName } from './routes.ts'
import { listResources, searchResources } from './search.ts'

export type Handlers = Readonly<Partial<Record<Method, Handler>>>

/** The handlers of each endpoint by method. The answer to any other method is 405. */
export const handlers: Readonly<Record<RouteName, Handlers>> = {
	bulk: { POST: bulk },
	changes: { GET: listChanges },
	dotSearch: { POST: searchResources(...resourceTypes) },
	dotSearchGroups: { POST: searchResources(groupType) },
	dotSearchUsers: { POST: searchResources(userType) },
	group: resource(groupType),
	groups: { GET: listResources(groupType), POST: createResource(groupType) },
	health: { GET: health },
	me: { GET: me, POST: me, PUT: me, PATCH: me, DELETE: me },
	resourceType: { GET: getResourceType },
	resourceTypes: { GET: listResourceTypes },
	root: { GET: listResources(...resourceTypes) },
	schema: { GET: getSchema },
	schemas: { GET: listSchemas },
	serviceProviderConfig: { GET: getServiceProviderConfig },
	// The token endpoint is answered before a token is asked for: functions/oauth/answer.ts.
	token: {},
	user: resource(userType),
	users: { GET: listResources(userType), POST: createResource(userType) },
}

function resource(type: typeof userType): Handlers {
	return {
		GET: getResource(type),
		PUT: replaceResource(type),
		PATCH: patchResource(type),
		DELETE: deleteResource(type),
	}
}
