/** One HTTP trigger: `path` is below `/scim/{tenant}`. */
export type Route = {
	readonly name: RouteName
	readonly path: string
	/** The methods that change nothing. A credential that may only read is refused with every other method. */
	readonly reads: readonly Method[]
}

export type RouteName = (typeof table)[number][0]

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

const get = ['GET'] as const
/** RFC 7644 section 3.4.3: a search is a POST that changes nothing. */
const search = ['POST'] as const
const nothing = [] as const

/**
 * The route table: name, path, and the methods that change nothing. The Functions host tries triggers in the alphabetical
 * order of their names and takes the first route that matches. `Users/.search` must come before `Users/{id}`, hence the
 * names `dotSearch…`.
 *
 * The handlers are in handlers.ts. They are kept apart because the host waits for this table to load.
 */
const table = [
	['agentEnrol', 'agent/enrol', nothing],
	['agentToken', 'agent/token', nothing],
	['bulk', 'Bulk', nothing],
	['changes', 'Changes', get],
	['dotSearch', '.search', search],
	['dotSearchGroups', 'Groups/.search', search],
	['dotSearchUsers', 'Users/.search', search],
	['group', 'Groups/{id}', get],
	['groups', 'Groups', get],
	['health', 'health', get],
	['me', 'Me', get],
	['resourceType', 'ResourceTypes/{id}', get],
	['resourceTypes', 'ResourceTypes', get],
	['root', '', get],
	['schema', 'Schemas/{id}', get],
	['schemas', 'Schemas', get],
	['serviceProviderConfig', 'ServiceProviderConfig', get],
	['token', 'oauth2/token', nothing],
	['user', 'Users/{id}', get],
	['users', 'Users', get],
] as const satisfies readonly (readonly [name: string, path: string, reads: readonly Method[]])[]

export const routes: readonly Route[] = table.map(([name, path, reads]) => ({ name, path, reads }))
