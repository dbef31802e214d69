import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { ResourceId } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { newEpochFixture, readToEnd } from '../../../support/epochs.ts'

type Fixture = Awaited<ReturnType<typeof newEpochFixture>>

const requestsOf = async ({ meter }: Fixture, task: () => Promise<unknown>): Promise<number> =>
	(await meter.measure(task)).requests

/** Another process reads the feed, which closes the epoch. */
const closeByReader = async (fixture: Fixture): Promise<void> => void (await readToEnd(fixture.open(), fixture))

const createGroup = async (store: ResourceStore): Promise<ResourceId> =>
	(await store.create(groupType, { attributes: { displayName: 'group' } })).id

const asMembers = (ids: readonly ResourceId[]) => ids.map((value) => ({ value }))

describe('a process that knows the open epoch', () => {
	test('takes one request to create, to match, and to change members', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		const groupId = await createGroup(store)
		const users: ResourceId[] = []
		for (let index = 0; index < 49; index++) users.push((await fixture.createUser(store)).id)
		const [user] = users
		if (user === undefined) throw new Error('there is no user')
		const match = { filter: parseFilter('userName eq "user7"'), page: { startIndex: 1, count: 1 } }
		expect(await requestsOf(fixture, () => fixture.createUser(store))).toBe(1)
		expect(await requestsOf(fixture, () => store.query(userType, match))).toBe(1)
		expect(await requestsOf(fixture, () => store.changeMembers(groupId, { add: asMembers([user]), remove: [] }))).toBe(
			1,
		)
		expect(await requestsOf(fixture, () => store.changeMembers(groupId, { add: [], remove: [user] }))).toBe(1)
		// These transactions have 100 operations, which is all that the service takes.
		expect(
			await requestsOf(fixture, () => store.changeMembers(groupId, { add: asMembers(users.slice(0, 32)), remove: [] })),
		).toBe(1)
		await store.changeMembers(groupId, { add: asMembers(users.slice(32)), remove: [] })
		expect(await requestsOf(fixture, () => store.changeMembers(groupId, { add: [], remove: users.slice(0, 48) }))).toBe(
			1,
		)
	})

	test('takes three requests more for its next change after a closing, and none more for the one after that', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		await fixture.createUser(store)
		await closeByReader(fixture)
		expect(await requestsOf(fixture, () => fixture.createUser(store))).toBe(4)
		expect(await requestsOf(fixture, () => fixture.createUser(store))).toBe(1)
	})

	test('reads the open epoch once for all of its requests that meet one closing', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		await fixture.createUser(store)
		await closeByReader(fixture)
		const many = () => Promise.all(Array.from({ length: 16 }, () => fixture.createUser(store)))
		// Each sends its transaction twice and looks for its entry once.
		expect(await requestsOf(fixture, many)).toBe(16 * 3 + 1)
	})
})

test('a process reads the open epoch before its first change, and makes the first epoch if there is none', async () => {
	const fixture = await newEpochFixture()
	expect(await requestsOf(fixture, () => fixture.createUser(fixture.open()))).toBe(4)
	expect(await requestsOf(fixture, () => fixture.createUser(fixture.open()))).toBe(2)
	expect(await fixture.table.get('e|!')).toMatchObject({ n: 1, lanes: 1, first: 0 })
})

test('two processes that begin the first epoch at once make one', async () => {
	const fixture = await newEpochFixture()
	await Promise.all(Array.from({ length: 5 }, () => fixture.createUser(fixture.open())))
	expect((await fixture.rows('e|')).map(({ RowKey }) => RowKey)).toEqual(['e|!', 'e|000000000001|0'])
	expect((await readToEnd(fixture.open(), fixture)).changes).toHaveLength(5)
})

test('a process closes the epoch behind its thousandth change, and meets no closing itself', async () => {
	const fixture = await newEpochFixture()
	const store = fixture.open()
	for (let index = 0; index < 1000; index++) await fixture.createUser(store)
	await new Promise((resolve) => setImmediate(resolve))
	expect(await fixture.table.get('e|!')).toMatchObject({ n: 2 })
	expect(await requestsOf(fixture, () => fixture.createUser(store))).toBe(1)
	expect(await fixture.rows('z|')).toHaveLength(1)
})

test('the number of lanes is that of the row e|!, and a closing closes them all', async () => {
	const fixture = await newEpochFixture()
	await fixture.table.transaction([
		{ kind: 'insert', key: 'e|!', properties: { n: 1, lanes: 3, first: 0 } },
		...[0, 1, 2].map((lane) => ({ kind: 'insert', key: `e|000000000001|${lane}`, properties: {} }) as const),
	])
	await fixture.createUser(fixture.open())
	await closeByReader(fixture)
	expect((await fixture.rows('e|')).map(({ RowKey }) => RowKey)).toEqual([
		'e|!',
		...[0, 1, 2].map((lane) => `e|000000000002|${lane}`),
	])
})
