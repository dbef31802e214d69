import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { Member, ResourceId, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import type { MembershipChange } from '../../../../shared/storage/membership/operations.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import type { Send } from '../../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { type SimulatorOptions, simulateTableService } from '../../../support/simulator/table-service.ts'

const later = 20 * 60_000

type Last = 'unsent' | 'lost'

/** The same directory in a process that dies: its `at`th write is not sent, or not answered, and it sends nothing more. */
function dying(directory: TestDirectory, at: number, last: Last) {
	let writes = 0
	const store = directory.open(
		withFaults(({ method }) => {
			if (writes >= at) return 'unsent'
			if (method === 'POST') writes++
			return writes === at ? last : 'answered'
		}),
	)
	return { store, isDead: () => writes >= at }
}

async function newWorld(size: number, faults: SimulatorOptions = { isInterleaved: true, shares: { shortPage: 0.1 } }) {
	const directory = await newDirectory(simulateTableService(faults))
	const create = (index: number) => directory.store.create(userType, { attributes: { userName: `user${index}` } })
	const users: StoredResource[] = []
	for (let index = 0; index < size; index++) users.push(await create(index))
	return { directory, users }
}

const asMember = ({ id }: { readonly id: ResourceId }): Member => ({ value: id })
const everything = { startIndex: 1, count: 10_000 }
const idsOf = (resources: readonly StoredResource[]): readonly ResourceId[] => resources.map(({ id }) => id)

type Seen = { readonly displayName: unknown; readonly version: string; readonly members: readonly Member[] }

/** What every way of asking says about a group and who is in it; that they agree is asserted. */
async function seen(store: ResourceStore, groupId: ResourceId, asked: readonly ResourceId[]): Promise<Seen | 'absent'> {
	const group = await store.get(groupType, groupId, { members: true })
	const members = group?.members ?? []
	const ids = members.map(({ value }) => value)
	const find = async (type: ResourceType, filter: string) =>
		idsOf((await store.query(type, { filter: parseFilter(filter), page: everything })).resources)
	for (const id of asked) {
		const isMember = ids.includes(id)
		const user = await store.get(userType, id, { groups: true })
		expect(user?.groups?.some(({ value }) => value === groupId)).toBe(isMember)
		const inGroup = await find(groupType, `id eq "${groupId}" and members eq "${id}"`)
		expect(inGroup).toEqual(isMember ? [groupId] : [])
		expect((await find(groupType, `members.value eq "${id}"`)).includes(groupId)).toBe(isMember)
		const among = await find(userType, `id eq "${id}" and groups.value eq "${groupId}"`)
		expect(among).toEqual(isMember ? [id] : [])
	}
	expect(await find(userType, `groups.value eq "${groupId}"`)).toEqual(ids)
	// Looks at the memberships of all users, and at those of all groups.
	expect(await find(userType, `groups.value eq "${groupId}" or userName eq "nobody"`)).toEqual(ids)
	const listed = await store.query(groupType, { page: everything, include: { members: true } })
	expect(listed.resources.find(({ id }) => id === groupId)?.members).toEqual(group?.members)
	return group === undefined ? 'absent' : { displayName: group.attributes.displayName, version: group.version, members }
}

const change = (add: readonly StoredResource[], remove: readonly StoredResource[]): MembershipChange => ({
	add: add.map(asMember),
	remove: idsOf(remove),
})

type Scenario = {
	readonly before: readonly Member[]
	readonly after: Omit<Seen, 'version'> | 'absent'
	readonly work: (store: ResourceStore, groupId: ResourceId) => Promise<unknown>
}

const named = (members: readonly Member[], displayName = 'before') => ({ displayName, members })

const scenarios: [string, (users: readonly StoredResource[]) => Scenario][] = [
	[
		'an addition of many members, some of whom are members already',
		(users) => ({
			before: users.slice(0, 10).map(asMember),
			after: named(users.slice(0, 70).map(asMember)),
			work: (store, id) => store.changeMembers(id, change(users.slice(5, 70), [])),
		}),
	],
	[
		'a removal of many members, some of whom are none',
		(users) => ({
			before: users.slice(10, 75).map(asMember),
			after: named(users.slice(70, 75).map(asMember)),
			work: (store, id) => store.changeMembers(id, change([], users.slice(5, 70))),
		}),
	],
	[
		'a change in both directions with a condition',
		(users) => {
			const called = users.slice(40).map((user) => ({ ...asMember(user), display: `name of ${user.id}` }))
			return {
				before: users.slice(0, 40).map(asMember),
				after: named(called),
				work: (store, id) => store.changeMembers(id, { add: called, remove: idsOf(users.slice(0, 40)) }, () => true),
			}
		},
	],
	[
		'a new name for a group and all its members',
		(users) => ({
			before: users.slice(0, 40).map(asMember),
			after: named(users.slice(35).map(asMember), 'after'),
			work: (store, id) =>
				store.update(groupType, id, {
					include: { members: true },
					revise: ({ members }) => {
						expect(members).toEqual(users.slice(0, 40).map(asMember))
						return { attributes: { displayName: 'after' }, membership: change(users.slice(40), users.slice(0, 35)) }
					},
				}),
		}),
	],
	[
		'a deletion of a group',
		(users) => ({
			before: users.map(asMember),
			after: 'absent',
			work: (store, id) => store.delete(groupType, id),
		}),
	],
]

describe.each<Last>(['unsent', 'lost'])('whatever write of a process is its last and is %s,', (last) => {
	test.each(scenarios)('%s is seen whole or not at all', async (_, scenarioOf) => {
		const { directory, users } = await newWorld(75)
		const { store } = directory
		const { before, after, work } = scenarioOf(users)
		const asked = idsOf([0, 9, 35, 40, 69, 70].flatMap((index) => users[index] ?? []))
		const counts = { old: 0, new: 0 }
		for (let at = 1, isDead = true; isDead; at++) {
			const group = await store.create(groupType, { attributes: { displayName: 'before' }, members: before })
			const process = dying(directory, at, last)
			const answer = await work(process.store, group.id).catch((error) => error)
			isDead = process.isDead()
			const state = await seen(store, group.id, asked)
			const isOld = typeof state === 'object' && state.version === group.version
			const changed = after === 'absent' ? after : { ...after, version: expect.any(String) }
			expect(state).toEqual(isOld ? { ...named(before), version: group.version } : changed)
			counts[isOld ? 'old' : 'new']++
			// What was answered as done is done.
			if (!(answer instanceof Error)) expect(isOld).toBe(false)
			// Sometimes the sweeper comes next, and sometimes another request.
			if (at % 2 === 0) {
				await directory.sweep(later)
				expect(await seen(store, group.id, asked)).toEqual(state)
			}
			if (state === 'absent') continue
			const [leaving] = state.members
			const coming = users[at]
			if (leaving === undefined || coming === undefined) throw new Error('there are too few')
			await store.changeMembers(group.id, { add: [asMember(coming)], remove: [leaving.value] })
			const left = state.members.slice(1).map(({ value }) => value)
			const expected = [...new Set([...left, coming.id])].sort()
			const { members } = (await store.get(groupType, group.id, { members: true })) ?? {}
			expect(members?.map(({ value }) => value)).toEqual(expected)
			await store.delete(groupType, group.id)
		}
		expect(counts.new).toBeGreaterThan(0)
		if (last === 'unsent') expect(counts.old).toBeGreaterThan(0)
		await directory.sweep(later)
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('a creation of a group with many members is seen whole or not at all', async () => {
		const { directory, users } = await newWorld(75)
		const asked = idsOf(users.slice(0, 3))
		const members = users.map(asMember)
		for (let at = 1, isDead = true; isDead; at++) {
			const process = dying(directory, at, last)
			const draft = { id: directory.ids('Group'), attributes: { displayName: `group ${at}` }, members }
			const answer = await process.store.create(groupType, draft).catch((error) => error)
			isDead = process.isDead()
			const state = await seen(directory.store, draft.id, asked)
			const whole = { displayName: `group ${at}`, version: expect.any(String), members }
			expect(state).toEqual(state === 'absent' ? 'absent' : whole)
			if (!(answer instanceof Error)) expect(state).toEqual(whole)
		}
		await directory.sweep(later)
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('a deletion of a user in many groups is seen by all of them or by none', async () => {
		const { directory, users } = await newWorld(2)
		const { store } = directory
		const [other] = users.map(asMember)
		if (other === undefined) throw new Error('there is nobody')
		const groups: StoredResource[] = []
		for (let index = 0; index < 40; index++) {
			groups.push(await store.create(groupType, { attributes: { displayName: `${index}` }, members: [other] }))
		}
		for (let at = 1, isDead = true; isDead; at++) {
			const { id } = await store.create(userType, { attributes: { userName: `leaving ${at}` } })
			for (const group of groups) await store.changeMembers(group.id, { add: [{ value: id }], remove: [] })
			const process = dying(directory, at, last)
			const answer = await process.store.delete(userType, id).catch((error) => error)
			isDead = process.isDead()
			const isGone = (await store.get(userType, id)) === undefined
			if (!(answer instanceof Error)) expect(isGone).toBe(true)
			const { resources } = await store.query(groupType, { page: everything, include: { members: true } })
			const expected = isGone ? [other] : [other, { value: id }]
			expect(resources.map(({ members }) => members)).toEqual(groups.map(() => expected))
			const filter = parseFilter(`members.value eq "${id}"`)
			const found = await store.query(groupType, { filter, page: everything })
			expect(idsOf(found.resources)).toEqual(isGone ? [] : idsOf(groups))
			const again = { add: [{ value: id }], remove: [] }
			const [group] = groups
			if (group === undefined) throw new Error('there is no group')
			if (isGone) await expect(store.changeMembers(group.id, again)).rejects.toMatchObject({ status: 400 })
			if (at % 2 === 0) await directory.sweep(later)
			expect(await store.delete(userType, id)).toBe(isGone ? 'absent' : 'deleted')
		}
		await directory.sweep(later)
		expect(await violationsIn(directory.table)).toEqual([])
	})
})

test('a change of thousands of members is seen whole wherever it stops', async () => {
	const { directory, users } = await newWorld(1_050)
	const { store } = directory
	const asked = idsOf([0, 999, 1000, 1049].flatMap((index) => users[index] ?? []))
	const members = users.map(asMember)
	for (let at = 21, isDead = true; isDead; at += 17) {
		const group = await store.create(groupType, { attributes: { displayName: 'before' } })
		const process = dying(directory, at, 'unsent')
		await process.store.changeMembers(group.id, { add: members, remove: [] }).catch(() => undefined)
		isDead = process.isDead()
		const state = await seen(store, group.id, asked)
		const isOld = typeof state === 'object' && state.version === group.version
		expect(state).toEqual({ displayName: 'before', version: expect.any(String), members: isOld ? [] : members })
		await store.delete(groupType, group.id)
	}
	await directory.sweep(later)
	expect(await violationsIn(directory.table)).toEqual([])
})

describe('a change that takes longer than a request may', () => {
	/** A process for which three seconds pass with every request. */
	function slow(directory: TestDirectory): ResourceStore {
		let now = Date.now()
		const tick = (send: Send): Send => {
			return (request) => {
				now += 3_000
				return send(request)
			}
		}
		return directory.open(tick, () => now)
	}

	test('is a deletion that is answered as well, and that nobody sees', async () => {
		const { directory, users } = await newWorld(3_000, {})
		const { store } = directory
		const [user] = users
		if (user === undefined) throw new Error('there is nobody')
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: users.map(asMember) })
		for (let index = 0; index < 600; index++) {
			await store.create(groupType, { attributes: { displayName: `${index}` }, members: [asMember(user)] })
		}
		expect(await slow(directory).delete(groupType, id)).toBe('deleted')
		expect(await seen(store, id, idsOf(users.slice(2998)))).toBe('absent')
		expect(await slow(directory).delete(userType, user.id)).toBe('deleted')
		const { resources } = await store.query(groupType, { page: everything, include: { members: true } })
		expect(resources.flatMap(({ members }) => members)).toEqual([])
		expect(await directory.sweep()).toMatchObject({ finished: 2 })
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('is answered when it is committed; others help, are told to come again, and the sweep ends it', async () => {
		const { directory, users } = await newWorld(300, {})
		const { store } = directory
		const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
		const version = expect.any(String)
		expect(await slow(directory).changeMembers(id, change(users, []))).toEqual({ version })
		const whole = { displayName: 'group', version, members: users.map(asMember) }
		expect(await seen(store, id, idsOf(users.slice(299)))).toEqual(whole)
		const leaving = change([], users.slice(0, 1))
		const refusal = {
			status: 503,
			message: 'the group is taking in a change of very many members',
			headers: { 'Retry-After': '5' },
		}
		await expect(slow(directory).changeMembers(id, leaving)).rejects.toMatchObject(refusal)
		await expect(slow(directory).delete(userType, users[299]?.id ?? '')).rejects.toMatchObject(refusal)
		expect(await seen(store, id, [])).toEqual(whole)
		expect(await directory.sweep()).toMatchObject({ finished: 1 })
		expect(await seen(store, id, [])).toEqual(whole)
		expect(await slow(directory).changeMembers(id, leaving)).toEqual({ version })
		expect(await violationsIn(directory.table)).toEqual([])
	})
})

test('members whose names are at their longest are no more than a transaction holds', async () => {
	const { directory, users } = await newWorld(50, {})
	const { store } = directory
	// A separator takes twice as many bytes in a transaction as in a request.
	const add = users.map((user) => ({ ...asMember(user), display: '\u2028'.repeat(30_000) }))
	const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
	await store.changeMembers(id, { add, remove: [] })
	expect((await store.get(groupType, id, { members: true }))?.members).toEqual(add)
	expect(await violationsIn(directory.table)).toEqual([])
})

test('a change that is not written down whole leaves nothing behind', async () => {
	const { directory, users } = await newWorld(40, {})
	const { store } = directory
	const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
	// Each of them is a part of its own, of which ten are written at first.
	const add = users.map((user) => ({ ...asMember(user), display: '\u2028'.repeat(30_000) }))
	const failing = directory.open(
		withFaults(({ body = '' }) => (/"RowKey":"j\|gi\|[^"]*\|000010"/.test(body) ? 'unsent' : 'answered')),
	)
	await expect(failing.changeMembers(id, { add, remove: [] })).rejects.toMatchObject({ status: 503 })
	expect(await violationsIn(directory.table)).toEqual([])
	expect(await store.delete(userType, users[39]?.id ?? '')).toBe('deleted')
})

/** Lets others go on. */
async function turns(count: number): Promise<void> {
	for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('who reads while many members come and go', () => {
	test('sees all of them or none, however many pages it takes, and in every list', async () => {
		const shares = { shortPage: 0.7, lost: 0.01, busy: 0.01 }
		const { directory, users } = await newWorld(60, { seed: 5, isInterleaved: true, shares })
		const { store } = directory
		const [small, large] = await Promise.all(
			['small', 'large'].map((displayName) => store.create(groupType, { attributes: { displayName } })),
		)
		if (small === undefined || large === undefined) throw new Error('there are no groups')
		await store.changeMembers(small.id, change(users.slice(0, 3), []))
		const all = users.map(asMember)
		const counts = { none: 0, all: 0 }
		let isOver = false
		const count = (members: readonly Member[] | undefined) => {
			expect(members).toEqual(members?.length === 0 ? [] : all)
			counts[members?.length === 0 ? 'none' : 'all']++
		}
		const write = async () => {
			for (let turn = 0; turn < 60; turn++) {
				await store.changeMembers(large.id, turn % 2 === 0 ? change(users, []) : change([], users))
				await turns(turn * 5)
			}
			isOver = true
		}
		const read = async (reader: ResourceStore) => {
			while (!isOver) {
				try {
					count((await reader.get(groupType, large.id, { members: true }))?.members)
					const list = await reader.query(groupType, { page: everything, include: { members: true } })
					count(list.resources.find(({ id }) => id === large.id)?.members)
					const filter = parseFilter(`groups.value eq "${large.id}"`)
					const found = await reader.query(userType, { filter, page: everything })
					count(found.resources.map(asMember))
				} catch (error) {
					// Whoever is too slow to see it in one piece is told so.
					if (!(error instanceof ScimError)) throw error
				}
			}
		}
		const slowly = directory.open((send) => async (request) => {
			await turns(30)
			return send(request)
		})
		await Promise.all([write(), read(store), read(slowly), read(slowly)])
		expect(counts.none).toBeGreaterThan(10)
		expect(counts.all).toBeGreaterThan(10)
	})
})

test('a group is never read with a version that is newer than its members', async () => {
	const { directory, users } = await newWorld(2, {})
	const { store } = directory
	const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
	let isChanged = false
	const reader = directory.open((send) => async (request) => {
		if (!isChanged && request.path.includes("RowKey='g%7C")) {
			isChanged = true
			await turns(1)
			await store.changeMembers(id, change(users, []))
		}
		return send(request)
	})
	const found = await reader.get(groupType, id, { members: true })
	expect(found).toEqual(await store.get(groupType, id, { members: true }))
	expect(found?.members).toEqual(users.map(asMember))
})

describe('requests to storage', () => {
	test.each([0, 2_000])('for a change of 100 members do not depend on how many there are: %i', async (size) => {
		const { directory, users } = await newWorld(size + 100, {})
		const { store, meter } = directory
		const [outside, inside] = [users.slice(0, 100), users.slice(100)]
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: inside.map(asMember) })
		const costOf = async (asked: MembershipChange) => {
			const { requests, waves } = await meter.measure(() => store.changeMembers(id, asked))
			return { requests, waves }
		}
		// A look at the group and a few members, four transactions to prepare, one to commit, and to apply it five and three.
		expect(await costOf(change(outside, []))).toEqual({ requests: 18, waves: 8 })
		// Everybody is a member already: a few are looked at, then the others in one range.
		expect(await costOf(change(outside, []))).toEqual({ requests: 6, waves: 2 })
		expect(await costOf(change([], outside))).toEqual({ requests: 13, waves: 7 })
	})

	test.each([
		['32 to add', 32, 0, { requests: 1, waves: 1 }, { requests: 2, waves: 2 }],
		['33 to add', 33, 0, { requests: 13, waves: 8 }, { requests: 13, waves: 8 }],
		['48 to remove', 0, 48, { requests: 1, waves: 1 }, { requests: 2, waves: 2 }],
		['49 to remove', 0, 49, { requests: 11, waves: 7 }, { requests: 11, waves: 7 }],
	])('for a few members, without and with a condition: %s', async (_, added, removed, blind, conditional) => {
		for (const [condition, expected] of [[undefined, blind] as const, [() => true, conditional] as const]) {
			const { directory, users } = await newWorld(added + removed, {})
			const { store, meter } = directory
			const [inside, outside] = [users.slice(0, removed), users.slice(removed)]
			const attributes = { displayName: 'group' }
			const { id } = await store.create(groupType, { attributes, members: inside.map(asMember) })
			const work = () => store.changeMembers(id, change(outside, inside), condition)
			const { requests, waves } = await meter.measure(work)
			expect({ requests, waves }).toEqual(expected)
		}
	})

	test.each([
		['nobody is a member', 0, 0, { requests: 6, waves: 2 }],
		['one is a member', 1, 0, { requests: 75, waves: 16 }],
		['one is a member beside 1,200 others', 1, 1_200, { requests: 141, waves: 20 }],
		['everybody is a member', 2_000, 0, { requests: 53, waves: 13 }],
	])('to remove 2,000 of whom %s', async (_, inside, others, expected) => {
		const { directory, users } = await newWorld(inside + others, {})
		const { store, meter, ids } = directory
		const strangers = Array.from({ length: 2_000 - inside }, () => ids('User'))
		const attributes = { displayName: 'group' }
		const { id, version } = await store.create(groupType, { attributes, members: users.map(asMember) })
		const asked = { add: [], remove: [...strangers, ...idsOf(users.slice(0, inside))] }
		const { result, requests, waves } = await meter.measure(() => store.changeMembers(id, asked))
		expect({ requests, waves }).toEqual(expected)
		const found = await store.get(groupType, id, { members: true })
		expect(found?.members).toEqual(users.slice(inside).map(asMember))
		expect(result).toEqual({ version: found?.version })
		expect(found?.version === version).toBe(inside === 0)
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test.each([
		[900, { requests: 2, waves: 2 }],
		[2000, { requests: 5, waves: 5 }],
	])('to read a group with %i members', async (size, expected) => {
		const { directory, users } = await newWorld(size, {})
		const { store, meter } = directory
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: users.map(asMember) })
		const { requests, waves } = await meter.measure(() => store.get(groupType, id, { members: true }))
		expect({ requests, waves }).toEqual(expected)
	})

	test.each([
		[22, { requests: 3, waves: 2 }],
		[24, { requests: 7, waves: 6 }],
		[1000, { requests: 58, waves: 19 }],
	])('to delete a user who is in %i groups', async (size, expected) => {
		const { directory, users } = await newWorld(1, {})
		const { store, meter } = directory
		for (let index = 0; index < size; index++) {
			await store.create(groupType, { attributes: { displayName: `${index}` }, members: users.map(asMember) })
		}
		const { requests, waves } = await meter.measure(() => store.delete(userType, users[0]?.id ?? ''))
		expect({ requests, waves }).toEqual(expected)
	})
})
