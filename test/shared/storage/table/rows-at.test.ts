import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowPagesTogether, rowsAt } from '../../../../shared/storage/table/rows-at.ts'
import { newDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const keyOf = (index: number): string => `m|group|${String(index).padStart(6, '0')}`

/** A directory that has rows at these positions alone. Its pages may end early. */
async function directoryWith(positions: Iterable<number>, shortPage = 0) {
	const simulator = simulateTableService({ shares: { shortPage } })
	const directory = await newDirectory(simulator)
	const { name, table } = directory.tenant
	for (const position of positions) simulator.load(table, { partitionKey: name, rowKey: keyOf(position) }, { position })
	return directory
}

const range = (from: number, to: number, step = 1): readonly number[] =>
	Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step)

describe('the rows at many keys', () => {
	test('are found, however they are spread', async () => {
		const piece = fc
			.record({ from: fc.nat(9000), length: fc.nat(1500), step: fc.constantFrom(1, 2, 7, 40, 300) })
			.map(({ from, length, step }) => range(from, from + length, step))
		const positions = fc.array(piece, { maxLength: 5 }).map((pieces) => new Set(pieces.flat()))
		await fc.assert(
			fc.asyncProperty(positions, positions, fc.constantFrom(0, 0.2), async (stored, requested, shortPage) => {
				const { table } = await directoryWith(stored, shortPage)
				const rows = await rowsAt(table, [...requested].map(keyOf))
				const expected = [...requested].filter((position) => stored.has(position))
				expect([...rows.keys()].sort()).toEqual(expected.map(keyOf).sort())
				for (const [key, row] of rows) expect(row.RowKey).toBe(key)
			}),
			{ numRuns: 60 },
		)
	})

	test.each([
		['a few keys', range(0, 100_000, 10), range(0, 32), { requests: 32, waves: 1 }],
		['all of a few thousand rows', range(0, 4_000), range(0, 4_000), { requests: 4, waves: 4 }],
		['every second row', range(0, 4_000), range(0, 4_000, 2), { requests: 4, waves: 4 }],
		['many keys that have no rows', range(0, 10), range(5_000, 35_000), { requests: 1, waves: 1 }],
		['one row in a hundred', range(0, 100_000), range(0, 100_000, 100), { requests: 955, waves: 35 }],
		['one row and many far from it', range(0, 91_000), [0, ...range(90_000, 90_500)], { requests: 34, waves: 3 }],
	])('take few requests for %s', async (_, stored, requested, expected) => {
		const { table, meter } = await directoryWith(stored)
		const { result, requests, waves } = await meter.measure(() => rowsAt(table, requested.map(keyOf)))
		expect({ requests, waves }).toEqual(expected)
		const present = new Set(stored)
		expect([...result.keys()].sort()).toEqual(requested.filter((position) => present.has(position)).map(keyOf))
	})
})

describe('rows that are read together', () => {
	const readTogether = async (table: Parameters<typeof rowPagesTogether>[0], positions: readonly number[]) => {
		const found: string[] = []
		for await (const rows of rowPagesTogether(table, positions.map(keyOf)))
			for (const { RowKey } of rows) found.push(RowKey)
		return found
	}

	test.each([
		['no key', range(0, 10), [], { requests: 0, waves: 0 }],
		['one key', range(0, 3_000), [2_999], { requests: 1, waves: 1 }],
		['two keys among a thousand rows', range(0, 1_000), [0, 999], { requests: 1, waves: 1 }],
		['many keys among a thousand rows', range(0, 1_000), range(0, 1_000, 3), { requests: 1, waves: 1 }],
		['keys without rows', range(0, 1_000, 2), range(1, 998, 2), { requests: 1, waves: 1 }],
		['two keys far from each other', range(0, 3_000), [0, 2_999], { requests: 2, waves: 2 }],
		['twenty keys among 50,000 rows', range(0, 50_000), range(0, 50_000, 2_500), { requests: 20, waves: 2 }],
	])('take few requests for %s', async (_, stored, requested, expected) => {
		const { table, meter } = await directoryWith(stored)
		const { result, requests, waves } = await meter.measure(() => readTogether(table, requested))
		expect({ requests, waves }).toEqual(expected)
		const present = new Set(stored)
		expect(result).toEqual(requested.filter((position) => present.has(position)).map(keyOf))
	})

	test('never take more than one request for each key, however the rows are spread', async () => {
		const positions = fc.uniqueArray(fc.nat(9_000), { maxLength: 60 })
		const steps = fc.constantFrom(1, 2, 7, 40)
		await fc.assert(
			fc.asyncProperty(positions, steps, async (requested, step) => {
				const stored = range(0, 9_001, step)
				const { table, meter } = await directoryWith(stored)
				const { result, requests } = await meter.measure(() => readTogether(table, requested))
				expect(requests).toBeLessThanOrEqual(requested.length)
				const present = requested.filter((position) => position % step === 0)
				expect(result.sort()).toEqual(present.map(keyOf).sort())
			}),
			{ numRuns: 30 },
		)
	})
})
