import { describe, expect, test } from 'vitest'
import { type RefusalCount, refusalsAbout, refusalsSince } from '../../shared/storage/refusals.ts'
import { connectTables } from '../../shared/storage/table/tables.ts'
import { useAzurite } from '../support/azurite.ts'
import { type Edge, startEdge } from '../support/edge.ts'

const azurite = useAzurite()

async function newFixture(name: string, mode: 'store' | 'relay' = 'store') {
	const edge = await startEdge({ connectionString: azurite().connectionString })
	const tenant = await edge.services.tenants.createTenant({ name, mode, settings: {} })
	if (tenant === 'exists') throw new Error('it is new')
	const table = connectTables(azurite()).table(tenant.table, name)
	const refusals = async (): Promise<readonly RefusalCount[]> => {
		await edge.services.refusals.flush()
		const found: RefusalCount[] = []
		for await (const page of refusalsSince(table, 0)) found.push(...page)
		return found.sort((a, b) => (a.operation < b.operation ? -1 : 1))
	}
	return { edge, table, refusals }
}

const requestIdOf = ({ events }: Edge, index: number) => events.at(index)?.requestId

describe('a refused request that writes', () => {
	test('is remembered with its subject, credential and sentence', async () => {
		const { edge, refusals, table } = await newFixture('subjects')
		const { body: joy } = await edge.ask('POST', 'subjects', '/Users', { body: { userName: 'Joy' } })
		const okta = { 'user-agent': 'Okta SCIM Client 1.0.0' }
		await edge.ask('POST', 'subjects', '/Users', { body: { userName: 'joy' }, headers: okta })
		await edge.ask('PATCH', 'subjects', `/Users/${joy.id}`, { body: { schemas: [], Operations: 'none' } })
		await edge.ask('DELETE', 'subjects', '/Groups/unknown')
		await edge.ask('POST', 'subjects', '/Groups', { body: { displayName: '', externalId: 'ext-7' } })
		const found = await refusals()
		const [now, credential] = [edge.clock.now(), { id: 'right' }]
		expect(found).toEqual([
			{
				operation: expect.any(String),
				name: 'joy',
				method: 'POST',
				path: '/Users',
				status: 409,
				scimType: 'uniqueness',
				sentence: `userName "joy" is already taken by the User with the id "${joy.id}"`,
				credential,
				client: 'Okta',
				requestId: requestIdOf(edge, 1),
				...{ count: 1, first: now, last: now },
			},
			expect.objectContaining({ resourceId: joy.id, method: 'PATCH', path: '/Users/{id}', status: 400 }),
			expect.objectContaining({ method: 'DELETE', path: '/Groups/{id}', status: 404 }),
			expect.objectContaining({ name: 'ext-7', method: 'POST', path: '/Groups', status: 400 }),
		])
		expect(await refusalsAbout(table, joy.id)).toMatchObject([{ method: 'PATCH' }])
		expect(await refusalsAbout(table, '=joy')).toMatchObject([{ method: 'POST' }])
	})

	test('is counted once for each operation of a bulk request', async () => {
		const { edge, refusals } = await newFixture('bulks')
		const operation = (userName: string) => ({ method: 'POST', path: '/Users', bulkId: userName, data: { userName } })
		await edge.ask('POST', 'bulks', '/Users', { body: { userName: 'joy' } })
		const Operations = [operation('joy'), operation('ann'), { method: 'DELETE', path: '/Users/unknown' }]
		const schemas = ['urn:ietf:params:scim:api:messages:2.0:BulkRequest']
		await edge.ask('POST', 'bulks', '/Bulk', { body: { schemas, Operations } })
		expect(await refusals()).toMatchObject([
			{ method: 'POST', path: '/Users', status: 409, name: 'joy' },
			{ method: 'DELETE', path: '/Users/{id}', status: 404 },
		])
	})

	test('is remembered for a tenant behind a relay too', async () => {
		const { edge, refusals } = await newFixture('relayed', 'relay')
		await edge.ask('POST', 'relayed', '/Users', { body: { userName: 'joy' } })
		expect(await refusals()).toMatchObject([
			{ path: '/Users', status: 503, sentence: expect.stringContaining('ROLLCALL_RELAY_NAMESPACE') },
		])
	})
})

test('requests that read, and requests with a wrong token, are not remembered', async () => {
	const { edge, refusals } = await newFixture('reads')
	await edge.ask('GET', 'reads', '/Users/unknown')
	await edge.ask('POST', 'reads', '/Users/.search', { body: { filter: 'x x' } })
	await edge.ask('POST', 'reads', '/Users', { body: {}, token: 'wrong' })
	expect(await refusals()).toEqual([])
})

test('a refused request costs as many storage requests as before, and the log has no value', async () => {
	const { edge } = await newFixture('costs')
	await edge.ask('POST', 'costs', '/Users', { body: { userName: 'marker' } })
	await edge.ask('POST', 'costs', '/Users', { body: { userName: 'marker' } })
	expect(edge.events.at(-1)).toMatchObject({ status: 409, storageRequests: 2 })
	expect(JSON.stringify(edge.events)).not.toMatch(/marker/)
})

test('the sweep removes old refusals of a tenant behind a relay, whose directory is elsewhere', async () => {
	const { edge, refusals } = await newFixture('swept', 'relay')
	await edge.ask('POST', 'swept', '/Users', { body: { userName: 'joy' } })
	expect(await refusals()).toHaveLength(1)
	const tenant = await edge.services.tenants.getTenant('swept')
	if (tenant === undefined) throw new Error('it is there')
	const sweepAfter = async (days: number) => {
		edge.clock.pass(days * 24 * 3_600_000)
		await edge.services.sweep(tenant, Number.POSITIVE_INFINITY)
		return (await refusals()).length
	}
	edge.clock.pass(3 * 3_600_000)
	expect([await sweepAfter(29), await sweepAfter(2)]).toEqual([1, 0])
})
