import { expect, test } from 'vitest'
import { sweepAll, sweepEvery } from '../../functions/sweep.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'

const tenantNamed = (name: string): Tenant => ({
	name,
	mode: 'store',
	table: name,
	settings: {},
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
