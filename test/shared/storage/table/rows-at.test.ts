import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowsAt } from '../../../../shared/storage/table/rows-at.ts'
import { newDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const keyOf = (index: number): string => `m|group|${String(index).padStart(6, '0')}`

/** A directory with nothing but rows at these places, whose pages may end early. */
async function directoryWith(places: Iterable<number>, shortPage = 0) {
	const simulator = simulateTableService({ shares: { shortPage } })
	const directory = await newDirectory(simulator)
	const { name, table } = directory.tenant
	for (const place of places) simulator.load(table, { partitionKey: name, rowKey: keyOf(place) }, { place })
	return directory
}

const range = (from: number, to: number, step = 1): readonly number[] =>
	Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step)

describe('the rows at many keys', () => {
	test('are those that are there, wherever they lie', async () => {
		const piece = fc
			.record({ from: fc.nat(9000), length: fc.nat(1500), step: fc.constantFrom(1, 2, 7, 40, 300) })
			.map(({ from, length, step }) => range(from, from + length, step))
		const places = fc.array(piece, { maxLength: 5 }).map((pieces) => new Set(pieces.flat()))
		await fc.assert(
			fc.asyncProperty(places, places, fc.constantFrom(0, 0.2), async (there, asked, shortPage) => {
				const { table } = await directoryWith(there, shortPage)
				const rows = await rowsAt(table, [...asked].map(keyOf))
				const expected = [...asked].filter((place) => there.has(place))
				expect([...rows.keys()].sort()).toEqual(expected.map(keyOf).sort())
				for (const [key, row] of rows) expect(row.RowKey).toBe(key)
			}),
			{ numRuns: 60 },
		)
	})

	test.each([
		['a few', range(0, 100_000, 10), range(0, 32), { requests: 32, waves: 1 }],
		['all of a few thousand', range(0, 4_000), range(0, 4_000), { requests: 4, waves: 4 }],
		['every second', range(0, 4_000), range(0, 4_000, 2), { requests: 4, waves: 4 }],
		['many where there are none', range(0, 10), range(5_000, 35_000), { requests: 1, waves: 1 }],
		['some among a hundred times as many', range(0, 100_000), range(0, 100_000, 100), { requests: 955, waves: 35 }],
		['one and many far from it', range(0, 91_000), [0, ...range(90_000, 90_500)], { requests: 34, waves: 3 }],
	])('cost little for %s', async (_, there, asked, expected) => {
		const { table, meter } = await directoryWith(there)
		const { result, requests, waves } = await meter.measure(() => rowsAt(table, asked.map(keyOf)))
		expect({ requests, waves }).toEqual(expected)
		const present = new Set(there)
		expect([...result.keys()].sort()).toEqual(asked.filter((place) => present.has(place)).map(keyOf))
	})
})
