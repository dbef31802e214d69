import { agentsRow } from './rows/schema.ts'
import { insert, replace } from './table/batch.ts'
import { type Pause, untilAnswered } from './table/retry.ts'
import { etagOf, type Row, type Table } from './table/tables.ts'

/** The agents of a tenant as they are stored: JSON; undefined if the tenant never had one. */
export async function readAgents(table: Pick<Table, 'get'>): Promise<string | undefined> {
	const row = await table.get(agentsRow.key())
	return row && agentsRow.agents.of(row)
}

/** The JSON to store, or none, and what the caller gets. */
export type AgentsChange<T> = { readonly json?: string; readonly answer: T }

/**
 * Changes the agents of a tenant; `revise` is called again if another process came first. If no answer came, `revise` meets
 * its own change.
 */
export function updateAgents<T extends object>(
	table: Table,
	pause: Pause,
	revise: (json: string | undefined) => AgentsChange<T>,
): Promise<T> {
	return untilAnswered(pause, async () => {
		const row = await table.get(agentsRow.key())
		const { json, answer } = revise(row && agentsRow.agents.of(row))
		if (json === undefined) return answer
		const outcome = await table.transaction([writing(row, json)])
		return outcome.kind === 'done' ? answer : undefined
	})
}

function writing(row: Row | undefined, json: string) {
	const properties = agentsRow.properties({ agents: json })
	return row === undefined ? insert(agentsRow.key(), properties) : replace(row.RowKey, properties, etagOf(row))
}
