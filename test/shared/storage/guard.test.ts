import { describe, expect, test } from 'vitest'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import type { History } from '../../../shared/storage/rows/directory.ts'
import { newEpochFixture } from '../../support/epochs.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** A directory with people or groups that are a day old. */
async function newFixture(feed: 'operations' | 'closing' | 'epochs', people: number, groups = 0) {
	const fixture = await newEpochFixture()
	const store = fixture.open({ feed })
	const made = { users: [] as string[], groups: [] as string[] }
	for (let each = 0; each < people; each++) made.users.push((await fixture.createUser(store)).id)
	for (let each = 0; each < groups; each++) {
		made.groups.push((await store.create(groupType, { attributes: { displayName: `group${each}` } })).id)
	}
	fixture.pass(day)
	const { guard: found } = await fixture.sweep({ feed, guard: {} })
	expect(found).toBe(undefined)
	const guard = async (limits = {}) => (await fixture.sweep({ feed, guard: limits })).guard
	return { ...fixture, store, ...made, guard }
}

async function deleteAll(store: ResourceStore, type: ResourceType, ids: readonly string[]): Promise<void> {
	for (const id of ids) expect(await store.delete(type, id)).toBe('deleted')
}

const setActive = (store: ResourceStore, id: string, active: boolean) =>
	store.update(userType, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, active } }) })

describe.each(['operations', 'closing', 'epochs'] as const)('the guard of a feed with %s', (feed) => {
	test('tells of more than 50 deletions of people within an hour, until the hour is over', async () => {
		const { store, users, guard, pass, ledger } = await newFixture(feed, 60)
		await deleteAll(store, userType, users.slice(0, 30))
		pass(20 * minute)
		await deleteAll(store, userType, users.slice(30, 50))
		expect(await guard()).toBe(undefined)
		await deleteAll(store, userType, users.slice(50, 51))
		const report = {
			...{ deletedPeople: 51, deletedGroups: 0, deactivatedPeople: 0 },
			...{ allowedPeople: 50, allowedGroups: 50, isBeyond: true },
		}
		expect(await guard()).toEqual(report)
		expect(await ledger({ feed }).losses({})).toEqual(report)
		pass(41 * minute)
		expect(await guard()).toBe(undefined)
		expect(await ledger({ feed }).losses({})).toEqual({ ...report, deletedPeople: 21, isBeyond: false })
	})

	test('tells of people who are deactivated, each once, and not of one who is activated again', async () => {
		const { store, users, guard } = await newFixture(feed, 5)
		for (const id of users.slice(0, 3)) await setActive(store, id, false)
		for (const active of [true, false, true]) await setActive(store, users[0] ?? '', active)
		await store.update(userType, users[1] ?? '', {
			revise: ({ attributes }) => ({ attributes: { ...attributes, title: 'former' } }),
		})
		expect(await guard({ people: 1 })).toMatchObject({ deletedPeople: 0, deactivatedPeople: 2, isBeyond: true })
		expect(await guard({ people: 2 })).toBe(undefined)
	})

	test('tells of groups by a limit of their own', async () => {
		const { store, groups, guard } = await newFixture(feed, 0, 3)
		await deleteAll(store, groupType, groups)
		expect(await guard({ groups: 3 })).toBe(undefined)
		expect(await guard({ groups: 2 })).toMatchObject({ deletedGroups: 3, allowedGroups: 2, isBeyond: true })
	})

	test('leaves out what was made less than a day ago, as by a suite that removes what it made', async () => {
		const { store, guard, createUser, pass } = await newFixture(feed, 0)
		const made = [await createUser(store), await createUser(store)].map(({ id }) => id)
		pass(hour)
		await setActive(store, made[0] ?? '', false)
		await deleteAll(store, userType, made)
		expect(await guard({ people: 0 })).toBe(undefined)
	})
})

