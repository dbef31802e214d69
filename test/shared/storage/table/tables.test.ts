import { TableClient } from '@azure/data-tables'
import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { insert, merge, type Operation, remove, replace, upsert } from '../../../../shared/storage/table/batch.ts'
import { within } from '../../../../shared/storage/table/key-range.ts'
import { chunked } from '../../../../shared/storage/table/parallel.ts'
import { etagOf, type Row, type TableRequest, type TableResponse } from '../../../../shared/storage/table/tables.ts'
import { useAzurite } from '../../../support/azurite.ts'
import { newDirectory } from '../../../support/directory.ts'
import { type Fate, withFaults } from '../../../support/faults.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

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

/** A directory whose requests meet the fates that `fateOf` decides, once `begin` is called. */
async function newFaultyDirectory(fateOf: (request: TableRequest, count: number) => Fate) {
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
		['inserts a row', [insert('new', { a: 1 })], { kind: 'done' }],
		['does not insert a row that exists', [insert('new', {}), insert('old', {})], { kind: 'exists', index: 1 }],
		['puts a row whether it exists or not', [upsert('old', { a: 2 }), upsert('new', {})], { kind: 'done' }],
		['does not merge into a missing row', [merge('old', {}), merge('new', {})], { kind: 'missing', index: 1 }],
		['does not replace a missing row', [replace('new', {}, '*')], { kind: 'missing', index: 0 }],
		['does not remove a missing row', [remove('old'), remove('new')], { kind: 'missing', index: 1 }],
		[
			'does not replace a row with another ETag',
			[insert('new', {}), replace('old', {}, 'stale')],
			{ kind: 'conflict', index: 1 },
		],
		['does not merge into a row with another ETag', [merge('old', {}, 'stale')], { kind: 'conflict', index: 0 }],
		[
			'does not remove a row with another ETag',
			[insert('new', {}), remove('old', 'stale')],
			{ kind: 'conflict', index: 1 },
		],
		['replaces a row with the same ETag', [replace('old', {}, 'etag')], { kind: 'done' }],
		['removes a row with the same ETag', [remove('old', 'etag')], { kind: 'done' }],
	]

	test.each(transactions)('%s', async (_, operations, outcome) => {
		const { table } = await newDirectory(azurite())
		await table.transaction([insert('old', { a: 0 })])
		const before = await table.get('old')
		if (before === undefined) throw new Error('the row is missing')
		const stale = `W/"datetime'2020-01-01T00%3A00%3A00.0000000Z'"`
		const etags: Record<string, string> = { etag: etagOf(before), stale }
		const conditional = operations.map((operation) =>
			'etag' in operation ? { ...operation, etag: etags[operation.etag] ?? operation.etag } : operation,
		)
		expect(await table.transaction(conditional)).toEqual(outcome)
		if (!('kind' in Object(outcome)) || Object(outcome).kind !== 'done') {
			expect(await table.get('old')).toEqual(before)
			expect(await table.get('new')).toBeUndefined()
		}
	})

	test('keeps characters that have a meaning in JSON, in a batch or in a key', async () => {
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

	test.each([
		['Azurite', azurite],
		['the simulator', () => simulateTableService()],
	])('keeps a value that holds the boundaries of the transactions before it (%s)', async (_, account) => {
		const boundaries: string[] = []
		const { table } = await newDirectory(account(), {
			intercept: (send) => (request) => {
				if (request.path === '$batch') {
					const [outer = ''] = /batch_[\w-]+/.exec(request.headers['Content-Type'] ?? '') ?? []
					const [inner = ''] = /changeset_[\w-]+/.exec(request.body ?? '') ?? []
					boundaries.push(outer, inner)
				}
				return send(request)
			},
		})
		for (let round = 0; round < 5; round++) {
			const text = `\r\n${boundaries.map((each) => `--${each}\r\n--${each}--`).join('\r\n')}\r\n`
			expect(await table.transaction([insert(`row${round}`, { text }), insert(`other${round}`, {})])).toEqual({
				kind: 'done',
			})
			expect(await table.get(`row${round}`)).toMatchObject({ text })
		}
		expect(new Set(boundaries).size).toBe(10)
	})

	test('that is larger than the service accepts is refused with the limit, before it is sent', async () => {
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
	 * The reason why transactions are written here and not by the SDK. If this fails, the SDK respects ETags now.
	 * https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/tables/data-tables/src/TableTransaction.ts
	 */
	test('of the SDK removes a row whatever the ETag is', async () => {
		const { table, tenant } = await newDirectory(azurite())
		const sdk = TableClient.fromConnectionString(azurite().connectionString, tenant.table, {
			allowInsecureConnection: true,
		})
		await table.transaction([insert('row', { a: 0 })])
		const before = await table.get('row')
		if (before === undefined) throw new Error('the row is missing')
		await table.transaction([merge('row', { a: 1 })])
		expect(await table.transaction([remove('row', etagOf(before))])).toEqual({ kind: 'conflict', index: 0 })
		const entity = { partitionKey: tenant.name, rowKey: 'row', etag: etagOf(before) }
		await sdk.submitTransaction([['delete', entity]])
		expect(await table.get('row')).toBeUndefined()
	})
})

describe('a range', () => {
	test('is read in the order of code units, with its first key and without its last', async () => {
		const { table } = await newDirectory(azurite())
		const keys = ['r|-', 'r|.', 'r|9', 'r|A', 'r|_', 'r|a', 'r|z', 'r|{', 'r||', 'r|~']
		await table.transaction(['q|z', ...keys.toReversed(), 's|'].map((key) => insert(key, {})))
		expect(keysOf((await collect(table.pages(within('r|')))).flat())).toEqual(keys)
		expect(keysOf(await table.first(within('r|'), 3))).toEqual(keys.slice(0, 3))
		expect(await table.first({ ...within('r|a'), select: ['RowKey'] }, 1000)).toEqual([{ RowKey: 'r|a' }])
	})

	test('goes on after an empty page that has a continuation token', async () => {
		const paths: string[] = []
		const answers = [page([], 'a'), page(['a', 'b'], 'c'), page([], "d'&e"), page([]), page(['never'])]
		const { table, begin } = await newFaultyDirectory(({ path }, count) => {
			paths.push(path)
			return answers[count - 1] ?? 'answered'
		})
		begin()
		expect((await collect(table.pages(within('m|')))).map(keysOf)).toEqual([[], ['a', 'b'], [], []])
		expect(paths.map((path) => path.split('&').slice(1).join('&'))).toEqual([
			'',
			'NextPartitionKey=acme&NextRowKey=a',
			'NextPartitionKey=acme&NextRowKey=c',
			"NextPartitionKey=acme&NextRowKey=d'%26e",
		])
	})

	test.each([
		['is read in smaller pages if a page has more than 4 MiB', 900 * 1024, 40, 21],
		['is read in whole pages if they have less', 2 * 1024, 1500, 2],
	])('%s', async (_, size, count, expected) => {
		const sizes: number[] = []
		const { table, meter } = await newDirectory(azurite(), {
			intercept: (send) => async (request) => {
				const response = await send(request)
				if (request.method === 'GET') sizes.push(Buffer.byteLength(response.text))
				return response
			},
		})
		const keys = Array.from({ length: count }, (_, index) => `m|${String(index).padStart(4, '0')}`)
		const properties = Object.fromEntries(
			Array.from({ length: Math.ceil(size / 65_536) }, (_, index) => [
				`b${index}`,
				Buffer.alloc(Math.min(size, 65_536), 'x'),
			]),
		)
		const atOnce = size > 65_536 ? 2 : 100
		for (const some of chunked(keys, atOnce)) await table.transaction(some.map((key) => insert(key, properties)))
		const { result, requests } = await meter.measure(() => collect(table.pages(within('m|'))))
		expect(keysOf(result.flat())).toEqual(keys)
		expect(requests).toBe(expected)
		// What arrives beyond the limit is what the network has put into one piece.
		expect(Math.max(...sizes)).toBeLessThan(4 * 2 ** 20 + 2 ** 17)
	})

	test('requests no more pages than the first rows need', async () => {
		const answers = [page([], 'a'), page(['a', 'b'], 'c'), page(['c', 'd'], 'e')]
		const { table, begin, meter } = await newFaultyDirectory((_, count) => answers[count - 1] ?? 'answered')
		begin()
		const { result, requests } = await meter.measure(() => table.first(within('m|'), 3))
		expect(keysOf(result)).toEqual(['a', 'b', 'c'])
		expect(requests).toBe(3)
	})
})

describe('if the service', () => {
	const outages: [string, Fate][] = [
		['does not answer', 'unsent'],
		['loses its answers', 'lost'],
		['is too busy', answer(503, 'ServerBusy')],
		['takes too long', answer(500, 'OperationTimedOut')],
		['demands fewer requests', answer(429, 'TooManyRequests')],
	]
	// The number is the greatest number of requests. If two reads run at once, the first to fail ends the request.
	const requests: [string, (store: ResourceStore, id: string) => Promise<unknown>, number][] = [
		['a creation', (store) => store.create(userType, { attributes: { userName: 'x' } }), 5],
		['a read', (store, id) => store.get(groupType, id), 4],
		['a read with members', (store, id) => store.get(groupType, id, { members: true }), 8],
		['a list', (store) => store.query(userType, { page: { startIndex: 1, count: 10 } }), 8],
		[
			'an update',
			(store, id) => store.update(groupType, id, { revise: () => ({ attributes: { displayName: 'y' } }) }),
			4,
		],
		['a deletion', (store, id) => store.delete(groupType, id), 4],
	]

	const cases = outages.flatMap(([outage, fate]) =>
		requests.map(([name, request, atMost]) => [outage, name, { fate, request, atMost }] as const),
	)

	test.each(cases)(
		'%s, %s is tried four times and answered with 503',
		async (_outage, _name, { fate, request, atMost }) => {
			const { store, begin, meter } = await newFaultyDirectory(({ method }) =>
				fate === 'lost' && method === 'GET' ? 'unsent' : fate,
			)
			const { id } = await store.create(groupType, { attributes: { displayName: 'x' } })
			begin()
			const { result, requests: sent } = await meter.measure(() => request(store, id).catch((error) => error))
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

	test.each(outages)('%s three times, a request still succeeds', async (_, fate) => {
		const { store, begin } = await newFaultyDirectory((_request, count) => (count < 4 ? fate : 'answered'))
		begin()
		const created = await store.create(userType, { attributes: { userName: 'x' } })
		expect(await store.get(userType, created.id)).toEqual(created)
		expect(await store.query(userType, { page: { startIndex: 1, count: 9 } })).toEqual({
			resources: [created],
			totalResults: 1,
		})
	})
})

describe('a missing table', () => {
	test('is answered with 503, and not as an absent resource or an empty list', async () => {
		const { store, tables, tenant } = await newDirectory(azurite())
		const { id } = await store.create(groupType, { attributes: { displayName: 'x' } })
		await tables.deleteTable(tenant.table)
		for (const request of [
			() => store.get(groupType, id),
			() => store.query(groupType, { page: { startIndex: 1, count: 10 } }),
			() => store.create(userType, { attributes: { userName: 'x' } }),
			() => store.changeMembers(id, { add: [], remove: [] }),
			() => store.delete(groupType, id),
		]) {
			await expect(request()).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '5' } })
		}
	})
})

describe('a request that the service refuses because of an error of ours', () => {
	test('throws an error other than ScimError, and is not tried again', async () => {
		const { table, begin, meter } = await newFaultyDirectory(() => answer(403, 'AuthorizationFailure'))
		begin()
		const { result, requests } = await meter.measure(() => table.get('x').catch((error) => error))
		expect(result).not.toBeInstanceOf(ScimError)
		expect(result).toMatchObject({
			message: 'the table service answered 403 AuthorizationFailure for a row, request id unknown',
		})
		expect(requests).toBe(1)
	})
})
