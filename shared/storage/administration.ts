import { Fault } from '../fault.ts'
import { administrationRow } from './rows/schema.ts'
import { upsert } from './table/batch.ts'
import { type Pause, untilAnswered } from './table/retry.ts'
import type { Row, Table } from './table/tables.ts'

/** What an administrator has done to a tenant with a command. It has no argument of the command: one may name a person. */
export type AdministrationEntry = {
	/** The operation, which sorts by time. */
	readonly id: string
	/** RFC 3339, UTC. */
	readonly time: string
	/** The words of the command, such as `token add`. */
	readonly command: string
	/** The object id in Entra; empty on a laptop. */
	readonly administrator: string
	/** The name in Entra, or the user of the laptop. */
	readonly name: string
	/** `begun` if the command was interrupted. */
	readonly outcome: 'begun' | 'done' | 'failed'
}

/** Stores an entry, or another outcome of it. */
export async function storeAdministration(table: Table, pause: Pause, entry: AdministrationEntry): Promise<void> {
	const { id, ...values } = entry
	await untilAnswered(pause, async () => {
		const outcome = await table.transaction([upsert(administrationRow.key(id), administrationRow.properties(values))])
		return outcome.kind === 'done' ? true : undefined
	})
}

const begin = administrationRow.key('')

/** The entries of a tenant from an operation on, oldest first; all of them if it is left out. */
export async function listAdministration(table: Table, from = ''): Promise<readonly AdministrationEntry[]> {
	const entries: AdministrationEntry[] = []
	const range = { from: administrationRow.key(from), to: `${begin}~` }
	for await (const rows of table.pages(range)) entries.push(...rows.map(entryOf))
	return entries
}

function entryOf(row: Row): AdministrationEntry {
	const outcome = administrationRow.outcome.of(row)
	if (outcome !== 'begun' && outcome !== 'done' && outcome !== 'failed') throw new Fault('an outcome is of no kind')
	return {
		id: row.RowKey.slice(begin.length),
		time: administrationRow.time.of(row),
		command: administrationRow.command.of(row),
		administrator: administrationRow.administrator.of(row),
		name: administrationRow.name.of(row),
		outcome,
	}
}
