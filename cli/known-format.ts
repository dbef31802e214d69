import type { ResourceStore } from '../shared/storage/resource-store.ts'
import { formatProblem } from '../shared/tenants/format.ts'
import { unknownSetting } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import { Failure } from './failure.ts'

/** @throws Failure if this version of rollcall may read the tenant's data wrongly */
export function refuseNewer(tenant: Pick<Tenant, 'format' | 'settings'>): void {
	const problem = formatProblem(tenant.format) ?? unknownSetting(tenant)
	if (problem === undefined) return
	throw new Failure(problem, {
		hint: 'type the command in a clone of the version that is deployed; docs/operations.md has the formats of each version',
	})
}

/** A directory for which `check` is asked before each use: a command may run for hours, in which another version may change the tenant. */
export const checked = (store: ResourceStore, check: () => Promise<void>): ResourceStore => ({
	create: (type, draft) => check().then(() => store.create(type, draft)),
	get: (type, id, include) => check().then(() => store.get(type, id, include)),
	getGroup: (id, options) => check().then(() => store.getGroup(id, options)),
	query: (type, query) => check().then(() => store.query(type, query)),
	update: (type, id, options) => check().then(() => store.update(type, id, options)),
	changeMembers: (id, change, condition) => check().then(() => store.changeMembers(id, change, condition)),
	changes: (operation, count) => check().then(() => store.changes(operation, count)),
	delete: (type, id, condition) => check().then(() => store.delete(type, id, condition)),
})
