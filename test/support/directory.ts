import type { IdGenerator } from '../../shared/scim/id.ts'
import type { ResourceStore } from '../../shared/storage/resource-store.ts'
import { openDirectory } from '../../shared/storage/table-store.ts'
import { connectTables, type Send, type Table, type Tables } from '../../shared/storage/tables.ts'
import type { Azurite } from './azurite.ts'
import { createMeter, type Meter } from './meter.ts'
import { sequenceOfIds } from './sequence.ts'

/** An empty directory of its own. */
export type TestDirectory = {
	readonly store: ResourceStore
	/** Its rows, for a look behind the store. */
	readonly table: Table
	readonly tables: Tables
	readonly tenant: { readonly name: string; readonly table: string }
	readonly ids: IdGenerator
	readonly meter: Meter
}

type Options = {
	readonly intercept?: (send: Send) => Send
	/** Decides when counts are folded; by default never. */
	readonly random?: () => number
}

let count = 0

/** Opens a directory whose store does not wait before it tries again. */
export async function newDirectory({ connectionString }: Azurite, options: Options = {}): Promise<TestDirectory> {
	const { intercept = (send: Send) => send, random = () => 1 } = options
	const meter = createMeter()
	const ids = sequenceOfIds()
	const tenant = { name: 'acme', table: `test${process.pid}x${++count}` }
	await connectTables({ connectionString }).createTable(tenant.table)
	const tables = connectTables(
		{ connectionString },
		{ intercept: (send) => meter.intercept(intercept(send)), pause: () => Promise.resolve() },
	)
	const store = openDirectory({ tables, tenant, ids, now: Date.now, random })
	return { store, table: tables.table(tenant.table, tenant.name), tables, tenant, ids, meter }
}
