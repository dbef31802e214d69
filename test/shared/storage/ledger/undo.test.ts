import { describe, expect, test } from 'vitest'
import { idGenerator } from '../../../../shared/scim/id.ts'
import type { AttributeValues, ResourceId, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { openLedger } from '../../../../shared/storage/ledger/ledger.ts'
import { undo } from '../../../../shared/storage/ledger/undo.ts'
import type { UndoPlan, UndoRequest } from '../../../../shared/storage/ledger/undo-plan.ts'
import { undoKinds } from '../../../../shared/storage/ledger/undo-window.ts'
import { keptMembersIn } from '../../../../shared/storage/membership/kept-members.ts'
import type { ResourceStore } from '../../../../shared/storage/resource-store.ts'
import type { Actor, History } from '../../../../shared/storage/rows/directory.ts'
import { keptMembersRow } from '../../../../shared/storage/rows/schema.ts'
import { upsert } from '../../../../shared/storage/table/batch.ts'
import { within } from '../../../../shared/storage/table/key-range.ts'
import type { Send } from '../../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { randomFrom, simulateTableService } from '../../../support/simulator/table-service.ts'

const minute = 60_000
const start = Date.parse('2026-06-01T08:00:00Z')

/** A directory whose clock the test sets. Its requests fail when the number that the test allows is used up. */
async function newWorld() {
	const clock = { now: start, requests: Number.POSITIVE_INFINITY }
	const intercept =
		(send: Send): Send =>
		(request) =>
			clock.requests-- > 0 ? send(request) : Promise.reject(new Error('the process is dead'))
	const directory = await newDirectory(simulateTableService(), { intercept })
	const { tables, tenant, feed } = directory
	let made = 0
	const ids = idGenerator(
		() => clock.now,
		(digits) => (made++).toString(16).padStart(digits, '0'),
	)
	const options = { tables, tenant, ids, feed, now: () => clock.now, random: () => 1 } as const
	const as = (label: string, history: History = 'full'): ResourceStore => {
		const actor: Actor = { credential: { id: `id-of-${label}`, label } }
		return openDirectory({ ...options, history, actor })
	}
	const ledger = openLedger({ ...options, history: 'full' })
	const plan = (request: Partial<UndoRequest> = {}) =>
		ledger.planUndo({ since: clock.now, until: clock.now, only: undoKinds, isForced: false, ...request })
	return { directory, clock, as, ledger, plan, store: as('prod') }
}

type World = Awaited<ReturnType<typeof newWorld>>

/** The next minutes, and their beginning. */
function pass({ clock }: World, minutes = 2): number {
	clock.now += minutes * minute
	return clock.now
}

const set = (values: AttributeValues) => ({
	revise: ({ attributes }: StoredResource) => ({ attributes: { ...attributes, ...values } }),
})
const asMembers = (users: readonly StoredResource[]) => users.map(({ id }) => ({ value: id }))
const idsOf = (users: readonly StoredResource[]) => users.map(({ id }) => id)

async function people(
	{ store }: World,
	count: number,
	values: AttributeValues = {},
): Promise<readonly StoredResource[]> {
	const users: StoredResource[] = []
	for (let index = 0; index < count; index++) {
		users.push(await store.create(userType, { attributes: { userName: `user${index}`, ...values } }))
	}
	return users
}

async function person(world: World, values: AttributeValues = {}): Promise<StoredResource> {
	return world.store.create(userType, { attributes: { userName: 'joy', title: 'boss', active: true, ...values } })
}

/** Everybody and every membership, without versions and times. */
async function exported({ store }: TestDirectory) {
	const resources: Record<string, AttributeValues> = {}
	const memberships: string[] = []
	for (const type of [userType, groupType]) {
		const found = await store.query(type, { page: { startIndex: 1, count: 750 } })
		for (const { id, attributes } of found.resources) {
			resources[id] = attributes
			const group = type === groupType ? await store.get(groupType, id, { members: true }) : undefined
			for (const { value } of group?.members ?? []) memberships.push(`${id} ${value}`)
		}
	}
	return { resources, memberships: memberships.sort() }
}

const attributesOf = async ({ store }: World, { id }: StoredResource) =>
	(await store.get(id[16] === 'a' ? groupType : userType, id))?.attributes

const reasonsOf = ({ left }: UndoPlan) => left.map(({ reason }) => reason)

async function entriesOf({ directory }: World): Promise<number> {
	const { changes } = await openDirectory({
		...directory,
		now: () => Date.now() + 366 * 24 * 60 * minute,
		random: () => 1,
	}).changes('', 100_000)
	return changes.length
}

const steps = ({ revisions, restorations, memberships }: UndoPlan) =>
	revisions.length + restorations.length + memberships.length

describe('undo', () => {
	test('sets back attributes and activity, and leaves what came before the time', async () => {
		const world = await newWorld()
		const joy = await person(world, { name: { givenName: 'Joy', familyName: 'Li' } })
		await world.store.update(userType, joy.id, set({ nickName: 'J' }))
		const since = pass(world)
		await world.store.update(userType, joy.id, set({ active: false, title: 'chief', nickName: 'JJ' }))
		await world.store.update(userType, joy.id, set({ title: 'head', name: { givenName: 'Joy' }, locale: 'en' }))
		const plan = await world.plan({ since })
		expect(plan).toMatchObject({ activated: 1, restorations: [], memberships: [], left: [] })
		await undo(world.store, plan)
		expect(await attributesOf(world, joy)).toEqual({
			...{ userName: 'joy', title: 'boss', active: true, nickName: 'J' },
			name: { givenName: 'Joy', familyName: 'Li' },
		})
	})

	test('takes back only the kinds that are asked for', async () => {
		const world = await newWorld()
		const joy = await person(world)
		const since = pass(world)
		await world.store.update(userType, joy.id, set({ active: false, title: 'chief' }))
		await undo(world.store, await world.plan({ since, only: ['deactivations'] }))
		expect(await attributesOf(world, joy)).toMatchObject({ active: true, title: 'chief' })
		await undo(world.store, await world.plan({ since, only: ['attributes'] }))
		expect(await attributesOf(world, joy)).toMatchObject({ active: true, title: 'boss' })
	})

	test('never takes back a creation, and leaves the memberships of new people', async () => {
		const world = await newWorld()
		const staff = await world.store.create(groupType, { attributes: { displayName: 'Staff' } })
		const since = pass(world)
		const joy = await person(world)
		await world.store.update(userType, joy.id, set({ title: 'chief' }))
		await world.store.changeMembers(staff.id, { add: asMembers([joy]), remove: [] })
		expect(steps(await world.plan({ since }))).toBe(0)
	})

	test('leaves a leaver whom another credential deactivated', async () => {
		const world = await newWorld()
		const [ann, bob] = await people(world, 2)
		if (ann === undefined || bob === undefined) throw new Error('there are two')
		const since = pass(world)
		await world.as('hr').update(userType, ann.id, set({ active: false }))
		await world.store.update(userType, bob.id, set({ active: false }))
		const plan = await world.plan({ since, credential: 'prod' })
		expect(plan).toMatchObject({ activated: 1, revisions: [{ id: bob.id }] })
		await undo(world.store, plan)
		expect(await attributesOf(world, ann)).toMatchObject({ active: false })
	})

	test('restores a leaver whom another credential deactivated as a leaver', async () => {
		const world = await newWorld()
		const joy = await person(world)
		const since = pass(world)
		await world.as('hr').update(userType, joy.id, set({ active: false }))
		await world.store.delete(userType, joy.id)
		pass(world)
		const plan = await world.plan({ since, credential: 'prod' })
		expect(plan).toMatchObject({ activated: 0, restorations: [{ id: joy.id, attributes: { active: false } }] })
	})

	test.each(['prod', 'hr'])('leaves a person whom %s deactivated again after the time', async (label) => {
		const world = await newWorld()
		const joy = await person(world)
		const since = pass(world)
		await world.store.update(userType, joy.id, set({ active: false }))
		const until = pass(world)
		pass(world)
		await world.store.update(userType, joy.id, set({ active: true }))
		await world.as(label).update(userType, joy.id, set({ active: false }))
		const plan = await world.plan({ since, until })
		expect({ steps: steps(plan), activated: plan.activated, reasons: reasonsOf(plan) }).toEqual({
			...{ steps: 0, activated: 0, reasons: ['again'] },
		})
		expect(await world.plan({ since, until, isForced: true })).toMatchObject({ activated: 1, left: [] })
	})

	test('reports what has no values, and a userName that is taken', async () => {
		const world = await newWorld()
		const [ann, bob] = await people(world, 2)
		if (ann === undefined || bob === undefined) throw new Error('there are two')
		const since = pass(world)
		await world.as('prod', 'names').update(userType, ann.id, set({ title: 'chief' }))
		await world.store.update(userType, bob.id, set({ userName: 'bob' }))
		await world.store.create(userType, { attributes: { userName: 'USER1' } })
		const plan = await world.plan({ since })
		expect({ steps: steps(plan), reasons: reasonsOf(plan).sort() }).toEqual({ steps: 0, reasons: ['taken', 'values'] })
	})

	test('reports a large change whose members are not kept', async () => {
		const world = await newWorld()
		const users = await people(world, 50)
		const staff = await world.store.create(groupType, { attributes: { displayName: 'Staff' } })
		const since = pass(world)
		await world.as('prod', 'names').changeMembers(staff.id, { add: asMembers(users), remove: [] })
		const plan = await world.plan({ since })
		expect(plan).toMatchObject({ left: [{ id: staff.id, name: 'Staff', reason: 'values' }] })
		expect(steps(plan)).toBe(0)
		expect(reasonsOf(await world.plan({ since, only: ['attributes', 'deletions', 'deactivations'] }))).toEqual([])
	})

	test('reports a large change that is not applied, and finishes it', async () => {
		const { world, since, staff, before } = await overlappingWorld({ left: 9 })
		const plan = await world.plan({ since })
		expect(reasonsOf(plan)).toEqual(['unfinished'])
		await world.ledger.finishChanges(plan)
		await undo(world.store, plan)
		const rest = await world.plan({ since })
		expect(rest.left).toEqual([])
		await undo(world.store, rest)
		expect(await membersOf(world, staff)).toEqual(before)
	})

	test('brings back people with their ids and groups, but not within a minute', async () => {
		const world = await newWorld()
		const users = await people(world, 40)
		const staff = await world.store.create(groupType, {
			attributes: { displayName: 'Staff' },
			members: users.map(({ id }) => ({ value: id, display: `shown ${id}` })),
		})
		const before = await exported(world.directory)
		const since = pass(world)
		for (const { id } of users.slice(0, 3)) await world.store.delete(userType, id)
		await world.store.delete(groupType, staff.id)
		expect(new Set(reasonsOf(await world.plan({ since })))).toEqual(new Set(['recent']))
		pass(world)
		const plan = await world.plan({ since })
		expect(plan).toMatchObject({ activated: 3, left: [] })
		await undo(world.store, plan)
		expect(await exported(world.directory)).toEqual(before)
		const group = await world.store.get(groupType, staff.id, { members: true })
		expect(group?.members?.at(-1)?.display).toBe(`shown ${users[39]?.id}`)
	})

	test('takes back what a large change has added, and leaves the members whom it found there', async () => {
		const { world, since, staff, before } = await overlappingWorld()
		const plan = await world.plan({ since })
		expect(plan).toMatchObject({ left: [], memberships: [{ add: [] }] })
		expect(plan.memberships[0]?.remove.length).toBe(1_500 - 50)
		await undo(world.store, plan)
		expect(await membersOf(world, staff)).toEqual(before)
	})

	test.each([3, 12, 70])(
		'knows whom a large change has found there if its process dies %i transactions after the commit',
		async (left) => {
			const { world, since, staff, before } = await overlappingWorld({ left })
			expect(await world.directory.table.first(within('j|gm|'), 1)).toHaveLength(1)
			await world.directory.sweep(20 * minute)
			expect(await world.directory.table.first(within('j|gm|'), 1)).toEqual([])
			const plan = await world.plan({ since })
			expect(plan).toMatchObject({ left: [], memberships: [{ add: [] }] })
			await undo(world.store, plan)
			expect(await membersOf(world, staff)).toEqual(before)
		},
	)

	test('leaves the members of a large change by version 0.2.0, which does not say whom it found there', async () => {
		const { world, since, users } = await overlappingWorld()
		for (const row of await world.directory.table.first(within('l|'), 1000)) {
			const { added, removed } = keptMembersIn(row)
			const stayed = users.slice(0, 1).map((value) => ({ value }))
			const change = JSON.stringify({ added: [...stayed, ...added], removed })
			await world.directory.table.transaction([upsert(row.RowKey, keptMembersRow.properties({ change }))])
		}
		const plan = await world.plan({ since })
		expect({ steps: steps(plan), reasons: reasonsOf(plan) }).toEqual({ steps: 0, reasons: ['unsure'] })
	})

	test('takes back what one resource met, and nothing of others', async () => {
		const world = await newWorld()
		const [ann, bob] = await people(world, 2)
		if (ann === undefined || bob === undefined) throw new Error('there are two')
		const staff = await world.store.create(groupType, {
			attributes: { displayName: 'Staff' },
			members: asMembers([ann, bob]),
		})
		const since = pass(world)
		await world.store.changeMembers(staff.id, { add: [], remove: [ann.id, bob.id] })
		await world.store.update(userType, ann.id, set({ title: 'chief' }))
		await world.store.update(userType, bob.id, set({ title: 'chief' }))
		const plan = await world.plan({ since, resource: ann.id })
		expect(plan).toMatchObject({ revisions: [{ id: ann.id }], memberships: [{ add: [{ value: ann.id }] }] })
		expect(steps(plan)).toBe(2)
	})
})

/**
 * A group to which a large change has added 1,500 users. 50 of them were members before.
 *
 * @param left how many transactions the process still makes after the commit
 */
async function overlappingWorld({ left = Number.POSITIVE_INFINITY } = {}) {
	const world = await newWorld()
	const users = idsOf(await people(world, 1_500))
	const members = users.filter((_, index) => index % 30 === 7).map((value) => ({ value }))
	const { id } = await world.store.create(groupType, { attributes: { displayName: 'Staff' }, members })
	const before = await membersOf(world, id)
	const since = pass(world)
	let made = Number.NEGATIVE_INFINITY
	const dying = world.directory.open(
		(send) => (request) => {
			if (made >= left) return Promise.reject(new Error('the process is dead'))
			if (request.body?.includes('j|gm|') === true || request.body?.includes('j%7Cgm%7C') === true)
				made = Math.max(made, -1)
			if (request.path === '$batch') made++
			return send(request)
		},
		() => world.clock.now,
	)
	await dying.changeMembers(id, { add: users.map((value) => ({ value })), remove: [] }).catch(() => {})
	return { world, since, staff: id, before, users }
}

async function membersOf({ store }: World, id: string): Promise<readonly string[]> {
	return ((await store.get(groupType, id, { members: true }))?.members ?? []).map(({ value }) => value)
}

const seeds = process.env.SEED === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env.SEED)]

