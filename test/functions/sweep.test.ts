import { describe, expect, test } from 'vitest'
import { type SweepEvent, sweepAll, sweepEvery } from '../../functions/sweep.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'

const tenantNamed = (name: string, settings: Tenant['settings'] = {}): Tenant => ({
	name,
	mode: 'store',
	table: name,
	settings,
	indexes: [],
	cursorKey: '',
	created: '',
	format: { number: 1, stage: 'complete', since: 0, position: '' },
	schemas: [],
	forgetting: [],
})

test('every directory is swept after some rounds, although one round has no time for all', async () => {
	const tenants = Array.from({ length: 50 }, (_, index) => tenantNamed(`tenant${index}`))
	const swept = new Set<string>()
	for (let round = 0; round < 50; round++) {
		let now = Date.UTC(2026, 0, 1) + round * sweepEvery
		const services = {
			now: () => now,
			tenants: { listTenants: async () => tenants },
			sweep: async () => {
				now += 40_000
				return { finished: 0, feedEntriesRemoved: 0, failures: [] }
			},
			advanceFormat: async () => undefined,
			advanceIndexes: async () => 0,
			endingCredentials: async () => [],
		}
		await sweepAll(services, ({ tenant }) => swept.add(tenant))
	}
	expect(swept.size).toBe(tenants.length)
})

test('a tenant with a setting that the app does not know is left unchanged, and the sweep says so', async () => {
	const swept: string[] = []
	const events: SweepEvent[] = []
	const services = {
		now: () => 0,
		tenants: { listTenants: async () => [tenantNamed('older'), tenantNamed('newer', { tomorrow: 'on' })] },
		sweep: async ({ name }: Tenant) => {
			swept.push(name)
			return { finished: 0, feedEntriesRemoved: 0, failures: [] }
		},
		advanceFormat: async () => undefined,
		advanceIndexes: async () => 0,
		endingCredentials: async () => [],
	}
	await sweepAll(services, (event) => events.push(event))
	expect(swept).toEqual(['older'])
	expect(events.find(({ tenant }) => tenant === 'newer')?.errors).toMatchObject([
		{ message: expect.stringMatching(/^This tenant has the setting tomorrow, which/) },
	])
})

describe('indexes that are being filled', () => {
	const indexed = (name: string): Tenant => ({
		...tenantNamed(name),
		indexes: [
			{
				...{ name: 'oa', slot: 0, path: { name: 'title' }, type: 'string', caseExact: false, isUnique: false },
				...{ stage: 'filling', since: 0, position: '', users: 0, worker: '', worked: 0 },
			},
		],
	})

	/** The work of one round in its order, if each fill takes all the time that it is given. */
	async function round(tenants: readonly Tenant[], sweepTakes: number) {
		const done: string[] = []
		const events: SweepEvent[] = []
		let now = 0
		const services = {
			now: () => now,
			tenants: { listTenants: async () => tenants },
			sweep: async ({ name }: Tenant) => {
				now += sweepTakes
				done.push(`sweep ${name}`)
				return { finished: 0, feedEntriesRemoved: 0, failures: [] }
			},
			advanceFormat: async () => undefined,
			endingCredentials: async () => [],
			advanceIndexes: async ({ name }: Tenant, until: number) => {
				done.push(`fill ${name} for ${Math.round((until - now) / 1000)}`)
				now = until
				return 1000
			},
		}
		await sweepAll(services, (event) => events.push(event))
		return { done, events }
	}

	test('come after all other work, and share the time that is left', async () => {
		const tenants = ['a', 'b', 'c'].map(indexed)
		const { done, events } = await round([...tenants, tenantNamed('d')], 1000)
		expect(done).toEqual([
			...['sweep a', 'sweep b', 'sweep c', 'sweep d'],
			...['fill a for 49', 'fill b for 49', 'fill c for 49'],
		])
		expect(events.filter(({ indexed }) => indexed === 1000).map(({ tenant }) => tenant)).toEqual(['a', 'b', 'c'])
	})

	test('have some time left even if the other work would take all of it', async () => {
		const { done } = await round([indexed('a'), ...Array.from({ length: 200 }, (_, at) => tenantNamed(`${at}`))], 1000)
		expect(done.at(-1)).toBe('fill a for 45')
	})
})

test('credentials that end soon are told of once in six hours, also of a tenant of mode relay', async () => {
	const tenants = [tenantNamed('stored'), { ...tenantNamed('relayed'), mode: 'relay' as const }, tenantNamed('away')]
	const ending = [{ credential: 'v1', ends: '2026-01-02T00:00:00.000Z' }]
	const told: string[] = []
	for (let round = 0; round < 48; round++) {
		const services = {
			now: () => Date.UTC(2026, 0, 1) + round * sweepEvery,
			tenants: { listTenants: async () => tenants },
			sweep: async () => ({ finished: 0, feedEntriesRemoved: 0, failures: [] }),
			advanceFormat: async () => undefined,
			advanceIndexes: async () => 0,
			endingCredentials: async ({ name }: Tenant) => {
				if (name === 'away') throw new Error('the vault is away')
				return ending
			},
		}
		await sweepAll(services, (event) => {
			if (event.endingCredentials !== undefined) told.push(`${round} ${event.tenant}`)
			else expect(event.tenant).not.toBe('relayed')
		})
	}
	expect(told.toSorted()).toEqual(['0 relayed', '0 stored', '24 relayed', '24 stored'])
})
