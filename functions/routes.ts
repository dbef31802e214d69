/** One HTTP trigger: `path` is below `/scim/{tenant}`. */
export type Route = { readonly name: RouteName; readonly path: string }

export type RouteName = (typeof table)[number][0]

/**
 * The route table. The Functions host tries triggers in the alphabetical order of their names and takes the first whose
 * route fits, so `Users/.search` must come before `Users/{id}`: hence `dotSearch…`. What answers each is in handlers.ts;
 * kept apart, because the host waits for the table alone.
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
