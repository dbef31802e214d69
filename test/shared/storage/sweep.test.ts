import { describe, expect, test } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import type { StoredResource } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { sweep } from '../../../shared/storage/sweep.ts'
import type { TableRequest } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { violationsIn } from '../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { withFaults } from '../../support/faults.ts'
import { simulateTableService } from '../../support/simulator/table-service.ts'

const minute = 60_000
const day = 24 * 60 * minute

async function newFixture() {
	const directory = await newDirectory(simulateTableService({ isInterleaved: true }), { feed: 'operations' })
	const users: StoredResource[] = []
	for (let index = 0; index < 50; index++) {
		users.push(await directory.store.create(userType, { attributes: { userName: `user${index}` } }))
	}
	const groups: StoredResource[] = []
	for (let index = 0; index < 30; index++) {
		groups.push(await directory.store.create(groupType, { attributes: { displayName: `group${index}` } }))
	}
	return { directory, users, groups }
}

/** Opens the directory in a process that dies before the first request for which `isUnsent` holds. */
function dyingAt(directory: TestDirectory, isUnsent: (request: TableRequest) => boolean): ResourceStore {
	let isDead = false
	return directory.open(
		withFaults((request) => {
			isDead ||= isUnsent(request)
			return isDead ? 'unsent' : 'answered'
		}),
	)
}

