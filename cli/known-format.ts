import type { ResourceType, ResourceTypes } from '../shared/scim/resource-type.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import { formatProblem } from '../shared/tenants/format.ts'
import { indexProblem } from '../shared/tenants/index-definition.ts'
import { unknownSetting } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { Failure } from './failure.ts'

/** @throws Failure if this version of rollcall may read the tenant's data wrongly */
export function refuseNewer(tenant: Pick<Tenant, 'format' | 'settings' | 'indexes'>): void {
	const problem = formatProblem(tenant.format) ?? unknownSetting(tenant) ?? indexProblem(tenant.indexes)
	if (problem === undefined) return
	throw new Failure(problem, {
		hint: 'type the command in a clone of the version that is deployed; docs/operations.md has the formats of each version',
	})
}

/**
 * A directory for which `current` is asked before each use: it refuses a tenant that has become too new, and answers the
 * resource types as they are now.
 */
export function checked(store: ResourceStore, current: () => Promise<ResourceTypes | undefined>): ResourceStore {
	const typed = async (type: ResourceType): Promise<ResourceType> => (await current())?.[type.name] ?? type
	return {
		create: async (type, draft) => store.create(await typed(type), draft),
		get: async (type, id, include) => store.get(await typed(type), id, include),
		getGroup: (id, options) => current().then(() => store.getGroup(id, options)),
		query: async (type, query) => store.query(await typed(type), query),
		update: async (type, id, options) => store.update(await typed(type), id, options),
		changeMembers: (id, change, condition) => current().then(() => store.changeMembers(id, change, condition)),
		changes: (operation, count) => current().then(() => store.changes(operation, count)),
		delete: async (type, id, condition) => store.delete(await typed(type), id, condition),
	}
}
