import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mergedById } from '../../../../shared/storage/query/merged-by-id.ts'
import type { Row } from '../../../../shared/storage/table/tables.ts'

type Ids = readonly (readonly number[])[]

const rowsOf = (ids: readonly number[]): readonly Row[] =>
	ids.map((id) => ({ RowKey: `y|du|x|${id}`, id: String(id).padStart(3, '0') }))

/** A source whose pages have the ids in their order; some pages are empty. */
async function* pagesOf(pages: Ids): AsyncGenerator<readonly Row[]> {
	for (const page of pages) yield rowsOf(page)
}

/** Ids in ascending order, cut into pages. */
const source = fc
	.tuple(
		fc.uniqueArray(fc.nat(40)).map((ids) => ids.toSorted((a, b) => a - b)),
		fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }),
	)
	.map(([ids, sizes]): Ids => {
		let left = ids
		return sizes.map((size) => {
			const page = left.slice(0, size)
			left = left.slice(size)
			return page
		})
	})

test('every id of the sources comes once, in order', async () => {
	await fc.assert(
		fc.asyncProperty(fc.array(source, { minLength: 1, maxLength: 4 }), async (sources) => {
			const merged: unknown[] = []
			for await (const rows of mergedById(sources.map(pagesOf))) merged.push(...rows.map(({ id }) => Number(id)))
			const ids = new Set(sources.flat(2))
			expect(merged).toEqual([...ids].sort((a, b) => a - b))
		}),
		{ numRuns: 300 },
	)
})
