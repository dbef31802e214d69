import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochNumber, epochScale, idNumber, idScale, lastRows } from '../../../../shared/storage/table/last-rows.ts'
import { newDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const now = Date.parse('2026-06-01T10:00:00Z')

/** The key of an id that was made at a time, as the `index`-th. */
const idAt = (time: number, index: number) =>
	`${Math.floor(time).toString(16).padStart(12, '0')}7000b${String(index).padStart(15, '0')}`

async function tableOf(keys: readonly string[]) {
	const simulator = simulateTableService()
	const { table, tenant, meter } = await newDirectory(simulator)
	for (const rowKey of keys) simulator.load(tenant.table, { partitionKey: tenant.name, rowKey }, {})
	const keysBefore = async (search: Parameters<typeof lastRows>[1], count: number) =>
		(await lastRows(table, search, count)).map(({ RowKey }) => RowKey)
	return { keysBefore, meter }
}

/** The times of `count` keys, each `step` milliseconds before the one behind it. */
const timesUntilNow = (count: number, step: number) =>
	Array.from({ length: count }, (_, index) => now - (count - 1 - index) * step)

const byTime = { scale: idScale('c|'), before: 'c}', end: idNumber(now), span: idNumber(60_000) }

test.each([
	{ name: 'no keys', times: [], requests: 4 },
	{ name: 'few keys', times: timesUntilNow(30, 1000), requests: 5 },
	{ name: 'one key in a year', times: [now - 365 * 86_400_000], requests: 5 },
	{ name: '10 keys a second', times: timesUntilNow(30_000, 100), requests: 2 },
	{ name: '100 keys a second', times: timesUntilNow(30_000, 10), requests: 3 },
	{ name: '10 keys a millisecond', times: timesUntilNow(30_000, 0.1), requests: 3 },
	{ name: 'one key a day', times: timesUntilNow(3000, 86_400_000), requests: 4 },
	{
		name: 'an import two years ago, and one key a week since then',
		times: [...timesUntilNow(20_000, 5).map((time) => time - 730 * 86_400_000), ...timesUntilNow(20, 7 * 86_400_000)],
		requests: 16,
	},
	{
		name: 'a thousand keys in a millisecond and 25 in the next one',
		times: [...Array.from({ length: 975 }, () => now - 1), ...Array.from({ length: 25 }, () => now)],
		requests: 23,
	},
	{
		name: 'keys a day ahead of the clock',
		times: timesUntilNow(30_000, 10).map((time) => time + 86_400_000),
		requests: 11,
	},
])('the last 50 of $name take $requests requests', async ({ times, requests }) => {
	const keys = times.map((time, index) => `c|${idAt(time, index)}`)
	const { keysBefore, meter } = await tableOf(keys)
	const measured = await meter.measure(() => keysBefore(byTime, 50))
	expect({ ...measured, waves: 0 }).toEqual({ result: keys.slice(-50), requests, waves: 0 })
})

test('the last keys of epochs are found, however many an epoch has', async () => {
	const epochs = [3, 2500, 0, 1, 1700, 0, 0, 2]
	const keys = epochs.flatMap((count, epoch) =>
		Array.from(
			{ length: count },
			(_, index) => `f|${epoch.toString(16).padStart(12, '0')}|${idAt(now - (8 - epoch) * 60_000 + index, index)}`,
		),
	)
	const { keysBefore } = await tableOf(keys)
	const search = { scale: epochScale('f|'), before: 'f}', end: epochNumber(7, now), span: epochNumber(4, 0) }
	expect(await keysBefore(search, 50)).toEqual(keys.slice(-50))
})

test('for any keys, any place in them and any guess, they are the keys before it', async () => {
	const time = fc.oneof(fc.integer({ min: 0, max: now }), fc.integer({ min: now - 2000, max: now }))
	await fc.assert(
		fc.asyncProperty(
			fc.array(time, { maxLength: 40 }),
			fc.integer({ min: 0, max: 3000 }),
			fc.integer({ min: 1, max: 60 }),
			time,
			async (times, dense, count, place) => {
				const all = [...times, ...timesUntilNow(dense, 0.01)]
				const keys = all.map((each, index) => `c|${idAt(each, index)}`).sort()
				const before = `c|${idAt(place, 0)}`
				const { keysBefore } = await tableOf(keys)
				const search = { ...byTime, before, end: idNumber(place), span: idNumber(place % 7 === 0 ? 1 : 10_000) }
				expect(await keysBefore(search, count)).toEqual(keys.filter((key) => key < before).slice(-count))
			},
		),
		{ numRuns: 60 },
	)
})