/** Whether a transaction does this to a row whose key has the prefix. */
const does =
	(verb: 'POST' | 'DELETE' | 'MERGE', prefix: string) =>
	({ body = '' }: TableRequest): boolean =>
		new RegExp(`\n${verb} [^\n]*?${verb === 'POST' ? '' : `RowKey='${encodeURIComponent(prefix)}`}`).test(body) &&
		(verb !== 'POST' || body.includes(`"RowKey":"${prefix}`))

const keysOf = async ({ table }: TestDirectory, prefix: string): Promise<readonly string[]> => {
	const keys: string[] = []
	for await (const rows of table.pages({ from: prefix, to: `${prefix}~` }))
		keys.push(...rows.map(({ RowKey }) => RowKey))
	return keys
}

const add = (users: readonly StoredResource[]) => ({ add: users.map(({ id }) => ({ value: id })), remove: [] })

describe('a sweep', () => {
	test('changes nothing if no change is unfinished', async () => {
		const { directory } = await newFixture()
		expect(await directory.sweep()).toEqual({ finished: 0, feedEntriesRemoved: 0, failures: [] })
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('finishes deletions, and a committed large change', async () => {
		const { directory, users, groups } = await newFixture()
		const [first, second] = groups
		const [user] = users
		if (!(first && second && user)) throw new Error('there are too few groups or users')
		await directory.store.changeMembers(second.id, add(users))
		for (const { id } of groups) await directory.store.changeMembers(id, add([user]))
		const members = dyingAt(directory, does('DELETE', `r|${users[1]?.id}|!`))
		expect(await members.changeMembers(first.id, add(users))).toEqual({ version: expect.any(String) })
		expect(await dyingAt(directory, does('DELETE', `m|${second.id}`)).delete(groupType, second.id)).toBe('deleted')
		// A large change that adds the user to the first group is pending. The deletion applies it first.
		expect(await dyingAt(directory, does('DELETE', `m|${groups[9]?.id}`)).delete(userType, user.id)).toBe('deleted')
		expect((await keysOf(directory, 'j|')).map((key) => key.slice(0, 4))).toEqual(['j|dg', 'j|du'])
		expect(await directory.sweep()).toEqual({ finished: 2, feedEntriesRemoved: 0, failures: [] })
		expect(await violationsIn(directory.table)).toEqual([])
		const stored = await directory.store.get(groupType, first.id, { members: true })
		expect(stored?.members).toEqual(add(users.slice(1)).add)
		expect(await directory.store.get(groupType, second.id)).toBeUndefined()
	})

	test('removes a prepared change once its request must be dead, and not before', async () => {
		const { directory, users, groups } = await newFixture()
		const [group] = groups
		if (group === undefined) throw new Error('there are too few groups')
		const isCommit = does('DELETE', 'j|gp')
		await expect(dyingAt(directory, isCommit).changeMembers(group.id, add(users))).rejects.toMatchObject({
			status: 503,
		})
		const before = await keysOf(directory, 'r|')
		expect(await directory.sweep(10 * minute)).toMatchObject({ finished: 0, failures: [] })
		expect((await keysOf(directory, 'j|')).map((key) => key.slice(0, 4))).toEqual(['j|gi', 'j|gp'])
		expect(await keysOf(directory, 'r|')).toEqual(before)
		expect(await directory.sweep(20 * minute)).toMatchObject({ finished: 1, failures: [] })
		expect(await violationsIn(directory.table)).toEqual([])
		expect(await directory.store.get(groupType, group.id, { members: true })).toEqual({ ...group, members: [] })
	})

	test('that removes a change too early makes its request prepare the change again', async () => {
		const { directory, users, groups } = await newFixture()
		const [group] = groups
		if (group === undefined) throw new Error('there are too few groups')
		let isSwept = false
		const store = directory.open((send) => async (request) => {
			if (!isSwept && does('DELETE', 'j|gp')(request)) {
				isSwept = true
				await directory.sweep(20 * minute)
				expect(await keysOf(directory, 'j|')).toEqual([])
			}
			return send(request)
		})
		const answer = await store.changeMembers(group.id, add(users))
		const stored = await directory.store.get(groupType, group.id, { members: true })
		expect(answer).toEqual({ version: stored?.version })
		expect(stored?.members).toEqual(add(users).add)
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('may run at the same time as another sweep and requests', async () => {
		const { directory, users, groups } = await newFixture()
		const isFinal = does('POST', 'k|')
		for (const { id } of groups.slice(0, 10)) await dyingAt(directory, isFinal).changeMembers(id, add(users))
		expect((await keysOf(directory, 'j|gm')).length).toBe(10)
		const [one, two] = await Promise.all([
			directory.sweep(),
			directory.sweep(),
			...groups
				.slice(0, 10)
				.map(({ id }) =>
					directory.store.changeMembers(id, { add: [], remove: users.slice(0, 2).map((user) => user.id) }),
				),
		])
		expect([one?.failures, two?.failures]).toEqual([[], []])
		await directory.sweep()
		for (const { id } of groups.slice(0, 10)) {
			expect((await directory.store.get(groupType, id, { members: true }))?.members).toEqual(add(users.slice(2)).add)
		}
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('folds all counts', async () => {
		const { directory, users } = await newFixture()
		for (let index = 0; index < 120; index++) {
			await directory.store.create(userType, { attributes: { userName: `more${index}` } })
		}
		for (const { id } of users.slice(0, 20)) await directory.store.delete(userType, id)
		await directory.sweep()
		expect(await keysOf(directory, 'n|')).toEqual(['n|g|!base', 'n|u|!base'])
		const total = { page: { startIndex: 1, count: 0 } }
		expect(await directory.store.query(userType, total)).toEqual({ resources: [], totalResults: 150 })
		expect(await directory.store.query(groupType, total)).toEqual({ resources: [], totalResults: 30 })
	})

	test('removes entries of the feed after 30 days, not before, and never the last', async () => {
		const { directory } = await newFixture()
		expect(await directory.sweep(30 * day - minute)).toMatchObject({ feedEntriesRemoved: 0 })
		expect(await keysOf(directory, 'c|')).toHaveLength(80)
		expect(await directory.sweep(30 * day + minute)).toMatchObject({ feedEntriesRemoved: 79 })
		expect(await keysOf(directory, 'c|')).toHaveLength(1)
		expect(await directory.sweep(60 * day)).toMatchObject({ feedEntriesRemoved: 0 })
	})

	test('removes entries of the feed at the age that the setting gives', async () => {
		const { directory } = await newFixture()
		const { tables, tenant, ids } = directory
		const sweptAfter = (days: number) =>
			sweep({
				...{ tables, tenant, ids, random: () => 1, keepFeedFor: 7 * day, feed: 'operations' },
				now: () => Date.now() + days * day + minute,
			})
		expect(await sweptAfter(6)).toMatchObject({ feedEntriesRemoved: 0 })
		expect(await sweptAfter(7)).toMatchObject({ feedEntriesRemoved: 79 })
	})

	test('removes no entry of the feed before all earlier ones are removed', async () => {
		const { directory } = await newFixture()
		for (let index = 0; index < 220; index++) {
			await directory.store.create(userType, { attributes: { userName: `more${index}` } })
		}
		const entries = await keysOf(directory, 'c|')
		const isOfFirst = does('DELETE', entries[0] ?? '')
		const faulty = withFaults((request) => (isOfFirst(request) ? 'unsent' : 'answered'))
		await expect(directory.sweep(31 * day, faulty)).rejects.toMatchObject({ status: 503 })
		expect(await keysOf(directory, 'c|')).toEqual(entries)
	})

	test('keeps the newest of the old entries of the feed, from which a reader goes on', async () => {
		const { directory } = await newFixture()
		const [newestOld] = (await keysOf(directory, 'c|')).slice(-1)
		const inAMonth = () => Date.now() + 31 * day
		const ids = idGenerator(inAMonth, (digits) => 'f'.repeat(digits))
		const { tables, tenant } = directory
		const storeThen = openDirectory({
			tables,
			tenant,
			ids,
			now: () => inAMonth() + 2 * minute,
			random: () => 1,
			feed: 'operations',
		})
		const { version } = await storeThen.create(userType, { attributes: { userName: 'new' } })
		expect(await directory.sweep(31 * day)).toMatchObject({ feedEntriesRemoved: 79 })
		expect(await storeThen.changes(newestOld?.slice(2) ?? '', 10)).toMatchObject({
			changes: [{ operation: version, kind: 'create' }],
		})
	})

	test('reports what it could not finish, and goes on with the rest', async () => {
		const { directory, users, groups } = await newFixture()
		const [first, second] = groups
		if (!(first && second)) throw new Error('there are too few groups')
		for (const { id } of [first, second]) {
			await directory.store.changeMembers(id, add(users))
			await dyingAt(directory, does('DELETE', `m|${id}`)).delete(groupType, id)
		}
		const isOfFirst = does('DELETE', `m|${first.id}`)
		const faulty = withFaults((request) => (isOfFirst(request) ? 'unsent' : 'answered'))
		const swept = await directory.sweep(0, faulty)
		expect(swept).toEqual({
			finished: 1,
			feedEntriesRemoved: 0,
			failures: [expect.objectContaining({ status: 503 })],
		})
		expect(await keysOf(directory, 'j|')).toEqual([`j|dg|${first.id}`])
	})

	test('stops at its time limit', async () => {
		const { directory, users, groups } = await newFixture()
		const [group] = groups
		if (group === undefined) throw new Error('there are too few groups')
		await dyingAt(directory, does('POST', 'k|')).changeMembers(group.id, add(users))
		expect(await directory.sweep(0, undefined, Date.now())).toEqual({
			finished: 0,
			feedEntriesRemoved: 0,
			failures: [],
		})
		expect(await keysOf(directory, 'j|')).toHaveLength(1)
		expect(await directory.sweep()).toMatchObject({ finished: 1 })
	})
})
