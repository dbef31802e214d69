import { changeMembers } from './change-members.ts'
import { changesAfter } from './changes.ts'
import { create } from './create.ts'
import { deleteResource } from './delete.ts'
import type { Directory } from './directory.ts'
import { query } from './query.ts'
import { getGroup, read } from './read.ts'
import type { ResourceStore } from './resource-store.ts'
import type { Tables } from './tables.ts'
import type { Tenant } from './tenants.ts'
import { update } from './update.ts'

export type DirectoryOptions = Pick<Directory, 'ids' | 'now' | 'random'> & {
	/** 50,000 when left out. */
	readonly scanLimit?: number
	/** 30 days when left out. */
	readonly keepFeedFor?: number
	readonly tables: Tables
	readonly tenant: Pick<Tenant, 'name' | 'table'>
}

const day = 24 * 60 * 60_000

export const directoryOf = ({
	tables,
	tenant,
	scanLimit = 50_000,
	keepFeedFor = 30 * day,
	...options
}: DirectoryOptions): Directory => ({
	...options,
	scanLimit,
	keepFeedFor,
	table: tables.table(tenant.table, tenant.name),
	pause: tables.pause,
})

/** The directory of one tenant in its table, whose one partition has the tenant's name. */
export function openDirectory(options: DirectoryOptions): ResourceStore {
	const directory = directoryOf(options)
	return {
		create: (type, draft) => create(directory, type, draft),
		get: (type, id, include) => read(directory, type, id, include),
		getGroup: (id, options) => getGroup(directory, id, options),
		query: (type, asked) => query(directory, type, asked),
		update: (type, id, options) => update(directory, type, id, options),
		changeMembers: (groupId, change, condition) => changeMembers(directory, groupId, change, condition),
		changes: (operation, count) => changesAfter(directory, operation, count),
		delete: (type, id, condition) => deleteResource(directory, type, id, condition),
	}
}
