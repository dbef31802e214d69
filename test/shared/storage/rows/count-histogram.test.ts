import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
	binSize,
	type CountDifference,
	type CountHistogram,
	emptyHistogram,
	histogram,
	locate,
	totalOf,
	withDifferences,
} from '../../../../shared/storage/rows/count-histogram.ts'

const id = (number: number) => number.toString(16).padStart(32, '0')

const column = histogram()

/** The histogram as it is read back from the table service, which answers binary properties in base64. */
const readBack = (written: CountHistogram): CountHistogram =>
	column.of({
		RowKey: 'n|u|!base',
		...Object.fromEntries(
			Object.entries(column.properties(written)).map(([name, value]) => [
				name,
				value instanceof Buffer ? value.toString('base64') : value,
			]),
		),
	})

/** The id at a position: begins at the id that the histogram gives, and skips as many ids as it says. */
function idAt(counts: CountHistogram, ids: readonly string[], position: number): string | undefined {
	const start = locate(counts, position)
	return start && ids.filter((each) => each >= start.from)[start.skip]
}

const created = (from: number, to: number): CountDifference[] =>
	Array.from({ length: to - from }, (_, index) => ({ id: id(from + index), difference: 1 }))

describe('a count histogram', () => {
	test('leads to every position, whatever is created and deleted, and in whatever order that is counted', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 1200 }),
				fc.array(fc.nat(1199)),
				fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
				fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
				(count, deletions, folds, chance) => {
					const deleted = new Set(deletions.filter((number) => number < count).map(id))
					const differences = [...created(0, count), ...[...deleted].map((each) => ({ id: each, difference: -1 }))]
					// Nearly in the order of the ids, because the clocks of several workers differ a little.
					const order = differences
						.map((difference) => ({
							difference,
							at: Number.parseInt(difference.id, 16) + 30 * (chance.next().value ?? 0),
						}))
						.sort((a, b) => a.at - b.at)
						.map(({ difference }) => difference)
					let counts = emptyHistogram
					for (let at = 0, fold = 0; at < order.length; fold++) {
						const size = folds[fold % folds.length] ?? 1
						counts = readBack(withDifferences(counts, order.slice(at, at + size)))
						at += size
					}
					const ids = created(0, count).flatMap((each) => (deleted.has(each.id) ? [] : [each.id]))
					expect(totalOf(counts)).toBe(ids.length)
					for (let position = 0; position <= ids.length; position += 7) {
						expect(idAt(counts, ids, position)).toBe(ids[position])
					}
					expect(idAt(counts, ids, ids.length)).toBe(undefined)
				},
			),
		)
	})

	test('never makes a reader skip more ids than one bin has', () => {
		let counts = emptyHistogram
		for (let at = 0; at < 5000; at += 48) counts = withDifferences(counts, created(at, Math.min(at + 48, 5000)))
		const skips = Array.from({ length: 5000 }, (_, position) => locate(counts, position)?.skip ?? Number.NaN)
		expect(Math.max(...skips)).toBe(binSize - 1)
	})

	test('of ten million resources fits in one row', () => {
		const bins = Array.from({ length: 45_000 }, (_, index) => ({ from: id(index * binSize), count: binSize }))
		const properties = column.properties({ bins, last: id(45_000 * binSize) })
		const sizes = Object.values(properties).map((value) => (value instanceof Buffer ? value.length : 0))
		expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024)
		expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(900_000)
		expect(totalOf(readBack({ bins, last: '' }))).toBe(45_000 * binSize)
		expect(locate(readBack({ bins, last: id(45_000 * binSize) }), 750)).toEqual({ from: id(500), skip: 250 })
	})
})
