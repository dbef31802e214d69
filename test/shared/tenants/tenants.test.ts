import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startAzurite } from '../../../local/azurite.ts'
import { parseOwnSchemas } from '../../../shared/scim/own-schema.ts'
import { connectTables, type TableRequest } from '../../../shared/storage/table/tables.ts'
import { schemasOf, typesOf } from '../../../shared/tenants/resource-types.ts'
import type { StoredSettings } from '../../../shared/tenants/settings.ts'
import { openTenants, parseTenantName } from '../../../shared/tenants/tenants.ts'
import { useAzurite } from '../../support/azurite.ts'
import { type Fate, withFaults } from '../../support/faults.ts'
import { createMeter } from '../../support/meter.ts'
import { sequenceOfIds } from '../../support/sequence.ts'
import { changeTenantRow } from '../../support/tenant-row.ts'

const azurite = useAzurite()
const noPause = () => Promise.resolve()

type Options = { readonly fateOf?: (request: TableRequest) => Fate; readonly connectionString?: string }

function open({ fateOf = () => 'answered', connectionString = azurite().connectionString }: Options = {}) {
	const meter = createMeter()
	const clock = { time: Date.UTC(2026, 0, 1) }
	const tables = connectTables(
		{ connectionString },
		{ intercept: (send) => meter.intercept(withFaults(fateOf)(send)), pause: noPause },
	)
	const tenants = openTenants({ tables, ids: sequenceOfIds(), now: () => clock.time, randomBytes })
	return { tables, tenants, meter, clock }
}

/** A table service of its own, so that there is no table of tenants yet. */
async function onNewAccount<T>(work: (connectionString: string) => Promise<T>): Promise<T> {
	const { connectionString, close } = await startAzurite({ memory: true })
	try {
		return await work(connectionString)
	} finally {
		await close()
	}
}

describe('the name of a tenant', () => {
	test.each(['acme', 'a1', '0x', 'acme-west-2', 'a-b', 'x'.repeat(39)])('may be %s', (name) => {
		expect(parseTenantName(name)).toBe(name)
	})

	test.each([
		...['', 'a', 'Acme', '-acme', 'acme-', 'a--b', 'a_b', 'a.b', 'ácme', 'a/b', 'acme\n', 'x'.repeat(40)],
		...['health', 'oauth2', 'admin', 'runtime', 'scim', 'api', 'v2', 'users'],
	])('may not be %j', (name) => {
		expect(parseTenantName(name)).toBeUndefined()
	})
})

