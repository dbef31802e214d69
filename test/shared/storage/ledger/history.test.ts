import { describe, expect, test } from 'vitest'
import type { StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { type Ledger, openLedger } from '../../../../shared/storage/ledger/ledger.ts'
import { keptMembersIn } from '../../../../shared/storage/membership/kept-members.ts'
import { type RefusalCount, refusalsAbout, storeRefusals } from '../../../../shared/storage/refusals.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { withFaults } from '../../../support/faults.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const minute = 60_000
const day = 24 * 60 * minute

const ledgerOf = ({ tables, tenant, ids, feed }: TestDirectory): Ledger =>
	openLedger({ tables, tenant, ids, feed, now: Date.now, random: () => 1, history: 'full' })

/** Entries of the old feed are in the index when they are a minute old. */
const sweepAll = (directory: TestDirectory) => directory.sweep(2 * minute)

const keysOf = async ({ table }: TestDirectory, prefix: string): Promise<readonly string[]> => {
	const keys: string[] = []
	for await (const rows of table.pages({ from: prefix, to: `${prefix}~` }))
		keys.push(...rows.map(({ RowKey }) => RowKey))
	return keys
}

const replace = (values: Readonly<Record<string, unknown>>) => ({
	revise: ({ attributes }: StoredResource) => ({ attributes: { ...attributes, ...values } }),
})
const asMembers = (users: readonly StoredResource[]) => users.map(({ id }) => ({ value: id }))

async function usersIn({ store }: TestDirectory, count: number): Promise<readonly StoredResource[]> {
	const users: StoredResource[] = []
	for (let index = 0; index < count; index++) {
		users.push(await store.create(userType, { attributes: { userName: `user${index}` } }))
	}
	return users
}

/** A person who is renamed, joins a group by each way, leaves it, and is deleted. */
async function newStory() {
	const directory = await newDirectory(simulateTableService())
	const { tables, tenant, ids, feed } = directory
	const actor = { credential: { id: 'right', label: 'Okta prod' }, requestId: 'r-1', client: 'Okta' } as const
	const options = { tables, tenant, ids, feed, now: Date.now, random: () => 1, history: 'full', actor } as const
	const store = openDirectory(options)
	const others = await usersIn(directory, 40)
	const joy = await store.create(userType, { attributes: { userName: 'joy', title: 'boss' } })
	const staff = await store.create(groupType, { attributes: { displayName: 'Staff' } })
	const sales = await store.create(groupType, { attributes: { displayName: 'Sales' }, members: asMembers([joy]) })
	await store.update(userType, joy.id, replace({ userName: 'joy.li', title: 'chief' }))
	await store.changeMembers(staff.id, { add: asMembers([joy]), remove: [] })
	await store.changeMembers(staff.id, { add: [], remove: [joy.id] })
	await store.changeMembers(staff.id, { add: asMembers([...others, joy]), remove: [] })
	await store.changeMembers(staff.id, { add: [], remove: [...others, joy].map(({ id }) => id) })
	await store.delete(groupType, sales.id)
	await store.delete(userType, joy.id)
	return { directory, store, joy, staff, sales, others, actor }
}

const told = [
	{ kind: 'create' },
	{ kind: 'joined', other: { type: 'Group', name: 'Sales' } },
	{ kind: 'update', before: { userName: 'joy', title: 'boss' }, after: { userName: 'joy.li', title: 'chief' } },
	{ kind: 'joined', other: { type: 'Group', name: 'Staff' } },
	{ kind: 'left', other: { type: 'Group', name: 'Staff' } },
	{ kind: 'joined', other: { type: 'Group', name: 'Staff' } },
	{ kind: 'left', other: { type: 'Group', name: 'Staff' } },
	{ kind: 'left', other: { type: 'Group', name: 'Sales' } },
	{ kind: 'delete' },
]

describe('the history of a person', () => {
	test('tells each change with what was there before and after, the groups, and who did it', async () => {
		const { directory, joy, actor } = await newStory()
		await sweepAll(directory)
		const history = await ledgerOf(directory).history({ id: joy.id, type: 'User' })
		expect(history).toMatchObject({ id: joy.id, name: 'joy.li', isDeleted: true, events: told })
		for (const event of history.events) expect(event).toMatchObject(actor)
	})

	test('is the same before the sweep has come to it, but for names of groups that are gone', async () => {
		const { directory, joy } = await newStory()
		const { events: before } = await ledgerOf(directory).history({ id: joy.id, type: 'User' })
		await sweepAll(directory)
		const { events: after } = await ledgerOf(directory).history({ id: joy.id, type: 'User' })
		const nameless = after.map(({ other, ...event }) =>
			other?.name === 'Sales'
				? { ...event, other: { type: other.type, id: other.id } }
				: { ...event, ...(other && { other }) },
		)
		expect(before).toEqual(nameless)
	})

	test('is found by the id, by the name now, and by the last names of a person who is gone', async () => {
		const { directory, joy, staff, others } = await newStory()
		await sweepAll(directory)
		const ledger = ledgerOf(directory)
		const found = [{ id: joy.id, type: 'User' }]
		expect(await ledger.find(joy.id)).toEqual(found)
		expect(await ledger.find('JOY.LI')).toEqual(found)
		expect(await ledger.find('joy')).toEqual(found)
		expect(await ledger.find('user3')).toEqual([{ id: others[3]?.id, type: 'User' }])
		expect(await ledger.find('staff')).toEqual([{ id: staff.id, type: 'Group' }])
		expect(await ledger.find('stranger')).toEqual([])
	})

	test('has the refusals about the id and the names', async () => {
		const { directory, joy } = await newStory()
		await sweepAll(directory)
		const refusal = { method: 'PATCH', path: '/Users/{id}', status: 400, sentence: 'no', count: 1, first: 1, last: 2 }
		const refusals: readonly RefusalCount[] = [
			{ ...refusal, operation: directory.ids('Operation'), resourceId: joy.id },
			{ ...refusal, operation: directory.ids('Operation'), name: 'Joy.Li' },
			{ ...refusal, operation: directory.ids('Operation'), name: 'ann' },
		]
		await storeRefusals(directory.table, refusals)
		const history = await ledgerOf(directory).history({ id: joy.id, type: 'User' })
		expect(history.refusals).toEqual(refusals.slice(0, 2))
	})
})

test('the history of a group has its members and the people who were deleted', async () => {
	const directory = await newDirectory(simulateTableService())
	const users = await usersIn(directory, 2)
	const [ann, bob] = users
	if (!(ann && bob)) throw new Error('there are too few users')
	const attributes = { displayName: 'Staff' }
	const { id } = await directory.store.create(groupType, { attributes, members: asMembers([ann]) })
	await directory.store.changeMembers(id, { add: asMembers([bob]), remove: [] })
	await directory.store.delete(userType, ann.id)
	await sweepAll(directory)
	expect((await ledgerOf(directory).history({ id, type: 'Group' })).events).toMatchObject([
		{ kind: 'create', changed: [`+${ann.id}`] },
		{ kind: 'members', changed: [`+${bob.id}`] },
		{ kind: 'left', other: { type: 'User', id: ann.id } },
	])
})

test('a sweep that dies at any of its writes is gone on with by the next one', async () => {
	const expected = await newStory()
	await sweepAll(expected.directory)
	const wanted = (await keysOf(expected.directory, 'h|')).length
	const { directory } = await newStory()
	for (let writes = 0; (await keysOf(directory, 'h|')).length < wanted; writes++) {
		expect(writes).toBeLessThan(100)
		let left = writes
		const dying = withFaults(({ method }) => (method === 'POST' && left-- <= 0 ? 'unsent' : 'answered'))
		await directory.sweep(2 * minute, dying).catch(() => {})
	}
	await sweepAll(directory)
	expect((await keysOf(directory, 'h|')).length).toBe(wanted)
})

test('the sweep removes histories and kept members with the entries of the feed', async () => {
	const { directory } = await newStory()
	await sweepAll(directory)
	expect((await keysOf(directory, 'l|')).length).toBe(2)
	if (directory.feed === 'operations') await directory.sweep(31 * day)
	else return
	const left = await keysOf(directory, 'h|')
	// The newest of the old entries stays, for the readers of the feed.
	expect(left.filter((key) => !key.startsWith('h|!')).length).toBeLessThanOrEqual(3)
	expect(await keysOf(directory, 'l|')).toEqual([])
})

test('a directory whose history is off has no histories', async () => {
	const directory = await newDirectory(simulateTableService(), { history: 'off' })
	await usersIn(directory, 2)
	await sweepAll(directory)
	expect(await keysOf(directory, 'h|')).toEqual([])
})

describe('the erasure of a person', () => {
	test.each(['before', 'after'])('leaves no value of the person, %s the sweep has come to it', async (when) => {
		const { directory, joy } = await newStory()
		await storeRefusals(directory.table, [
			{
				...{ operation: directory.ids('Operation'), name: 'joy', method: 'POST', path: '/Users', status: 409 },
				...{ sentence: 'userName "joy" is already taken', count: 1, first: 1, last: 1 },
			},
		])
		const changes = async () =>
			(
				await directory
					.open(
						(send) => send,
						() => Date.now() + 2 * minute,
					)
					.changes('', 1000)
			).changes
		const before = await changes()
		if (when === 'after') await sweepAll(directory)
		const erased = await ledgerOf(directory).erase(joy.id)
		expect(erased).toMatchObject({ entries: 2, refusals: 1 })
		await sweepAll(directory)
		for (const prefix of ['c|', 'f|', 'h|', 'l|', 'q|']) {
			for await (const rows of directory.table.pages({ from: prefix, to: `${prefix}~` })) {
				for (const row of rows)
					if (row.id === joy.id || row.RowKey.startsWith('h|=')) expect(row.w ?? row.w0).toBe(undefined)
				expect(JSON.stringify(rows)).not.toMatch(/joy|boss/)
			}
		}
		// Readers of the feed are told the same, but for the names that a deletion had.
		const nameless = before.map(({ name, ...entry }) =>
			entry.id === joy.id || name === undefined ? entry : { ...entry, name },
		)
		expect(await changes()).toEqual(nameless)
		expect(await refusalsAbout(directory.table, '=joy')).toEqual([])
		const { events } = await ledgerOf(directory).history({ id: joy.id, type: 'User' })
		expect(events.filter(({ kind }) => kind === 'erased')).toMatchObject([{ at: expect.any(String) }])
		for (const event of events) expect(event.before).toBe(undefined)
	})

	test('takes the name of the person out of lists of members', async () => {
		const directory = await newDirectory(simulateTableService())
		const users = await usersIn(directory, 40)
		const members = users.map(({ id }, index) => ({ value: id, display: `display${index}` }))
		const attributes = { displayName: 'Staff' }
		const { id } = await directory.store.create(groupType, { attributes, members })
		await directory.store.delete(groupType, id)
		await sweepAll(directory)
		await ledgerOf(directory).erase(users[7]?.id ?? '')
		const { events } = await ledgerOf(directory).history({ id, type: 'Group' })
		expect(events.map(({ kind }) => kind)).toEqual(['create', 'delete'])
		const kept: string[] = []
		for await (const rows of directory.table.pages({ from: 'l|', to: 'l|~' })) {
			for (const row of rows) kept.push(JSON.stringify(keptMembersIn(row)))
		}
		expect(kept.length).toBe(2)
		for (const text of kept) {
			expect(text).not.toMatch(/display7"/)
			expect(text).toMatch(/display8"/)
		}
	})
})

/** `PEOPLE=200000` is a million changes, and needs 6 GB and some minutes. */
const people = Number(process.env.PEOPLE ?? 1_000)

test('any person of thousands has a history in at most 20 requests', { timeout: 120_000 + 10 * people }, async () => {
	const directory = await newDirectory(simulateTableService())
	const { store, meter } = directory
	const users = await usersIn(directory, people)
	const groups: StoredResource[] = []
	for (let index = 0; index < 20; index++) {
		groups.push(await store.create(groupType, { attributes: { displayName: `group${index}` } }))
	}
	for (let index = 0; index < 4 * people; index++) {
		const [user, group] = [
			users[(index * 7) % users.length],
			groups[(index + Math.floor(index / people)) % groups.length],
		]
		if (user === undefined || group === undefined) throw new Error('it is there')
		if (index % 2 === 0) await store.update(userType, user.id, replace({ title: `title${index}` }))
		else await store.changeMembers(group.id, { add: asMembers([user]), remove: [] })
	}
	await sweepAll(directory)
	const ledger = ledgerOf(directory)
	const asked = users.filter((_, index) => index % Math.ceil(people / 500) === 0)
	const costs = new Set<number>()
	for (const user of asked) {
		const { result, requests } = await meter.measure(async () => {
			const [subject] = await ledger.find(String(user.attributes.userName))
			return subject && ledger.history(subject)
		})
		expect(result?.events.length).toBeGreaterThan(3)
		costs.add(requests)
	}
	// docs/history.md says so.
	expect([...costs]).toEqual([9])
})

test('the sweep copies entries of a megabyte, many in a row', async () => {
	const directory = await newDirectory(simulateTableService())
	const photo = Array.from({ length: 90_000 }, (_, index) => (index * 7919).toString(36)).join('')
	const attributes = { userName: 'joy', displayName: photo }
	const { id } = await directory.store.create(userType, { attributes })
	for (let index = 0; index < 12; index++) {
		await directory.store.update(userType, id, replace({ displayName: `${photo}${index}` }))
	}
	await sweepAll(directory)
	const { events } = await ledgerOf(directory).history({ id, type: 'User' })
	expect(events.at(-1)).toMatchObject({ before: { displayName: `${photo}10` }, after: { displayName: `${photo}11` } })
})

test.each([1, 2])(
	'a user of format %i is found by each spelling of a userName with a Greek final sigma',
	async (format) => {
		const directory = await newDirectory(simulateTableService())
		const store = directory.open((send) => send, Date.now, format)
		const { id } = await store.create(userType, { attributes: { userName: 'ΝΙΚΟΣ' } })
		const ledger = ledgerOf(directory)
		for (const name of ['ΝΙΚΟΣ', 'νικοσ', 'νικος']) expect(await ledger.find(name)).toEqual([{ id, type: 'User' }])
		await store.delete(userType, id)
		await sweepAll(directory)
		for (const name of ['ΝΙΚΟΣ', 'νικοσ', 'νικος']) expect(await ledger.find(name)).toEqual([{ id, type: 'User' }])
	},
)
