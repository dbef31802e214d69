import { describe, expect, test } from 'vitest'
import { userType } from '../../../../shared/scim/resource-type.ts'
import type { QueryResult } from '../../../../shared/storage/query/page.ts'
import { foldAll } from '../../../../shared/storage/rows/counts.ts'
import type { Table } from '../../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../../shared/storage/table-store.ts'
import { useAzurite } from '../../../support/azurite.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { seedUsers } from '../../../support/seed.ts'
import { sequenceOfIds } from '../../../support/sequence.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

const azurite = useAzurite()

/**
 * Reads all users by cursor, while other callers create, rename and delete users as fast as they can. Of the users at the
 * beginning every tenth may be deleted; the others stay.
 */
async function walkDuringChanges({ store }: TestDirectory, users: readonly string[], pageSize: number) {
	const staying = users.filter((_, index) => index % 10 > 0)
	const passing = users.filter((_, index) => index % 10 === 0)
	const returned: string[] = []
	const done = { created: 0, renamed: 0, deleted: 0 }
	let isOver = false
	const walk = async () => {
		for (let next: string | undefined = ''; next !== undefined; ) {
			const found: QueryResult = await store.query(userType, { page: { after: next, count: pageSize } })
			for (const { id } of found.resources) returned.push(id)
			next = found.next
		}
		isOver = true
	}
	const create = async () => {
		while (!isOver) await store.create(userType, { attributes: { userName: `new-${done.created++}` } })
	}
	// Users from all over the directory, before and after the page that is read.
	const oneOf = (users: readonly string[], turn: number) => users[(turn * 7919) % users.length] ?? ''
	const rename = async () => {
		while (!isOver) {
			const attributes = { userName: `renamed-${done.renamed}` }
			await store.update(userType, oneOf(staying, done.renamed++), { revise: () => ({ attributes }) })
		}
	}
	const remove = async () => {
		while (!isOver) expect(await store.delete(userType, oneOf(passing, done.deleted++))).toBe('deleted')
	}
	await Promise.all([walk(), create(), rename(), remove()])
	return { staying, passing, returned, done }
}

function expectEachOnce({ staying, passing, returned, done }: Awaited<ReturnType<typeof walkDuringChanges>>): void {
	const found = new Set(returned)
	expect(returned).toHaveLength(found.size)
	expect(staying.filter((id) => !found.has(id))).toEqual([])
	// The changes met the walk: some users were deleted before their page was read, and some were created before.
	expect(passing.filter((id) => !found.has(id)).length).toBeGreaterThan(0)
	expect(found.size).toBeGreaterThan(new Set([...staying, ...passing.filter((id) => found.has(id))]).size)
	for (const times of Object.values(done)) expect(times).toBeGreaterThan(5)
}

describe('a walk by cursor returns each user that stays once, while others are created and deleted', () => {
	test('of 10,000 on Azurite', async () => {
		const directory = await newDirectory(azurite())
		const users = await seedUsers(directory, 10_000)
		expectEachOnce(await walkDuringChanges(directory, users, 200))
	}, 120_000)

	test('of 200,000 on the simulator', async () => {
		const simulator = simulateTableService({ isInterleaved: true })
		const directory = await newDirectory(simulator)
		const users = await seedUsers(directory, 200_000, simulator)
		expectEachOnce(await walkDuringChanges(directory, users, 1000))
	}, 120_000)
})

/** All rows of a directory, without times and ETags, which differ between directories. */
async function rowsOf(table: Table): Promise<readonly unknown[]> {
	const rows: unknown[] = []
	for await (const page of table.pages({ from: '!', to: '~' })) {
		for (const { Timestamp, ...row } of page) {
			const own = Object.entries(row).filter(([name]) => !name.startsWith('odata'))
			rows.push(Object.fromEntries(own.map(([name, value]) => [name, isTime(value) ? 'a time' : value])))
		}
	}
	return rows
}

const isTime = (value: unknown): boolean => typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)

test.each([
	['Azurite', 60],
	['the simulator', 600],
])('seeded users on %s have the same rows as created users', async (name, count) => {
	const simulator = name === 'Azurite' ? undefined : simulateTableService()
	const newEmpty = () => newDirectory(simulator ?? azurite(), { feed: 'operations' })
	const [seeded, created] = [await newEmpty(), await newEmpty()]
	await seedUsers({ ...seeded, ids: sequenceOfIds() }, count, simulator)
	const store = openDirectory({ ...created, ids: sequenceOfIds(), now: Date.now, random: () => 1 })
	for (let index = 0; index < count; index++) {
		await store.create(userType, { attributes: { userName: `seeded-${index}` } })
	}
	await foldAll(created.table, userType)
	const rows = await rowsOf(created.table)
	expect(rows).toHaveLength(4 * count + 1)
	expect(await rowsOf(seeded.table)).toEqual(rows)
})

test('a walk in the order of userNames goes on if a user is deleted before its row is read', async () => {
	const directory = await newDirectory(simulateTableService())
	// The index row has a copy of the user, or the id alone of a large user.
	const create = (userName: string) =>
		directory.store.create(userType, { attributes: { userName, nickName: 'x'.repeat(userName === 'b' ? 50_000 : 1) } })
	const [a, b, c, d] = [await create('a'), await create('b'), await create('c'), await create('d')]
	const store = directory.open((send) => async (request) => {
		if (request.path.includes(`RowKey='u%7C${b.id}`)) await directory.store.delete(userType, b.id)
		return send(request)
	})
	const sort = { by: { name: 'userName' }, descending: false }
	const returned: unknown[] = []
	for (let next: string | undefined = ''; next !== undefined; ) {
		const page: QueryResult = await store.query(userType, { sort, page: { after: next, count: 2 } })
		returned.push(...page.resources)
		next = page.next
	}
	expect(returned).toEqual([a, c, d])
})
