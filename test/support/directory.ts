import { type IdGenerator, idGenerator } from '../../shared/scim/id.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { type Swept, sweep } from '../../shared/storage/sweep.ts'
import { connectTables, type Send, type Table, type Tables } from '../../shared/storage/table/tables.ts'
import { type DirectoryOptions, openDirectory } from '../../shared/storage/table-store.ts'
import type { Azurite } from './azurite.ts'
import { createMeter, type Meter } from './meter.ts'
import { connectionString, type TableService } from './simulator/table-service.ts'

/** A new, empty directory. */
export type TestDirectory = {
	readonly store: ResourceStore
	/** The rows of the directory, for tests that look behind the store. */
	readonly table: Table
	readonly tables: Tables
	readonly tenant: { readonly name: string; readonly table: string }
	readonly ids: IdGenerator
	readonly meter: Meter
	/** Opens the same directory again, as another process would. */
	open(intercept: (send: Send) => Send, now?: () => number): ResourceStore
	/** Sweeps as if `later` milliseconds had passed. `until` is the time at which to stop. */
	sweep(later?: number, intercept?: (send: Send) => Send, until?: number): Promise<Swept>
}

type Options = {
	readonly intercept?: (send: Send) => Send
	/** Decides when counts are folded. By default they never are. */
	readonly random?: () => number
}

let count = 0

/** Opens a directory whose store does not pause before a retry. */
export async function newDirectory(account: Azurite | TableService, options: Options = {}): Promise<TestDirectory> {
	const { intercept = (send: Send) => send, random = () => 1 } = options
	const meter = createMeter()
	const tenant = { name: 'acme', table: `test${process.pid}x${++count}` }
	const connect = (around: (send: Send) => Send) =>
		'send' in account
			? connectTables({ connectionString }, { intercept: () => around(account.send), pause })
			: connectTables({ connectionString: account.connectionString }, { intercept: around, pause })
	await connect((send) => send).createTable(tenant.table)
	const tables = connect((send) => meter.intercept(intercept(send)))
	const directory: Omit<DirectoryOptions, 'tables'> = { tenant, ids: sequenceFromNow(), now: Date.now, random }
	return {
		store: openDirectory({ ...directory, tables }),
		table: tables.table(tenant.table, tenant.name),
		tables,
		tenant,
		ids: directory.ids,
		meter,
		open: (around, now = Date.now) => openDirectory({ ...directory, tables: connect(around), now }),
		sweep: (later = 0, around = (send) => send, until = Number.POSITIVE_INFINITY) =>
			sweep({ ...directory, tables: connect(around), now: () => Date.now() + later, until }),
	}
}

const pause = () => Promise.resolve()

/** Generates unique ids that contain the time of their creation. */
function sequenceFromNow(): IdGenerator {
	let made = 0
	return idGenerator(Date.now, (digits) => (made++).toString(16).padStart(digits, '0'))
}