describe('tenants', () => {
	test('a tenant is found as it was created, by another instance too, and has a table that works', async () => {
		await onNewAccount(async (connectionString) => {
			const { tenants, tables } = open({ connectionString })
			const settings = { hybridConnection: 'acme', note: 'naïve "quotes"' }
			const created = await tenants.createTenant({ name: 'acme', mode: 'relay', settings })
			expect(created).toEqual({
				name: 'acme',
				mode: 'relay',
				table: expect.stringMatching(/^t[0-9a-f]{32}$/),
				settings: { history: 'full', ...settings },
				cursorKey: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
				created: '2026-01-01T00:00:00.000Z',
				format: { number: 2, stage: 'complete', since: 0, position: '' },
				schemas: [],
				forgetting: [],
				indexes: [],
			})
			expect(await tenants.getTenant('acme')).toEqual(created)
			expect(await open({ connectionString }).tenants.getTenant('acme')).toEqual(created)
			if (created === 'exists') throw new Error('it is new')
			expect(await tables.table(created.table, 'acme').get('x')).toBeUndefined()
		})
	})

	test('a tenant whose row names the table of its directory in a column of its own is served from that table', async () => {
		const { tenants, tables } = open()
		const created = await tenants.createTenant({ name: 'moved', mode: 'store', settings: {} })
		if (created === 'exists') throw new Error('it is new')
		await changeTenantRow(tables, 'moved', { table: 'another', directory: created.table })
		expect(await open().tenants.getTenant('moved')).toEqual(created)
		expect(await open().tenants.deleteTenant('moved')).toBe('deleted')
		await expect(tables.table(created.table, 'moved').get('x')).rejects.toMatchObject({ status: 503 })
	})

	test('schemas of any length are read by another instance within a minute, and shorter ones take their place', async () => {
		await onNewAccount(async (connectionString) => {
			const { tenants } = open({ connectionString })
			const other = open({ connectionString })
			await tenants.createTenant({ name: 'acme', mode: 'store', settings: {} })
			expect(await other.tenants.getTenant('acme')).toMatchObject({ schemas: [] })
			const schemaOf = (description: string) =>
				parseOwnSchemas({ id: 'urn:example:hr:User', description, attributes: [{ name: 'badge' }] })
			const lines = Array.from({ length: 3000 }, (_, index) => createHash('sha256').update(`${index}`).digest('hex'))
			const schemas = schemaOf(lines.join('\n'))
			const written = await tenants.updateSchemas('acme', () => schemas)
			if (written === 'absent') throw new Error('it is there')
			expect(written.schemas.length).toBe(2)
			expect((await other.tenants.getTenant('acme'))?.schemas).toEqual([])
			other.clock.time += 60_000
			const read = await other.tenants.getTenant('acme')
			expect(read && schemasOf(read)).toEqual(schemas)
			expect(read && typesOf(read)).toBe(read && typesOf(read))
			await tenants.updateSchemas('acme', () => schemaOf('short'))
			const shorter = await tenants.getTenant('acme')
			expect(shorter && schemasOf(shorter)).toEqual(schemaOf('short'))
			// 0.2.0 cannot read a schema that is stored as unique.
			const unique = parseOwnSchemas({
				id: 'urn:example:hr:User',
				attributes: [{ name: 'badge', uniqueness: 'server' }],
			})
			await tenants.updateDeclarations('acme', (now) => ({ ...now, schemas: unique }))
			const stored = await tenants.getTenant('acme')
			expect(stored && schemasOf(stored).flatMap(({ attributes }) => attributes)).toEqual([{ name: 'badge' }])
			await tenants.updateSchemas('acme', () => [])
			expect(await tenants.getTenant('acme')).toMatchObject({ schemas: [] })
			const damaged = { ...written, schemas: ['AAAA'] }
			expect(() => typesOf(damaged)).toThrow('cannot read the schemas of this tenant')
		})
	})

	test('a second tenant of the same name is refused and the first one stays as it is', async () => {
		const { tenants } = open()
		const first = await tenants.createTenant({ name: 'taken', mode: 'store', settings: {} })
		expect(await tenants.createTenant({ name: 'taken', mode: 'relay', settings: {} })).toBe('exists')
		expect(await open().tenants.getTenant('taken')).toEqual(first)
	})

	test('one of many that create the same tenant at once succeeds', async () => {
		const { tenants } = open()
		const results = await Promise.all(
			Array.from({ length: 8 }, () => tenants.createTenant({ name: 'raced', mode: 'store', settings: {} })),
		)
		const created = results.filter((result) => result !== 'exists')
		expect(created).toHaveLength(1)
		expect(await open().tenants.getTenant('raced')).toEqual(created[0])
	})

	test('a tenant whose creation was done but not answered is created', async () => {
		const fates: Fate[] = ['lost']
		const { tenants } = open({
			fateOf: ({ path }) => (path === '$batch' ? (fates.pop() ?? 'answered') : 'answered'),
		})
		const created = await tenants.createTenant({ name: 'unheard', mode: 'store', settings: {} })
		expect(created).toMatchObject({ name: 'unheard' })
		expect(await open().tenants.getTenant('unheard')).toEqual(created)
	})

	test('they are listed by name', async () => {
		await onNewAccount(async (connectionString) => {
			const { tenants } = open({ connectionString })
			for (const name of ['globex', 'acme', 'initech']) {
				await tenants.createTenant({ name, mode: 'store', settings: {} })
			}
			expect((await tenants.listTenants()).map(({ name }) => name)).toEqual(['acme', 'globex', 'initech'])
		})
	})

	test('settings are revised as they are stored, also where another came first or the answer was lost', async () => {
		const name = 'revised'
		await open().tenants.createTenant({ name, mode: 'relay', settings: { count: 1 } })
		const counted = ({ count }: StoredSettings) => ({ count: Number(count) + 1 })
		const { tenants } = open()
		await tenants.getTenant(name)
		expect(await tenants.updateSettings(name, counted)).toMatchObject({ name, mode: 'relay', settings: { count: 2 } })
		expect(await tenants.getTenant(name)).toMatchObject({ settings: { count: 2 } })
		await Promise.all(Array.from({ length: 4 }, () => open().tenants.updateSettings(name, counted)))
		expect(await open().tenants.getTenant(name)).toMatchObject({ settings: { count: 6 } })
		const fates: Fate[] = ['lost']
		const unheard = open({ fateOf: ({ path }) => (path === '$batch' ? (fates.pop() ?? 'answered') : 'answered') })
		expect(await unheard.tenants.updateSettings(name, () => ({ count: 0 }))).toMatchObject({ settings: { count: 0 } })
		expect(await open().tenants.updateSettings('absent', counted)).toBe('absent')
	})

	test('a deleted tenant is gone with its table, and another of the same name begins empty', async () => {
		const { tenants, tables } = open()
		const draft = { name: 'leaving', mode: 'store', settings: {} } as const
		const first = await tenants.createTenant(draft)
		if (first === 'exists') throw new Error('it is new')
		expect(await tenants.deleteTenant('leaving')).toBe('deleted')
		expect(await tenants.getTenant('leaving')).toBeUndefined()
		await expect(tables.table(first.table, 'leaving').get('x')).rejects.toMatchObject({ status: 503 })
		expect(await tenants.deleteTenant('leaving')).toBe('absent')
		const second = await tenants.createTenant(draft)
		if (second === 'exists') throw new Error('the first one is gone')
		expect(second.table).not.toBe(first.table)
		expect(await tables.table(second.table, 'leaving').get('x')).toBeUndefined()
	})

	test('a deletion that failed after the table had gone can be done again', async () => {
		await open().tenants.createTenant({ name: 'halfway', mode: 'store', settings: {} })
		const { tenants } = open({ fateOf: ({ path }) => (path === '$batch' ? 'unsent' : 'answered') })
		await expect(tenants.deleteTenant('halfway')).rejects.toMatchObject({ status: 503 })
		expect(await open().tenants.getTenant('halfway')).toMatchObject({ name: 'halfway' })
		expect(await open().tenants.deleteTenant('halfway')).toBe('deleted')
		expect(await open().tenants.getTenant('halfway')).toBeUndefined()
	})

	test('a tenant and an absent one are read once a minute', async () => {
		await open().tenants.createTenant({ name: 'cached', mode: 'store', settings: {} })
		const { tenants, meter, clock } = open()
		const twice = () => Promise.all([tenants.getTenant('cached'), tenants.getTenant('absent')])
		expect(await meter.measure(twice)).toMatchObject({ requests: 2, result: [{ name: 'cached' }, undefined] })
		clock.time += 59_999
		expect(await meter.measure(twice)).toMatchObject({ requests: 0, result: [{ name: 'cached' }, undefined] })
		clock.time += 1
		expect(await meter.measure(twice)).toMatchObject({ requests: 2 })
	})

	test('a name that no tenant can have is answered without a request', async () => {
		const { tenants, meter } = open()
		expect(await meter.measure(() => tenants.getTenant("a' or '1"))).toEqual({
			result: undefined,
			requests: 0,
			waves: 0,
		})
	})

	test('an outage is a 503 that is not remembered', async () => {
		await open().tenants.createTenant({ name: 'patient', mode: 'store', settings: {} })
		const outage = { on: true }
		const { tenants } = open({ fateOf: () => (outage.on ? 'unsent' : 'answered') })
		await expect(tenants.getTenant('patient')).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
		outage.on = false
		expect(await tenants.getTenant('patient')).toMatchObject({ name: 'patient' })
	})

	test('without a table of tenants there is a 503, not an absent tenant', async () => {
		await onNewAccount(async (connectionString) => {
			await expect(open({ connectionString }).tenants.getTenant('acme')).rejects.toMatchObject({ status: 503 })
		})
	})
})
