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
 * A directory that is opened before each use, with the resource types as they are now. A command may run for hours, in
 * which the format, the schemas and the indexes of the tenant may change.
 */
export function reopened(open: () => Promise<OpenedNow>): ResourceStore {
	const opened = async (type: ResourceType) => {
		const { store, types } = await open()
		return { store, type: types[type.name] }
	}
	return {
		create: (given, draft) => opened(given).then(({ store, type }) => store.create(type, draft)),
		get: (given, id, include) => opened(given).then(({ store, type }) => store.get(type, id, include)),
		getGroup: (id, options) => open().then(({ store }) => store.getGroup(id, options)),
		query: (given, query) => opened(given).then(({ store, type }) => store.query(type, query)),
		update: (given, id, options) => opened(given).then(({ store, type }) => store.update(type, id, options)),
		changeMembers: (id, change, condition) => open().then(({ store }) => store.changeMembers(id, change, condition)),
		changes: (cursor, count) => open().then(({ store }) => store.changes(cursor, count)),
		feedEnd: () => open().then(({ store }) => store.feedEnd()),
		delete: (given, id, condition) => opened(given).then(({ store, type }) => store.delete(type, id, condition)),
	}
}

/** A directory with the resource types that its tenant has at the moment. */
export type OpenedNow = { readonly store: ResourceStore; readonly types: ResourceTypes }
