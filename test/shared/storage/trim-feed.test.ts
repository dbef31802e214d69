import { describe, expect, test } from 'vitest'
import { userType } from '../../../shared/scim/resource-type.ts'
import type { Send, TableRequest } from '../../../shared/storage/table/tables.ts'
import { newEpochFixture, readToEnd } from '../../support/epochs.ts'

const minute = 60_000
const day = 24 * 60 * minute

/** A fixture with one user in each of three epochs, a day after one another. Epoch 4 is open and empty. */
async function newOldFeed() {
	const fixture = await newEpochFixture()
	const store = fixture.open()
	const cursors: string[] = []
	for (let epoch = 0; epoch < 3; epoch++) {
		fixture.pass(day)
		await fixture.createUser(store)
		cursors.push((await readToEnd(store, fixture, cursors.at(-1) ?? '')).cursor)
	}
	const entries = async () => (await fixture.rows('f|')).map(({ RowKey }) => Number(RowKey.split('|')[1]))
	return { ...fixture, store, cursors, entries }
}

describe('entries of the feed', () => {
	test.each([0, 300 * day, -300 * day])(
		'are removed after 30 days by the clock of the service, if that of the sweep is ahead by %i',
		async (ahead) => {
			const { pass, sweep, entries, rows, table } = await newOldFeed()
			expect(await sweep({ ahead })).toMatchObject({ feedEntriesRemoved: 0 })
			pass(28 * day + minute)
			expect(await sweep({ ahead })).toMatchObject({ feedEntriesRemoved: 1 })
			expect(await entries()).toEqual([2, 3])
			expect(await table.get('e|!')).toMatchObject({ n: 4, first: 2 })
			expect((await rows('z|')).map(({ RowKey }) => RowKey)).toEqual(['z|000000000002', 'z|000000000003'])
			pass(10 * day)
			expect(await sweep({ ahead })).toMatchObject({ feedEntriesRemoved: 2 })
			expect(await entries()).toEqual([])
			expect(await table.get('e|!')).toMatchObject({ n: 4, first: 4 })
		},
	)

	test('of the open epoch stay, however old', async () => {
		const { pass, sweep, createUser, store, entries } = await newOldFeed()
		await createUser(store)
		pass(100 * day)
		await sweep()
		expect(await entries()).toEqual([4])
	})

	test('that a sweep has not come to are removed by the next one, and no reader is told them meanwhile', async () => {
		const { pass, sweep, entries, open } = await newOldFeed()
		pass(29 * day + minute)
		const dying = (send: Send): Send => {
			return async (request) => {
				if (/\nDELETE [^\n]*f%7C/.test(request.body ?? '')) throw new Error('the process is dead')
				return send(request)
			}
		}
		await expect(sweep({ around: dying })).rejects.toMatchObject({ status: 503 })
		expect(await entries()).toEqual([1, 2, 3])
		expect((await open().changes('', 10)).changes).toHaveLength(1)
		expect(await sweep()).toMatchObject({ feedEntriesRemoved: 2 })
		expect(await entries()).toEqual([3])
	})
})

test('a cursor is good as long as all entries behind it are there', async () => {
	const { pass, sweep, store, cursors } = await newOldFeed()
	pass(29 * day + minute)
	await sweep()
	await expect(store.changes(cursors[0] ?? '', 10)).rejects.toMatchObject({
		...{ status: 400, scimType: 'expiredCursor' },
		message: 'the cursor is older than the changes that are kept: begin again',
	})
	expect((await store.changes(cursors[1] ?? '', 10)).changes).toHaveLength(1)
	expect((await store.changes('', 10)).changes).toHaveLength(1)
})

test('a reader whose next entries are removed while it reads is told that its cursor has expired', async () => {
	const { pass, sweep, open, cursors } = await newOldFeed()
	pass(40 * day)
	const reader = open({
		around: (send) => async (request) => {
			if (request.path.includes('f%7C')) await sweep()
			return send(request)
		},
	})
	await expect(reader.changes(cursors[0] ?? '', 10)).rejects.toMatchObject({ scimType: 'expiredCursor' })
	expect(await reader.changes('', 10)).toEqual({ changes: [], nextCursor: '000000000003-~' })
})

