import { beforeAll, describe, expect, test } from 'vitest'
import { matches } from '../../../../shared/scim/filter/match.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { AttributeValues, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'
import type { Page, Query } from '../../../../shared/storage/query/page.ts'
import { viewOf } from '../../../../shared/storage/query/view.ts'
import { useAzurite } from '../../../support/azurite.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'

const azurite = useAzurite()

const population = 60
let directory: TestDirectory
/** In the order of creation, with their groups or members. */
let users: readonly StoredResource[]
let groups: readonly StoredResource[]

const names = ['Åsa', 'asa', 'Bob', 'bob', 'Zoë', "O'Neil", '']

const person = (index: number): AttributeValues => ({
	userName: `User-${(index * 37) % population}@Example.com`,
	...(index % 3 !== 0 && { externalId: `E/${index % 9}` }),
	...(index % 4 !== 0 && { displayName: names[index % names.length] }),
	active: index % 2 === 0,
	...(index % 5 === 0 && { title: `Title ${index % 10}` }),
	emails: [
		{ value: `mail${index % 12}@example.com`, type: index % 2 === 0 ? 'work' : 'home' },
		{ value: `other${index}@example.com`, type: 'other', primary: true },
	],
	// This user does not fit into one property of a row, so that its index rows have its id alone.
	...(index === 7 && { nickName: 'n'.repeat(50_000) }),
	...(index % 6 === 0 && { [urn.enterpriseUser]: { department: 'Ops', manager: { value: `boss-${index % 4}` } } }),
})

beforeAll(async () => {
	directory = await newDirectory(azurite())
	const { store } = directory
	const ids = []
	for (let index = 0; index < population; index++) {
		ids.push((await store.create(userType, { attributes: person(index) })).id)
	}
	const groupIds = []
	for (let index = 0; index < 5; index++) {
		const attributes = { displayName: `Group ${4 - index}`, ...(index > 2 && { externalId: `G-${index % 2}` }) }
		const members = ids.filter((_, at) => index > 0 && at % (index * 2) === 0).map((value) => ({ value }))
		groupIds.push((await store.create(groupType, { attributes, members })).id)
	}
	users = await readAll(userType, ids)
	groups = await readAll(groupType, groupIds)
	// The counts fit in one page of the table service, and this query folds no deltas, so that later ones are measured alike.
	await store.query(userType, { page: { startIndex: 1, count: 1 } })
})

async function readAll(type: ResourceType, ids: readonly string[]): Promise<readonly StoredResource[]> {
	const found = await Promise.all(ids.map((id) => directory.store.get(type, id, { members: true, groups: true })))
	return found.filter((resource) => resource !== undefined)
}

const everything: Page = { startIndex: 1, count: 1000 }
const idsOf = (resources: readonly StoredResource[]): readonly string[] => resources.map(({ id }) => id)
const bare = ({ members, groups: _, ...resource }: StoredResource): StoredResource => resource

/** The resources that match, by a comparison of every resource with the filter. */
function expected(type: ResourceType, filter: string): readonly StoredResource[] {
	const parsed = parseFilter(filter)
	return (type === userType ? users : groups).filter((resource) => matches(parsed, viewOf(type, resource), type))
}

/** Filters name users and groups as `{u3}` and `{g1}`. */
const withIds = (filter: string): string =>
	filter.replace(/\{([ug])(\d+)\}/g, (_, kind, index) => (kind === 'u' ? users : groups)[Number(index)]?.id ?? '')

describe('users stored without active', () => {
	test.each([
		['active eq true', ['silent', 'true']],
		['active ne false', ['silent', 'true']],
		['active pr and not (active eq false)', ['silent', 'true']],
		['active eq false', ['false']],
		['active eq null', []],
	])('count as active: %s', async (filter, found) => {
		const { store } = await newDirectory(azurite())
		for (const [userName, active] of [
			['silent', {}],
			['true', { active: true }],
			['false', { active: false }],
		] as const) {
			await store.create(userType, { attributes: { userName, ...active } })
		}
		const { resources } = await store.query(userType, { filter: parseFilter(filter), page: everything })
		expect(resources.map(({ attributes }) => attributes.userName)).toEqual(found)
	})
})

