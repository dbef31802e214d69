import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import type { Send } from '../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

// Every request meets every other request, in two ways:
// - Before one step of the first request, the second one is done. A step is a transaction, or several reads in a row.
// - A transaction of the first request gets no answer. It is done in the end, after the second request.
// The result must be the same as if one request came after the other.

type Fixture = {
	readonly directory: TestDirectory
	readonly users: readonly ResourceId[]
	/** The members of the first group are half of the users; the only member of each other group is the second user. */
	readonly groups: readonly ResourceId[]
}

async function newFixture(): Promise<Fixture> {
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

type ClientRequest = (store: ResourceStore, fixture: Fixture) => Promise<unknown>

const idAt = (ids: readonly ResourceId[], index: number): ResourceId => {
	const id = ids[index]
	if (id === undefined) throw new RangeError(`there is no id at ${index}`)
	return id
}

const change =
	(add: readonly [from: number, to: number], remove: readonly [from: number, to: number]): ClientRequest =>
	(store, { users, groups }) =>
		store.changeMembers(idAt(groups, 0), {
			add: users
				.slice(...add)
				.toReversed()
				.map((value) => ({ value })),
			remove: users.slice(...remove),
		})

const none = [0, 0] as const

const requests: Readonly<Record<string, ClientRequest>> = {
	'an addition of many members': change([15, 50], none),
	'a removal of many members': change(none, [0, 50]),
	'an addition of a few users, half of them members,': change([23, 27], none),
	'a removal of a few users, half of them members,': change(none, [23, 27]),
	'a change of the name and the members': (store, { users, groups }) =>
		store.update(groupType, idAt(groups, 0), {
			include: { members: true },
			revise: ({ members = [] }) => {
				const next = new Set([...users.slice(1, 2), ...users.slice(14)])
				const present = new Set(members.map(({ value }) => value))
				return {
					attributes: { displayName: 'renamed' },
					membership: {
						add: [...next].filter((id) => !present.has(id)).map((value) => ({ value })),
						remove: [...present].filter((id) => !next.has(id)),
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

/** Makes a request. Returns its answer if that is a string, `done` for any other answer, or the status of its error. */
async function endingOf(request: ClientRequest, store: ResourceStore, fixture: Fixture): Promise<string | number> {
	try {
		const answer = await request(store, fixture)
		return typeof answer === 'string' ? answer : 'done'
	} catch (error) {
		if (error instanceof ScimError) return error.status
		throw error
	}
}

/** All that clients see of a directory. It has names in place of ids, which differ in every directory. */
async function contentOf({ directory: { store } }: Fixture): Promise<unknown> {
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

/** How both requests end, and the content of the directory afterwards. */
type Result = readonly [first: string | number, second: string | number, content: unknown]

async function oneAfterTheOther(first: ClientRequest, second: ClientRequest): Promise<Result> {
	const fixture = await newFixture()
	const { store } = fixture.directory
	const firstEnding = await endingOf(first, store, fixture)
	return [firstEnding, await endingOf(second, store, fixture), await contentOf(fixture)]
}

async function expectConsistent({ directory }: Fixture): Promise<void> {
	await directory.sweep(20 * 60_000)
	expect(await violationsIn(directory.table)).toEqual([])
}

/** Does `second` before the `at`th step of `first`. Returns undefined if `first` has fewer steps. */
async function interrupted(first: ClientRequest, second: ClientRequest, at: number): Promise<Result | undefined> {
	const fixture = await newFixture()
	let steps = 0
	let last = ''
	let secondEnding: string | number | undefined
	const interrupting = (send: Send): Send => {
		return async (request) => {
			const isStep = request.method === 'POST' || last !== 'GET'
			last = request.method
			if (isStep && ++steps === at) secondEnding = await endingOf(second, fixture.directory.store, fixture)
			return send(request)
		}
	}
	const firstEnding = await endingOf(first, fixture.directory.open(interrupting), fixture)
	if (secondEnding === undefined) return undefined
	const result: Result = [firstEnding, secondEnding, await contentOf(fixture)]
	await expectConsistent(fixture)
	return result
}

/**
 * Does `first`, whose `at`th transaction gets no answer, and then `second`. The transaction is done after that. Returns
 * undefined if `first` has fewer transactions.
 */
async function withLateTransaction(
	first: ClientRequest,
	second: ClientRequest,
	at: number,
): Promise<Result | undefined> {
	const fixture = await newFixture()
	const { directory } = fixture
	let transactions = 0
	let arrive: (() => ReturnType<Send>) | undefined
	const losing = (send: Send): Send => {
		return async (request) => {
			if (request.method !== 'POST' || ++transactions !== at) return send(request)
			arrive = () => send(request)
			throw new Error('the operation timed out')
		}
	}
	const firstEnding = await endingOf(first, directory.open(losing), fixture)
	if (arrive === undefined) return undefined
	const secondEnding = await endingOf(second, directory.store, fixture)
	await arrive()
	const result: Result = [firstEnding, secondEnding, await contentOf(fixture)]
	await expectConsistent(fixture)
	return result
}

const swapped = ([first, second, content]: Result): Result => [second, first, content]

describe.each(Object.keys(requests))('%s', (firstName) => {
	test.each(Object.keys(requests))('and %s have the same result as one after the other', async (secondName) => {
		const [first, second] = [requests[firstName], requests[secondName]]
		if (first === undefined || second === undefined) throw new Error('there is no such request')
		const firstThenSecond = await oneAfterTheOther(first, second)
		const allowed = [firstThenSecond, swapped(await oneAfterTheOther(second, first))]
		for (let at = 1; ; at++) {
			const result = await interrupted(first, second, at)
			if (result === undefined) break
			expect(allowed).toContainEqual(result)
		}
		for (let at = 1; ; at++) {
			const result = await withLateTransaction(first, second, at)
			if (result === undefined) break
			expect(result).toEqual(firstThenSecond)
		}
	})
})
