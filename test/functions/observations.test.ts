import { describe, expect, test } from 'vitest'
import { openObservations } from '../../functions/observations.ts'
import { startAzurite } from '../../local/azurite.ts'
import type { ObservedPath } from '../../shared/storage/observed.ts'
import { forgetObserved, observedIn, storeObserved } from '../../shared/storage/observed.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'

const tenant = {
	name: 'acme',
	mode: 'store',
	table: 'tacme',
	settings: {},
	cursorKey: '',
	created: '',
	format: { number: 1, stage: 'complete', since: 0, position: '' },
	schemas: [],
	forgetting: [],
	indexes: [],
} as const

const start = Date.UTC(2026, 0, 1)
const timeAt = (milliseconds: number) => new Date(start + milliseconds).toISOString()

/** Observations whose clock and timer the test moves. */
function opened({ fails = false } = {}) {
	const stored: (readonly ObservedPath[])[] = []
	const timers: (() => void)[] = []
	const state = { now: start, fails }
	const observations = openObservations({
		store: async (_, seen) => {
			if (state.fails) throw new Error('the store is away')
			stored.push(seen)
		},
		now: () => state.now,
		later: (milliseconds, run) => {
			expect(milliseconds).toBe(60_000)
			timers.push(run)
			return () => {}
		},
	})
	return { observations, stored, timers, state }
}

describe('what clients send and no schema declares', () => {
	test('is counted in memory, and stored once in a minute', async () => {
		const { observations, stored, timers, state } = opened()
		observations.note(tenant, 'User', new Map([['color', 'string']]))
		state.now += 5000
		observations.note(tenant, 'User', new Map([['COLOR', 'number']]))
		observations.note(tenant, 'Group', new Map([['color', 'string']]))
		observations.note(tenant, 'User', new Map())
		expect([stored, timers.length]).toEqual([[], 1])
		await observations.flush()
		expect(stored).toEqual([
			[
				{
					resourceType: 'User',
					path: 'color',
					types: ['string', 'number'],
					count: 2,
					first: timeAt(0),
					last: timeAt(5000),
				},
				{ resourceType: 'Group', path: 'color', types: ['string'], count: 1, first: timeAt(5000), last: timeAt(5000) },
			],
		])
		await observations.flush()
		expect(stored.length).toBe(1)
	})

	test('stays in memory while the store is away', async () => {
		const { observations, stored, state } = opened({ fails: true })
		observations.note(tenant, 'User', new Map([['color', 'string']]))
		await observations.flush()
		observations.note(tenant, 'User', new Map([['color', 'string']]))
		state.fails = false
		await observations.flush()
		expect(stored).toEqual([[expect.objectContaining({ path: 'color', count: 2 })]])
	})

	test('is added to what is stored, for 500 paths at most', async () => {
		const azurite = await startAzurite({ memory: true })
		try {
			const tables = connectTables({ connectionString: azurite.connectionString })
			await tables.createTable('tacme')
			const table = tables.table('tacme', 'acme')
			const seen = (path: string, time: number, count = 1): ObservedPath => ({
				...{ resourceType: 'User', path, types: ['string'], count },
				...{ first: timeAt(time), last: timeAt(time) },
			})
			await storeObserved(table, [seen('urn:example:User:badge', 0), seen('color', 0)])
			await storeObserved(table, [{ ...seen('Color', 9, 4), types: ['boolean'] }])
			expect(await observedIn(table)).toEqual([
				{ ...seen('Color', 0, 5), types: ['string', 'boolean'], last: timeAt(9) },
				seen('urn:example:User:badge', 0),
			])
			await forgetObserved(table, [seen('color', 0)])
			expect((await observedIn(table)).map(({ path }) => path)).toEqual(['urn:example:User:badge'])
			await storeObserved(
				table,
				Array.from({ length: 600 }, (_, index) => seen(`n${index}`, 0)),
			)
			expect((await observedIn(table)).length).toBe(500)
		} finally {
			await azurite.close()
		}
	})
})
