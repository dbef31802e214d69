import { beforeAll, describe, expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import type { Query, QueryResult } from '../../../../shared/storage/query/page.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { seedUsers } from '../../../support/seed.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

// Searches by a membership or an index that find very many resources. One request may search at most 1,000 resources in
// the store `limited`.

type Fixture = TestDirectory & { readonly limited: ResourceStore; readonly users: readonly ResourceId[] }

async function newFixture(size: number): Promise<Fixture> {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator)
	const users = await seedUsers(directory, size, simulator)
	const limited = openDirectory({ ...directory, now: Date.now, random: () => 1, scanLimit: 1000 })
	return { ...directory, limited, users }
}

const createGroup = async (
	{ store }: Fixture,
	displayName: string,
	ids: readonly ResourceId[],
): Promise<ResourceId> => {
	const members = ids.map((value) => ({ value }))
	return (await store.create(groupType, { attributes: { displayName }, members })).id
}

type Search = Omit<Query, 'page'>

/** All pages of a search by cursor. */
async function pagesOf(store: ResourceStore, type: ResourceType, search: Search, count: number) {
	const pages: QueryResult[] = []
	for (let next: string | undefined = ''; next !== undefined; ) {
		const page: QueryResult = await store.query(type, { ...search, page: { after: next, count } })
		pages.push(page)
		next = page.next
	}
	return pages
}

const idsIn = (pages: readonly QueryResult[]): readonly ResourceId[] =>
	pages.flatMap(({ resources }) => resources.map(({ id }) => id))

const tooMany = {
	status: 400,
	scimType: 'tooMany',
	message: 'there are more than 1000 resources to look through: narrow the filter, or page by cursor without sortBy',
}

describe('the users of a group', () => {
	let fixture: Fixture
	let large: ResourceId
	let small: ResourceId
	let sparse: ResourceId
	beforeAll(async () => {
		fixture = await newFixture(4000)
		const { users } = fixture
		large = await createGroup(fixture, 'large', users.slice(0, 2500))
		small = await createGroup(fixture, 'small', users.slice(0, 900))
		sparse = await createGroup(
			fixture,
			'sparse',
			users.filter((_, index) => index % 40 === 0),
		)
	})
	const inGroup = (id: ResourceId, more = '') => ({ filter: parseFilter(`groups.value eq "${id}"${more}`) })
	const costOf = async (query: Query) => {
		const { requests, waves } = await fixture.meter.measure(() => fixture.limited.query(userType, query))
		return { requests, waves }
	}

	test('are read by startIndex for the page alone', async () => {
		const { limited, users } = fixture
		const page = { startIndex: 301, count: 100 }
		expect(await limited.query(userType, { ...inGroup(small), page })).toMatchObject({
			totalResults: 900,
			resources: users.slice(300, 400).map((id) => ({ id })),
		})
		// The group, its members, and one range of users.
		expect(await costOf({ ...inGroup(small), page })).toEqual({ requests: 3, waves: 3 })
		expect(await costOf({ ...inGroup(small), page: { startIndex: 1, count: 0 } })).toEqual({ requests: 2, waves: 2 })
		// A range in which few users are members, and then each member, 32 at a time.
		expect(await costOf({ ...inGroup(sparse), page: { startIndex: 1, count: 64 } })).toEqual({ requests: 60, waves: 5 })
		// The rows of all members, which lie together.
		expect(await costOf({ ...inGroup(small, ' and userName ew "7"'), page })).toEqual({ requests: 3, waves: 3 })
	})

	test.each<[string, string, Search]>([
		['by the group alone', '', {}],
		['by the group and another attribute', ' and userName pr', {}],
		['sorted', '', { sort: { by: { name: 'displayName' }, descending: false } }],
	])('are refused by startIndex if there are too many, before any of them is read: %s', async (_, more, search) => {
		const { limited, meter } = fixture
		const query = { ...inGroup(large, more), ...search, page: { startIndex: 1, count: 10 } }
		const refusedQuery = () => expect(limited.query(userType, query)).rejects.toMatchObject(tooMany)
		// The group, and members until there are more than 1,000 of them.
		expect(await meter.measure(refusedQuery)).toMatchObject({ requests: 3, waves: 3 })
	})

	test.each([
		['by the group alone', '', 1, { requests: 6, waves: 6 }, { requests: 3, waves: 3 }],
		[
			'by the group and another attribute',
			' and userName ew "7"',
			10,
			{ requests: 9, waves: 9 },
			{ requests: 6, waves: 6 },
		],
	])('are read by cursor however many there are: %s', async (_, more, step, first, next) => {
		const { limited, users } = fixture
		const search = inGroup(large, more)
		const pages = await pagesOf(limited, userType, search, 100)
		const expected = users.slice(0, 2500).filter((_, index) => step === 1 || index % step === 7)
		expect(idsIn(pages)).toEqual(expected)
		for (const { totalResults } of pages) expect(totalResults).toBe(undefined)
		expect(await costOf({ ...search, page: { after: '', count: 100 } })).toEqual(first)
		expect(await costOf({ ...search, page: { after: pages[0]?.next ?? '', count: 100 } })).toEqual(next)
	})

	test('are read by cursor with their total if one page of the service holds them all', async () => {
		const { limited, users } = fixture
		const pages = await pagesOf(limited, userType, inGroup(small), 400)
		expect(idsIn(pages)).toEqual(users.slice(0, 900))
		expect(pages.map(({ totalResults }) => totalResults)).toEqual([900, 900, 900])
	})

	test('are searched by cursor no further than the limit, although none of them matches', async () => {
		const { limited } = fixture
		// At first 500 of them, then twice as many each time, up to what one page of the service holds.
		const pages = await pagesOf(limited, userType, inGroup(large, ' and not (userName pr)'), 499)
		expect(pages).toEqual([{ resources: [], next: expect.any(String) }, { resources: [] }])
	})

	test('are read by cursor as a pending large change has them', async () => {
		const { store, limited, users, open, sweep } = fixture
		const id = await createGroup(fixture, 'changing', users.slice(100, 2600))
		const add = [...users.slice(0, 50), ...users.slice(3900)].map((value) => ({ value }))
		const dying = open(
			withFaults(({ body = '' }) => (body.includes('DELETE') && body.includes('r%7C') ? 'unsent' : 'answered')),
		)
		await dying.changeMembers(id, { add, remove: users.slice(1000, 1100) })
		const expected = [
			...users.slice(0, 50),
			...users.slice(100, 1000),
			...users.slice(1100, 2600),
			...users.slice(3900),
		]
		expect(idsIn(await pagesOf(limited, userType, inGroup(id), 300))).toEqual(expected)
		await sweep()
		expect(idsIn(await pagesOf(limited, userType, inGroup(id), 300))).toEqual(expected)
		await store.delete(groupType, id)
		expect(await pagesOf(limited, userType, inGroup(id), 300)).toEqual([{ resources: [], totalResults: 0 }])
	})
})

