import { describe, expect, test } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { connectTables, type Send } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { connectionString, simulateTableService } from '../../support/simulator/table-service.ts'

const second = 1000

/** A directory whose processes share one clock. The test moves the clock. */
async function newFixture() {
	const { send } = simulateTableService()
	const tenant = { name: 'acme', table: 'changes' }
	let time = Date.UTC(2026, 0, 1)
	let idCount = 0
	const now = () => time
	const ids = idGenerator(now, (digits) => (idCount++).toString(16).padStart(digits, '0'))
	const connect = (around: (send: Send) => Send) =>
		connectTables({ connectionString }, { intercept: () => around(send), pause: async () => {} })
	const open = (around: (send: Send) => Send = (each) => each): ResourceStore =>
		openDirectory({ tables: connect(around), tenant, ids, now, random: () => 1, feed: 'operations' })
	await connect((each) => each).createTable(tenant.table)
	let others = 0
	return {
		open,
		store: open(),
		pass(milliseconds: number): void {
			time += milliseconds
		},
		/** Another process makes a change at this moment. */
		createOther: () => open().create(userType, { attributes: { userName: `other${others++}` } }),
	}
}

/** Reads the feed from the last entry that it knows. Calls that overlap read one after another. */
function newReader(store: ResourceStore) {
	let operations: readonly string[] = []
	let reading = Promise.resolve()
	const readToEnd = async (): Promise<void> => {
		for (let isOver = false; !isOver; ) {
			const { changes } = await store.changes(operations.at(-1) ?? '', 3)
			operations = [...operations, ...changes.map(({ operation }) => operation)]
			isOver = changes.length === 0
		}
	}
	return {
		read: (): Promise<void> => {
			reading = reading.then(readToEnd)
			return reading
		},
		operations: () => operations,
	}
}

async function allOperations(store: ResourceStore): Promise<readonly string[]> {
	const reader = newReader(store)
	await reader.read()
	return reader.operations()
}

describe('a reader that follows the feed of changes', () => {
	test('finds a change of many members that takes long to prepare', async () => {
		const fixture = await newFixture()
		const members = []
		for (let index = 0; index < 60; index++) members.push({ value: (await fixture.createOther()).id })
		const { id } = await fixture.store.create(groupType, { attributes: { displayName: 'group' } })
		const { read, operations } = newReader(fixture.store)
		const slow = fixture.open((send) => async (request) => {
			if (request.method === 'POST') {
				fixture.pass(30 * second)
				await fixture.createOther()
				await read()
			}
			return send(request)
		})
		const answer = await slow.changeMembers(id, { add: members, remove: [] })
		fixture.pass(600 * second)
		await read()
		expect(operations()).toEqual(await allOperations(fixture.store))
		expect(answer).toEqual({ version: expect.toSatisfy((version: string) => operations().includes(version)) })
	})

	test('finds a change whose answers take long', async () => {
		const fixture = await newFixture()
		const { read, operations } = newReader(fixture.store)
		let requests = 0
		const slow = fixture.open((send) => async (request) => {
			fixture.pass(12 * second)
			await fixture.createOther()
			await read()
			// Three transactions without an answer, and the lookups of their entries.
			if (++requests < 6 && request.method === 'POST') throw new Error('the operation timed out')
			return send(request)
		})
		await slow.create(userType, { attributes: { userName: 'slow' } }).catch((error) => error)
		fixture.pass(600 * second)
		await read()
		expect(operations()).toEqual(await allOperations(fixture.store))
	})
})

test('the feed leaves out refused changes and has the changes after them', async () => {
	const fixture = await newFixture()
	const first = await fixture.createOther()
	for (let times = 0; times < 5; times++) {
		let transactions = 0
		const forgetful = fixture.open((send) => async (request) => {
			if (request.method === 'POST' && ++transactions === 1) throw new Error('the operation timed out')
			return send(request)
		})
		const again = forgetful.create(userType, { attributes: { userName: 'OTHER0' } })
		await expect(again).rejects.toMatchObject({ status: 409 })
	}
	const last = await fixture.createOther()
	fixture.pass(61 * second)
	expect(await allOperations(fixture.store)).toEqual([first.version, last.version])
	expect(await fixture.store.changes('', 1)).toMatchObject({ changes: [{ operation: first.version }] })
	expect(await fixture.store.changes(first.version, 1)).toMatchObject({ changes: [{ operation: last.version }] })
})
