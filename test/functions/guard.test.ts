import { expect, test } from 'vitest'
import { createServices } from '../../functions/services.ts'
import { type SweepEvent, sweepAll } from '../../functions/sweep.ts'
import { userType } from '../../shared/scim/resource-type.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { useAzurite } from '../support/azurite.ts'
import { startEdge } from '../support/edge.ts'
import { connectionString, simulateTableService } from '../support/simulator/table-service.ts'

const azurite = useAzurite()
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

test('a deletion that the guard holds back is answered 503 with what to do, until an administrator allows it', async () => {
	const edge = await startEdge(azurite())
	const settings = { guard: 'hold', guardPeople: 1 }
	await edge.services.tenants.createTenant({ name: 'held', mode: 'store', settings })
	const ids: string[] = []
	for (const userName of ['ann', 'bob', 'eve']) {
		ids.push((await edge.ask('POST', 'held', '/Users', { body: { userName } })).body.id)
	}
	edge.clock.pass(day)
	const remove = (id = '') => edge.ask('DELETE', 'held', `/Users/${id}`)
	expect(await remove(ids[0])).toMatchObject({ status: 204 })
	const detail =
		'The guard of this tenant holds deletions back: 1 people were deleted within an hour, and 1 are allowed. If more are to be deleted: rollcall guard allow held --for 2h. If not, correct the scope in the identity provider.'
	const refused = await remove(ids[1])
	expect(refused).toMatchObject({ status: 503, body: { status: '503', detail } })
	expect(refused.headers.get('retry-after')).toBe('300')
	expect(await edge.ask('GET', 'held', `/Users/${ids[1]}`)).toMatchObject({ status: 200 })
	const active = { schemas: [patchOp], Operations: [{ op: 'replace', path: 'active', value: false }] }
	const deactivated = await edge.ask('PATCH', 'held', `/Users/${ids[1]}`, { body: active })
	expect(deactivated).toMatchObject({ status: 200, body: { active: false } })

	await edge.services.tenants.allowDeletions('held', edge.clock.now() + 2 * 60 * 60_000)
	edge.clock.pass(61_000)
	for (const id of ids.slice(1)) expect(await remove(id)).toMatchObject({ status: 204 })
})

test('a deletion that is held back keeps no deactivation of the same bulk request from being made', async () => {
	const edge = await startEdge(azurite())
	await edge.services.tenants.createTenant({
		...{ name: 'bulky', mode: 'store' },
		settings: { guard: 'hold', guardPeople: 1 },
	})
	const ids: string[] = []
	for (const userName of ['ann', 'bob', 'eve']) {
		ids.push((await edge.ask('POST', 'bulky', '/Users', { body: { userName } })).body.id)
	}
	edge.clock.pass(day)
	const [ann, bob, eve] = ids.map((id) => `/Users/${id}`)
	const active = { schemas: [patchOp], Operations: [{ op: 'replace', path: 'active', value: false }] }
	const Operations = [
		{ method: 'DELETE', path: ann },
		{ method: 'DELETE', path: bob },
		{ method: 'PATCH', path: bob, data: active },
		{ method: 'DELETE', path: eve },
		{ method: 'PATCH', path: eve, data: active },
	]
	const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
	const { body } = await edge.ask('POST', 'bulky', '/Bulk', { body: { schemas, Operations } })
	expect(body.Operations.map(({ status }: { status: string }) => status)).toEqual(['204', '503', '200', '503', '200'])
	for (const path of [bob, eve]) {
		expect(await edge.ask('GET', 'bulky', path ?? '')).toMatchObject({ status: 200, body: { active: false } })
	}
})

const patchOp = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
