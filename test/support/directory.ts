import { type IdGenerator, idGenerator } from '../../shared/scim/id.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { type Swept, sweep } from '../../shared/storage/sweep.ts'
import { connectTables, type Send, type Table, type Tables } from '../../shared/storage/table/tables.ts'
import { type DirectoryOptions, openDirectory } from '../../shared/storage/table-store.ts'
import type { Azurite } from './azurite.ts'
import { createMeter, type Meter } from './meter.ts'
import { connectionString, type TableService } from './simulator/table-service.ts'

/** An empty directory of its own. */
export type TestDirectory = {
	readonly store: ResourceStore
	/** Its rows, for a look behind the store. */
	readonly table: Table
	readonly tables: Tables
	readonly tenant: { readonly name: string; readonly table: string }
	readonly ids: IdGenerator
	readonly meter: Meter
	/** Opens the same directory once more, as another process has it. */
	open(intercept: (send: Send) => Send, now?: () => number): ResourceStore
	/** Sweeps as if it were later by so many milliseconds; `until` is when to stop. */
	sweep(later?: number, intercept?: (send: Send) => Send, until?: number): Promise<Swept>
}

type Options = {
	readonly intercept?: (send: Send) => Send
	/** Decides when counts are folded; by default never. */
	readonly random?: () => number
}

let count = 0

/** Opens a directory whose store does not wait before it tries again. */
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

/** Ids that are all different, with the time of their making. */
function sequenceFromNow(): IdGenerator {
	let made = 0
	return idGenerator(Date.now, (digits) => (made++).toString(16).padStart(digits, '0'))
}
