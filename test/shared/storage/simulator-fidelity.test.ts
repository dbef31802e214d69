import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import {
	insert,
	insertOrMerge,
	merge,
	type Operation,
	remove,
	replace,
	upsert,
} from '../../../shared/storage/table/batch.ts'
import {
	connectTables,
	etagOf,
	type Outcome,
	type Range,
	type Row,
	type Table,
	type Tables,
} from '../../../shared/storage/table/tables.ts'
import { useAzurite } from '../../support/azurite.ts'
import { connectionString, simulateTableService } from '../../support/simulator/table-service.ts'

// The simulator must behave as Azurite does: the same transactions have the same outcomes on both.

const azurite = useAzurite()
let services: readonly Tables[]
beforeAll(() => {
	const { send } = simulateTableService()
	services = [
		connectTables({ connectionString: azurite().connectionString }),
		connectTables({ connectionString }, { intercept: () => send }),
	]
})

let tables = 0

const newTable = async (service: Tables): Promise<Table> => {
	const name = `fidelity${++tables}`
	await service.createTable(name)
	return service.table(name, "part'ition")
}

/** Different keys; some need quoting. */
const key = fc.constantFrom('a', 'b', "c'c", 'd d', 'e|~', 'f%20')
const properties = fc.dictionary(
	fc.constantFrom('one', 'two', 'three'),
	fc.oneof(
		fc.string({ maxLength: 5 }),
		fc.constant("it's"),
		fc.integer({ min: -1000, max: 1000 }),
		fc.boolean(),
		fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
	),
)

type EtagKind = 'any' | 'current' | 'stale'
type Step = {
	readonly kind: Operation['kind']
	readonly key: string
	readonly properties: Record<string, string | number | boolean | Buffer>
	readonly etag: EtagKind
}

const step: fc.Arbitrary<Step> = fc.record({
	kind: fc.constantFrom('insert', 'upsert', 'insertOrMerge', 'replace', 'merge', 'delete'),
	key,
	properties,
	etag: fc.constantFrom<EtagKind>('any', 'current', 'stale'),
})
const transaction = fc.uniqueArray(step, { selector: ({ key }) => key, minLength: 1, maxLength: 4 })

const staleEtag = `W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`

async function operationOf(table: Table, { kind, key, properties, etag }: Step): Promise<Operation> {
	const row = etag === 'current' ? await table.get(key) : undefined
	const condition = row !== undefined ? etagOf(row) : etag === 'stale' ? staleEtag : '*'
	switch (kind) {
		case 'insert':
			return insert(key, properties)
		case 'upsert':
			return upsert(key, properties)
		case 'insertOrMerge':
			return insertOrMerge(key, properties)
		case 'replace':
			return replace(key, properties, condition)
		case 'merge':
			return merge(key, properties, condition)
		case 'delete':
			return remove(key, condition)
	}
}

/**
 * The properties of a row that must be the same on both. Timestamps and ETags differ. A selected property that an entity
 * lacks is null in the real service and in the simulator, and absent in Azurite.
 */
const comparable = ({ Timestamp, ...row }: Row): Record<string, unknown> =>
	Object.fromEntries(Object.entries(row).filter(([name, value]) => !name.includes('odata') && value !== null))

async function rowsOf(table: Table, more: Pick<Range, 'select' | 'where'> = {}): Promise<unknown[]> {
	const rows: unknown[] = []
	const range = { from: 'a', to: 'f', ...more }
	for await (const page of table.pages(range)) rows.push(...page.map(comparable))
	return rows
}

/** What queries that select properties, or filter by them, find. */
const queryResults = async (table: Table) => ({
	selected: await rowsOf(table, { select: ['RowKey', 'one'] }),
	greater: await rowsOf(table, { where: [{ property: 'one', operator: 'ge', value: "K'" }] }),
	between: await rowsOf(table, {
		where: [
			{ property: 'one', operator: 'ge', value: 'K' },
			{ property: 'one', operator: 'le', value: 'it' },
		],
	}),
	same: await rowsOf(table, { where: [{ property: 'one', operator: 'eq', value: "it's" }] }),
	true: await rowsOf(table, { where: [{ property: 'two', operator: 'eq', value: true }] }),
	both: await rowsOf(table, {
		where: [
			{ property: 'one', operator: 'ge', value: 'a' },
			{ property: 'two', operator: 'eq', value: false },
		],
	}),
})

async function run(service: Tables, transactions: readonly (readonly Step[])[]): Promise<unknown> {
	const table = await newTable(service)
	const outcomes: (Outcome | string)[] = []
	for (const steps of transactions) {
		const operations: Operation[] = []
		for (const each of steps) operations.push(await operationOf(table, each))
		outcomes.push(await table.transaction(operations).catch(String))
	}
	const found: unknown[] = []
	for (const name of ['a', "c'c", 'f%20']) {
		const row = await table.get(name)
		found.push(row && comparable(row))
	}
	return { outcomes, found, rows: await rowsOf(table), ...(await queryResults(table)) }
}

describe('the simulator', () => {
	test('has the same outcomes and rows as Azurite after any transactions', async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(transaction, { minLength: 1, maxLength: 6 }), async (transactions) => {
				const [real, simulated] = await Promise.all(services.map((service) => run(service, transactions)))
				expect(simulated).toEqual(real)
			}),
			{ numRuns: 60 },
		)
	})

	test('answers as Azurite does if a table is missing', async () => {
		for (const service of services) {
			await expect(service.table('nowhere', 'p').get('a')).rejects.toMatchObject({ name: 'ScimError', status: 503 })
			await service.deleteTable('nowhere')
		}
	})

	test('refuses what the real service refuses and Azurite accepts', async () => {
		const [, simulated] = services
		if (simulated === undefined) throw new Error('there is no simulator')
		const table = await newTable(simulated)
		const many = Object.fromEntries(Array.from({ length: 253 }, (_, index) => [`p${index}`, 1]))
		const large = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`p${index}`, 'x'.repeat(30_000)]))
		const refusals = [
			insert('a', many),
			insert('a', large),
			insert('a', { long: 'x'.repeat(33_000) }),
			insert('a/b', {}),
			insert('k'.repeat(513), {}),
		]
		const messages = await Promise.all(
			refusals.map((each) => table.transaction([each]).catch((error: Error) => error.message)),
		)
		expect(messages.map((text) => /\b[A-Z]\w+/.exec(String(text))?.[0])).toEqual([
			'TooManyProperties',
			'EntityTooLarge',
			'PropertyValueTooLarge',
			'InvalidInput',
			'KeyValueTooLarge',
		])
	})
})
