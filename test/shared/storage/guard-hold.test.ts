import { describe, expect, test } from 'vitest'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { Hold } from '../../../shared/storage/losses.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { newEpochFixture } from '../../support/epochs.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const holdOf = (limits: Hold['limits'] = {}, allowedUntil = 0): Hold => ({
	...{ tenant: 'acme', allowedUntil },
	limits: { ...limits, isHeld: true },
})

/** A directory with people and groups that are a day old. */
async function newFixture(people: number, groups = 0) {
	const fixture = await newEpochFixture()
	const store = fixture.open()
	const made = { users: [] as string[], groups: [] as string[] }
	for (let each = 0; each < people; each++) made.users.push((await fixture.createUser(store)).id)
	for (let each = 0; each < groups; each++) {
		made.groups.push((await store.create(groupType, { attributes: { displayName: `group${each}` } })).id)
	}
	fixture.pass(day)
	return { ...fixture, ...made }
}

/** Deletes users one after another, and answers how many were deleted before the first refusal. */
async function deletedBefore(store: ResourceStore, ids: readonly string[]): Promise<number> {
	for (const [index, id] of ids.entries()) {
		try {
			expect(await store.delete(userType, id)).toBe('deleted')
		} catch (error) {
			expect(error).toMatchObject({ status: 503, headers: { 'Retry-After': '300' } })
			return index
		}
	}
	return ids.length
}

