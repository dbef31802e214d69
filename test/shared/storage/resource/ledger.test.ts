import { describe, expect, test } from 'vitest'
import type { StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { keptMembersIn, keptPages } from '../../../../shared/storage/membership/kept-members.ts'
import type { History } from '../../../../shared/storage/rows/directory.ts'
import { feedRow } from '../../../../shared/storage/rows/schema.ts'
import { within } from '../../../../shared/storage/table/key-range.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const startDirectory = (history: History = 'full') => newDirectory(simulateTableService(), { history })

async function usersIn({ store }: TestDirectory, count: number): Promise<readonly StoredResource[]> {
	const users: StoredResource[] = []
	for (let index = 0; index < count; index++) {
		users.push(await store.create(userType, { attributes: { userName: `user${index}` } }))
	}
	return users
}

const asMembers = (users: readonly StoredResource[]) => users.map(({ id }) => ({ value: id, display: `of ${id}` }))
const idsOf = (users: readonly StoredResource[]) => users.map(({ id }) => id)

const entriesOf = ({ table, feed }: TestDirectory) =>
	table.first(within(feed === 'epochs' ? 'f|' : feedRow.key('')), 10_000)

async function lastBefore(directory: TestDirectory): Promise<unknown> {
	const text = feedRow.before.of((await entriesOf(directory)).at(-1) ?? { RowKey: '' })
	return text === undefined ? undefined : JSON.parse(text)
}

/** All members that are kept of a change, and how many rows they take. */
async function keptOf({ table }: TestDirectory, operation: string) {
	const added: string[] = []
	const removed: string[] = []
	let rows = 0
	for await (const page of keptPages(table, operation)) {
		for (const row of page) {
			rows++
			added.push(...keptMembersIn(row).added.map(({ value }) => value))
			removed.push(...keptMembersIn(row).removed.map(({ value }) => value))
		}
	}
	return { added: added.sort(), removed: removed.sort(), rows }
}

const replace = (values: Readonly<Record<string, unknown>>) => ({
	revise: ({ attributes }: StoredResource) => ({ attributes: { ...attributes, ...values } }),
})

describe('the history full', () => {
	test('keeps what an update has replaced', async () => {
		const directory = await startDirectory()
		const attributes = { userName: 'joy', name: { givenName: 'Joy', familyName: 'Li' } }
		const { id } = await directory.store.create(userType, { attributes })
		await directory.store.update(userType, id, replace({ title: 'boss', name: { givenName: 'Joy', familyName: 'Lo' } }))
		expect(await lastBefore(directory)).toEqual({ title: null, name: { familyName: 'Li' } })
	})

	test('keeps a deleted user with the groups', async () => {
		const directory = await startDirectory()
		const [user] = await usersIn(directory, 1)
		const group = await directory.store.create(groupType, {
			attributes: { displayName: 'Staff' },
			members: user ? asMembers([user]) : [],
		})
		await directory.store.delete(userType, user?.id ?? '')
		const { created, lastModified, attributes } = user ?? {}
		expect(await lastBefore(directory)).toEqual({ created, lastModified, attributes })
		expect(feedRow.changed.of((await entriesOf(directory)).at(-1) ?? { RowKey: '' })).toBe(group.id)
	})

	test('keeps text of up to 200 bytes as it is, and longer text compressed', async () => {
		const directory = await startDirectory()
		const { id } = await directory.store.create(userType, { attributes: { userName: 'joy', title: 'x'.repeat(188) } })
		await directory.store.update(userType, id, replace({ title: 'y'.repeat(189) }))
		await directory.store.update(userType, id, replace({ title: 'z' }))
		const [, plain, packed] = await entriesOf(directory)
		expect([typeof plain?.w, plain?.w0]).toEqual(['string', undefined])
		expect([packed?.w, typeof packed?.w0]).toEqual([undefined, 'string'])
		expect(await lastBefore(directory)).toEqual({ title: 'y'.repeat(189) })
	})

	test('keeps a user of a megabyte', async () => {
		const directory = await startDirectory()
		const photo = Array.from({ length: 90_000 }, (_, index) => (index * 7919).toString(36)).join('')
		const { id } = await directory.store.create(userType, { attributes: { userName: 'joy', displayName: photo } })
		await directory.store.update(userType, id, replace({ displayName: `${photo}!` }))
		expect(await lastBefore(directory)).toEqual({ displayName: photo })
		expect(await directory.store.delete(userType, id)).toBe('deleted')
		expect(await lastBefore(directory)).toMatchObject({ attributes: { displayName: `${photo}!` } })
	})

	test('keeps the first members of a group in its entry, or beside it if they are many', async () => {
		const directory = await startDirectory()
		const users = await usersIn(directory, 40)
		const few = users.slice(0, 3)
		await directory.store.create(groupType, { attributes: { displayName: 'few' }, members: asMembers(few) })
		await directory.store.create(groupType, { attributes: { displayName: 'many' }, members: asMembers(users) })
		const [first, second] = (await entriesOf(directory)).slice(-2)
		expect(first && feedRow.firstMembers.of(first)).toBe(idsOf(few).join(' '))
		expect(second && feedRow.firstMembers.of(second)).toBe(undefined)
		const large = (second && feedRow.large.of(second)) ?? ''
		expect(await keptOf(directory, large)).toEqual({ added: idsOf(users), removed: [], rows: 1 })
	})

	test('keeps the members that a large change removes, and not users who were no members', async () => {
		const directory = await startDirectory()
		const users = await usersIn(directory, 150)
		const members = users.filter((_, index) => index % 3 === 0)
		const attributes = { displayName: 'group' }
		const { id } = await directory.store.create(groupType, { attributes, members: asMembers(members) })
		await directory.store.changeMembers(id, { add: [], remove: idsOf(users) })
		const large = (await entriesOf(directory)).map(feedRow.large.of).at(-1) ?? ''
		expect(await keptOf(directory, large)).toMatchObject({ added: [], removed: idsOf(members) })
	})

	test('keeps the members of a deleted group with their display names', async () => {
		const directory = await startDirectory()
		const users = await usersIn(directory, 1_200)
		const attributes = { displayName: 'group' }
		const { id } = await directory.store.create(groupType, { attributes, members: asMembers(users) })
		await directory.store.delete(groupType, id)
		const [deletion] = (await entriesOf(directory)).slice(-1)
		const operation = deletion?.RowKey.split('|').at(-1) ?? ''
		expect(await keptOf(directory, operation)).toEqual({ added: [], removed: idsOf(users), rows: 2 })
		const [row] = await directory.table.first(within(`l|${operation}|`), 1)
		expect(row && keptMembersIn(row).removed[0]).toEqual(asMembers(users)[0])
		expect(await directory.table.first(within('m|'), 1)).toEqual([])
		expect(await directory.table.first(within('j|'), 1)).toEqual([])
	})
})

describe.each(['names', 'off'] as const)('the history %s', (history) => {
	test('keeps no values and no members', async () => {
		const directory = await startDirectory(history)
		const users = await usersIn(directory, 60)
		const { id } = await directory.store.create(groupType, {
			attributes: { displayName: 'g' },
			members: asMembers(users),
		})
		await directory.store.update(userType, users[0]?.id ?? '', replace({ title: 'boss' }))
		await directory.store.changeMembers(id, { add: [], remove: idsOf(users) })
		await directory.store.delete(groupType, id)
		for (const row of await entriesOf(directory)) {
			expect([feedRow.before.of(row), feedRow.large.of(row)]).toEqual([undefined, undefined])
		}
		expect(await directory.table.first(within('l|'), 1)).toEqual([])
	})
})

test.each([0, 1, 49, 50, 51, 998, 999, 1_000, 1_999, 2_000])(
	'a deletion of a group with %i members makes no more requests because its members are kept',
	async (count) => {
		const directory = await startDirectory()
		const users = await usersIn(directory, count)
		const { store, meter } = directory
		const { id } = await store.create(groupType, { attributes: { displayName: 'group' }, members: asMembers(users) })
		const { requests } = await meter.measure(() => store.delete(groupType, id))
		// Before the ledger: the row of the group, the deletion, pages, 100 rows in a transaction, and two rows at the end.
		const pages = Math.floor(count / 1_000) + 1
		const rest = count - (999 + 1_000 * (pages - 2))
		const transactions = pages === 1 ? Math.ceil(count / 50) : 20 * (pages - 1) + Math.ceil(rest / 50)
		expect(requests).toBeLessThanOrEqual(2 + pages + transactions + 2)
	},
)
