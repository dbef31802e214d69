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

/** A directory that is opened before each use: a command may run for hours, in which the format may change. */
export const reopened = (open: () => Promise<ResourceStore>): ResourceStore => ({
	create: (type, draft) => open().then((store) => store.create(type, draft)),
	get: (type, id, include) => open().then((store) => store.get(type, id, include)),
	getGroup: (id, options) => open().then((store) => store.getGroup(id, options)),
	query: (type, query) => open().then((store) => store.query(type, query)),
	update: (type, id, options) => open().then((store) => store.update(type, id, options)),
	changeMembers: (id, change, condition) => open().then((store) => store.changeMembers(id, change, condition)),
	changes: (cursor, count) => open().then((store) => store.changes(cursor, count)),
	delete: (type, id, condition) => open().then((store) => store.delete(type, id, condition)),
})
