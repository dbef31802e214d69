import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../../shared/scim/filter/parse.ts'
import { idGenerator } from '../../../shared/scim/id.ts'
import { urn } from '../../../shared/scim/urn.ts'
import { indexWork } from '../../../shared/storage/index-work.ts'
import { connectTables, type Send, type Table } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { advanceIndexes } from '../../../shared/tenants/advance-index.ts'
import {
	type IndexDefinition,
	type IndexDefinitions,
	indexesOf,
	indexProblem,
	ownIndexOf,
} from '../../../shared/tenants/index-definition.ts'
import { typesOf } from '../../../shared/tenants/resource-types.ts'
import { openTenants } from '../../../shared/tenants/tenants.ts'
import { violationsIn } from '../../support/audit.ts'
import { withFaults } from '../../support/faults.ts'
import { connectionString, simulateTableService, type TableService } from '../../support/simulator/table-service.ts'

const minute = 60_000
const begin = Date.UTC(2026, 0, 1)

type World = { readonly service: TableService; readonly clock: { time: number }; readonly table: Table }

let made = 0
const ids = idGenerator(
	() => begin,
	(digits) => (made++).toString(16).padStart(digits, '0'),
)

async function newWorld(): Promise<World> {
	const world = { service: simulateTableService(), clock: { time: begin } }
	const app = openApp(world)
	const created = await app.tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
	if (created === 'exists') throw new Error('it is new')
	return { ...world, table: app.tables.table(created.table, 'acme') }
}

/** One instance of the app, with its own memory of the tenant. */
function openApp({ service, clock }: Omit<World, 'table'>, around: (send: Send) => Send = (send) => send) {
	const now = () => clock.time
	const tables = connectTables(
		{ connectionString },
		{ intercept: () => around(service.send), pause: () => Promise.resolve() },
	)
	const tenants = openTenants({ tables, ids, now, randomBytes })
	const worker = ids('Operation')
	const tenantNow = async () => {
		const tenant = await tenants.getTenant('acme')
		if (tenant === undefined) throw new Error('it is there')
		return tenant
	}
	return {
		...{ tables, tenants },
		/** Begins a request, which works by the indexes that the instance knows now. */
		async begin() {
			const tenant = await tenantNow()
			const type = typesOf(tenant).User
			const store = openDirectory({ tables, tenant, ids, now, random: () => 1, feed: 'operations' })
			return {
				create: (employeeNumber: string) =>
					store.create(type, {
						attributes: { userName: `user-${made++}`, [urn.enterpriseUser]: { employeeNumber } },
					}),
				change: (id: string, employeeNumber: string) =>
					store.update(type, id, {
						revise: ({ attributes }) => ({ attributes: { ...attributes, [urn.enterpriseUser]: { employeeNumber } } }),
					}),
				remove: (id: string) => store.delete(type, id),
				find: async (employeeNumber: string) => {
					const filter = parseFilter(`employeeNumber eq "${employeeNumber}"`)
					return (await store.query(type, { filter, page: { startIndex: 1, count: 9 } })).resources.map(({ id }) => id)
				},
			}
		},
		/** A sweep whose clock is ahead, and that has time for so many looks at the clock. */
		async sweep({ ahead = 0, time = 1e9 } = {}): Promise<number> {
			let passed = 0
			const later = () => clock.time + ahead + passed++
			const until = clock.time + ahead + time
			const work = indexWork({ tables, ids, now: later, random: () => 1 })
			const [tenant] = await tenants.listTenants()
			if (tenant === undefined) throw new Error('it is there')
			return advanceIndexes({ tenants, ...work, worker, isAlone: false, now: later, until }, tenant)
		},
		async stages(): Promise<readonly string[]> {
			const [tenant] = await tenants.listTenants()
			return tenant === undefined || tenant.indexes === 'unknown' ? [] : tenant.indexes.map(({ stage }) => stage)
		},
		define: (properties: Partial<IndexDefinition> = {}) =>
			tenants.updateIndexes('acme', () => [{ ...definition, since: now(), ...properties }]),
	}
}

const definition: IndexDefinition = {
	...{ name: 'oa', slot: 0, path: { uri: urn.enterpriseUser, name: 'employeeNumber' }, type: 'string' },
	...{ caseExact: false, isUnique: false, stage: 'announced', since: begin, position: '', users: 0 },
	...{ worker: '', worked: 0 },
}

const complete = ownIndexOf({ ...definition, stage: 'complete' })

