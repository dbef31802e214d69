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

// Searches by a membership or an index that find very many. No more than 1,000 resources may be looked through for one
// request, where nothing else is said.

type World = TestDirectory & { readonly limited: ResourceStore; readonly users: readonly ResourceId[] }

async function newWorld(size: number): Promise<World> {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator)
	const users = await seedUsers(directory, size, simulator)
	const limited = openDirectory({ ...directory, now: Date.now, random: () => 1, scanLimit: 1000 })
	return { ...directory, limited, users }
}

const createGroup = async ({ store }: World, displayName: string, ids: readonly ResourceId[]): Promise<ResourceId> => {
	const members = ids.map((value) => ({ value }))
	return (await store.create(groupType, { attributes: { displayName }, members })).id
}

type Asked = Omit<Query, 'page'>

async function walk(store: ResourceStore, type: ResourceType, asked: Asked, count: number) {
	const pages: QueryResult[] = []
	for (let next: string | undefined = ''; next !== undefined; ) {
		const page: QueryResult = await store.query(type, { ...asked, page: { after: next, count } })
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
	let world: World
	let large: ResourceId
	let small: ResourceId
	let sparse: ResourceId
	beforeAll(async () => {
		world = await newWorld(4000)
		const { users } = world
		large = await createGroup(world, 'large', users.slice(0, 2500))
		small = await createGroup(world, 'small', users.slice(0, 900))
		sparse = await createGroup(
			world,
			'sparse',
			users.filter((_, index) => index % 40 === 0),
		)
	})
	const inGroup = (id: ResourceId, more = '') => ({ filter: parseFilter(`groups.value eq "${id}"${more}`) })
	const cost = async (asked: Query) => {
		const { requests, waves } = await world.meter.measure(() => world.limited.query(userType, asked))
		return { requests, waves }
	}

	test('are read by startIndex no more than are on the page', async () => {
		const { limited, users } = world
		const page = { startIndex: 301, count: 100 }
		expect(await limited.query(userType, { ...inGroup(small), page })).toMatchObject({
			totalResults: 900,
			resources: users.slice(300, 400).map((id) => ({ id })),
		})
		// The group, its members, and one range of users.
		expect(await cost({ ...inGroup(small), page })).toEqual({ requests: 3, waves: 3 })
		expect(await cost({ ...inGroup(small), page: { startIndex: 1, count: 0 } })).toEqual({ requests: 2, waves: 2 })
		// A range in which too few are members, and then each of them, 32 at a time.
		expect(await cost({ ...inGroup(sparse), page: { startIndex: 1, count: 64 } })).toEqual({ requests: 60, waves: 5 })
		// All are looked at, whose rows lie together.
		expect(await cost({ ...inGroup(small, ' and userName ew "7"'), page })).toEqual({ requests: 3, waves: 3 })
	})

	test.each<[string, string, Asked]>([
		['without anything else', '', {}],
		['with something else', ' and userName pr', {}],
		['sorted', '', { sort: { by: { name: 'displayName' }, descending: false } }],
	])('are refused by startIndex where there are too many, %s, before any of them is read', async (_, more, asked) => {
		const { limited, meter } = world
		const query = { ...inGroup(large, more), ...asked, page: { startIndex: 1, count: 10 } }
		const refused = () => expect(limited.query(userType, query)).rejects.toMatchObject(tooMany)
		// The group, and members until there are more than 1,000 of them.
		expect(await meter.measure(refused)).toMatchObject({ requests: 3, waves: 3 })
	})

	test.each([
		['', 1, { requests: 6, waves: 6 }, { requests: 3, waves: 3 }],
		[' and userName ew "7"', 10, { requests: 9, waves: 9 }, { requests: 6, waves: 6 }],
	])('are walked by cursor however many there are: filter%s', async (more, step, first, next) => {
		const { limited, users } = world
		const asked = inGroup(large, more)
		const pages = await walk(limited, userType, asked, 100)
		const expected = users.slice(0, 2500).filter((_, index) => step === 1 || index % step === 7)
		expect(idsIn(pages)).toEqual(expected)
		for (const { totalResults } of pages) expect(totalResults).toBe(undefined)
		expect(await cost({ ...asked, page: { after: '', count: 100 } })).toEqual(first)
		expect(await cost({ ...asked, page: { after: pages[0]?.next ?? '', count: 100 } })).toEqual(next)
	})

	test('are walked by cursor with the total where the service has them on a page', async () => {
		const { limited, users } = world
		const pages = await walk(limited, userType, inGroup(small), 400)
		expect(idsIn(pages)).toEqual(users.slice(0, 900))
		expect(pages.map(({ totalResults }) => totalResults)).toEqual([900, 900, 900])
	})

	test('are looked through by cursor no further than the limit, though nobody matches', async () => {
		const { limited } = world
		// At first 500 of them, and twice as many each time, as far as the service has them on one page.
		const pages = await walk(limited, userType, inGroup(large, ' and not (userName pr)'), 499)
		expect(pages).toEqual([{ resources: [], next: expect.any(String) }, { resources: [] }])
	})

	test('are walked as they are in the middle of a change of many members', async () => {
		const { store, limited, users, open, sweep } = world
		const id = await createGroup(world, 'changing', users.slice(100, 2600))
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
		expect(idsIn(await walk(limited, userType, inGroup(id), 300))).toEqual(expected)
		await sweep()
		expect(idsIn(await walk(limited, userType, inGroup(id), 300))).toEqual(expected)
		await store.delete(groupType, id)
		expect(await walk(limited, userType, inGroup(id), 300)).toEqual([{ resources: [], totalResults: 0 }])
	})
})

