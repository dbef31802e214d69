import { clientRow } from './rows/schema.ts'
import { merge, upsert } from './table/batch.ts'
import { type Pause, untilAnswered } from './table/retry.ts'
import { etagOf, type Row, type Table } from './table/tables.ts'

/** A client as it is stored: JSON. */
export type StoredClient = { readonly id: string; readonly json: string }

const from = clientRow.key('')

/** All clients of a tenant, in the order of their ids. */
export async function listClients(table: Table): Promise<readonly StoredClient[]> {
	const clients: StoredClient[] = []
	for await (const rows of table.pages({ from, to: `${from}~` })) clients.push(...rows.map(storedClientOf))
	return clients
}

const storedClientOf = (row: Row): StoredClient => ({
	id: row.RowKey.slice(from.length),
	json: clientRow.client.of(row),
})

/** Stores a new client. Its id is random, so there is no other one with it. */
export async function insertClient(table: Table, pause: Pause, { id, json }: StoredClient): Promise<void> {
	await untilAnswered(pause, async () => {
		const outcome = await table.transaction([upsert(clientRow.key(id), clientRow.properties({ client: json }))])
		return outcome.kind === 'done' ? true : undefined
	})
}

/** Changes a client; `revise` is called again if another process came first. */
export async function updateClient(
	table: Table,
	pause: Pause,
	{ id, revise }: { readonly id: string; readonly revise: (json: string) => string },
): Promise<'done' | 'absent'> {
	return untilAnswered(pause, async () => {
		const row = await table.get(clientRow.key(id))
		if (row === undefined) return 'absent'
		const json = revise(clientRow.client.of(row))
		const outcome = await table.transaction([merge(row.RowKey, clientRow.properties({ client: json }), etagOf(row))])
		return outcome.kind === 'done' ? 'done' : undefined
	})
}
