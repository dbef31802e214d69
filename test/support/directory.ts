import { type IdGenerator, idGenerator } from '../../shared/scim/id.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import type { Directory, FeedStage, History } from '../../shared/storage/rows/directory.ts'
import { type SweepReport, sweep } from '../../shared/storage/sweep.ts'
import { connectTables, type Send, type Table, type Tables } from '../../shared/storage/table/tables.ts'
import { type DirectoryOptions, directoryOf, openDirectory } from '../../shared/storage/table-store.ts'
import { testFeed } from './feed.ts'
import { createMeter, type Meter } from './meter.ts'
import { connectionString, type TableService } from './simulator/table-service.ts'

/** A directory for one test, empty at first. */
export type TestDirectory = {
	readonly store: ResourceStore
	/** The rows of the directory, for tests that look behind the store. */
	readonly table: Table
	readonly tables: Tables
	readonly tenant: { readonly name: string; readonly table: string }
	readonly ids: IdGenerator
	readonly feed: FeedStage
	readonly meter: Meter
	/** Opens the same directory as another process does. */
	open(intercept: (send: Send) => Send, now?: () => number, writtenFormat?: number): ResourceStore
	/** The rows of the directory as another process works on them. */
	rows(intercept: (send: Send) => Send): Directory
	/**
	 * Sweeps the directory.
	 *
	 * @param later milliseconds by which the clock of the sweep is ahead
	 * @param until milliseconds since 1970 at which to stop
	 */
	sweep(later?: number, intercept?: (send: Send) => Send, until?: number): Promise<SweepReport>
}

type Options = {
	readonly intercept?: (send: Send) => Send
	/** Decides when counts are folded; by default never. */
	readonly random?: () => number
	/** What the ledger keeps; everything if left out. */
	readonly history?: History
	readonly feed?: FeedStage
}

/** A running table service. */
export type TableAccount = { readonly connectionString: string }

let count = 0

/** Opens an empty directory whose store tries again without waiting. */
export async function newDirectory(
	account: TableAccount | TableService,
	options: Options = {},
): Promise<TestDirectory> {
	const { intercept = (send: Send) => send, random = () => 1, history = 'full', feed = testFeed } = options
	const meter = createMeter()
	const tenant = { name: 'acme', table: `test${process.pid}x${++count}` }
	const connect = (around: (send: Send) => Send) =>
		'send' in account
			? connectTables({ connectionString }, { intercept: () => around(account.send), pause })
			: connectTables({ connectionString: account.connectionString }, { intercept: around, pause })
	await connect((send) => send).createTable(tenant.table)
	const tables = connect((send) => meter.intercept(intercept(send)))
	const settings = { random, history, feed }
	const directory: Omit<DirectoryOptions, 'tables'> = { tenant, ids: sequenceFromNow(), now: Date.now, ...settings }
	return {
		store: openDirectory({ ...directory, tables }),
		table: tables.table(tenant.table, tenant.name),
		tables,
		tenant,
		ids: directory.ids,
		feed,
		meter,
		open: (around, now = Date.now, writtenFormat) =>
			openDirectory({ ...directory, tables: connect(around), now, ...(writtenFormat && { writtenFormat }) }),
		rows: (around) => directoryOf({ ...directory, tables: connect(around) }),
		sweep: (later = 0, around = (send) => send, until = Number.POSITIVE_INFINITY) =>
			sweep({ ...directory, tables: connect(around), now: () => Date.now() + later, until }),
	}
}

const pause = () => Promise.resolve()

/** Ids that are all different. Each holds the time at which it was made. */
function sequenceFromNow(): IdGenerator {
	let made = 0
	return idGenerator(Date.now, (digits) => (made++).toString(16).padStart(digits, '0'))
}
