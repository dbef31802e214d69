import { TableClient } from '@azure/data-tables'
import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { insert, merge, type Operation, remove, replace, upsert } from '../../../../shared/storage/table/batch.ts'
import { within } from '../../../../shared/storage/table/key-range.ts'
import { etagOf, type Row, type TableRequest, type TableResponse } from '../../../../shared/storage/table/tables.ts'
import { useAzurite } from '../../../support/azurite.ts'
import { newDirectory } from '../../../support/directory.ts'
import { type Fate, withFaults } from '../../../support/faults.ts'

const azurite = useAzurite()

const answer = (status: number, code: string, headers: Record<string, string> = {}): TableResponse => ({
	status,
	headers: { get: (name) => headers[name] },
	text: JSON.stringify({ 'odata.error': { code, message: { lang: 'en-US', value: 'for some reason' } } }),
})

const page = (keys: readonly string[], next?: string): TableResponse => ({
	status: 200,
	headers: {
		get: (name) =>
			({ 'x-ms-continuation-nextpartitionkey': next && 'acme', 'x-ms-continuation-nextrowkey': next })[name],
	},
	text: JSON.stringify({ value: keys.map((RowKey) => ({ RowKey })) }),
})

/** A directory whose requests have the fates that `fateOf` says, from when `begin` is called. */
async function faulty(fateOf: (request: TableRequest, count: number) => Fate) {
	let count = 0
	let begun = false
	const directory = await newDirectory(azurite(), {
		intercept: withFaults((request) => (begun ? fateOf(request, ++count) : 'answered')),
	})
	return {
		...directory,
		begin: () => {
			begun = true
		},
	}
}

const keysOf = (rows: readonly Row[]): readonly string[] => rows.map(({ RowKey }) => RowKey)

async function collect<T>(pages: AsyncIterable<T>): Promise<readonly T[]> {
	const all: T[] = []
	for await (const each of pages) all.push(each)
	return all
}

