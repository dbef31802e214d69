import { Fault } from '../fault.ts'
import { lastUseRow } from './rows/schema.ts'
import { upsert } from './table/batch.ts'
import type { Table } from './table/tables.ts'

/**
 * Stores when a credential was last used.
 *
 * @throws Fault if it is not known to be stored
 */
export async function storeLastUse(
	table: Table,
	{ id, time }: { readonly id: string; readonly time: number },
): Promise<void> {
	const properties = lastUseRow.properties({ used: new Date(time).toISOString() })
	const outcome = await table.transaction([upsert(lastUseRow.key(id), properties)])
	if (outcome.kind !== 'done') throw new Fault(`the last use of a credential was not stored: ${outcome.kind}`)
}

/** When each credential of a tenant was last used, by its id: RFC 3339, up to an hour too early. */
export async function readLastUses(table: Table): Promise<ReadonlyMap<string, string>> {
	const from = lastUseRow.key('')
	const uses = new Map<string, string>()
	for await (const rows of table.pages({ from, to: `${from}~` })) {
		for (const row of rows) uses.set(row.RowKey.slice(from.length), lastUseRow.used.of(row))
	}
	return uses
}