/** A request that takes something away or changes it, at random. */
async function damage(world: World, users: readonly ResourceId[], groups: readonly ResourceId[], random: () => number) {
	const { store } = world
	const below = (limit: number) => Math.floor(random() * limit)
	const some = (most: number) => users.filter(() => random() < most / users.length)
	const word = () => `w${below(1_000_000)}`
	const user = users[below(users.length)] ?? ('' as ResourceId) // sound: there are users
	const group = groups[below(groups.length)] ?? ('' as ResourceId) // sound: there are groups
	switch (below(8)) {
		case 0:
			return store.delete(userType, user)
		case 1:
			return below(3) === 0 && store.delete(groupType, group)
		case 2:
			return store.update(userType, user, set({ active: below(3) === 0 }))
		case 3:
			return store.update(
				userType,
				user,
				set({ title: word(), name: { givenName: word() }, emails: [{ value: word() }] }),
			)
		case 4:
			return store.update(userType, user, {
				revise: ({ attributes: { title: _, name: __, ...attributes } }) => ({ attributes }),
			})
		case 5:
			return store.update(groupType, group, set({ displayName: word() }))
		case 6:
			return store.changeMembers(group, { add: [], remove: some(below(2) === 0 ? 3 : 50) })
		default: {
			const alive: ResourceId[] = []
			for (const each of some(4)) if ((await store.get(userType, each)) !== undefined) alive.push(each)
			return store.changeMembers(group, { add: alive.map((value) => ({ value })), remove: [] })
		}
	}
}

