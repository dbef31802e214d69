import { describe, expect, test } from 'vitest'
import { groupType, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
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
