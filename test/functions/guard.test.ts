import { expect, test } from 'vitest'
import { createServices } from '../../functions/services.ts'
import { type SweepEvent, sweepAll } from '../../functions/sweep.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { connectionString, simulateTableService } from '../support/simulator/table-service.ts'

const day = 24 * 60 * 60_000

test('the log tells of losses beyond what a tenant allows, and of no other tenant', async () => {
	let time = Date.UTC(2026, 0, 1)
	const { send } = simulateTableService({ now: () => time })
	const services = await createServices(
		{ tables: { connectionString }, tokens: { file: '/nowhere/tokens.json' } },
		{ now: () => time, intercept: () => send },
	)
	const tenants = {
		usual: {},
		strict: { guardPeople: 1, guardGroups: 7 },
		unguarded: { guardPeople: 1, guard: 'off' },
	}
	const ids = new Map<Tenant, readonly string[]>()
	for (const [name, settings] of Object.entries(tenants)) {
		const tenant = await services.tenants.createTenant({ name, mode: 'store', settings })
		if (tenant === 'exists') throw new Error('the tenant is there already')
		const users = ['ann', 'bob'].map((userName) => services.open(tenant).create(userType, { attributes: { userName } }))
		ids.set(
			tenant,
			(await Promise.all(users)).map(({ id }) => id),
		)
	}
	time += day
	for (const [tenant, users] of ids) for (const id of users) await services.open(tenant).delete(userType, id)
	const events: SweepEvent[] = []
	await sweepAll({ ...services, endingCredentials: async () => [] }, (event) => events.push(event))
	expect(events.flatMap(({ errors }) => errors)).toEqual([])
	expect(events.filter(({ guard }) => guard !== undefined)).toMatchObject([
		{
			event: 'sweep',
			tenant: 'strict',
			guard: { deletedPeople: 2, deletedGroups: 0, deactivatedPeople: 0, allowedPeople: 1, allowedGroups: 7 },
		},
	])
})