async function damagedWorld(seed: number) {
	const random = randomFrom(seed)
	const world = await newWorld()
	const users = idsOf(await people(world, 80, { title: 'boss', name: { givenName: 'A', familyName: 'B' } }))
	const groups: ResourceId[] = []
	for (let index = 0; index < 6; index++) {
		const members = users.filter(() => random() < 0.6).map((value) => ({ value }))
		groups.push((await world.store.create(groupType, { attributes: { displayName: `g${index}` }, members })).id)
	}
	const before = await exported(world.directory)
	const since = pass(world)
	for (let request = 0; request < 100; request++) {
		world.clock.now += 100
		await damage(world, users, groups, random)
	}
	pass(world)
	return { world, before, since }
}

test.each(seeds)(
	'random requests, undone, leave the directory as it was; undone again, nothing: seed %i',
	async (seed) => {
		const { world, before, since } = await damagedWorld(seed)
		expect(await exported(world.directory)).not.toEqual(before)
		const plan = await world.plan({ since })
		expect(plan.left).toEqual([])
		expect(await undo(world.store, plan)).toMatchObject({ left: [] })
		expect(await exported(world.directory)).toEqual(before)
		const entries = await entriesOf(world)
		pass(world)
		const again = await world.plan({ since })
		expect({ steps: steps(again), left: again.left }).toEqual({ steps: 0, left: [] })
		await undo(world.store, again)
		expect(await entriesOf(world)).toBe(entries)
	},
)

