import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
	type Delta,
	type Fences,
	fenceProperties,
	fencesIn,
	fenceWidth,
	locate,
	noFences,
	totalOf,
	withDeltas,
} from '../../../../shared/storage/rows/count-histogram.ts'

const id = (number: number) => number.toString(16).padStart(32, '0')

/** As a row of the table service has them: binary properties in base64. */
const stored = (fences: Fences): Fences =>
	fencesIn(
		Object.fromEntries(
			Object.entries(fenceProperties(fences)).map(([name, value]) => [
				name,
				value instanceof Buffer ? value.toString('base64') : value,
			]),
		),
	)

/** What is found at a position by going to where the fences say and skipping. */
function found(fences: Fences, ids: readonly string[], position: number): string | undefined {
	const start = locate(fences, position)
	return start && ids.filter((each) => each >= start.from)[start.skip]
}

const created = (from: number, to: number): Delta[] =>
	Array.from({ length: to - from }, (_, index) => ({ id: id(from + index), difference: 1 }))

describe('fences', () => {
	test('lead to every position, whatever was created and deleted and in which order it is counted', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 1200 }),
				fc.array(fc.nat(1199)),
				fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
				fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
				(count, gone, folds, chance) => {
					const deleted = new Set(gone.filter((number) => number < count).map(id))
					const deltas = [...created(0, count), ...[...deleted].map((each) => ({ id: each, difference: -1 }))]
					// Nearly in order, as the clocks of several workers have it.
					const order = deltas
						.map((delta) => ({ delta, at: Number.parseInt(delta.id, 16) + 30 * (chance.next().value ?? 0) }))
						.sort((a, b) => a.at - b.at)
						.map(({ delta }) => delta)
					let fences = noFences
					for (let at = 0, fold = 0; at < order.length; fold++) {
						const size = folds[fold % folds.length] ?? 1
						fences = stored(withDeltas(fences, order.slice(at, at + size)))
						at += size
					}
					const ids = created(0, count).flatMap((each) => (deleted.has(each.id) ? [] : [each.id]))
					expect(totalOf(fences)).toBe(ids.length)
					for (let position = 0; position <= ids.length; position += 7) {
						expect(found(fences, ids, position)).toBe(ids[position])
					}
					expect(found(fences, ids, ids.length)).toBe(undefined)
				},
			),
		)
	})

	test('leave little to skip', () => {
		let fences = noFences
		for (let at = 0; at < 5000; at += 48) fences = withDeltas(fences, created(at, Math.min(at + 48, 5000)))
		const skips = Array.from({ length: 5000 }, (_, position) => locate(fences, position)?.skip ?? Number.NaN)
		expect(Math.max(...skips)).toBe(fenceWidth - 1)
	})

	test('of ten million are still one row', () => {
		const list = Array.from({ length: 45_000 }, (_, index) => ({ from: id(index * fenceWidth), count: fenceWidth }))
		const properties = fenceProperties({ list, last: id(45_000 * fenceWidth) })
		const sizes = Object.values(properties).map((value) => (value instanceof Buffer ? value.length : 0))
		expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024)
		expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(900_000)
		expect(properties.n).toBe(45_000 * fenceWidth)
		expect(locate(stored({ list, last: id(45_000 * fenceWidth) }), 750)).toEqual({ from: id(500), skip: 250 })
	})
})
