import { describe, expect, test } from 'vitest'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import type { Send } from '../../../shared/storage/table/tables.ts'
import { newEpochFixture, readToEnd } from '../../support/epochs.ts'

const hour = 3_600_000

const operationsOf = (changes: readonly { readonly operation: string }[]) => changes.map(({ operation }) => operation)

describe('a reader of a feed with epochs', () => {
	test('that asks once a second is told a change within 3 seconds, whatever the clock of its writer says', async () => {
		const fixture = await newEpochFixture()
		const reader = fixture.open()
		let cursor = (await reader.changes('', 10)).nextCursor
		for (const ahead of [0, 5 * hour, -5 * hour]) {
			const { version } = await fixture.createUser(fixture.open({ ahead }))
			let seconds = 0
			for (let isTold = false; !isTold; seconds++) {
				fixture.pass(1000)
				const page = await reader.changes(cursor, 10)
				cursor = page.nextCursor
				isTold = operationsOf(page.changes).includes(version)
			}
			expect(seconds).toBeLessThanOrEqual(3)
		}
	})

	test('closes an epoch at most once a second in one process, and not while storage is slow', async () => {
		const fixture = await newEpochFixture()
		let latency = 0
		const slow = (send: Send): Send => {
			return async (request) => {
				fixture.pass(latency)
				return send(request)
			}
		}
		const [writer, reader] = [fixture.open(), fixture.open({ around: slow })]
		const told = async (): Promise<number> => (await reader.changes((await readSome(reader)) ?? '', 10)).changes.length
		let cursor = ''
		const readSome = async (store: ResourceStore) => {
			const page = await store.changes(cursor, 10)
			cursor = page.nextCursor
			return cursor
		}
		await fixture.createUser(writer)
		await readSome(reader)
		await fixture.createUser(writer)
		expect(await told()).toBe(0)
		fixture.pass(999)
		expect(await told()).toBe(0)
		fixture.pass(1)
		await readSome(reader)
		expect(await fixture.table.get('e|!')).toMatchObject({ n: 3 })
		latency = 500
		await fixture.createUser(writer)
		// The reader has read the row `e|!` in 500 ms, so that it waits for 2 s.
		fixture.pass(1400)
		await readSome(reader)
		expect(await fixture.table.get('e|!')).toMatchObject({ n: 3 })
		fixture.pass(600)
		await readSome(reader)
		expect(await fixture.table.get('e|!')).toMatchObject({ n: 4 })
	})

	test('takes two requests if nothing is new, and five with news', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		await fixture.createUser(store)
		const { cursor } = await readToEnd(store, fixture)
		fixture.pass(1000)
		const idle = await fixture.meter.measure(() => store.changes(cursor, 10))
		expect([idle.requests, idle.result]).toEqual([2, { changes: [], nextCursor: cursor }])
		await fixture.createUser(store)
		fixture.pass(1000)
		const busy = await fixture.meter.measure(() => store.changes(cursor, 10))
		expect([busy.requests, busy.result.changes.length]).toEqual([5, 1])
	})

	test('reads of each entry what it tells, and nothing else that the entry may have', async () => {
		const fixture = await newEpochFixture()
		const paths: string[] = []
		const reader = fixture.open({
			around: (send) => (request) => {
				if (request.method === 'GET' && request.path.includes('f%7C')) paths.push(request.path)
				return send(request)
			},
		})
		await fixture.createUser(fixture.open())
		expect((await reader.changes('', 10)).changes).toHaveLength(1)
		expect(paths.map((path) => /[$]select=([^&]*)/.exec(path)?.[1])).toEqual(['RowKey', 'RowKey,k,rt,id,chg,at,nm,xid'])
	})

	test('leaves an epoch without entries open, and closes one that has only a withdrawn entry', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		await store.create(userType, { attributes: { userName: 'joy' } })
		const { cursor } = await readToEnd(store, fixture)
		await readToEnd(store, fixture, cursor)
		expect(await fixture.table.get('e|!')).toMatchObject({ n: 2 })
		const forgetful = fixture.open({ around: losingFirst })
		await expect(forgetful.create(userType, { attributes: { userName: 'JOY' } })).rejects.toMatchObject({ status: 409 })
		const after = await readToEnd(store, fixture, cursor)
		expect(after).toEqual({ changes: [], cursor: '000000000002-~' })
	})

	test('is told a change whose writer stood still for hours, after changes that were made meanwhile', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		const first = await fixture.createUser(store)
		const { changes, cursor } = await readToEnd(store, fixture)
		let second: { readonly version: string } | undefined
		const stalled = fixture.open({
			around: (send) => async (request) => {
				if (request.method === 'POST' && second === undefined) {
					second = await fixture.createUser(store)
					await readToEnd(store, fixture, cursor)
					fixture.pass(7 * hour)
				}
				return send(request)
			},
		})
		const third = await fixture.createUser(stalled)
		expect(operationsOf(changes)).toEqual([first.version])
		const news = await readToEnd(store, fixture, cursor)
		expect(operationsOf(news.changes)).toEqual([second?.version, third.version])
	})

	test('is told the changes of a resource in their order, and when each was made, although clocks differ by hours', async () => {
		const fixture = await newEpochFixture()
		const [ahead, behind] = [fixture.open({ ahead: 3 * hour }), fixture.open({ ahead: -3 * hour })]
		const { id, version } = await fixture.createUser(ahead)
		const update = (store: ResourceStore, title: string) =>
			store.update(userType, id, { revise: ({ attributes }) => ({ attributes: { ...attributes, title } }) })
		const updated = [await update(behind, 'a'), await update(ahead, 'b'), await update(behind, 'c')]
		expect(await behind.delete(userType, id)).toBe('deleted')
		const { changes } = await readToEnd(fixture.open(), fixture)
		const versions = updated.map((user) => (typeof user === 'string' ? user : user.version))
		expect(operationsOf(changes).slice(0, 4)).toEqual([version, ...versions])
		expect(changes.map(({ kind }) => kind)).toEqual(['create', 'update', 'update', 'update', 'delete'])
		const start = Date.UTC(2026, 0, 1)
		expect(changes.map(({ time }) => (time - start) / hour)).toEqual([3, -3, 3, -3, -3])
	})

	test('goes on within an epoch', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		const { id } = await store.create(groupType, { attributes: { displayName: 'group' } })
		for (let index = 0; index < 5; index++) {
			const user = await fixture.createUser(fixture.open({ ahead: index * hour }))
			await store.changeMembers(id, { add: [{ value: user.id }], remove: [] })
			if (index % 2 === 0) await store.delete(userType, user.id)
		}
		const all = await readToEnd(store, fixture)
		const oneByOne: string[] = []
		for (let cursor = ''; oneByOne.length < all.changes.length; ) {
			const page = await store.changes(cursor, 1)
			expect(page.changes).toHaveLength(1)
			oneByOne.push(...operationsOf(page.changes))
			cursor = page.nextCursor
		}
		expect(oneByOne).toEqual(operationsOf(all.changes))
		expect(oneByOne).toHaveLength(11)
	})
})

