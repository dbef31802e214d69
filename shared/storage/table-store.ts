import { changesAfter } from './feed.ts'
import { changeMembers } from './membership/change-members.ts'
import { query } from './query/query.ts'
import { create } from './resource/create.ts'
import { deleteResource } from './resource/delete.ts'
import { getGroup, read } from './resource/read.ts'
import { update } from './resource/update.ts'
import type { ResourceStore } from './resource-store.ts'
import type { Directory } from './rows/directory.ts'
import type { Tables } from './table/tables.ts'

export type DirectoryOptions = Pick<Directory, 'ids' | 'now' | 'random'> & {
	/** 1 if left out. */
	readonly writtenFormat?: number
	/** 50,000 if left out. */
	readonly scanLimit?: number
	/** 30 days if left out. */
	readonly keepFeedFor?: number
	readonly tables: Tables
	/** The name of the partition, which is the tenant's, and of the table. */
	readonly tenant: { readonly name: string; readonly table: string }
}

const day = 24 * 60 * 60_000

export const directoryOf = ({
	tables,
	tenant,
	writtenFormat = 1,
	scanLimit = 50_000,
	keepFeedFor = 30 * day,
	...options
}: DirectoryOptions): Directory => ({
	...options,
	writtenFormat,
	scanLimit,
	keepFeedFor,
	table: tables.table(tenant.table, tenant.name),
	pause: tables.pause,
})

/** The directory of one tenant, in the one partition of its table. */
export function openDirectory(options: DirectoryOptions): ResourceStore {
	const directory = directoryOf(options)
	return {
		create: (type, draft) => create(directory, type, draft),
		get: (type, id, include) => read(directory, type, id, include),
		getGroup: (id, options) => getGroup(directory, id, options),
		query: (type, request) => query(directory, type, request),
		update: (type, id, options) => update(directory, type, id, options),
		changeMembers: (groupId, change, condition) => changeMembers(directory, groupId, change, condition),
		changes: (operation, count) => changesAfter(directory, operation, count),
		delete: (type, id, condition) => deleteResource(directory, type, id, condition),
	}
}
