import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import type { Send } from '../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

// Every work meets every other: before any of its transactions and of what it reads at a time, or before a transaction is
// done that it has long given up. What comes of both must be what comes of one after the other.

type World = {
	readonly directory: TestDirectory
	readonly users: readonly ResourceId[]
	/** The first has half of the users, the others the second user alone. */
	readonly groups: readonly ResourceId[]
}

async function newWorld(): Promise<World> {
	const directory = await newDirectory(simulateTableService())
	const { store } = directory
	const users: ResourceId[] = []
	for (let index = 0; index < 50; index++) {
		users.push((await store.create(userType, { attributes: { userName: `user${index}` } })).id)
	}
	const groups: ResourceId[] = []
	for (let index = 0; index < 24; index++) {
		const members = (index === 0 ? users.slice(0, 25) : users.slice(1, 2)).map((value) => ({ value }))
		groups.push((await store.create(groupType, { attributes: { displayName: `group${index}` }, members })).id)
	}
	return { directory, users, groups }
}

type Work = (store: ResourceStore, world: World) => Promise<unknown>

const idAt = (ids: readonly ResourceId[], index: number): ResourceId => {
	const id = ids[index]
	if (id === undefined) throw new RangeError(`there is no ${index}`)
	return id
}

const change =
	(add: readonly [from: number, to: number], remove: readonly [from: number, to: number]): Work =>
	(store, { users, groups }) =>
		store.changeMembers(idAt(groups, 0), {
			add: users
				.slice(...add)
				.toReversed()
				.map((value) => ({ value })),
			remove: users.slice(...remove),
		})

const nobody = [0, 0] as const

const works: Readonly<Record<string, Work>> = {
	'an addition of many': change([15, 50], nobody),
	'a removal of many': change(nobody, [0, 50]),
	'an addition of a few, half of them members': change([23, 27], nobody),
	'a removal of a few, half of them members': change(nobody, [23, 27]),
	'another name and other members': (store, { users, groups }) =>
		store.update(groupType, idAt(groups, 0), {
			include: { members: true },
			revise: ({ members = [] }) => {
				const wanted = new Set([...users.slice(1, 2), ...users.slice(14)])
				const present = new Set(members.map(({ value }) => value))
				return {
					attributes: { displayName: 'renamed' },
					membership: {
						add: [...wanted].filter((id) => !present.has(id)).map((value) => ({ value })),
						remove: [...present].filter((id) => !wanted.has(id)),
					},
				}
			},
		}),
	'a deletion of a user in one group': (store, { users }) => store.delete(userType, idAt(users, 24)),
	'a deletion of a user in many groups': (store, { users }) => store.delete(userType, idAt(users, 1)),
	'a deletion of the group': (store, { groups }) => store.delete(groupType, idAt(groups, 0)),
	'a creation of another group': (store, { users }) =>
		store.create(groupType, { attributes: { displayName: 'new' }, members: users.map((value) => ({ value })) }),
}

/** Does it, and says how it ended. */
async function ending(work: Work, store: ResourceStore, world: World): Promise<string | number> {
	try {
		const answer = await work(store, world)
		return typeof answer === 'string' ? answer : 'done'
	} catch (error) {
		if (error instanceof ScimError) return error.status
		throw error
	}
}

/** Everything that can be seen, by names, since ids are others in every world. */
async function seenIn({ directory: { store } }: World): Promise<unknown> {
	const page = { startIndex: 1, count: 100 }
	const users = await store.query(userType, { page, include: { groups: true } })
	const groups = await store.query(groupType, { page, include: { members: true } })
	const names = new Map<string, unknown>(users.resources.map(({ id, attributes }) => [id, attributes.userName]))
	return {
		totals: [users.totalResults, groups.totalResults],
		users: users.resources.map(({ attributes, groups: of = [] }) => [
			attributes.userName,
			of.map(({ display }) => display).toSorted(),
		]),
		groups: groups.resources.map(({ attributes, members = [] }) => [
			attributes.displayName,
			members.map(({ value }) => names.get(value)),
		]),
	}
}

async function inTurn(first: Work, second: Work): Promise<unknown> {
	const world = await newWorld()
	const { store } = world.directory
	const endings = [await ending(first, store, world), await ending(second, store, world)]
	return [...endings, await seenIn(world)]
}

async function expectTidy({ directory }: World): Promise<void> {
	await directory.sweep(20 * 60_000)
	expect(await violationsIn(directory.table)).toEqual([])
}

/** `first`, before whose `at`th step `second` is done; undefined where it has fewer. */
async function interrupted(first: Work, second: Work, at: number): Promise<unknown> {
	const world = await newWorld()
	let steps = 0
	let last = ''
	let other: string | number | undefined
	const interrupting = (send: Send): Send => {
		return async (request) => {
			const isStep = request.method === 'POST' || last !== 'GET'
			last = request.method
			if (isStep && ++steps === at) other = await ending(second, world.directory.store, world)
			return send(request)
		}
	}
	const own = await ending(first, world.directory.open(interrupting), world)
	if (other === undefined) return undefined
	const result = [own, other, await seenIn(world)]
	await expectTidy(world)
	return result
}

/** `first`, whose `at`th transaction is not answered, then `second`; only then the transaction is done. */
async function belated(first: Work, second: Work, at: number): Promise<unknown> {
	const world = await newWorld()
	const { directory } = world
	let transactions = 0
	let arrive: (() => ReturnType<Send>) | undefined
	const losing = (send: Send): Send => {
		return async (request) => {
			if (request.method !== 'POST' || ++transactions !== at) return send(request)
			arrive = () => send(request)
			throw new Error('the operation timed out')
		}
	}
	const own = await ending(first, directory.open(losing), world)
	if (arrive === undefined) return undefined
	const other = await ending(second, directory.store, world)
	await arrive()
	const result = [own, other, await seenIn(world)]
	await expectTidy(world)
	return result
}

const swapped = (result: unknown): unknown => {
	const [first, second, seen] = result as unknown[] // sound: what inTurn resolves to
	return [second, first, seen]
}

describe.each(Object.keys(works))('%s', (name) => {
	test.each(Object.keys(works))('and %s', async (otherName) => {
		const [work, other] = [works[name], works[otherName]]
		if (work === undefined || other === undefined) throw new Error('there is no such work')
		const before = await inTurn(work, other)
		const allowed = [before, swapped(await inTurn(other, work))]
		for (let at = 1, result: unknown; ; at++) {
			result = await interrupted(work, other, at)
			if (result === undefined) break
			expect(allowed).toContainEqual(result)
		}
		for (let at = 1, result: unknown; ; at++) {
			result = await belated(work, other, at)
			if (result === undefined) break
			expect(result).toEqual(before)
		}
	})
})