describe('a transaction', () => {
	const transactions: [string, readonly Operation[], unknown][] = [
		['inserts', [insert('new', { a: 1 })], { kind: 'done' }],
		['inserts nothing that exists', [insert('new', {}), insert('old', {})], { kind: 'exists', index: 1 }],
		['puts over what exists and what does not', [upsert('old', { a: 2 }), upsert('new', {})], { kind: 'done' }],
		['merges nothing that is missing', [merge('old', {}), merge('new', {})], { kind: 'missing', index: 1 }],
		['replaces nothing that is missing', [replace('new', {}, '*')], { kind: 'missing', index: 0 }],
		['removes nothing that is missing', [remove('old'), remove('new')], { kind: 'missing', index: 1 }],
		['replaces no other version', [insert('new', {}), replace('old', {}, 'stale')], { kind: 'conflict', index: 1 }],
		['merges into no other version', [merge('old', {}, 'stale')], { kind: 'conflict', index: 0 }],
		['removes no other version', [insert('new', {}), remove('old', 'stale')], { kind: 'conflict', index: 1 }],
		['replaces the version it names', [replace('old', {}, 'etag')], { kind: 'done' }],
		['removes the version it names', [remove('old', 'etag')], { kind: 'done' }],
	]

	test.each(transactions)('%s', async (_, operations, outcome) => {
		const { table } = await newDirectory(azurite())
		await table.transaction([insert('old', { a: 0 })])
		const before = await table.get('old')
		if (before === undefined) throw new Error('inserted')
		const stale = `W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`
		const etags: Record<string, string> = { etag: etagOf(before), stale }
		const named = operations.map((operation) =>
			'etag' in operation ? { ...operation, etag: etags[operation.etag] ?? operation.etag } : operation,
		)
		expect(await table.transaction(named)).toEqual(outcome)
		if (!('kind' in Object(outcome)) || Object(outcome).kind !== 'done') {
			expect(await table.get('old')).toEqual(before)
			expect(await table.get('new')).toBeUndefined()
		}
	})

	test('keeps what JSON, a batch and a key may stumble over', async () => {
		const { table } = await newDirectory(azurite())
		const text = '--changeset_rollcall--\r\n\u2028\u2029 "é😀\\ %27\'\u0000'
		const bytes = Buffer.from('not from its beginning').subarray(4)
		const key = 'x|un|o!27neil.~2f%'
		expect(await table.transaction([insert(key, { text, bytes, on: true, n: -1.5 })])).toEqual({ kind: 'done' })
		expect(await table.get(key)).toMatchObject({
			RowKey: key,
			text,
			bytes: bytes.toString('base64'),
			on: true,
			n: -1.5,
		})
	})

	test('larger than the service takes is refused before it is sent, with the limit', async () => {
		const { table, meter } = await newDirectory(azurite())
		const operations = Array.from({ length: 70 }, (_, at) => insert(`${at}`, { text: 'é'.repeat(30_000) }))
		const { result, requests } = await meter.measure(() => table.transaction(operations).catch((error) => error))
		expect(result).toMatchObject({
			status: 413,
			message: expect.stringMatching(/^the change takes 4\d{6} bytes to store; the limit is 3984588\.8$/),
		})
		expect(requests).toBe(0)
	})

	/**
	 * Why transactions are written here and not by the SDK. If this fails, the SDK can do it now.
	 * https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/tables/data-tables/src/TableTransaction.ts
	 */
	test('of the SDK removes a row of any version, whatever ETag it is given', async () => {
		const { table, tenant } = await newDirectory(azurite())
		const sdk = TableClient.fromConnectionString(azurite().connectionString, tenant.table, {
			allowInsecureConnection: true,
		})
		await table.transaction([insert('row', { a: 0 })])
		const before = await table.get('row')
		if (before === undefined) throw new Error('inserted')
		await table.transaction([merge('row', { a: 1 })])
		expect(await table.transaction([remove('row', etagOf(before))])).toEqual({ kind: 'conflict', index: 0 })
		const entity = { partitionKey: tenant.name, rowKey: 'row', etag: etagOf(before) }
		await sdk.submitTransaction([['delete', entity]])
		expect(await table.get('row')).toBeUndefined()
	})
})

describe('a range', () => {
	test('is read in the order of code units, from its first key up to before its last', async () => {
		const { table } = await newDirectory(azurite())
		const keys = ['r|-', 'r|.', 'r|9', 'r|A', 'r|_', 'r|a', 'r|z', 'r|{', 'r||', 'r|~']
		await table.transaction(['q|z', ...keys.toReversed(), 's|'].map((key) => insert(key, {})))
		expect(keysOf((await collect(table.pages(within('r|')))).flat())).toEqual(keys)
		expect(keysOf(await table.first(within('r|'), 3))).toEqual(keys.slice(0, 3))
		expect(await table.first({ ...within('r|a'), select: ['RowKey'] }, 1000)).toEqual([{ RowKey: 'r|a' }])
	})

	test('goes on behind pages that are empty and carry a token', async () => {
		const asked: string[] = []
		const answers = [page([], 'a'), page(['a', 'b'], 'c'), page([], "d'&e"), page([]), page(['never'])]
		const { table, begin } = await faulty(({ path }, count) => {
			asked.push(path)
			return answers[count - 1] ?? 'answered'
		})
		begin()
		expect((await collect(table.pages(within('m|')))).map(keysOf)).toEqual([[], ['a', 'b'], [], []])
		expect(asked.map((path) => path.split('&').slice(1).join('&'))).toEqual([
			'',
			'NextPartitionKey=acme&NextRowKey=a',
			'NextPartitionKey=acme&NextRowKey=c',
			"NextPartitionKey=acme&NextRowKey=d'%26e",
		])
	})

	test('asks for no more than it was asked for, page by page', async () => {
		const answers = [page([], 'a'), page(['a', 'b'], 'c'), page(['c', 'd'], 'e')]
		const { table, begin, meter } = await faulty((_, count) => answers[count - 1] ?? 'answered')
		begin()
		const { result, requests } = await meter.measure(() => table.first(within('m|'), 3))
		expect(keysOf(result)).toEqual(['a', 'b', 'c'])
		expect(requests).toBe(3)
	})
})