describe('a filter', () => {
	test.each([
		// An index row has a copy of the user.
		['userName eq "USER-37@example.com"', 1, 1],
		['USERNAME eq "user-37@example.com"', 1, 1],
		['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "user-37@example.com"', 1, 1],
		['userName eq "nobody"', 0, 1],
		['externalId eq "E/4"', 7, 1],
		['externalId eq "e/4"', 0, 1],
		['emails.value eq "MAIL3@example.com"', 5, 1],
		['emails eq "mail3@example.com"', 5, 1],
		['emails[type eq "home" and value eq "mail3@example.com"]', 5, 1],
		['emails[type eq "work" and value eq "mail3@example.com"]', 0, 1],
		['emails[value eq "other8@example.com"] and active eq true', 1, 1],
		['displayName eq "BOB"', 14, 1],
		[`displayName eq "o'neil"`, 6, 1],
		[`${urn.enterpriseUser}:manager.value eq "boss-2"`, 5, 1],
		['manager eq "boss-2"', 5, 1],
		// The best index of several. The other terms are compared.
		['active eq true and displayName eq "bob" and externalId eq "E/2"', 2, 1],
		['title pr and (userName eq "user-5@example.com")', 1, 1],
		['not (active eq true) and userName eq "user-0@example.com"', 0, 1],
		// A prefix of values in an index.
		['userName sw "USER-3"', 11, 1],
		['emails sw "Mail1"', undefined, 1],
		['emails.value sw "o" and externalId sw "E/" and active eq true', undefined, 2],
		['externalId sw "e/"', 0, 1],
		['displayName sw "o\'n"', 6, 1],
		['userName sw "user-19"', 1, 2],
		// A user that is too large for a copy is read from its own row.
		['userName eq "user-19@example.com"', 1, 2],
		['displayName eq "ÅSA"', 6, 2],
		['emails.value eq "other7@example.com" and nickName pr', 1, 2],
		['id eq "{u3}"', 1, 1],
		['id eq "{u3}" and active eq true', 0, 1],
		['id eq "{g1}"', 0, 0],
		['id eq "x"', 0, 0],
		// The user and the membership are read at the same time.
		['id eq "{u0}" and groups.value eq "{g1}"', 1, 3],
		['id eq "{u1}" and groups.value eq "{g1}"', 0, 3],
		['groups.value eq "{g4}"', 8, 2 + 8],
		['groups eq "{g4}" and active eq true', 8, 2 + 8],
		['groups.value eq "{u4}"', 0, 1],
		['groups.value eq "nothing"', 0, 0],
		// All users, in one page of the table service.
		['title eq "TITLE 0"', 6, 1],
		['active eq false and title pr', 6, 1],
		[`${urn.enterpriseUser}:department eq "OPS"`, 10, 1],
		['userName co "-3" or displayName eq "bob"', undefined, 1],
		['displayName gt "bob"', undefined, 1],
		['title pr', 12, 1],
		['not (title pr)', 48, 1],
		['displayName eq null', undefined, 1],
		['meta.lastModified gt "2020-01-01T00:00:00Z"', 60, 1],
		['meta.resourceType eq "Group"', 0, 1],
		['active eq true or active eq false', 60, 1],
		['userName eq "user-1@example.com" or userName eq "user-2@example.com"', 2, 1],
		[`schemas eq "${urn.enterpriseUser}"`, 10, 1],
		['nickName ew "nnn"', 1, 1],
		// The memberships of all users are one range, and each group's row is read once.
		['groups pr', 30, 1 + 1 + 4],
		['groups.display eq "group 3"', 30, 1 + 1 + 4],
	])('%s finds the users that match', async (written, count, requests) => {
		const filter = withIds(written)
		const wanted = expected(userType, filter)
		if (count !== undefined) expect(wanted).toHaveLength(count)
		const query = { filter: parseFilter(filter), page: everything }
		const measured = await directory.meter.measure(() => directory.store.query(userType, query))
		expect(measured.result).toEqual({ resources: wanted.map(bare), totalResults: wanted.length })
		expect(measured.requests).toBe(requests)
	})

	test.each([
		// A group's index row has its id alone.
		['displayName eq "GROUP 2"', 1, 2],
		['displayName eq "nobody"', 0, 1],
		['externalId eq "G-1"', 1, 2],
		['externalId eq "g-1"', 0, 1],
		['id eq "{g2}"', 1, 1],
		['id eq "{u2}"', 0, 0],
		['id eq "{g1}" and members eq "{u2}"', 1, 2],
		['id eq "{g1}" and members[value eq "{u2}"]', 1, 2],
		['id eq "{g1}" and members.value eq "{u1}"', 0, 2],
		['id eq "{g1}" and members eq "nobody"', 0, 1],
		['members.value eq "{u4}"', 2, 1 + 2],
		['members eq "{u4}"', 2, 1 + 2],
		['members[value eq "{u4}"]', 2, 1 + 2],
		['members.value eq "{u1}"', 0, 1],
		['members.value eq "{g1}"', 0, 1],
		['members eq "nobody"', 0, 0],
		['members.value eq "{u0}" and members.value eq "{u6}"', 2, 1 + 4 + 4 * 2],
		['members pr', 4, 1 + 5],
		['not (members pr)', 1, 1 + 5],
		['displayName sw "group"', 5, 1],
		['members[type eq "User"] and displayName ge "group 2"', 2, 1 + 5],
	])('%s finds the groups that match', async (written, count, requests) => {
		const filter = withIds(written)
		const wanted = expected(groupType, filter)
		expect(wanted).toHaveLength(count)
		const query = { filter: parseFilter(filter), page: everything }
		const measured = await directory.meter.measure(() => directory.store.query(groupType, query))
		expect(measured.result).toEqual({ resources: wanted.map(bare), totalResults: wanted.length })
		expect(measured.requests).toBe(requests)
	})
})

