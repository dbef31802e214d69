import type { Directory } from '../rows/directory.ts'
import { remove } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'

const rowsAtOnce = 100
const width = 4

/** Removes rows, some of which may be gone. Keys that follow one another in pairs are removed in pairs. */
export async function removeRows(directory: Directory, keys: readonly string[]): Promise<void> {
	await inParallel(chunked(keys, rowsAtOnce), (chunk) => removeChunk(directory, chunk), width)
}

async function removeChunk({ table, pause }: Directory, keys: readonly string[]): Promise<void> {
	let rest = keys
	await untilAnswered(pause, async () => {
		const outcome = await table.transaction(rest.map((key) => remove(key)))
		if (outcome.kind === 'done') return 'done'
		// Another process removed some of them, or an attempt without an answer did.
		const rows = await inParallel(rest, (key) => table.get(key))
		rest = rest.filter((_, index) => rows[index] !== undefined)
		return rest.length === 0 ? 'done' : undefined
	})
}
