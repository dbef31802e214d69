import { expect, test } from 'vitest'
import type { ResourceId, StoredResource } from '../../../../shared/scim/resource.ts'
import { groupType, userType } from '../../../../shared/scim/resource-type.ts'
import { eraseUser } from '../../../../shared/storage/ledger/erase.ts'
import { keptMembersIn } from '../../../../shared/storage/membership/kept-members.ts'
import { storeRefusals } from '../../../../shared/storage/refusals.ts'
import type { Row, Send } from '../../../../shared/storage/table/tables.ts'
import { violationsIn } from '../../../support/audit.ts'
import { newDirectory, type TestDirectory } from '../../../support/directory.ts'
import { simulateTableService } from '../../../support/simulator/table-service.ts'

// An erasure and a sweep at the same time, at each of their steps. Nothing of the person may be left or come back.

const minute = 60_000

const replace = (values: Readonly<Record<string, unknown>>) => ({
	revise: ({ attributes }: StoredResource) => ({ attributes: { ...attributes, ...values } }),
})

/** A person who has two names, is in two groups, one of them by a large change, and is deleted. */
async function newStory() {
	const directory = await newDirectory(simulateTableService())
	const { store } = directory
	const others: StoredResource[] = []
	for (let index = 0; index < 40; index++) {
		others.push(await store.create(userType, { attributes: { userName: `user${index}` } }))
	}
	const joy = await store.create(userType, { attributes: { userName: 'joy', title: 'boss' } })
	const staff = await store.create(groupType, { attributes: { displayName: 'Staff' } })
	const sales = await store.create(groupType, { attributes: { displayName: 'Sales' }, members: [{ value: joy.id }] })
	await store.update(userType, joy.id, replace({ userName: 'joy.li', title: 'chief' }))
	const everyone = [...others, joy].map(({ id }) => ({ value: id, display: id === joy.id ? 'Joy Li' : 'other' }))
	await store.changeMembers(staff.id, { add: everyone, remove: [] })
	await store.delete(groupType, sales.id)
	await store.delete(userType, joy.id)
	const refusal = { method: 'POST', path: '/Users', status: 409, sentence: 'userName "joy" is already taken' }
	const count = { count: 1, first: 1, last: 1 }
	await storeRefusals(directory.table, [{ ...refusal, ...count, operation: directory.ids('Operation'), name: 'joy' }])
	return { directory, joy }
}

async function rowsOf({ table }: TestDirectory): Promise<readonly Row[]> {
	const rows: Row[] = []
	for await (const page of table.pages({ from: '!', to: '~' })) rows.push(...page)
	return rows
}

/** What is left of the person in the ledger, beside the ids in the feed and the row that says when the person was erased. */
async function traces(directory: TestDirectory, id: string): Promise<readonly string[]> {
	const rows = await rowsOf(directory)
	const ofPerson = rows.filter(({ RowKey, k }) => RowKey.startsWith(`h|${id}|`) && k !== 'erased')
	const text = (row: Row) => (row.RowKey.startsWith('l|') ? JSON.stringify(keptMembersIn(row)) : JSON.stringify(row))
	const ofLedger = rows.filter(({ RowKey }) => !/^[ugmrxy]\|/.test(RowKey))
	const withValues = ofLedger.filter((row) => /joy|boss|chief/i.test(text(row)) || (row.id === id && row.w0))
	return [...new Set([...ofPerson, ...withValues].map(({ RowKey }) => RowKey))]
}

const erase = (directory: TestDirectory, id: string, around: (send: Send) => Send = (send) => send) =>
	eraseUser(directory.rows(around), id)

const sweep = (directory: TestDirectory, around: (send: Send) => Send = (send) => send) =>
	directory.sweep(2 * minute, around)

/** Does something before the request of this number. */
const interrupted =
	(at: number, task: () => Promise<unknown>, note: () => void) =>
	(send: Send): Send => {
		let requests = 0
		return async (request) => {
			if (++requests === at) {
				note()
				await task()
			}
			return send(request)
		}
	}