describe('the groups of a user', () => {
	test('are refused by startIndex where there are too many, and walked by cursor', async () => {
		const world = await newWorld(2)
		const { limited, meter, users } = world
		const [user] = users
		const groups: ResourceId[] = []
		for (let index = 0; index < 1010; index++)
			groups.push(await createGroup(world, `group ${index}`, users.slice(0, 1)))
		const asked = { filter: parseFilter(`members.value eq "${user}"`) }
		await expect(limited.query(groupType, { ...asked, page: { startIndex: 1, count: 10 } })).rejects.toMatchObject(
			tooMany,
		)
		const pages = await walk(limited, groupType, asked, 300)
		expect(idsIn(pages)).toEqual(groups)
		const page = { after: pages[1]?.next ?? '', count: 20 }
		// The user's memberships, and the groups of the page and one more.
		const { requests, waves } = await meter.measure(() => limited.query(groupType, { ...asked, page }))
		expect({ requests, waves }).toEqual({ requests: 2 + 21, waves: 3 })
	})
})

describe('users with one value of an index', () => {
	test('are refused by startIndex where there are too many, and walked by cursor', async () => {
		const world = await newWorld(0)
		const { store, limited, meter } = world
		const all: ResourceId[] = []
		for (let index = 0; index < 2010; index++) {
			const attributes = { userName: `user-${index}`, displayName: 'The Same' }
			all.push((await store.create(userType, { attributes })).id)
		}
		const asked = { filter: parseFilter('displayName eq "the same"') }
		const first = { startIndex: 1, count: 10 }
		await expect(limited.query(userType, { ...asked, page: first })).rejects.toMatchObject(tooMany)
		expect(await store.query(userType, { ...asked, page: first })).toMatchObject({ totalResults: 2010 })
		for (const where of [limited, store]) {
			const pages = await walk(where, userType, asked, 300)
			expect(idsIn(pages)).toEqual(all)
			const page = { after: pages[4]?.next ?? '', count: 300 }
			expect(await meter.measure(() => where.query(userType, { ...asked, page }))).toMatchObject({ requests: 1 })
		}
	})

	test('are not looked for among the memberships of everybody between them', async () => {
		const world = await newWorld(3000)
		const { store, meter, users } = world
		await createGroup(world, 'everybody', users)
		const named = users.filter((_, index) => index % 60 === 0)
		for (const id of named) {
			const revise = ({ attributes }: { attributes: object }) => ({ attributes: { ...attributes, displayName: 'Few' } })
			await store.update(userType, id, { revise })
		}
		const asked = { filter: parseFilter('displayName eq "few" and groups.display eq "everybody"') }
		const query = () => store.query(userType, { ...asked, page: { startIndex: 1, count: 100 } })
		const { result, requests } = await meter.measure(query)
		expect(idsIn([result])).toEqual(named)
		// The index, the memberships of each of the fifty, and the group.
		expect(requests).toBe(1 + 50 + 1)
	})
})
