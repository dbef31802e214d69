import { createHash } from 'node:crypto'
import { merge, type Properties, replace } from '../../shared/storage/table/batch.ts'
import type { Row, Table, Tables } from '../../shared/storage/table/tables.ts'
import { tenantsTable } from '../../shared/tenants/tenants.ts'

const partitionOf = (tables: Tables, name: string): Table =>
	tables.table(tenantsTable, createHash('sha256').update(name).digest('hex').slice(0, 2))

/** A tenant's row as it is stored. */
export async function tenantRow(tables: Tables, name: string): Promise<Row> {
	const row = await partitionOf(tables, name).get(name)
	if (row === undefined) throw new Error(`there is no tenant ${name}`)
	return row
}

/** Changes a tenant's row by hand. */
export async function changeTenantRow(tables: Tables, name: string, properties: Properties): Promise<void> {
	const outcome = await partitionOf(tables, name).transaction([merge(name, properties)])
	if (outcome.kind !== 'done') throw new Error(`the row of ${name} met ${outcome.kind}`)
}

/** Makes a tenant's row what it was before there were format numbers. */
export async function removeFormat(tables: Tables, name: string): Promise<void> {
	const { mode, table, directory = table, settings, cursorKey, created } = await tenantRow(tables, name)
	const properties = { mode, table: directory, settings, cursorKey, created } as Properties // sound: all of them are text
	const outcome = await partitionOf(tables, name).transaction([replace(name, properties, '*')])
	if (outcome.kind !== 'done') throw new Error(`the row of ${name} met ${outcome.kind}`)
}
