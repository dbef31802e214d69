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
 * Walks over a directory by cursor, while others create, rename and delete users as fast as they can. Every tenth of
 * those who are there at the beginning may be deleted meanwhile; the others stay.
 */
async function walkAmongOthers({ store }: TestDirectory, users: readonly string[], pageSize: number) {
	const staying = users.filter((_, index) => index % 10 > 0)
	const passing = users.filter((_, index) => index % 10 === 0)
	const seen: string[] = []
	const done = { created: 0, renamed: 0, deleted: 0 }
	let isOver = false
	const walk = async () => {
		for (let next: string | undefined = ''; next !== undefined; ) {
			const found: QueryResult = await store.query(userType, { page: { after: next, count: pageSize } })
			for (const { id } of found.resources) seen.push(id)
			next = found.next
		}
		isOver = true
	}
	const create = async () => {
		while (!isOver) await store.create(userType, { attributes: { userName: `new-${done.created++}` } })
	}
	// Everywhere in turn, before and behind the place that the walk has come to.
	const oneOf = (among: readonly string[], turn: number) => among[(turn * 7919) % among.length] ?? ''
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
	return { staying, passing, seen, done }
}

function expectEverybodyOnce({ staying, passing, seen, done }: Awaited<ReturnType<typeof walkAmongOthers>>): void {
	const found = new Set(seen)
	expect(seen).toHaveLength(found.size)
	expect(staying.filter((id) => !found.has(id))).toEqual([])
	// The others were in the way of the walk: some left before it came, some came before it was there.
	expect(passing.filter((id) => !found.has(id)).length).toBeGreaterThan(0)
	expect(found.size).toBeGreaterThan(new Set([...staying, ...passing.filter((id) => found.has(id))]).size)
	for (const times of Object.values(done)) expect(times).toBeGreaterThan(5)
}

describe('a walk by cursor sees everybody once who is there throughout, while others come and go', () => {
	test('of 10,000 on Azurite', async () => {
		const directory = await newDirectory(azurite())
		const users = await seedUsers(directory, 10_000)
		expectEverybodyOnce(await walkAmongOthers(directory, users, 200))
	}, 120_000)

	test('of 200,000 on the simulator', async () => {
		const simulator = simulateTableService({ isInterleaved: true })
		const directory = await newDirectory(simulator)
		const users = await seedUsers(directory, 200_000, simulator)
		expectEverybodyOnce(await walkAmongOthers(directory, users, 1000))
	}, 120_000)
})

/** All rows of a directory. Times and ETags are others in every one. */
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
])('users who are seeded on %s have the rows of users who are created', async (name, count) => {
	const simulator = name === 'Azurite' ? undefined : simulateTableService()
	const [seeded, created] = [await newDirectory(simulator ?? azurite()), await newDirectory(simulator ?? azurite())]
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

test('a walk in the order of userNames goes on where somebody leaves whom it is just about to read', async () => {
	const directory = await newDirectory(simulateTableService())
	// The row of a userName holds the whole user, or of a large one only where it is.
	const create = (userName: string) =>
		directory.store.create(userType, { attributes: { userName, nickName: 'x'.repeat(userName === 'b' ? 50_000 : 1) } })
	const [a, b, c, d] = [await create('a'), await create('b'), await create('c'), await create('d')]
	const store = directory.open((send) => async (request) => {
		if (request.path.includes(`RowKey='u%7C${b.id}`)) await directory.store.delete(userType, b.id)
		return send(request)
	})
	const sort = { by: { name: 'userName' }, descending: false }
	const seen: unknown[] = []
	for (let next: string | undefined = ''; next !== undefined; ) {
		const page: QueryResult = await store.query(userType, { sort, page: { after: next, count: 2 } })
		seen.push(...page.resources)
		next = page.next
	}
	expect(seen).toEqual([a, c, d])
})