describe('one request that takes more than half of the members of a large group', () => {
	/** A group of a day ago. Nothing is held back. */
	async function withMembers(count: number, history: History = 'full') {
		const fixture = await newFixture('epochs', count)
		const { pass, sweep } = fixture
		const store = fixture.open({ history })
		const users = fixture.users as ResourceId[] // sound: ids of users that were created
		const { id } = await store.create(groupType, {
			attributes: { displayName: 'Staff' },
			members: users.map((value) => ({ value })),
		})
		pass(day)
		expect((await sweep({ guard: {} })).guard).toBe(undefined)
		const remove = (ids: readonly ResourceId[]) => store.changeMembers(id, { add: [], remove: ids })
		const add = (ids: readonly ResourceId[]) =>
			store.changeMembers(id, { add: ids.map((value) => ({ value })), remove: [] })
		return { ...fixture, store, users, id, remove, add }
	}

	const halved = (id: string) => ({
		...{ deletedPeople: 0, deletedGroups: 0, deactivatedPeople: 0, allowedPeople: 50, allowedGroups: 50 },
		...{ isBeyond: true, halvedGroups: [id] },
	})

	test.each(['full', 'names', 'off'] as const)('raises the alert, with the history %s', async (history) => {
		const { users, id, remove, guard, ledger, pass } = await withMembers(120, history)
		await remove(users.slice(0, 60))
		expect(await guard()).toBe(undefined)
		await remove(users.slice(60, 90))
		expect(await guard()).toBe(undefined)
		const other = await withMembers(120, history)
		await other.remove(users.slice(0, 61))
		expect(await other.guard()).toEqual(halved(other.id))
		expect(await other.ledger().losses({})).toEqual(halved(other.id))
		expect(await ledger().losses({})).toMatchObject({ isBeyond: false })
		expect(id).toBe(other.id)
		pass(hour)
		other.pass(hour + minute)
		expect(await other.guard()).toBe(undefined)
	})

	test('raises it by an update of the whole group too, and by the number in the setting', async () => {
		const { store, users, id, guard } = await withMembers(12)
		const membership = { add: [], remove: users.slice(0, 7) }
		await store.update(groupType, id, { revise: () => ({ attributes: { displayName: 'Few' }, membership }) })
		expect(await guard({ members: 13 })).toBe(undefined)
		expect(await guard({ members: 12 })).toMatchObject({ halvedGroups: [id] })
	})

	test('is judged by the members of that moment, whatever came afterwards', async () => {
		const { users, id, remove, add, guard, store } = await withMembers(120)
		await remove(users.slice(0, 61))
		await add(users.slice(0, 61))
		await store.delete(userType, users[100] ?? '')
		expect(await guard()).toMatchObject({ halvedGroups: [id] })
		const other = await withMembers(120)
		await other.remove(other.users.slice(0, 59))
		for (const each of other.users.slice(59, 64)) await other.remove([each])
		for (const each of other.users.slice(64, 69)) await other.store.delete(userType, each)
		expect((await other.guard())?.halvedGroups).toBe(undefined)
	})

	test('is told from one that names users who are no members', async () => {
		const { store, users, remove, guard, createUser } = await withMembers(110)
		const others: ResourceId[] = []
		for (let each = 0; each < 80; each++) others.push((await createUser(store)).id)
		await remove([...users.slice(0, 30), ...others])
		expect(await guard()).toBe(undefined)
	})

	test('raises nothing if the group is younger than a day, or is deleted', async () => {
		const { store, users, id, remove, guard, pass } = await withMembers(120)
		const members = users.map((value) => ({ value }))
		const young = await store.create(groupType, { attributes: { displayName: 'Young' }, members })
		pass(minute)
		await store.changeMembers(young.id, { add: [], remove: users })
		expect(await guard()).toBe(undefined)
		await remove(users.slice(0, 100))
		await store.delete(groupType, id)
		expect(await guard()).toBe(undefined)
	})

	test('costs the sweep a read of as many members as the request took, and a smaller one nothing', async () => {
		const { meter, ledger, remove, users } = await withMembers(400)
		const cost = async () => (await meter.measure(() => ledger().losses({}))).requests
		const usual = await cost()
		await remove(users.slice(0, 50))
		expect(await cost()).toBe(usual)
		await remove(users.slice(50, 120))
		expect(await cost()).toBe(usual + 1)
	})
})

test('the guard allows a tenth of what there was an hour ago', async () => {
	const { store, users, guard } = await newFixture('epochs', 620)
	await deleteAll(store, userType, users.slice(0, 62))
	expect(await guard()).toBe(undefined)
	await deleteAll(store, userType, users.slice(62, 63))
	expect(await guard()).toMatchObject({ deletedPeople: 63, allowedPeople: 62 })
})

test('the guard passes over old entries of epochs once', async () => {
	const { guard, rows, store, createUser, pass } = await newFixture('epochs', 3)
	const [last] = (await rows('f|')).slice(-1)
	expect(await rows('d|')).toMatchObject([{ RowKey: 'd|!', pos: last?.RowKey }])
	await createUser(store)
	await guard()
	expect(await rows('d|')).toMatchObject([{ pos: last?.RowKey }])
	pass(hour + 1)
	await guard()
	expect(await rows('d|')).toMatchObject([{ pos: (await rows('f|')).at(-1)?.RowKey }])
})

test('a deactivation is marked in its entry, whatever the ledger keeps', async () => {
	const { store, users, rows } = await newFixture('epochs', 1)
	await setActive(store, users[0] ?? '', false)
	await setActive(store, users[0] ?? '', true)
	expect((await rows('f|')).slice(-2)).toMatchObject([{ chg: 'active', off: true }, { chg: 'active' }])
	expect((await rows('f|')).at(-1)).not.toHaveProperty('off')
})
