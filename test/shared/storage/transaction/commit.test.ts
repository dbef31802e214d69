import { describe, expect, test } from 'vitest'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import type { Send, TableRequest, TableResponse } from '../../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { testFeed } from '../../../support/feed.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

/**
 * Opens the directory in a process whose first transaction gets no answer. `arrive` does that transaction. `before` runs
 * ahead of each later request. `answer` may answer it in place of the service.
 */
function withLateCopy(
	directory: TestDirectory,
	before: (request: TableRequest) => Promise<void> = async () => {},
	answer: (request: TableRequest) => TableResponse | undefined = () => undefined,
) {
	let copy: (() => ReturnType<Send>) | undefined
	const store = directory.open((send) => async (request) => {
		if (copy === undefined && request.method === 'POST') {
			copy = () => send(request)
			throw new Error('the operation timed out')
		}
		await before(request)
		return answer(request) ?? send(request)
	})
	const arrive = async (): Promise<void> => {
		if (copy === undefined) throw new Error('nothing was sent')
		await copy()
	}
	return { store, arrive }
}

const everything = { startIndex: 1, count: 100 }

describe('a transaction that is done after its client has stopped waiting', () => {
	test('does not create a user whose creation was refused', async () => {
		const directory = await newDirectory(simulateTableService())
		const { id } = await directory.store.create(userType, { attributes: { userName: 'joy' } })
		const { store, arrive } = withLateCopy(directory)
		await expect(store.create(userType, { attributes: { userName: 'JOY' } })).rejects.toMatchObject({ status: 409 })
		await directory.store.delete(userType, id)
		await arrive()
		expect(await directory.store.query(userType, { page: everything })).toEqual({ resources: [], totalResults: 0 })
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('would create it if no other entry took the place of its own', async () => {
		const directory = await newDirectory(simulateTableService())
		const { id } = await directory.store.create(userType, { attributes: { userName: 'joy' } })
		const isWithdrawal = ({ body = '' }: TableRequest) => body.includes('"k":"withdrawn"')
		const done = { status: 202, text: '', headers: { get: () => undefined } }
		const { store, arrive } = withLateCopy(
			directory,
			async () => {},
			(request) => (isWithdrawal(request) ? done : undefined),
		)
		await expect(store.create(userType, { attributes: { userName: 'JOY' } })).rejects.toMatchObject({ status: 409 })
		await directory.store.delete(userType, id)
		await arrive()
		expect(await directory.store.query(userType, { page: everything })).toMatchObject({ totalResults: 1 })
	})

	test('does not add a member again whom another change has removed', async () => {
		const directory = await newDirectory(simulateTableService())
		const { id } = await directory.store.create(userType, { attributes: { userName: 'joy' } })
		const members = [{ value: id }]
		const group = await directory.store.create(groupType, { attributes: { displayName: 'Staff' }, members })
		const { store, arrive } = withLateCopy(directory)
		expect(await store.changeMembers(group.id, { add: members, remove: [] })).toEqual({ version: group.version })
		await directory.store.changeMembers(group.id, { add: [], remove: [id] })
		await arrive()
		expect(await directory.store.get(groupType, group.id, { members: true })).toMatchObject({ members: [] })
		expect(await violationsIn(directory.table)).toEqual([])
	})

	test('creates one user if it is done between the refusal of its second copy and the answer', async () => {
		const directory = await newDirectory(simulateTableService())
		const other = await directory.store.create(userType, { attributes: { userName: 'joy' } })
		let requests = 0
		const { store, arrive } = withLateCopy(directory, async () => {
			// The lost transaction is looked up, sent again and refused. Then its first copy is done.
			if (++requests !== 3) return
			await directory.store.delete(userType, other.id)
			await arrive()
		})
		const created = await store.create(userType, { attributes: { userName: 'JOY' } })
		const { resources } = await directory.store.query(userType, { page: everything })
		expect(resources).toEqual([created])
		expect(await violationsIn(directory.table)).toEqual([])
	})
})

test('a transaction without an answer is not sent again after 15 seconds', async () => {
	const directory = await newDirectory(simulateTableService())
	await directory.store.create(userType, { attributes: { userName: 'ann' } })
	let now = Date.now()
	const sent: string[] = []
	const slow = directory.open(
		(send) => async (request) => {
			sent.push(request.method)
			if (request.method !== 'POST') return send(request)
			now += 10_000
			throw new Error('the operation timed out')
		},
		() => now,
	)
	const draft = { id: directory.ids('User'), attributes: { userName: 'joy' } }
	await expect(slow.create(userType, draft)).rejects.toMatchObject({ status: 503 })
	// With epochs, a process first reads which one is open.
	expect(sent).toEqual([...(testFeed === 'epochs' ? ['GET'] : []), 'POST', 'GET', 'POST', 'GET'])
})