describe('include', () => {
	test.each([
		['the groups of all users', userType, undefined],
		['the groups of users that match', userType, 'displayName eq "bob"'],
		['the members of all groups', groupType, undefined],
		['the members of groups that match', groupType, 'displayName eq "group 1"'],
		['the members of groups found by one member', groupType, 'members.value eq "{u4}"'],
	] as const)('adds %s', async (_, type, written) => {
		const filter = written && withIds(written)
		const all = type === userType ? users : groups
		const { resources } = await directory.store.query(type, {
			...(filter && { filter: parseFilter(filter) }),
			page: everything,
			include: { members: true, groups: true },
		})
		expect(resources).toEqual(filter ? expected(type, filter) : all)
	})

	test('reads the groups of all users on a page in one range', async () => {
		const page = { startIndex: 11, count: 20 }
		const { result, requests, waves } = await directory.meter.measure(() =>
			directory.store.query(userType, { page, include: { groups: true } }),
		)
		expect(result).toEqual({ resources: users.slice(10, 30), totalResults: population })
		expect({ requests, waves }).toEqual({ requests: 2 + 1 + 1, waves: 3 })
	})
})

describe('sorting', () => {
	const by = (path: string, descending = false): NonNullable<Query['sort']> => {
		const [name = '', sub] = path.split('.')
		return { by: { name, ...(sub !== undefined && { sub }) }, descending }
	}
	const text = (value: unknown): string => (typeof value === 'string' ? value.toLowerCase() : '')
	/** Users by a value, then by id. Users without a value come last. */
	const sorted = (keyOf: (user: StoredResource) => string, descending = false) =>
		[...users].sort((a, b) => {
			const [left, right] = [keyOf(a), keyOf(b)]
			if (left === right) return a.id < b.id ? -1 : 1
			if (left === '' || right === '') return (left === '' ? 1 : -1) * (descending ? -1 : 1)
			return (left < right ? -1 : 1) * (descending ? -1 : 1)
		})

	test.each([
		['userName', false, ({ attributes }: StoredResource) => text(attributes.userName)],
		['userName', true, ({ attributes }: StoredResource) => text(attributes.userName)],
		['displayName', false, ({ attributes }: StoredResource) => text(attributes.displayName)],
		['displayName', true, ({ attributes }: StoredResource) => text(attributes.displayName)],
		['externalId', false, ({ attributes }: StoredResource) => String(attributes.externalId ?? '')],
		['title', false, ({ attributes }: StoredResource) => text(attributes.title)],
		['active', false, ({ attributes }: StoredResource) => String(attributes.active)],
		['department', false, ({ attributes }: StoredResource) => (urn.enterpriseUser in attributes ? 'ops' : '')],
		['meta.created', true, ({ created }: StoredResource) => created],
		['id', true, ({ id }: StoredResource) => id],
		['nothing', false, () => ''],
	] as const)('by %s, descending: %s', async (path, descending, keyOf) => {
		const { resources, totalResults } = await directory.store.query(userType, {
			sort: by(path, descending),
			page: everything,
		})
		expect(idsOf(resources)).toEqual(idsOf(sorted(keyOf, descending)))
		expect(totalResults).toBe(population)
	})

	test('by an attribute with several values uses the primary value', async () => {
		const sort = by('emails.value')
		const { resources } = await directory.store.query(userType, { sort, page: everything })
		const primary = ({ attributes }: StoredResource) => text(Object(attributes).emails[1].value)
		expect(idsOf(resources)).toEqual(idsOf(sorted(primary)))
	})

	test('by userName reads the index of userNames and the count', async () => {
		const sort = by('userName')
		const query = { sort, page: { startIndex: 3, count: 4 } }
		const { result, requests, waves } = await directory.meter.measure(() => directory.store.query(userType, query))
		expect(result.resources).toEqual(
			sorted(({ attributes }) => text(attributes.userName))
				.slice(2, 6)
				.map(bare),
		)
		expect({ requests, waves }).toEqual({ requests: 2, waves: 1 })
	})
})