/** A store that can say when each of its calls has ended. */
function watched(store: ResourceStore) {
	const calls: Promise<unknown>[] = []
	const watch = <T>(call: Promise<T>): Promise<T> => {
		calls.push(call)
		return call
	}
	const seen: ResourceStore = {
		...store,
		create: (...args) => watch(store.create(...args)),
		get: (...args) => watch(store.get(...args)),
		update: (...args) => watch(store.update(...args)),
		changeMembers: (...args) => watch(store.changeMembers(...args)),
	}
	const settled = async () => {
		for (let known = 0; known < calls.length; ) {
			known = calls.length
			await Promise.allSettled(calls)
		}
	}
	return { store: seen, settled }
}

test.each(seeds)('an undo that is killed at any step, and run again, converges: seed %i', async (seed) => {
	const { world, before, since } = await damagedWorld(seed)
	const { now } = world.clock
	let runs = 0
	for (let isDone = false; !isDone; ) {
		const plan = await world.plan({ since, until: now })
		world.clock.requests = 5 + 10 * runs++
		const { store, settled } = watched(world.store)
		isDone = await undo(store, plan).then(
			() => true,
			() => false,
		)
		await settled()
		world.clock.requests = Number.POSITIVE_INFINITY
	}
	expect(runs).toBeGreaterThan(3)
	expect(await exported(world.directory)).toEqual(before)
})
