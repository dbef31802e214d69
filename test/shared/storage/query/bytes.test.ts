import { beforeAll, describe, expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import { foldCase } from '../../../../shared/scim/fold-case.ts'
import { parseAttributePath } from '../../../../shared/scim/path.ts'
import type { ResourceId, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import type { Page, Query, QueryResult } from '../../../../shared/storage/query/page.ts'
import { rowsOf } from '../../../../shared/storage/rows/entity.ts'
import { userCopyRow } from '../../../../shared/storage/rows/indexes.ts'
import { memberRow, userRow } from '../../../../shared/storage/rows/schema.ts'
import { replace } from '../../../../shared/storage/table/batch.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const mebibyte = 2 ** 20
const userCount = 30

/** A user whose JSON is a little less than a mebibyte and takes a kilobyte in storage. */
const largeUser = (index: number) => ({
	userName: `user-${String(index).padStart(2, '0')}`,
	title: index % 2 === 0 ? 'even' : 'odd',
	nickName: 'x'.repeat(mebibyte - 200),
})

let directory: TestDirectory
let groupId: ResourceId
let ids: readonly ResourceId[]
beforeAll(async () => {
	directory = await newDirectory(simulateTableService())
	const created: ResourceId[] = []
	for (let index = 0; index < userCount; index++) {
		created.push((await directory.store.create(userType, { attributes: largeUser(index) })).id)
	}
	ids = created
	const members = ids.map((value) => ({ value }))
	groupId = (await directory.store.create(groupType, { attributes: { displayName: 'Everyone' }, members })).id
})

const sizeOf = (resources: readonly StoredResource[]): number =>
	resources.reduce((sum, { attributes }) => sum + JSON.stringify(attributes).length, 0)

/** Reads all pages of a query as a client does: by where the last page ended. */
async function walk(query: Omit<Query, 'page'>, by: 'startIndex' | 'cursor', type: ResourceType = userType) {
	const found: ResourceId[] = []
	const pages: number[] = []
	let page: Page = by === 'cursor' ? { after: '', count: 100 } : { startIndex: 1, count: 100 }
	for (;;) {
		const { resources, totalResults, next } = await directory.store.query(type, { ...query, page })
		pages.push(resources.length)
		expect(sizeOf(resources)).toBeLessThanOrEqual(4 * mebibyte)
		found.push(...resources.map(({ id }) => id))
		if (by === 'cursor') {
			if (next === undefined) return { found, pages }
			page = { after: next, count: 100 }
		} else {
			if (found.length >= (totalResults ?? 0)) return { found, pages }
			page = { startIndex: found.length + 1, count: 100 }
		}
	}
}

const byUserName = { by: parseAttributePath('userName'), descending: false }
const byTitle = { by: parseAttributePath('title'), descending: true }

describe.each(['startIndex', 'cursor'] as const)(
	'a page by %s of large resources ends early and the next goes on',
	(by) => {
		test.each<[string, Omit<Query, 'page'>, number]>([
			['in the list of all', {}, userCount],
			['in the order of userName', { sort: byUserName }, userCount],
			['in another order', { sort: byTitle }, userCount],
			['in a search by an index', { filter: parseFilter('userName sw "user"') }, userCount],
			['in a search without an index', { filter: parseFilter('title co "e"') }, userCount / 2],
		])('%s', async (_, query, count) => {
			const { found, pages } = await walk(query, by)
			expect(found.length).toBe(count)
			expect(new Set(found).size).toBe(count)
			expect(pages.every((size) => size > 0 && size <= 4)).toBe(true)
			expect(pages.length).toBeLessThanOrEqual(Math.ceil(count / 3) + 1)
		})

		test('in the users of a group', async () => {
			const { found } = await walk({ filter: parseFilter(`groups eq "${groupId}"`) }, by)
			expect(found).toEqual(ids)
		})
	},
)

test('a scan of long users reads their memberships together', async () => {
	const { store, meter } = await newDirectory(simulateTableService())
	const members: { value: ResourceId }[] = []
	for (let index = 0; index < 100; index++) {
		const attributes = { userName: `long-${index}`, nickName: 'x'.repeat(40_000) }
		members.push({ value: (await store.create(userType, { attributes })).id })
	}
	const attributes = { displayName: 'Half' }
	const { id } = await store.create(groupType, { attributes, members: members.slice(0, 50) })
	const filter = parseFilter(`not (groups eq "${id}")`)
	const { result, requests } = await meter.measure(() =>
		store.query(userType, { filter, page: { startIndex: 1, count: 10 } }),
	)
	expect(result.totalResults).toBe(50)
	// A page of users, the rows of their memberships in one range, and the group.
	expect(requests).toBe(3)
})

describe('a filter that compares more text than one request may', () => {
	const filter = parseFilter(Array.from({ length: 64 }, (_, index) => `nickName co "y${index}"`).join(' or '))

	test('is refused by startIndex, and says what to do', async () => {
		await expect(directory.store.query(userType, { filter, page: { startIndex: 1, count: 10 } })).rejects.toMatchObject(
			{
				status: 400,
				scimType: 'tooMany',
				message:
					'the query compares too much text: use fewer terms, narrow the filter, or page by cursor without sortBy',
			},
		)
	})

	test('is answered a part at a time by cursor', async () => {
		const { found, pages } = await walk({ filter: parseFilter('title eq "odd" or nickName co "y"') }, 'cursor')
		expect(found.length).toBe(userCount / 2)
		expect(pages.length).toBeGreaterThan(1)
		let after: string | undefined = ''
		let requests = 0
		while (after !== undefined) {
			const result: QueryResult = await directory.store.query(userType, { filter, page: { after, count: 10 } })
			expect(result.resources).toEqual([])
			after = result.next
			requests++
		}
		// 64 comparisons of 16 users of a mebibyte are the limit, so that 30 users take two requests.
		expect(requests).toBe(2)
	})
})

describe('a user that is over the limit because an older version stored it', () => {
	const nickName = 'x'.repeat(12 * mebibyte)
	let old: TestDirectory
	let id: ResourceId
	beforeAll(async () => {
		old = await newDirectory(simulateTableService())
		const created = await old.store.create(userType, {
			attributes: { userName: 'old', active: true, nickName: 'small' },
		})
		const others = ['a', 'z'].map((userName) => old.store.create(userType, { attributes: { userName, active: true } }))
		await Promise.all(others)
		id = created.id
		// The row and its copies, as the older version wrote them.
		const { attributes: usual, version, ...times } = created
		const attributes = JSON.stringify({ ...usual, nickName })
		const properties = userRow.properties({ ...times, version, attributes })
		const copy = userCopyRow.properties({ id, isReference: true })
		const copies = [...rowsOf(userType, created, { folding: foldCase }).index.keys()].map((key) =>
			replace(key, copy, '*'),
		)
		const outcome = await old.table.transaction([replace(userRow.key(id), properties, '*'), ...copies])
		expect(outcome).toEqual({ kind: 'done' })
	})

	const read = () => old.store.get(userType, id)

	test('is read, found and listed, alone on its page', async () => {
		expect((await read())?.attributes.nickName).toBe(nickName)
		const filter = parseFilter('userName eq "old"')
		expect((await old.store.query(userType, { filter, page: { startIndex: 1, count: 10 } })).resources.length).toBe(1)
		const sizes: number[] = []
		for (let startIndex = 1; startIndex <= 3; ) {
			const { resources } = await old.store.query(userType, { page: { startIndex, count: 10 } })
			sizes.push(resources.length)
			startIndex += resources.length
		}
		expect(sizes).toContain(1)
		expect(sizes.reduce((sum, size) => sum + size)).toBe(3)
	})

	test('is deactivated, but does not grow', async () => {
		const change = (values: object) => ({
			revise: (user: StoredResource) => ({ attributes: { ...user.attributes, ...values } }),
		})
		await expect(old.store.update(userType, id, change({ title: 'y'.repeat(2000) }))).rejects.toMatchObject({
			status: 413,
			message: expect.stringMatching(/^the resource takes \d+ bytes as JSON; the limit is 1048576$/),
		})
		await old.store.update(userType, id, change({ active: false }))
		expect((await read())?.attributes.active).toBe(false)
	})

	test('is made smaller, and then has the limit of all others', async () => {
		const smaller = 'x'.repeat(mebibyte / 2)
		await old.store.update(userType, id, {
			revise: ({ attributes }) => ({ attributes: { ...attributes, nickName: smaller } }),
		})
		expect((await read())?.attributes.nickName).toBe(smaller)
		const grown = old.store.update(userType, id, {
			revise: ({ attributes }) => ({ attributes: { ...attributes, nickName } }),
		})
		await expect(grown).rejects.toMatchObject({ status: 413 })
	})

	test('is deleted', async () => {
		expect(await old.store.delete(userType, id)).toBe('deleted')
		expect(await read()).toBe(undefined)
	})
})

test('a page of groups with their members ends behind 20,000 members, and the next goes on', async () => {
	const simulator = simulateTableService()
	const { store, tenant } = await newDirectory(simulator)
	const groups: ResourceId[] = []
	for (const [index, count] of [8_000, 8_000, 8_000, 24_000, 10].entries()) {
		const { id } = await store.create(groupType, { attributes: { displayName: `Group ${index}` } })
		groups.push(id)
		for (let member = 0; member < count; member++) {
			const rowKey = memberRow.key(id, member.toString(16).padStart(32, '0'))
			simulator.load(tenant.table, { partitionKey: tenant.name, rowKey }, memberRow.properties({ letter: 'u' }))
		}
	}
	const read = async (query: Omit<Query, 'page' | 'include'>) => {
		const sizes: (readonly number[])[] = []
		for (let startIndex = 1; startIndex <= groups.length; ) {
			const page = { startIndex, count: 100 }
			const { resources } = await store.query(groupType, { ...query, page, include: { members: true } })
			expect(resources.map(({ id }) => id)).toEqual(groups.slice(startIndex - 1, startIndex - 1 + resources.length))
			sizes.push(resources.map(({ members }) => members?.length ?? 0))
			startIndex += resources.length
		}
		return sizes
	}
	expect(await read({})).toEqual([[8_000, 8_000], [8_000], [24_000], [10]])
	expect(await read({ filter: parseFilter('displayName co "Group"') })).toEqual([
		[8_000, 8_000],
		[8_000],
		[24_000],
		[10],
	])
})
