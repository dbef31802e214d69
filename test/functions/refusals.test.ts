import { describe, expect, test } from 'vitest'
import { openRefusals } from '../../functions/refusals.ts'
import type { Refusal, RefusalCount } from '../../shared/storage/refusals.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { fakeClock } from '../support/fake-clock.ts'

const tenantOf = (history: string, table = 'acme'): Tenant => ({
	name: 'acme',
	mode: 'store',
	table,
	settings: { history },
	cursorKey: '',
	created: '',
	format: { number: 1, stage: 'complete', since: 0, position: '' },
	schemas: [],
	indexes: [],
	forgetting: [],
})
const acme = tenantOf('full')

const taken = (name: string): Refusal => ({
	credential: { id: 'right' },
	requestId: `of ${name}`,
	method: 'POST',
	path: '/Users',
	status: 409,
	scimType: 'uniqueness',
	name,
	sentence: `userName "${name}" is already taken`,
})

function newFixture() {
	const clock = fakeClock()
	const stored: (readonly RefusalCount[])[] = []
	let isAway = false
	let operations = 0
	const refusals = openRefusals({
		async store(_, counts) {
			if (isAway) throw new Error('the table service is away')
			stored.push(counts)
		},
		newOperation: () => `operation${++operations}`,
		now: clock.now,
		later: clock.timer,
	})
	const setAway = (value: boolean) => {
		isAway = value
	}
	return { clock, stored, refusals, setAway }
}

describe('refusals', () => {
	test('that are alike take one row, written once a second', async () => {
		const { clock, stored, refusals } = newFixture()
		for (let index = 0; index < 3_000; index++) {
			refusals.note(acme, taken('joy'))
			if (index % 1_000 === 999) await clock.advance(1_000)
		}
		expect(stored.map((counts) => counts.map(({ operation, count }) => [operation, count]))).toEqual([
			[['operation1', 1_000]],
			[['operation1', 2_000]],
			[['operation1', 3_000]],
		])
		await clock.advance(60_000)
		expect([stored.length, clock.pending()]).toEqual([3, 0])
	})

	test('beyond 49 kinds in a second are counted as others', async () => {
		const { clock, stored, refusals } = newFixture()
		for (let index = 0; index < 1_000; index++) refusals.note(acme, taken(`person${index}`))
		await clock.advance(1_000)
		const [counts = []] = stored
		expect([stored.length, counts.length]).toEqual([1, 50])
		expect(counts.filter(({ isOthers }) => isOthers)).toMatchObject([{ count: 951 }])
		expect(counts.reduce((total, { count }) => total + count, 0)).toBe(1_000)
	})

	test('begin 2,000 rows an hour at most, and are all counted', async () => {
		const { clock, stored, refusals } = newFixture()
		for (let index = 0; index < 3_000; index++) {
			refusals.note(acme, taken(`person${index}`))
			if (index % 40 === 39) await clock.advance(1_000)
		}
		await clock.advance(1_000)
		const last = new Map(stored.flat().map((count) => [count.operation, count]))
		const rows = [...last.values()].filter(({ isOthers }) => !isOthers)
		expect(rows.length).toBe(2_000)
		expect([...last.values()].reduce((total, { count }) => total + count, 0)).toBe(3_000)
		await clock.advance(3_600_000)
		refusals.note(acme, taken('late'))
		await clock.advance(1_000)
		expect(stored.at(-1)).toMatchObject([{ name: 'late', count: 1 }])
	})

	test('that cannot be stored are stored later, once', async () => {
		const { clock, stored, refusals, setAway } = newFixture()
		setAway(true)
		refusals.note(acme, taken('joy'))
		await clock.advance(1_000)
		setAway(false)
		refusals.note(acme, taken('joy'))
		await clock.advance(29_000)
		expect(stored).toEqual([])
		await clock.advance(1_000)
		expect(stored).toMatchObject([[{ name: 'joy', count: 2 }]])
	})

	test('of another day begin another row', async () => {
		const { clock, stored, refusals } = newFixture()
		for (let day = 0; day < 2; day++) {
			refusals.note(acme, taken('joy'))
			await clock.advance(24 * 3_600_000)
		}
		expect(stored.flat().map(({ operation, count }) => [operation, count])).toEqual([
			['operation1', 1],
			['operation2', 1],
		])
	})

	test('have no values with the history names, and are not kept with the history off', async () => {
		const { clock, stored, refusals } = newFixture()
		refusals.note(tenantOf('names'), taken('joy'))
		refusals.note(tenantOf('off', 'other'), taken('joy'))
		await clock.advance(1_000)
		expect(stored).toMatchObject([[{ sentence: 'userName "…" is already taken' }]])
	})

	test('wait for the timer and not for storage', () => {
		const { stored, refusals } = newFixture()
		refusals.note(acme, taken('joy'))
		expect(stored).toEqual([])
	})
})
