/** One HTTP trigger: `path` is below `/scim/{tenant}`. */
export type Route = { readonly name: RouteName; readonly path: string }

export type RouteName = (typeof table)[number][0]

/**
 * The route table. The Functions host tries triggers in the alphabetical order of their names and takes the first route
 * that matches. `Users/.search` must come before `Users/{id}`, hence the names `dotSearch…`.
 *
 * The handlers are in handlers.ts. They are kept apart because the host waits for this table to load.
 */
const table = [
	['bulk', 'Bulk'],
	['changes', 'Changes'],
	['dotSearch', '.search'],
	['dotSearchGroups', 'Groups/.search'],
	['dotSearchUsers', 'Users/.search'],
	['group', 'Groups/{id}'],
	['groups', 'Groups'],
	['health', 'health'],
	['me', 'Me'],
	['resourceType', 'ResourceTypes/{id}'],
	['resourceTypes', 'ResourceTypes'],
	['root', ''],
	['schema', 'Schemas/{id}'],
	['schemas', 'Schemas'],
	['serviceProviderConfig', 'ServiceProviderConfig'],
	['user', 'Users/{id}'],
	['users', 'Users'],
] as const

export const routes: readonly Route[] = table.map(([name, path]) => ({ name, path }))