describe('the guard of a tenant with the setting hold', () => {
	test('refuses the deletion of one person more than is allowed, and says what to do', async () => {
		const { open, users, rows } = await newFixture(60)
		const store = open({ hold: holdOf() })
		expect(await deletedBefore(store, users)).toBe(50)
		await expect(store.delete(userType, users[50] ?? '')).rejects.toMatchObject({
			status: 503,
			message:
				'The guard of this tenant holds deletions back: 50 people were deleted within an hour, and 50 are allowed. If more are to be deleted: rollcall guard allow acme --for 2h. If not, correct the scope in the identity provider.',
		})
		expect(await rows('d|0')).toHaveLength(50)
		// Another process, which has deleted nothing, knows it too.
		expect(await deletedBefore(open({ hold: holdOf() }), users.slice(50))).toBe(0)
	})

	test('never refuses a deactivation', async () => {
		const { open, users } = await newFixture(3)
		const store = open({ hold: holdOf({ people: 1 }) })
		expect(await deletedBefore(store, users)).toBe(1)
		for (const id of users.slice(1)) {
			const revise = ({ attributes }: { attributes: object }) => ({ attributes: { ...attributes, active: false } })
			expect(await store.update(userType, id, { revise })).toMatchObject({ attributes: { active: false } })
		}
	})

	test('counts groups by a limit of their own', async () => {
		const { open, users, groups } = await newFixture(3, 3)
		const store = open({ hold: holdOf({ groups: 2, people: 1 }) })
		for (const id of groups.slice(0, 2)) expect(await store.delete(groupType, id)).toBe('deleted')
		await expect(store.delete(groupType, groups[2] ?? '')).rejects.toMatchObject({
			status: 503,
			message: expect.stringContaining('2 groups were deleted within an hour, and 2 are allowed'),
		})
		expect(await deletedBefore(store, users)).toBe(1)
	})

	test('allows deletions again when an hour is over', async () => {
		const { open, users, pass } = await newFixture(6)
		const store = open({ hold: holdOf({ people: 2 }) })
		expect(await deletedBefore(store, users)).toBe(2)
		pass(hour - second)
		expect(await deletedBefore(store, users.slice(2))).toBe(0)
		pass(11 * second)
		expect(await deletedBefore(store, users.slice(2))).toBe(2)
	})

	test('is never met by a suite that deletes what it made an hour ago', async () => {
		const { open, createUser, pass, rows } = await newFixture(0)
		const store = open({ hold: holdOf({ people: 1 }) })
		const made: string[] = []
		for (let each = 0; each < 20; each++) made.push((await createUser(store)).id)
		pass(hour)
		expect(await deletedBefore(store, made)).toBe(20)
		expect(await rows('d|0')).toEqual([])
	})

	test('holds nothing while an administrator allows it, and does not count what is deleted meanwhile', async () => {
		const { open, users, pass } = await newFixture(9)
		const until = Date.UTC(2026, 0, 1) + day + 2 * hour
		const store = open({ hold: holdOf({ people: 2 }, until) })
		expect(await deletedBefore(store, users.slice(0, 5))).toBe(5)
		pass(2 * hour)
		expect(await deletedBefore(store, users.slice(5))).toBe(2)
	})

	test('counts each deletion once, and none that fails', async () => {
		const { open, users } = await newFixture(5)
		const store = open({ hold: holdOf({ people: 2 }) })
		for (const id of [users[0] ?? '', users[0] ?? '']) {
			expect(await store.delete(userType, id, () => false)).toBe('stale')
		}
		expect(await store.delete(userType, users[0] ?? '')).toBe('deleted')
		expect(await store.delete(userType, users[0] ?? '')).toBe('absent')
		expect(await deletedBefore(store, users.slice(1))).toBe(1)
	})

	test('does not count a deletion that another process was quicker with', async () => {
		const { open, users } = await newFixture(3)
		const other = open()
		let isRace = true
		const store = open({
			hold: holdOf({ people: 1 }),
			around: (send) => async (request) => {
				if (isRace && request.path === '$batch') {
					isRace = false
					await other.delete(userType, users[0] ?? '')
				}
				return send(request)
			},
		})
		await other.delete(userType, users[2] ?? '')
		expect(await store.delete(userType, users[0] ?? '')).toBe('absent')
		expect(await deletedBefore(store, users.slice(1, 2))).toBe(1)
	})

	test('lets a process delete no more than is allowed if it deletes many at once', async () => {
		const { open, users } = await newFixture(20)
		const store = open({ hold: holdOf({ people: 5 }) })
		const results = await Promise.allSettled(users.map((id) => store.delete(userType, id)))
		expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
	})

	test('counts a deletion whose end is not known', async () => {
		const { open, users, pass } = await newFixture(4)
		let isLost = false
		const store = open({
			hold: holdOf({ people: 2 }),
			around: (send) => async (request) => {
				const response = await send(request)
				if (isLost && request.path === '$batch') throw new Error('the answer is lost')
				return response
			},
		})
		expect(await deletedBefore(store, users.slice(0, 1))).toBe(1)
		isLost = true
		await store.delete(userType, users[1] ?? '').catch(() => undefined)
		isLost = false
		expect(await deletedBefore(store, users.slice(2))).toBe(0)
		pass(11 * second)
		expect(await deletedBefore(store, users.slice(2))).toBe(0)
	})

	test('trips with four processes at once, at most by the deletions of ten seconds too late', async () => {
		const { open, users, pass } = await newFixture(200)
		const processes = [1, 2, 3, 4].map(() => ({ store: open({ hold: holdOf({ people: 100 }) }), isHeld: false }))
		const left = [...users]
		while (processes.some(({ isHeld }) => !isHeld) && left.length > 0) {
			for (const each of processes.filter(({ isHeld }) => !isHeld)) {
				pass(second / 4)
				if ((await deletedBefore(each.store, left.splice(0, 1))) === 0) each.isHeld = true
			}
		}
		const held = processes.length
		const deleted = users.length - left.length - held
		expect(deleted).toBeGreaterThanOrEqual(100)
		// Four deletions a second.
		expect(deleted).toBeLessThanOrEqual(100 + 4 * 10)
	})

	test('costs one request at most once in ten seconds, beside the first reads of the deletion', async () => {
		const { open, users, meter, pass } = await newFixture(8)
		const costOf = async (store: ResourceStore, id = '') => {
			const { requests, waves } = await meter.measure(() => store.delete(userType, id))
			return { requests, waves }
		}
		const [usual, held] = [open(), open({ hold: holdOf() })]
		await usual.delete(userType, users[0] ?? '')
		const cost = await costOf(usual, users[1])
		const counting = { ...cost, requests: cost.requests + 1 }
		// The first change of a process also reads which epoch is open.
		expect(await costOf(held, users[2])).toEqual({ requests: counting.requests + 1, waves: cost.waves + 1 })
		expect(await costOf(held, users[3])).toEqual(cost)
		pass(11 * second)
		expect(await costOf(held, users[4])).toEqual(counting)
		expect(await costOf(held, users[5])).toEqual(cost)
	})

	test('reads how many people there are once 50 are lost, unless the number is set', async () => {
		const { open, users, meter, pass, sweep } = await newFixture(700)
		// It folds the count of people into one row.
		await sweep()
		const store = open({ hold: holdOf() })
		expect(await deletedBefore(store, users.slice(0, 48))).toBe(48)
		const costOf = async (id = '', by = store) => (await meter.measure(() => by.delete(userType, id))).requests
		const cost = await costOf(users[48])
		pass(11 * second)
		expect(await costOf(users[49])).toBe(cost + 1)
		expect(await costOf(users[50])).toBe(cost + 1)
		expect(await costOf(users[51])).toBe(cost)
		pass(11 * second)
		expect(await costOf(users[52])).toBe(cost + 2)
		const set = open({ hold: holdOf({ people: 60 }) })
		expect(await costOf(users[53], set)).toBe(cost + 2)
		pass(11 * second)
		expect(await costOf(users[54], set)).toBe(cost + 1)
		// A tenth of 700, by a process that deletes them all at once.
		const left = await Promise.allSettled(users.slice(55, 100).map((id) => store.delete(userType, id)))
		expect(left.filter(({ status }) => status === 'fulfilled')).toHaveLength(15)
	})

	test('lets a process go beyond 50 at once if a tenth is more', async () => {
		const { open, users } = await newFixture(700)
		const store = open({ hold: holdOf() })
		expect(await deletedBefore(store, users.slice(0, 45))).toBe(45)
		const results = await Promise.allSettled(users.slice(45, 100).map((id) => store.delete(userType, id)))
		expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(25)
	})
})