/** Runs a case for each step until one has fewer steps; `check` follows a sweep that nothing disturbs. */
async function atEachStep(
	run: (story: Awaited<ReturnType<typeof newStory>>, at: number, note: () => void) => Promise<unknown>,
	least: number,
): Promise<void> {
	for (let at = 1; ; at++) {
		const story = await newStory()
		let isReached = false
		await run(story, at, () => {
			isReached = true
		})
		if (!isReached) {
			expect(at).toBeGreaterThan(least)
			return
		}
		await sweep(story.directory)
		expect({ at, traces: await traces(story.directory, story.joy.id) }).toEqual({ at, traces: [] })
		const facts = (await rowsOf(story.directory)).filter(({ k }) => k === 'erased')
		expect(facts.length).toBeGreaterThan(0)
		expect(await violationsIn(story.directory.table)).toEqual([])
	}
}

test('the story has traces before the erasure', async () => {
	const { directory, joy } = await newStory()
	await sweep(directory)
	expect((await traces(directory, joy.id)).length).toBeGreaterThan(10)
})

test('an erasure at any step of a sweep leaves nothing', async () => {
	await atEachStep(
		({ directory, joy }, at, note) =>
			sweep(
				directory,
				interrupted(at, () => erase(directory, joy.id), note),
			),
		20,
	)
})

test('a sweep at any step of an erasure brings nothing back', async () => {
	await atEachStep(
		({ directory, joy }, at, note) =>
			erase(
				directory,
				joy.id,
				interrupted(at, () => sweep(directory), note),
			),
		20,
	)
})

/** The transaction of this number gets no answer. Answers what sends it at last. */
function losing(at: number, note: () => void) {
	let arrive: (() => Promise<unknown>) | undefined
	let transactions = 0
	const around =
		(send: Send): Send =>
		async (request) => {
			if (request.method !== 'POST' || ++transactions !== at) return send(request)
			note()
			arrive = () => send(request)
			throw new Error('the operation timed out')
		}
	return { around, arrive: async () => arrive?.() }
}

test('any transaction of a sweep that arrives after the erasure brings nothing back', async () => {
	await atEachStep(async ({ directory, joy }, at, note) => {
		const { around, arrive } = losing(at, note)
		await sweep(directory, around)
		await erase(directory, joy.id)
		await arrive()
	}, 5)
})

test('an erasure that dies at any step is finished by the next one', async () => {
	await atEachStep(async ({ directory, joy }, at, note) => {
		await sweep(directory)
		const dying = interrupted(at, () => Promise.reject(new Error('killed')), note)
		let isDead = false
		const around = (send: Send): Send => {
			const dyingSend = dying(send)
			return async (request) => {
				if (isDead) throw new Error('killed')
				try {
					return await dyingSend(request)
				} catch (error) {
					isDead = true
					throw error
				}
			}
		}
		await erase(directory, joy.id, around).catch(() => {})
		await erase(directory, joy.id)
	}, 20)
})

test('an erasure finishes a change of very many members that was left, and what it brings', async () => {
	for (let alive = 1; ; alive++) {
		const { directory, joy } = await newStory()
		const { store } = directory
		await erase(directory, joy.id)
		const members: { value: ResourceId; display: string }[] = []
		for (let index = 0; index < 40; index++) {
			const { id } = await store.create(userType, { attributes: { userName: `late${index}` } })
			members.push({ value: id, display: index === 7 ? 'Joyce' : 'x' })
		}
		const group = await store.create(groupType, { attributes: { displayName: 'Late' } })
		let transactions = 0
		const dying = directory.open((send) => async (request) => {
			if (request.method === 'POST' && ++transactions > alive) throw new Error('killed')
			return send(request)
		})
		await dying.changeMembers(group.id, { add: members, remove: [] }).catch(() => {})
		await erase(directory, members[7]?.value ?? '')
		const isMember = ((await store.get(groupType, group.id, { members: true }))?.members ?? []).length > 0
		// A change that was not committed is given up after a quarter of an hour.
		await directory.sweep(20 * minute)
		const kept = (await rowsOf(directory)).filter(({ RowKey }) => RowKey.startsWith('l|'))
		expect({ alive, isKept: kept.length > 2, traces: await traces(directory, joy.id) }).toEqual({
			...{ alive, isKept: isMember, traces: [] },
		})
		if (transactions <= alive) {
			expect(alive).toBeGreaterThan(4)
			return
		}
	}
})