describe('a late copy of what moves the oldest epoch', () => {
	/** Two sweeps remove entries. The request by which the first says so arrives a second time in the end. */
	async function endingAfterLateCopy(change: (body: string) => string): Promise<unknown> {
		const { pass, sweep, store, cursors, table } = await newOldFeed()
		let copy: (() => Promise<unknown>) | undefined
		const keeping = (send: Send): Send => {
			return (request) => {
				const { body = '' } = request
				if (body.includes('"first":2')) copy = () => send({ ...request, body: change(body) })
				return send(request)
			}
		}
		pass(28 * day + minute)
		await sweep({ around: keeping })
		pass(day)
		await sweep()
		await copy?.()
		const told = await store.changes(cursors[0] ?? '', 10).catch(({ scimType }) => scimType)
		return { first: (await table.get('e|!'))?.first, told: told.changes?.length ?? told }
	}

	test('does nothing', async () => {
		expect(await endingAfterLateCopy((body) => body)).toEqual({ first: 3, told: 'expiredCursor' })
	})

	test('would hide entries that are removed if it had no ETag', async () => {
		const withoutETag = (body: string) => body.replace(/If-Match: W[^\r]*/, 'If-Match: *')
		expect(await endingAfterLateCopy(withoutETag)).toEqual({ first: 2, told: 1 })
	})
})

describe('a writer whose transaction was done and not answered, and whose entry was removed', () => {
	/** The writer, and its clock, stand still for a long time before it looks for its entry. */
	async function endingOfWriter(around: (send: Send) => Send): Promise<unknown> {
		const fixture = await newOldFeed()
		let lost = 0
		const writer = fixture.open({
			now: () => Date.UTC(2026, 0, 5),
			around: (send) =>
				around(async (request) => {
					const isCreation = (request.body ?? '').includes('x|un|joy')
					if (isLookup(request) && lost === 1) {
						lost++
						fixture.pass(day)
						await readToEnd(fixture.store, fixture, fixture.cursors.at(-1))
						fixture.pass(40 * day)
						await fixture.sweep()
					}
					const response = await send(request)
					if (!isCreation || lost > 0) return response
					lost++
					throw new Error('read ECONNRESET')
				}),
		})
		return writer.create(userType, { attributes: { userName: 'joy' } }).then(
			() => 'done',
			({ status = 'a fault' }) => status,
		)
	}

	const isLookup = ({ method, path }: TableRequest) => method === 'GET' && path.includes("RowKey='f%7C")

	test('is answered 503, since the change may be there', async () => {
		expect(await endingOfWriter((send) => send)).toBe(503)
	})

	test('would meet its own change if it did not look at the oldest epoch', async () => {
		const ignoring = (send: Send): Send => {
			return async (request) => {
				const response = await send(request)
				return request.path.includes("RowKey='e%7C!'")
					? { ...response, text: response.text.replace(/"first":\d+/, '"first":0') }
					: response
			}
		}
		expect(await endingOfWriter(ignoring)).toBe('a fault')
	})
})

test('a sweep closes an epoch with entries, so that it can be removed one day', async () => {
	const { createUser, store, sweep, table } = await newOldFeed()
	await sweep()
	expect(await table.get('e|!')).toMatchObject({ n: 4 })
	await createUser(store)
	await sweep()
	expect(await table.get('e|!')).toMatchObject({ n: 5 })
})

test('the end of an epoch is written down at most once a minute', async () => {
	const fixture = await newEpochFixture()
	const store = fixture.open()
	let cursor = ''
	for (let second = 0; second < 150; second += 5) {
		await fixture.createUser(store)
		cursor = (await readToEnd(store, fixture, cursor)).cursor
		fixture.pass(3000)
	}
	expect(await fixture.rows('z|')).toHaveLength(3)
	expect(await fixture.table.get('e|!')).toMatchObject({ n: 31 })
})