describe('while the service is away', () => {
	const outages: [string, Fate][] = [
		['answers nothing', 'unsent'],
		['loses its answers', 'lost'],
		['is too busy', answer(503, 'ServerBusy')],
		['takes too long', answer(500, 'OperationTimedOut')],
		['wants fewer requests', answer(429, 'TooManyRequests')],
	]
	// At most so many requests; of two readings at once the first to give up ends it.
	const requests: [string, (store: ResourceStore, id: string) => Promise<unknown>, number][] = [
		['a creation', (store) => store.create(userType, { attributes: { userName: 'x' } }), 5],
		['a reading', (store, id) => store.get(groupType, id), 4],
		['a reading with members', (store, id) => store.get(groupType, id, { members: true }), 8],
		['a list', (store) => store.query(userType, { page: { startIndex: 1, count: 10 } }), 8],
		[
			'an update',
			(store, id) => store.update(groupType, id, { revise: () => ({ attributes: { displayName: 'y' } }) }),
			4,
		],
		['a deletion', (store, id) => store.delete(groupType, id), 4],
	]

	test.each(outages.flatMap((outage) => requests.map((request) => [...request, ...outage] as const)))(
		'%s is tried four times and then 503, where the service %4$s',
		async (_, work, atMost, _outage, fate) => {
			const { store, begin, meter } = await faulty(({ method }) =>
				fate === 'lost' && method === 'GET' ? 'unsent' : fate,
			)
			const { id } = await store.create(groupType, { attributes: { displayName: 'x' } })
			begin()
			const { result, requests: sent } = await meter.measure(() => work(store, id).catch((error) => error))
			expect(result).toBeInstanceOf(ScimError)
			expect(result).toMatchObject({
				status: 503,
				message: 'the directory is not available at the moment',
				headers: { 'Retry-After': '5' },
			})
			expect(sent).toBeGreaterThanOrEqual(4)
			expect(sent).toBeLessThanOrEqual(atMost)
		},
	)

	test.each(outages)('for three attempts, a request is answered all the same where it %s', async (_, fate) => {
		const { store, begin } = await faulty((_request, count) => (count < 4 ? fate : 'answered'))
		begin()
		const created = await store.create(userType, { attributes: { userName: 'x' } })
		expect(await store.get(userType, created.id)).toEqual(created)
		expect(await store.query(userType, { page: { startIndex: 1, count: 9 } })).toEqual({
			resources: [created],
			totalResults: 1,
		})
	})
})

describe('a table that is gone', () => {
	test('is 503, never an absence and never an empty list', async () => {
		const { store, tables, tenant } = await newDirectory(azurite())
		const { id } = await store.create(groupType, { attributes: { displayName: 'x' } })
		await tables.deleteTable(tenant.table)
		for (const work of [
			() => store.get(groupType, id),
			() => store.query(groupType, { page: { startIndex: 1, count: 10 } }),
			() => store.create(userType, { attributes: { userName: 'x' } }),
			() => store.changeMembers(id, { add: [], remove: [] }),
			() => store.delete(groupType, id),
		]) {
			await expect(work()).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
		}
	})
})

describe('a fault of ours', () => {
	test('is no ScimError and is not tried again', async () => {
		const { table, begin, meter } = await faulty(() => answer(403, 'AuthorizationFailure'))
		begin()
		const { result, requests } = await meter.measure(() => table.get('x').catch((error) => error))
		expect(result).not.toBeInstanceOf(ScimError)
		expect(result).toMatchObject({ message: 'the table service answered 403 AuthorizationFailure: for some reason' })
		expect(requests).toBe(1)
	})
})
