import { idOf } from '../rows/entity.ts'
import type { Row } from '../table/tables.ts'

type Pages = AsyncGenerator<readonly Row[]>

/** The rows that a source has ahead of the others, and whether it has no more pages. */
type Ahead = { readonly rows: readonly Row[]; readonly isAtEnd: boolean }

/**
 * The rows of several sources in the order of ids, page by page. Each source is in that order. Of rows with the same id,
 * which lead to the same resource, one is left.
 */
export async function* mergedById(sources: readonly Pages[]): Pages {
	const [only] = sources
	if (only !== undefined && sources.length === 1) return yield* only
	let heads: readonly Ahead[] = sources.map(() => ({ rows: [], isAtEnd: false }))
	let last = ''
	do {
		heads = await Promise.all(sources.map((pages, index) => filled(pages, heads[index])))
		const end = endOf(heads)
		const isReached = (row: Row) => end === undefined || idOf(row) <= end
		const merged: Row[] = []
		for (const row of heads.flatMap(({ rows }) => rows.filter(isReached)).sort(byId)) {
			if (idOf(row) !== last) merged.push(row)
			last = idOf(row)
		}
		yield merged
		heads = heads.map(({ rows, isAtEnd }) => ({ rows: rows.filter((row) => !isReached(row)), isAtEnd }))
	} while (heads.some(({ rows, isAtEnd }) => rows.length > 0 || !isAtEnd))
}

export const byId = (a: Row, b: Row): number => (idOf(a) < idOf(b) ? -1 : idOf(a) > idOf(b) ? 1 : 0)

/** A source with rows ahead, unless it has no more. */
async function filled(pages: Pages, ahead: Ahead = { rows: [], isAtEnd: false }): Promise<Ahead> {
	if (ahead.rows.length > 0 || ahead.isAtEnd) return ahead
	const next = await pages.next()
	return next.done === true ? { rows: [], isAtEnd: true } : { rows: next.value, isAtEnd: false }
}

/** The id up to which every source has shown its rows; undefined if none has more pages. An empty page shows nothing. */
function endOf(heads: readonly Ahead[]): string | undefined {
	const [least] = heads
		.filter(({ isAtEnd }) => !isAtEnd)
		.map(({ rows }) => rows.slice(-1).map(idOf).join())
		.sort()
	return least
}
