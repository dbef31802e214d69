import { type TypeName, typeNames } from '../shared/scim/resource-type.ts'
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
	// The endpoints of agents are answered before a token is asked for: functions/relay/enrolment-answer.ts.
	agentEnrol: {},
	agentToken: {},
	bulk: { POST: bulk },
	changes: { GET: listChanges },
	dotSearch: { POST: searchResources(...typeNames) },
	dotSearchGroups: { POST: searchResources('Group') },
	dotSearchUsers: { POST: searchResources('User') },
	group: resource('Group'),
	groups: { GET: listResources('Group'), POST: createResource('Group') },
	health: { GET: health },
	me: { GET: me, POST: me, PUT: me, PATCH: me, DELETE: me },
	resourceType: { GET: getResourceType },
	resourceTypes: { GET: listResourceTypes },
	root: { GET: listResources(...typeNames) },
	schema: { GET: getSchema },
	schemas: { GET: listSchemas },
	serviceProviderConfig: { GET: getServiceProviderConfig },
	// The token endpoint is answered before a token is asked for: functions/oauth/answer.ts.
	token: {},
	user: resource('User'),
	users: { GET: listResources('User'), POST: createResource('User') },
}

function resource(name: TypeName): Handlers {
	return {
		GET: getResource(name),
		PUT: replaceResource(name),
		PATCH: patchResource(name),
		DELETE: deleteResource(name),
	}
}
