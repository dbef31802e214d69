import { beforeEach, describe, expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import type { Page, QueryResult } from '../../../../shared/storage/query/page.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { connectTables } from '../../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { testFeed } from '../../../support/feed.ts'
import { createMeter, type Meter } from '../../../support/meter.ts'
import { sequenceOfIds } from '../../../support/sequence.ts'
import { connectionString, simulateTableService } from '../../../support/simulator/table-service.ts'

const ids = sequenceOfIds()
let store: ResourceStore
/** The same directory with a scan limit of 1,000 resources. */
let limited: ResourceStore
let meter: Meter

beforeEach(async () => {
	const { send } = simulateTableService()
	meter = createMeter()
	const tables = connectTables({ connectionString }, { intercept: () => meter.intercept(send) })
	const tenant = { name: 'acme', table: `t${ids('Operation')}` }
	await tables.createTable(tenant.table)
	const options = { tables, tenant, ids, now: Date.now, random: Math.random, feed: testFeed }
	store = openDirectory(options)
	limited = openDirectory({ ...options, scanLimit: 1000 })
})

/** Folds the counts, since the first reads of a total fold up to 98 deltas each, which takes two requests more. */
async function foldCounts(type: ResourceType = userType): Promise<void> {
	for (let times = 0; times < 60; times++) await store.query(type, { page: { startIndex: 1, count: 0 } })
}

const draft = (type: ResourceType, index: number) => ({
	attributes: type.name === 'User' ? { userName: `user-${index}` } : { displayName: `group-${index}` },
})

async function create(type: ResourceType, count: number, from = 0): Promise<ResourceId[]> {
	const created: ResourceId[] = []
	for (let index = from; index < from + count; index++) created.push((await store.create(type, draft(type, index))).id)
	return created
}

const page = async (type: ResourceType, startIndex: number, count: number) => {
	const { resources, totalResults } = await store.query(type, { page: { startIndex, count } })
	return { totalResults, ids: resources.map(({ id }) => id) }
}

test.each([userType, groupType])('a page of $name resources at any startIndex takes 2 requests', async (type) => {
	const created = await create(type, 3000)
	const gone = created.filter((_, index) => index % 7 === 3)
	for (const id of gone) await store.delete(type, id)
	const left = created.filter((id) => !gone.includes(id))
	await foldCounts(type)
	for (const startIndex of [1, 950, 1001, 1999, 2500, left.length - 50, left.length + 1, 90_000]) {
		const { result, requests } = await meter.measure(() => page(type, startIndex, 100))
		expect(result).toEqual({ totalResults: left.length, ids: left.slice(startIndex - 1, startIndex + 99) })
		expect(requests).toBeLessThanOrEqual(2)
	}
	const from = (startIndex: number) => meter.measure(() => page(type, startIndex, 750))
	for (const startIndex of [1, 251, 252, 1000, 1400]) expect(await from(startIndex)).toMatchObject({ requests: 2 })
	const first = await meter.measure(() => store.query(type, { page: { after: '', count: 999 } }))
	const { next: after = '' } = first.result
	const second = await meter.measure(() => store.query(type, { page: { after, count: 999 } }))
	for (const { requests, waves } of [first, second]) expect({ requests, waves }).toEqual({ requests: 2, waves: 1 })
})

describe('a directory of 2,500 users with a scan limit of 1,000', () => {
	let users: readonly ResourceId[]
	beforeEach(async () => {
		users = await create(userType, 2500)
		await foldCounts()
	})
	const filter = parseFilter('userName ew "7"')
	const sevens = () => users.filter((_, index) => index % 10 === 7)

	test.each([
		['is filtered by an attribute without an index', { filter }],
		['is sorted by an attribute without an index', { sort: { by: { name: 'title' }, descending: false } }],
	])('refuses a page by startIndex that %s, and says what the client can do', async (_, query) => {
		await expect(limited.query(userType, { ...query, page: { startIndex: 1, count: 10 } })).rejects.toMatchObject({
			status: 400,
			scimType: 'tooMany',
			message:
				'there are more than 1000 resources to look through: filter by an attribute that has an index, or page by cursor without sortBy',
		})
	})

	test('refuses a page by startIndex after too many userNames, and answers it by cursor', async () => {
		const sort = { by: { name: 'userName' }, descending: false }
		const at = (startIndex: number) => limited.query(userType, { sort, page: { startIndex, count: 10 } })
		expect((await at(1001)).resources).toHaveLength(10)
		await expect(at(1002)).rejects.toMatchObject({
			status: 400,
			scimType: 'tooMany',
			message: 'there are more than 1000 resources before this page: page by cursor',
		})
		const returned: ResourceId[] = []
		for (let next: string | undefined = ''; next !== undefined; ) {
			const found: QueryResult = await limited.query(userType, { sort, page: { after: next, count: 500 } })
			returned.push(...found.resources.map(({ id }) => id))
			next = found.next
		}
		expect(returned.toSorted()).toEqual(users)
	})

	test('is walked by cursor, with few requests for each page and without a total', async () => {
		const returned: ResourceId[] = []
		let next: string | undefined = ''
		while (next !== undefined) {
			const page: Page = { after: next, count: 30 }
			const query = (): Promise<QueryResult> => limited.query(userType, { filter, page })
			const { result, requests } = await meter.measure(query)
			expect(requests).toBeLessThanOrEqual(next === '' ? 5 : 3)
			expect(result.totalResults).toBe(undefined)
			returned.push(...result.resources.map(({ id }) => id))
			next = result.next
		}
		expect(returned).toEqual(sevens())
	})

	test('answers if an index or the count histogram finds the page', async () => {
		const found = await limited.query(userType, {
			filter: parseFilter('userName eq "USER-77"'),
			page: { startIndex: 1, count: 10 },
		})
		expect(found).toMatchObject({ totalResults: 1, resources: [{ id: users[77] }] })
		expect(await limited.query(userType, { page: { startIndex: 2400, count: 1 } })).toMatchObject({
			totalResults: 2500,
			resources: [{ id: users[2399] }],
		})
	})
})

test('a filter by time finds new users without reading old ones', async () => {
	await create(userType, 2200)
	const since = new Date().toISOString()
	while (new Date().toISOString() === since);
	const fresh = await create(userType, 20, 2200)
	const filter = parseFilter(`userName sw "user" and meta.lastModified gt "${since}"`)
	const ask = () => store.query(userType, { filter, page: { startIndex: 1, count: 100 } })
	const { result, requests } = await meter.measure(ask)
	expect(result).toMatchObject({ totalResults: 20, resources: fresh.map((id) => ({ id })) })
	expect(requests).toBe(1)
})
