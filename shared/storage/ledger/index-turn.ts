import type { Directory } from '../rows/directory.ts'
import { epochPart, indexTurnRow } from '../rows/schema.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import type { Row, Table } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'

// A sweep reads entries of the feed and writes rows `h|` some time later. An erasure in between takes the values out of the
// entries. The sweep must not bring them back, however long it stalls. So each transaction with rows `h|` requires that the
// turn is open in which the entries were read, and an erasure ends the turn after it has changed the entries.

const turnKey = (turn: number): string => indexTurnRow.key(epochPart(turn))

/** Sorts before the keys of all turns. */
const beforeTurns = indexTurnRow.key('')

/** The turn that is open, by the rows of turns; undefined if none has begun. */
export function turnIn(rows: readonly Row[]): number | undefined {
	const turns = rows
		.map(({ RowKey }) => Number.parseInt(RowKey.slice(beforeTurns.length), 16))
		.filter((turn) => turn > 0)
	return turns.length === 0 ? undefined : Math.max(...turns)
}

/** The turn that is open. The first one begins if there is none. */
export async function openTurn(directory: Directory): Promise<number> {
	const known = await readTurn(directory.table)
	if (known !== undefined) return known
	// The turn 0 stays for ever. So a late copy of this transaction fails, and begins no turn a second time.
	await commitStep(directory, [insert(turnKey(0), {}), insert(turnKey(1), {})])
	return (await readTurn(directory.table)) ?? 1
}

const readTurn = async (table: Table): Promise<number | undefined> =>
	turnIn(await table.first({ from: turnKey(0), to: `${beforeTurns}~` }, 3))

/** An operation that fails if the turn has ended. */
export const requireTurn = (turn: number): Operation => merge(turnKey(turn), {})

/**
 * Ends the open turn and begins the next one. If another process ends it first, that is as good: both came after the
 * entries were changed.
 */
export async function endTurn(directory: Directory): Promise<void> {
	const turn = await openTurn(directory)
	await commitStep(directory, [remove(turnKey(turn)), insert(turnKey(turn + 1), {})])
}