describe('paging', () => {
	const queries: readonly [string, ResourceType, Omit<Query, 'page'>][] = [
		['all users', userType, {}],
		['all groups', groupType, {}],
		['users by userName', userType, { sort: { by: { name: 'userName' }, descending: false } }],
		['users by userName, descending', userType, { sort: { by: { name: 'userName' }, descending: true } }],
		['users by displayName, which many share', userType, { sort: { by: { name: 'displayName' }, descending: true } }],
		['users found by an index', userType, { filter: parseFilter('displayName eq "bob"') }],
		['users found by a scan', userType, { filter: parseFilter('active eq true') }],
		[
			'sorted users found by a scan',
			userType,
			{ filter: parseFilter('active eq true'), sort: { by: { name: 'title' }, descending: false } },
		],
	]

	test.each(queries)('of %s by startIndex returns each resource once, in order', async (_, type, query) => {
		const { resources: all, totalResults = Number.NaN } = await directory.store.query(type, {
			...query,
			page: everything,
		})
		expect(all).toHaveLength(totalResults)
		const returned: StoredResource[] = []
		for (let startIndex = 1; startIndex <= totalResults; startIndex += 7) {
			const result = await directory.store.query(type, { ...query, page: { startIndex, count: 7 } })
			expect(result).toEqual({ resources: all.slice(startIndex - 1, startIndex + 6), totalResults })
			returned.push(...result.resources)
		}
		expect(returned).toEqual(all)
		const behind = { startIndex: totalResults + 1, count: 7 }
		expect(await directory.store.query(type, { ...query, page: behind })).toEqual({ resources: [], totalResults })
	})

	test.each(queries)('of %s by cursor returns each resource once, in order', async (_, type, query) => {
		const { resources: all, totalResults = Number.NaN } = await directory.store.query(type, {
			...query,
			page: everything,
		})
		for (const count of [1, 7, totalResults - 1, totalResults]) {
			const returned: StoredResource[] = []
			let after: string | undefined = ''
			while (after !== undefined) {
				const result = await directory.store.query(type, { ...query, page: { after, count } })
				expect(result.totalResults).toBe(totalResults)
				expect(result.resources).toHaveLength(Math.min(count, totalResults - returned.length))
				returned.push(...result.resources)
				after = result.next
			}
			expect(returned).toEqual(all)
		}
	})

	test.each(queries)('of %s with a count of 0 returns the total alone', async (_, type, query) => {
		const { totalResults } = await directory.store.query(type, { ...query, page: everything })
		for (const page of [
			{ startIndex: 1, count: 0 },
			{ after: '', count: 0 },
		]) {
			expect(await directory.store.query(type, { ...query, page })).toEqual({ resources: [], totalResults })
		}
	})

	test('by cursor returns each user that stays once, while others are created and deleted', async () => {
		const { store } = await newDirectory(azurite())
		const create = (userName: string) => store.create(userType, { attributes: { userName } })
		const [a, b, c, d] = await inOrder(['a', 'b', 'c', 'd'], create)
		if (!(a && b && c && d)) throw new Error('four')
		const first = await store.query(userType, { page: { after: '', count: 2 } })
		expect(first.resources).toEqual([a, b])
		await store.delete(userType, b.id)
		await store.delete(userType, c.id)
		const e = await create('e')
		const second = await store.query(userType, { page: { after: first.next ?? '', count: 2 } })
		expect(second).toEqual({ resources: [d, e], totalResults: 3 })
	})

	test('by startIndex is right after the first page of the table service', async () => {
		const { store, meter } = await newDirectory(azurite())
		const create = (index: number) => store.create(userType, { attributes: { userName: `u${index}` } })
		const all: StoredResource[] = []
		for (let index = 0; index < 1100; index += 50) {
			all.push(...(await Promise.all(Array.from({ length: 50 }, (_, at) => create(index + at)))))
		}
		all.sort((a, b) => (a.id < b.id ? -1 : 1))
		// The first reads of a total fold deltas, which takes more requests.
		for (let times = 0; times < 12; times++) await store.query(userType, { page: { startIndex: 1, count: 0 } })
		const at = (startIndex: number, count: number) => store.query(userType, { page: { startIndex, count } })
		expect(await at(1051, 40)).toEqual({ resources: all.slice(1050, 1090), totalResults: 1100 })
		expect(await at(990, 20)).toEqual({ resources: all.slice(989, 1009), totalResults: 1100 })
		expect(await at(1101, 10)).toEqual({ resources: [], totalResults: 1100 })
		const scan = { filter: parseFilter('userName pr'), page: { startIndex: 1095, count: 20 } }
		const { result, requests } = await meter.measure(() => store.query(userType, scan))
		expect(result).toEqual({ resources: all.slice(1094), totalResults: 1100 })
		expect(requests).toBe(3)
	})
})

async function inOrder<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
	const results: R[] = []
	for (const item of items) results.push(await work(item))
	return results
}
