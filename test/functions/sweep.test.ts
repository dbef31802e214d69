import { expect, test } from 'vitest'
import { type SweepEvent, sweepAll, sweepEvery } from '../../functions/sweep.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'

const tenantNamed = (name: string, settings: Tenant['settings'] = {}): Tenant => ({
	name,
	mode: 'store',
	table: name,
	settings,
	cursorKey: '',
	created: '',
	format: { number: 1, stage: 'complete', since: 0, position: '' },
	schemas: [],
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
	}
	await sweepAll(services, (event) => events.push(event))
	expect(swept).toEqual(['older'])
	expect(events.find(({ tenant }) => tenant === 'newer')?.errors).toMatchObject([
		{ message: expect.stringMatching(/^This tenant has the setting tomorrow, which/) },
	])
})
