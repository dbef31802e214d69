import { changesAfter, feedEnd } from './feed.ts'
import { type LossMemory, noLossKnown } from './losses.ts'
import { changeMembers } from './membership/change-members.ts'
import { query } from './query/query.ts'
import { create } from './resource/create.ts'
import { deleteResource } from './resource/delete.ts'
import { getGroup, read } from './resource/read.ts'
import { update } from './resource/update.ts'
import type { ResourceStore } from './resource-store.ts'
import { type Directory, type EpochMemory, type History, noEpochKnown } from './rows/directory.ts'
import type { Tables } from './table/tables.ts'

export type DirectoryOptions = Pick<Directory, 'ids' | 'now' | 'random' | 'feed' | 'actor' | 'hold'> & {
	/** If left out, 2 for a feed with epochs, and 1 for any other. */
	readonly writtenFormat?: number
	/** 50,000 if left out. */
	readonly scanLimit?: number
	/** 30 days if left out. */
	readonly keepFeedFor?: number
	/** `names` if left out. */
	readonly history?: History
	/** The clock of the process if left out. */
	readonly elapsed?: () => number
	/** What the process remembers of the epochs; nothing if left out. */
	readonly epochs?: EpochMemory
	/** What the process knows of deletions; nothing if left out. */
	readonly losses?: LossMemory
	readonly tables: Tables
	/** The name of the partition, which is the tenant's, and of the table. */
	readonly tenant: { readonly name: string; readonly table: string }
}

const day = 24 * 60 * 60_000

export const directoryOf = ({
	tables,
	tenant,
	feed,
	writtenFormat = feed === 'epochs' ? 2 : 1,
	scanLimit = 50_000,
	keepFeedFor = 30 * day,
	history = 'names',
	elapsed = () => performance.now(),
	epochs = noEpochKnown(),
	losses = noLossKnown(),
	...options
}: DirectoryOptions): Directory => ({
	...options,
	feed,
	writtenFormat,
	scanLimit,
	keepFeedFor,
	history,
	elapsed,
	epochs,
	losses,
	table: tables.table(tenant.table, tenant.name),
	pause: tables.pause,
})

/** What may differ each time a directory is opened. */
type Opening = Pick<DirectoryOptions, 'feed' | 'writtenFormat' | 'history' | 'actor' | 'hold'>

type TableMemory = { readonly feed: Directory['feed']; readonly epochs: EpochMemory; readonly losses: LossMemory }

/** Opens directories. What is known of the epochs of a table is kept as long as its feed is written in the same way. */
export function openDirectories(
	options: Omit<DirectoryOptions, 'tenant' | 'epochs' | 'losses' | keyof Opening>,
): (tenant: DirectoryOptions['tenant'], opening: Opening) => ResourceStore {
	const memories = new Map<string, TableMemory>()
	return (tenant, opening) => {
		const known = memories.get(tenant.table)
		const losses = known?.losses ?? noLossKnown()
		const memory = known?.feed === opening.feed ? known : { feed: opening.feed, epochs: noEpochKnown(), losses }
		memories.set(tenant.table, memory)
		return openDirectory({ ...options, ...opening, tenant, epochs: memory.epochs, losses })
	}
}

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
		changes: (cursor, count) => changesAfter(directory, cursor, count),
		feedEnd: () => feedEnd(directory),
		delete: (type, id, condition) => deleteResource(directory, type, id, condition),
	}
}