describe('the groups of a user', () => {
	test('are refused by startIndex if there are too many, and read by cursor', async () => {
		const fixture = await newFixture(2)
		const { limited, meter, users } = fixture
		const [user] = users
		const groups: ResourceId[] = []
		for (let index = 0; index < 1010; index++)
			groups.push(await createGroup(fixture, `group ${index}`, users.slice(0, 1)))
		const search = { filter: parseFilter(`members.value eq "${user}"`) }
		const first = { ...search, page: { startIndex: 1, count: 10 } }
		await expect(limited.query(groupType, first)).rejects.toMatchObject(tooMany)
		const pages = await pagesOf(limited, groupType, search, 300)
		expect(idsIn(pages)).toEqual(groups)
		const page = { after: pages[1]?.next ?? '', count: 20 }
		// The user's memberships, and the groups of the page and one more.
		const { requests, waves } = await meter.measure(() => limited.query(groupType, { ...search, page }))
		expect({ requests, waves }).toEqual({ requests: 2 + 21, waves: 3 })
	})
})

describe('users with the same value of an index', () => {
	test('are refused by startIndex if there are too many, and read by cursor', async () => {
		const { store, limited, meter } = await newFixture(0)
		const all: ResourceId[] = []
		for (let index = 0; index < 2010; index++) {
			const attributes = { userName: `user-${index}`, displayName: 'The Same' }
			all.push((await store.create(userType, { attributes })).id)
		}
		const search = { filter: parseFilter('displayName eq "the same"') }
		const first = { startIndex: 1, count: 10 }
		await expect(limited.query(userType, { ...search, page: first })).rejects.toMatchObject(tooMany)
		expect(await store.query(userType, { ...search, page: first })).toMatchObject({ totalResults: 2010 })
		for (const each of [limited, store]) {
			const pages = await pagesOf(each, userType, search, 300)
			expect(idsIn(pages)).toEqual(all)
			const page = { after: pages[4]?.next ?? '', count: 300 }
			expect(await meter.measure(() => each.query(userType, { ...search, page }))).toMatchObject({ requests: 1 })
		}
	})

	test('are searched for a group by their own memberships, not by all members of the group', async () => {
		const fixture = await newFixture(3000)
		const { store, meter, users } = fixture
		await createGroup(fixture, 'all', users)
		const few = users.filter((_, index) => index % 60 === 0)
		for (const id of few) {
			const revise = ({ attributes }: { attributes: object }) => ({ attributes: { ...attributes, displayName: 'Few' } })
			await store.update(userType, id, { revise })
		}
		const search = { filter: parseFilter('displayName eq "few" and groups.display eq "all"') }
		const query = () => store.query(userType, { ...search, page: { startIndex: 1, count: 100 } })
		const { result, requests } = await meter.measure(query)
		expect(idsIn([result])).toEqual(few)
		// The index, the memberships of each of the 50 users, and the group.
		expect(requests).toBe(1 + 50 + 1)
	})
})
