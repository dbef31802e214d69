import { describe, expect, test } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import { groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ResourceStore } from '../../../shared/storage/resource-store.ts'
import { connectTables, type Send } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { connectionString, simulateTableService } from '../../support/simulator/table-service.ts'

const second = 1000

/** A directory whose processes have one clock, which is moved by hand. */
async function newWorld() {
	const { send } = simulateTableService()
	const tenant = { name: 'acme', table: 'changes' }
	let time = Date.UTC(2026, 0, 1)
	let made = 0
	const now = () => time
	const ids = idGenerator(now, (digits) => (made++).toString(16).padStart(digits, '0'))
	const connect = (around: (send: Send) => Send) =>
		connectTables({ connectionString }, { intercept: () => around(send), pause: async () => {} })
	const open = (around: (send: Send) => Send = (each) => each): ResourceStore =>
		openDirectory({ tables: connect(around), tenant, ids, now, random: () => 1 })
	await connect((each) => each).createTable(tenant.table)
	let others = 0
	return {
		open,
		store: open(),
		pass(milliseconds: number): void {
			time += milliseconds
		},
		/** Something that happens at this moment. */
		happen: () => open().create(userType, { attributes: { userName: `other${others++}` } }),
	}
}

/** Reads the feed from where it was, one after another. */
function reader(store: ResourceStore) {
	let told: readonly string[] = []
	let turn = Promise.resolve()
	const goOn = async (): Promise<void> => {
		for (let isOver = false; !isOver; ) {
			const page = await store.changes(told.at(-1) ?? '', 3)
			told = [...told, ...page.map(({ operation }) => operation)]
			isOver = page.length === 0
		}
	}
	return {
		read: (): Promise<void> => {
			turn = turn.then(goOn)
			return turn
		},
		told: () => told,
	}
}

async function allOf(store: ResourceStore): Promise<readonly string[]> {
	const whole = reader(store)
	await whole.read()
	return whole.told()
}

describe('who reads the feed of changes all the time is told', () => {
	test('of a change of many members, although it takes long to prepare', async () => {
		const world = await newWorld()
		const members = []
		for (let index = 0; index < 60; index++) members.push({ value: (await world.happen()).id })
		const { id } = await world.store.create(groupType, { attributes: { displayName: 'group' } })
		const { read, told } = reader(world.store)
		const slow = world.open((send) => async (request) => {
			if (request.method === 'POST') {
				world.pass(30 * second)
				await world.happen()
				await read()
			}
			return send(request)
		})
		const answer = await slow.changeMembers(id, { add: members, remove: [] })
		world.pass(600 * second)
		await read()
		expect(told()).toEqual(await allOf(world.store))
		expect(answer).toEqual({ version: expect.toSatisfy((version: string) => told().includes(version)) })
	})

	test('of a change whose answers take long', async () => {
		const world = await newWorld()
		const { read, told } = reader(world.store)
		let requests = 0
		const slow = world.open((send) => async (request) => {
			world.pass(12 * second)
			await world.happen()
			await read()
			// Three transactions and what looks for them.
			if (++requests < 6 && request.method === 'POST') throw new Error('the operation timed out')
			return send(request)
		})
		await slow.create(userType, { attributes: { userName: 'slow' } }).catch((error) => error)
		world.pass(600 * second)
		await read()
		expect(told()).toEqual(await allOf(world.store))
	})
})

test('what was refused is not told, and what follows it is', async () => {
	const world = await newWorld()
	const first = await world.happen()
	for (let times = 0; times < 5; times++) {
		let transactions = 0
		const forgetful = world.open((send) => async (request) => {
			if (request.method === 'POST' && ++transactions === 1) throw new Error('the operation timed out')
			return send(request)
		})
		const again = forgetful.create(userType, { attributes: { userName: 'OTHER0' } })
		await expect(again).rejects.toMatchObject({ status: 409 })
	}
	const last = await world.happen()
	world.pass(61 * second)
	expect(await allOf(world.store)).toEqual([first.version, last.version])
	expect(await world.store.changes('', 1)).toMatchObject([{ operation: first.version }])
	expect(await world.store.changes(first.version, 1)).toMatchObject([{ operation: last.version }])
})