/** A process that is killed after so many requests to the table service. */
const killedAfter = (requests: number) => {
	let left = requests
	return withFaults(() => (left-- > 0 ? 'answered' : 'unsent'))
}

describe('an index of a tenant', () => {
	test('goes through its stages while instances write that know the stage before', async () => {
		const world = await newWorld()
		const { table, clock } = world
		const [sweeper, straggler] = [openApp(world), openApp(world)]
		for (let count = 0; count < 2100; count++) await (await straggler.begin()).create(`E-${count}`)
		await sweeper.define()
		// The straggler does not know the index for a minute.
		const { id } = await (await straggler.begin()).create('late')
		const knowing = await openApp(world).begin()
		await knowing.change(id, 'later')
		await (await straggler.begin()).change(id, 'latest')
		expect(await violationsIn(table)).toEqual([])
		expect([await sweeper.sweep(), await sweeper.stages()]).toEqual([0, ['announced']])
		clock.time += 10 * minute - 1000
		expect([await sweeper.sweep(), await sweeper.stages()]).toEqual([0, ['announced']])
		clock.time += 2000
		// One sweep has no time for all users, and one is killed.
		expect([await sweeper.sweep({ time: 3 }), await sweeper.stages()]).toEqual([250, ['filling']])
		expect(await (await openApp(world).begin()).find('late')).toEqual([])
		await expect(openApp(world, killedAfter(9)).sweep({ ahead: 3 * minute })).rejects.toThrow()
		await (await straggler.begin()).create('new')
		// A process that may be at work still is left alone.
		expect([await openApp(world).sweep({ ahead: 3 * minute }), await sweeper.stages()]).toEqual([0, ['filling']])
		expect([await openApp(world).sweep({ ahead: 6 * minute }), await sweeper.stages()]).toEqual([1852, ['complete']])
		expect(await violationsIn(table, undefined, [complete])).toEqual([])
		clock.time += minute
		const reader = await straggler.begin()
		expect(await reader.find('latest')).toEqual([id])

		await sweeper.define({ stage: 'leaving' })
		await (await straggler.begin()).change(id, 'gone')
		expect(await violationsIn(table, undefined, [complete])).toEqual([])
		expect([await sweeper.sweep(), await sweeper.stages()]).toEqual([0, ['leaving']])
		clock.time += 10 * minute
		expect([await sweeper.sweep(), await sweeper.stages()]).toEqual([0, ['removing']])
		expect(await reader.find('E-7')).toHaveLength(1)
		clock.time += 10 * minute
		await sweeper.sweep({ time: 3 })
		await (await straggler.begin()).change(id, 'again')
		await expect(openApp(world, killedAfter(9)).sweep({ ahead: 3 * minute })).rejects.toThrow()
		await openApp(world).sweep({ ahead: 6 * minute })
		expect(await sweeper.stages()).toEqual([])
		expect(await table.first({ from: 'y|oa', to: 'y|ob' }, 1)).toEqual([])
		expect(await violationsIn(table)).toEqual([])
	}, 60_000)

	test('would miss a user without the wait: an instance that does not know the index still writes', async () => {
		const world = await newWorld()
		const [sweeper, straggler] = [openApp(world), openApp(world)]
		await straggler.begin()
		await sweeper.define()
		await sweeper.sweep({ ahead: 11 * minute })
		expect(await sweeper.stages()).toEqual(['complete'])
		await (await straggler.begin()).create('1')
		expect(await violationsIn(world.table, undefined, [complete])).not.toEqual([])
	})
})

describe("the indexes in a tenant's row", () => {
	const row = (indexes: unknown) => ({ RowKey: 'acme', indexes })

	test.each<[unknown, IndexDefinitions]>([
		[undefined, []],
		['', []],
		['[]', []],
		[JSON.stringify([definition]), [definition]],
	])('%j are read', (indexes, read) => {
		expect(indexesOf(row(indexes))).toEqual(read)
		expect(indexProblem(read)).toBe(undefined)
	})

	test.each([
		7,
		'{',
		'{}',
		JSON.stringify([{ ...definition, stage: 'of the future' }]),
		JSON.stringify([{ ...definition, more: true }]),
		JSON.stringify([{ ...definition, slot: 5 }]),
	])('%j are refused', (indexes) => {
		expect(indexProblem(indexesOf(row(indexes)))).toMatch(/^The property indexes in the row of this tenant /)
	})
})