test('the sweep tells of a guard that holds, and removes the rows of deletions after two hours', async () => {
	const { open, users, sweep, pass, rows } = await newFixture(5)
	const hold = holdOf({ people: 2 })
	await sweep({ hold, guard: hold.limits })
	expect(await deletedBefore(open({ hold }), users)).toBe(2)
	expect((await sweep({ hold, guard: hold.limits })).guard).toMatchObject({
		...{ deletedPeople: 2, allowedPeople: 2, isBeyond: true, isHolding: true },
	})
	pass(hour + minute)
	expect((await sweep({ hold, guard: hold.limits })).guard).toBeUndefined()
	expect(await rows('d|0')).toHaveLength(2)
	pass(hour)
	await sweep({ hold, guard: hold.limits })
	expect((await rows('d|')).map(({ RowKey }) => RowKey)).toEqual(['d|!'])
})

describe('one request that takes more than half of the members of a large group', () => {
	/** A group of a day ago. */
	async function withMembers(count: number, limits: Hold['limits'] = {}) {
		const fixture = await newFixture(count)
		const { open } = fixture
		const users = fixture.users as ResourceId[] // sound: ids of users that were created
		const members = users.map((value) => ({ value }))
		const { id } = await open().create(groupType, { attributes: { displayName: 'Staff' }, members })
		fixture.pass(day)
		const store = open({ hold: holdOf(limits) })
		const membersLeft = async () => (await store.get(groupType, id, { members: true }))?.members?.length
		const remove = (ids: readonly ResourceId[], by = store) => by.changeMembers(id, { add: [], remove: ids })
		return { ...fixture, users, members, id, store, membersLeft, remove }
	}

	test('is refused, and changes nothing', async () => {
		const { users, remove, membersLeft } = await withMembers(120)
		await expect(remove(users.slice(0, 61))).rejects.toMatchObject({
			status: 503,
			headers: { 'Retry-After': '300' },
			message:
				'The guard of this tenant holds the change back: it takes 61 of the 120 members of the group, which is more than half. If that is wanted: rollcall guard allow acme --for 2h. If not, correct the group or the scope in the identity provider.',
		})
		expect(await membersLeft()).toBe(120)
		expect(await remove(users.slice(0, 60))).toHaveProperty('version')
		expect(await membersLeft()).toBe(60)
		// The group is small now.
		expect(await remove(users.slice(60))).toHaveProperty('version')
		expect(await membersLeft()).toBe(0)
	})

	test('is refused in an update of the whole group too, together with its other values', async () => {
		const { users, id, store, membersLeft } = await withMembers(120)
		const membership = { add: [], remove: users.slice(0, 100) }
		const revise = () => ({ attributes: { displayName: 'Nobody' }, membership })
		await expect(store.update(groupType, id, { revise })).rejects.toMatchObject({ status: 503 })
		expect(await membersLeft()).toBe(120)
		expect(await store.get(groupType, id)).toMatchObject({ attributes: { displayName: 'Staff' } })
	})

	test('is told from one that names users who are no members', async () => {
		const { open, users, remove, membersLeft, createUser } = await withMembers(110)
		const others: ResourceId[] = []
		for (let each = 0; each < 80; each++) others.push((await createUser(open())).id)
		expect(await remove([...users.slice(0, 30), ...others])).toHaveProperty('version')
		expect(await membersLeft()).toBe(80)
	})

	test('is told by the number of members in the setting', async () => {
		const { users, remove } = await withMembers(12, { members: 10 })
		await expect(remove(users.slice(0, 7))).rejects.toMatchObject({ status: 503 })
		expect(await remove(users.slice(0, 6))).toHaveProperty('version')
	})

	test('is made if an administrator allows it, or the group is younger than a day', async () => {
		const { open, users, members, pass, remove } = await withMembers(120)
		const allowed = open({ hold: holdOf({}, Date.UTC(2026, 0, 1) + 2 * day + hour) })
		expect(await remove(users, allowed)).toHaveProperty('version')
		const young = await open().create(groupType, { attributes: { displayName: 'Young' }, members })
		pass(hour)
		const store = open({ hold: holdOf() })
		expect(await store.changeMembers(young.id, { add: [], remove: users })).toHaveProperty('version')
	})

	test('costs a read of at most twice as many members, and a smaller request nothing', async () => {
		const { open, meter, users, remove } = await withMembers(400)
		const costOf = async (store: ResourceStore, ids: readonly ResourceId[]) =>
			(await meter.measure(() => remove(ids, store))).requests
		const [usual, held] = [open(), open({ hold: holdOf() })]
		for (const store of [usual, held]) await costOf(store, users.slice(399))
		expect(await costOf(held, users.slice(0, 50))).toBe(await costOf(usual, users.slice(50, 100)))
		expect(await costOf(held, users.slice(100, 170))).toBe((await costOf(usual, users.slice(170, 240))) + 1)
	})
})
