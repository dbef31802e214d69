import type { Directory } from '../rows/directory.ts'
import { remove } from '../table/batch.ts'
import { chunked, inParallel } from '../table/parallel.ts'
import { untilAnswered } from '../table/retry.ts'

const rowsAtOnce = 100
const width = 4

/** Removes rows of which some may be gone. Keys that follow one another in pairs are removed in pairs. */
export async function removeRows(directory: Directory, keys: readonly string[]): Promise<void> {
	await inParallel(chunked(keys, rowsAtOnce), (chunk) => removeChunk(directory, chunk), width)
}

async function removeChunk({ table, pause }: Directory, keys: readonly string[]): Promise<void> {
	let left = keys
	await untilAnswered(pause, async () => {
		const outcome = await table.transaction(left.map((key) => remove(key)))
		if (outcome.kind === 'done') return 'done'
		// Some were removed by somebody else, or by an attempt that was not answered.
		const rows = await inParallel(left, (key) => table.get(key))
		left = left.filter((_, index) => rows[index] !== undefined)
		return left.length === 0 ? 'done' : undefined
	})
}