/** Loses the first transaction, which never arrives. */
function losingFirst(send: Send): Send {
	let isLost = false
	return async (request) => {
		if (!isLost && request.method === 'POST') {
			isLost = true
			throw new Error('the operation timed out')
		}
		return send(request)
	}
}

describe('the cursor', () => {
	test.each([
		'nonsense',
		'000000000001-',
		'000000000001-~~',
		'1-~',
		'000000000001-01a214972b2e700182471521e32e49d3',
		'000000000001-01a214972b2e7001b2471521e32e49d3',
	])('%s is refused', async (cursor) => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		await fixture.createUser(store)
		await readToEnd(store, fixture)
		await expect(store.changes(cursor, 10)).rejects.toMatchObject({ scimType: 'invalidCursor' })
	})

	test('of an epoch that is not yet, as after the table was lost, is expired', async () => {
		const fixture = await newEpochFixture()
		const store = fixture.open()
		await expect(store.changes('000000000007-~', 10)).rejects.toMatchObject({ scimType: 'expiredCursor' })
		await fixture.createUser(store)
		await expect(store.changes('000000000007-~', 10)).rejects.toMatchObject({ scimType: 'expiredCursor' })
	})
})

test('two processes whose clocks are hours apart add and remove members 10,000 times, and the feed has the members', async () => {
	const fixture = await newEpochFixture()
	const processes = [fixture.open({ ahead: 4 * hour }), fixture.open({ ahead: -4 * hour })] as const
	const reader = fixture.open()
	const { id } = await processes[0].create(groupType, { attributes: { displayName: 'group' } })
	const users: ResourceId[] = []
	for (let index = 0; index < 7; index++) users.push((await fixture.createUser(processes[0])).id)
	const members = new Set<string>()
	let cursor = ''
	const replay = async (): Promise<void> => {
		const news = await readToEnd(reader, fixture, cursor)
		cursor = news.cursor
		for (const mark of news.changes.filter((each) => each.id === id).flatMap(({ changed }) => changed)) {
			if (mark.startsWith('+')) members.add(mark.slice(1))
			else members.delete(mark.slice(1))
		}
	}
	const actual = async () =>
		(await reader.get(groupType, id, { members: true }))?.members?.map(({ value }) => value).toSorted()
	let random = 1
	const next = (limit: number) => {
		random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
		return (random >>> 8) % limit
	}
	for (let step = 0; step < 5_000; step++) {
		await Promise.all(
			processes.map((store) => {
				const value = users[next(users.length)]
				if (value === undefined) throw new Error('there is no user')
				return store.changeMembers(id, next(2) === 0 ? { add: [{ value }], remove: [] } : { add: [], remove: [value] })
			}),
		)
		fixture.pass(next(100))
		if (next(40) !== 0) continue
		await replay()
		expect([...members].sort()).toEqual(await actual())
	}
	await replay()
	expect([...members].sort()).toEqual(await actual())
})
