import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { Member, ResourceId, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import type { MembershipChange } from '../../../../shared/storage/membership/operations.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import { groupRow, preparedKey } from '../../../../shared/storage/rows/schema.ts'
import { insert } from '../../../../shared/storage/table/batch.ts'
import type { Send } from '../../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { testFeed } from '../../../support/feed.ts'
import { type SimulatorOptions, simulateTableService } from '../../../support/simulator/table-service.ts'

const later = 20 * 60_000

type LastFate = 'unsent' | 'lost'

/** Opens the directory in a process that dies at its `at`th write, which is not sent or gets no answer. */
function dyingAt(directory: TestDirectory, at: number, last: LastFate) {
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

async function newFixture(
	size: number,
	faults: SimulatorOptions = { isInterleaved: true, shares: { shortPage: 0.1 } },
) {
	const directory = await newDirectory(simulateTableService(faults))
	const create = (index: number) => directory.store.create(userType, { attributes: { userName: `user${index}` } })
	const users: StoredResource[] = []
	for (let index = 0; index < size; index++) users.push(await create(index))
	return { directory, users }
}

const asMember = ({ id }: { readonly id: ResourceId }): Member => ({ value: id })
const everything = { startIndex: 1, count: 10_000 }
const idsOf = (resources: readonly StoredResource[]): readonly ResourceId[] => resources.map(({ id }) => id)

type GroupView = { readonly displayName: unknown; readonly version: string; readonly members: readonly Member[] }

/** A group as clients see it. Asserts that all ways to read its members agree, for each of the users. */
async function viewOf(
	store: ResourceStore,
	groupId: ResourceId,
	userIds: readonly ResourceId[],
): Promise<GroupView | 'absent'> {
	const group = await store.get(groupType, groupId, { members: true })
	const members = group?.members ?? []
	const ids = members.map(({ value }) => value)
	const find = async (type: ResourceType, filter: string) =>
		idsOf((await store.query(type, { filter: parseFilter(filter), page: everything })).resources)
	for (const id of userIds) {
		const isMember = ids.includes(id)
		const user = await store.get(userType, id, { groups: true })
		expect(user?.groups?.some(({ value }) => value === groupId)).toBe(isMember)
		const inGroup = await find(groupType, `id eq "${groupId}" and members eq "${id}"`)
		expect(inGroup).toEqual(isMember ? [groupId] : [])
		expect((await find(groupType, `members.value eq "${id}"`)).includes(groupId)).toBe(isMember)
		const byGroup = await find(userType, `id eq "${id}" and groups.value eq "${groupId}"`)
		expect(byGroup).toEqual(isMember ? [id] : [])
	}
	expect(await find(userType, `groups.value eq "${groupId}"`)).toEqual(ids)
	// This filter reads the memberships of all users. The list reads the members of all groups.
	expect(await find(userType, `groups.value eq "${groupId}" or userName eq "unknown"`)).toEqual(ids)
	const people = await store.query(userType, { page: everything, include: { groups: true } })
	const hasGroup = ({ groups = [] }: StoredResource) => groups.some(({ value }) => value === groupId)
	expect(idsOf(people.resources.filter(hasGroup))).toEqual(ids)
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
	readonly after: Omit<GroupView, 'version'> | 'absent'
	readonly request: (store: ResourceStore, groupId: ResourceId) => Promise<unknown>
}

const groupWith = (members: readonly Member[], displayName = 'before') => ({ displayName, members })

const scenarios: [string, (users: readonly StoredResource[]) => Scenario][] = [
	[
		'an addition of many users, some of whom are members already,',
		(users) => ({
			before: users.slice(0, 10).map(asMember),
			after: groupWith(users.slice(0, 70).map(asMember)),
			request: (store, id) => store.changeMembers(id, change(users.slice(5, 70), [])),
		}),
	],
	[
		'a removal of many users, some of whom are non-members,',
		(users) => ({
			before: users.slice(10, 75).map(asMember),
			after: groupWith(users.slice(70, 75).map(asMember)),
			request: (store, id) => store.changeMembers(id, change([], users.slice(5, 70))),
		}),
	],
	[
		'a conditional change that adds many members and removes many',
		(users) => {
			const add = users.slice(40).map((user) => ({ ...asMember(user), display: `name of ${user.id}` }))
			return {
				before: users.slice(0, 40).map(asMember),
				after: groupWith(add),
				request: (store, id) => store.changeMembers(id, { add, remove: idsOf(users.slice(0, 40)) }, () => true),
			}
		},
	],
	[
		'a change of the name and of many members of a group',
		(users) => ({
			before: users.slice(0, 40).map(asMember),
			after: groupWith(users.slice(35).map(asMember), 'after'),
			request: (store, id) =>
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
			request: (store, id) => store.delete(groupType, id),
		}),
	],
]

describe.each<[string, LastFate]>([
	['is not sent', 'unsent'],
	['gets no answer', 'lost'],
])('if a process dies at any of its writes, and that write %s,', (_fate, last) => {
	test.each(scenarios)('%s is seen whole or not at all', async (_, scenarioOf) => {
		const { directory, users } = await newFixture(75)
		const { store } = directory
		const { before, after, request } = scenarioOf(users)
		const userIds = idsOf([0, 9, 35, 40, 69, 70].flatMap((index) => users[index] ?? []))
		const counts = { old: 0, new: 0 }
		for (let at = 1, isDead = true; isDead; at++) {
			const group = await store.create(groupType, { attributes: { displayName: 'before' }, members: before })
			const process = dyingAt(directory, at, last)
			const answer = await request(process.store, group.id).catch((error) => error)
			isDead = process.isDead()
			const state = await viewOf(store, group.id, userIds)
			const isOld = typeof state === 'object' && state.version === group.version
			const changed = after === 'absent' ? after : { ...after, version: expect.any(String) }
			expect(state).toEqual(isOld ? { ...groupWith(before), version: group.version } : changed)
			counts[isOld ? 'old' : 'new']++
			// A change that was answered as done is done.
			if (!(answer instanceof Error)) expect(isOld).toBe(false)
			// The sweep comes next half of the times, and otherwise another request.
			if (at % 2 === 0) {
				await directory.sweep(later)
				expect(await viewOf(store, group.id, userIds)).toEqual(state)
			}
			if (state === 'absent') continue
			const [leaving] = state.members
			const coming = users[at]
			if (leaving === undefined || coming === undefined) throw new Error('there are too few users')
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
		const { directory, users } = await newFixture(75)
		const userIds = idsOf(users.slice(0, 3))
		const members = users.map(asMember)
		for (let at = 1, isDead = true; isDead; at++) {
			const process = dyingAt(directory, at, last)
			const draft = { id: directory.ids('Group'), attributes: { displayName: `group ${at}` }, members }
			const answer = await process.store.create(groupType, draft).catch((error) => error)
			isDead = process.isDead()
			const state = await viewOf(directory.store, draft.id, userIds)
			const complete = { displayName: `group ${at}`, version: expect.any(String), members }
			expect(state).toEqual(state === 'absent' ? 'absent' : complete)
			if (!(answer instanceof Error)) expect(state).toEqual(complete)
		}
		await directory.sweep(later)
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('a deletion of a user is seen in all of the many groups of the user, or in none of them', async () => {
		const { directory, users } = await newFixture(2)
		const { store } = directory
		const [other] = users.map(asMember)
		if (other === undefined) throw new Error('there is no other user')
		const groups: StoredResource[] = []
		for (let index = 0; index < 40; index++) {
			groups.push(await store.create(groupType, { attributes: { displayName: `${index}` }, members: [other] }))
		}
		for (let at = 1, isDead = true; isDead; at++) {
			const { id } = await store.create(userType, { attributes: { userName: `leaving ${at}` } })
			for (const group of groups) await store.changeMembers(group.id, { add: [{ value: id }], remove: [] })
			const process = dyingAt(directory, at, last)
			const answer = await process.store.delete(userType, id).catch((error) => error)
			isDead = process.isDead()
			const isDeleted = (await store.get(userType, id)) === undefined
			if (!(answer instanceof Error)) expect(isDeleted).toBe(true)
			const { resources } = await store.query(groupType, { page: everything, include: { members: true } })
			const expected = isDeleted ? [other] : [other, { value: id }]
			expect(resources.map(({ members }) => members)).toEqual(groups.map(() => expected))
			const filter = parseFilter(`members.value eq "${id}"`)
			const found = await store.query(groupType, { filter, page: everything })
			expect(idsOf(found.resources)).toEqual(isDeleted ? [] : idsOf(groups))
			const again = { add: [{ value: id }], remove: [] }
			const [group] = groups
			if (group === undefined) throw new Error('there is no group')
			if (isDeleted) await expect(store.changeMembers(group.id, again)).rejects.toMatchObject({ status: 400 })
			if (at % 2 === 0) await directory.sweep(later)
			expect(await store.delete(userType, id)).toBe(isDeleted ? 'absent' : 'deleted')
		}
		await directory.sweep(later)
		expect(await violationsIn(directory.table)).toEqual([])
	})
})

test('a change of thousands of members is seen whole or not at all if its process dies at one of its writes', async () => {
	const { directory, users } = await newFixture(1_050)
	const { store } = directory
	const userIds = idsOf([0, 999, 1000, 1049].flatMap((index) => users[index] ?? []))
	const members = users.map(asMember)
	for (let at = 21, isDead = true; isDead; at += 17) {
		const group = await store.create(groupType, { attributes: { displayName: 'before' } })
		const process = dyingAt(directory, at, 'unsent')
		await process.store.changeMembers(group.id, { add: members, remove: [] }).catch(() => undefined)
		isDead = process.isDead()
		const state = await viewOf(store, group.id, userIds)
		const isOld = typeof state === 'object' && state.version === group.version
		expect(state).toEqual({ displayName: 'before', version: expect.any(String), members: isOld ? [] : members })
		await store.delete(groupType, group.id)
	}
	await directory.sweep(later)
	expect(await violationsIn(directory.table)).toEqual([])
})

describe('a change that takes longer than one request may take', () => {
	/** Opens the directory in a process for which each request to the service takes three seconds. */
	function slowStore(directory: TestDirectory): ResourceStore {
		let now = Date.now()
		const tick = (send: Send): Send => {
			return (request) => {
				now += 3_000
				return send(request)
			}
		}
		return directory.open(tick, () => now)
	}

	test('is answered and seen as done if it is a deletion, and the sweep finishes it', async () => {
		const { directory, users } = await newFixture(3_000, {})
		const { store } = directory
		const [user] = users
		if (user === undefined) throw new Error('there is no user')
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: users.map(asMember) })
		for (let index = 0; index < 600; index++) {
			await store.create(groupType, { attributes: { displayName: `${index}` }, members: [asMember(user)] })
		}
		expect(await slowStore(directory).delete(groupType, id)).toBe('deleted')
		expect(await viewOf(store, id, idsOf(users.slice(2998)))).toBe('absent')
		expect(await slowStore(directory).delete(userType, user.id)).toBe('deleted')
		const { resources } = await store.query(groupType, { page: everything, include: { members: true } })
		expect(resources.flatMap(({ members }) => members)).toEqual([])
		expect(await directory.sweep()).toMatchObject({ finished: 2 })
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('is answered once it is committed; other slow writers get 503, and the sweep finishes it', async () => {
		const { directory, users } = await newFixture(300, {})
		const { store } = directory
		const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
		const version = expect.any(String)
		expect(await slowStore(directory).changeMembers(id, change(users, []))).toEqual({ version })
		const complete = { displayName: 'group', version, members: users.map(asMember) }
		expect(await viewOf(store, id, idsOf(users.slice(299)))).toEqual(complete)
		const leaving = change([], users.slice(0, 1))
		const refusal = {
			status: 503,
			message: 'the group is taking in a change of very many members',
			headers: { 'Retry-After': '5' },
		}
		await expect(slowStore(directory).changeMembers(id, leaving)).rejects.toMatchObject(refusal)
		await expect(slowStore(directory).delete(userType, users[299]?.id ?? '')).rejects.toMatchObject(refusal)
		expect(await viewOf(store, id, [])).toEqual(complete)
		expect(await directory.sweep()).toMatchObject({ finished: 1 })
		expect(await viewOf(store, id, [])).toEqual(complete)
		expect(await slowStore(directory).changeMembers(id, leaving)).toEqual({ version })
		expect(await violationsIn(directory.table)).toEqual([])
	})
})

test('members with the longest display names fit in the transactions of a large change', async () => {
	const { directory, users } = await newFixture(50, {})
	const { store } = directory
	// A line separator takes twice as many bytes in a transaction as in a request.
	const add = users.map((user) => ({ ...asMember(user), display: '\u2028'.repeat(30_000) }))
	const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
	await store.changeMembers(id, { add, remove: [] })
	expect((await store.get(groupType, id, { members: true }))?.members).toEqual(add)
	expect(await violationsIn(directory.table)).toEqual([])
})

test('a large change leaves nothing behind if one of its slices cannot be written', async () => {
	const { directory, users } = await newFixture(40, {})
	const { store } = directory
	const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
	// Each member takes a slice of its own. The first transaction writes ten slices.
	const add = users.map((user) => ({ ...asMember(user), display: '\u2028'.repeat(30_000) }))
	const failing = directory.open(
		withFaults(({ body = '' }) => (/"RowKey":"j\|gi\|[^"]*\|000010"/.test(body) ? 'unsent' : 'answered')),
	)
	await expect(failing.changeMembers(id, { add, remove: [] })).rejects.toMatchObject({ status: 503 })
	expect(await violationsIn(directory.table)).toEqual([])
	expect(await store.delete(userType, users[39]?.id ?? '')).toBe('deleted')
})

test('a committed change is applied although a late copy of its first write marks it as prepared again', async () => {
	const { directory, users } = await newFixture(40, {})
	const { store, table } = directory
	const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
	// The fourth write, after the commit, would apply the change.
	const dying = dyingAt(directory, 4, 'unsent')
	await dying.store.changeMembers(id, { add: users.map(asMember), remove: [] })
	const row = await table.get(groupRow.key(id))
	const operation = row === undefined ? '' : groupRow.pendingChange.of(row)
	expect(operation).not.toBe('')
	expect(await table.transaction([insert(preparedKey({ groupId: id, operation }), {})])).toEqual({ kind: 'done' })
	const [first, ...others] = users
	expect(await store.delete(userType, first?.id ?? '')).toBe('deleted')
	const group = await store.get(groupType, id, { members: true })
	expect(group?.members?.map(({ value }) => value)).toEqual(others.map((user) => user.id))
	expect(await violationsIn(table)).toEqual([])
})

/** Lets other requests run for some turns of the event loop. */
async function turns(count: number): Promise<void> {
	for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a reader, while many members are added and removed,', () => {
	test('sees all of them or none, on any number of pages and in every list', async () => {
		const shares = { shortPage: 0.7, lost: 0.01, busy: 0.01 }
		const { directory, users } = await newFixture(60, { seed: 5, isInterleaved: true, shares })
		const { store } = directory
		const [small, large] = await Promise.all(
			['small', 'large'].map((displayName) => store.create(groupType, { attributes: { displayName } })),
		)
		if (small === undefined || large === undefined) throw new Error('there are too few groups')
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
					// A reader that is too slow to read one state gets 503.
					if (!(error instanceof ScimError)) throw error
				}
			}
		}
		const slow = directory.open((send) => async (request) => {
			await turns(30)
			return send(request)
		})
		await Promise.all([write(), read(store), read(slow), read(slow)])
		expect(counts.none).toBeGreaterThan(10)
		expect(counts.all).toBeGreaterThan(10)
	})
})

test('a group is never read with a version that is newer than its members', async () => {
	const { directory, users } = await newFixture(2, {})
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

describe('the number of requests to storage', () => {
	test.each([0, 2_000])('to change 100 members is the same in a group of %i others', async (size) => {
		const { directory, users } = await newFixture(size + 100, {})
		const { store, meter } = directory
		const [outside, inside] = [users.slice(0, 100), users.slice(100)]
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: inside.map(asMember) })
		const costOf = async (requested: MembershipChange) => {
			const { requests, waves } = await meter.measure(() => store.changeMembers(id, requested))
			return { requests, waves }
		}
		// Reads of the group and of a few members, 4 transactions to prepare, 1 to commit, and 5 and 3 to apply.
		expect(await costOf(change(outside, []))).toEqual({ requests: 18, waves: 8 })
		// All users are members already: a few members are read, then the others in one range.
		expect(await costOf(change(outside, []))).toEqual({ requests: 6, waves: 2 })
		expect(await costOf(change([], outside))).toEqual({ requests: 13, waves: 7 })
	})

	test.each([
		['add 32 members', 32, 0, { requests: 1, waves: 1 }, { requests: 2, waves: 2 }],
		['add 33 members', 33, 0, { requests: 13, waves: 8 }, { requests: 13, waves: 8 }],
		['remove 48 members', 0, 48, { requests: 1, waves: 1 }, { requests: 2, waves: 2 }],
		['remove 49 members', 0, 49, { requests: 11, waves: 7 }, { requests: 11, waves: 7 }],
	])('to %s is fixed, without and with a condition', async (_, added, removed, unconditional, conditional) => {
		for (const [condition, expected] of [[undefined, unconditional] as const, [() => true, conditional] as const]) {
			const { directory, users } = await newFixture(added + removed, {})
			const { store, meter } = directory
			const [inside, outside] = [users.slice(0, removed), users.slice(removed)]
			const attributes = { displayName: 'group' }
			const { id } = await store.create(groupType, { attributes, members: inside.map(asMember) })
			const request = () => store.changeMembers(id, change(outside, inside), condition)
			const { requests, waves } = await meter.measure(request)
			expect({ requests, waves }).toEqual(expected)
		}
	})

	// The first parts of the first slice fail, the members of each slice are read, and the parts are sent again.
	test.each([
		['no user', 0, { requests: 136, waves: 25 }],
		['one user', 1, { requests: 138, waves: 27 }],
		['each second user', 1_000, { requests: 146, waves: 28 }],
	])('to add 2,000 users is a little more if %s is a member already', async (_, inside, expected) => {
		const { directory, users } = await newFixture(2_000, {})
		const { store, meter } = directory
		const members = inside === 1 ? users.slice(-1) : users.filter((_user, index) => inside > 0 && index % 2 === 1)
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: members.map(asMember) })
		const { requests, waves } = await meter.measure(() => store.changeMembers(id, change(users, [])))
		expect({ requests, waves }).toEqual(expected)
		expect((await store.get(groupType, id, { members: true }))?.members).toEqual(users.map(asMember))
	})

	test.each([
		['none is a member', 0, 0, { requests: 6, waves: 2 }],
		['one is the only member', 1, 0, { requests: 75, waves: 16 }],
		['one is a member beside 1,200 others', 1, 1_200, { requests: 141, waves: 20 }],
		['all are members', 2_000, 0, { requests: 53, waves: 13 }],
	])('to remove 2,000 users is fixed if %s', async (_, inside, others, expected) => {
		const { directory, users } = await newFixture(inside + others, {})
		const { store, meter, ids } = directory
		const unknownIds = Array.from({ length: 2_000 - inside }, () => ids('User'))
		const attributes = { displayName: 'group' }
		const { id, version } = await store.create(groupType, { attributes, members: users.map(asMember) })
		const requested = { add: [], remove: [...unknownIds, ...idsOf(users.slice(0, inside))] }
		const { result, requests, waves } = await meter.measure(() => store.changeMembers(id, requested))
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
	])('to read a group with %i members is fixed', async (size, expected) => {
		const { directory, users } = await newFixture(size, {})
		const { store, meter } = directory
		const attributes = { displayName: 'group' }
		const { id } = await store.create(groupType, { attributes, members: users.map(asMember) })
		const { requests, waves } = await meter.measure(() => store.get(groupType, id, { members: true }))
		expect({ requests, waves }).toEqual(expected)
	})

	test.each([
		[22, { requests: 3, waves: 2 }],
		[24, { requests: 7, waves: 6 }],
		// With epochs, a transaction removes 32 memberships and not 33.
		[1000, { requests: testFeed === 'epochs' ? 59 : 58, waves: 19 }],
	])('to delete a user in %i groups is fixed', async (size, expected) => {
		const { directory, users } = await newFixture(1, {})
		const { store, meter } = directory
		for (let index = 0; index < size; index++) {
			await store.create(groupType, { attributes: { displayName: `${index}` }, members: users.map(asMember) })
		}
		const { requests, waves } = await meter.measure(() => store.delete(userType, users[0]?.id ?? ''))
		expect({ requests, waves }).toEqual(expected)
	})
})
