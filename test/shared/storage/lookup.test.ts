import { expect, test } from 'vitest'
import { idGenerator } from '../../../shared/scim/id.ts'
import { builtInTypes, groupType, userType } from '../../../shared/scim/resource-type.ts'
import type { ActivityEvent } from '../../../shared/storage/ledger/activity.ts'
import { openLedger } from '../../../shared/storage/ledger/ledger.ts'
import { openLookup } from '../../../shared/storage/lookup.ts'
import type { FoundPage } from '../../../shared/storage/query/search.ts'
import { storeRefusals } from '../../../shared/storage/refusals.ts'
import type { FeedStage } from '../../../shared/storage/rows/directory.ts'
import { epochPointerRow, feedRow, refusalRow } from '../../../shared/storage/rows/schema.ts'
import { connectTables, type Send } from '../../../shared/storage/table/tables.ts'
import { openDirectory } from '../../../shared/storage/table-store.ts'
import { newDirectory, type TestDirectory } from '../../support/directory.ts'
import { everyone, members, personId, storeFewRows, withManyPeople } from '../../support/large-directory.ts'
import { createMeter } from '../../support/meter.ts'
import { connectionString, simulateTableService, type TableService } from '../../support/simulator/table-service.ts'

/** Refuses each request that writes. */
const readOnly =
	(send: Send): Send =>
	async (request) => {
		if (request.method !== 'GET') throw new Error(`${request.method} ${request.path} would write`)
		return send(request)
	}

/** A lookup of its own in a directory, which can only read. */
function watcherOf(simulator: TableService, directory: TestDirectory) {
	const meter = createMeter()
	const intercept = () => meter.intercept(readOnly(simulator.send))
	const tables = connectTables({ connectionString }, { intercept, pause: () => Promise.resolve() })
	return { lookup: lookupOf({ ...directory, tables }), meter }
}

const lookupOf = ({ tables, tenant, ids, feed }: TestDirectory, now = Date.now) =>
	openLookup({ tables, tenant, ids, feed, now, random: () => 1, types: builtInTypes })

async function largeDirectory() {
	const directory = await newDirectory(simulateTableService(), { intercept: withManyPeople, feed: 'epochs' })
	await storeFewRows(directory.table)
	return { lookup: lookupOf(directory, () => Date.parse('2026-06-01T08:00:00Z')), meter: directory.meter }
}

const namesIn = (pages: readonly FoundPage[]) =>
	pages.map(({ type, by, found, next }) => ({
		type,
		by,
		names: found.map(({ name }) => name),
		hasNext: next !== undefined,
	}))

test('in a directory of 200,000 people, a search takes 10 requests', async () => {
	const { lookup, meter } = await largeDirectory()
	const { result, requests } = await meter.measure(() => lookup.search({ text: 'PERSON-1500', count: 2 }))
	expect({ pages: namesIn(result.pages), requests }).toEqual({
		pages: [
			{
				type: 'User',
				by: 'userName',
				names: ['person-150000@example.com', 'person-150001@example.com'],
				hasNext: true,
			},
		],
		requests: 10,
	})
	const next = result.pages[0]?.next ?? ''
	const page = await meter.measure(() =>
		lookup.searchOn({ text: 'PERSON-1500', count: 2, type: 'User', by: 'userName', behind: next }),
	)
	expect({ pages: namesIn(page.result === undefined ? [] : [page.result]), requests: page.requests }).toEqual({
		pages: [
			{
				type: 'User',
				by: 'userName',
				names: ['person-150002@example.com', 'person-150003@example.com'],
				hasNext: true,
			},
		],
		requests: 1,
	})
})

test.each([
	{ text: 'mail-00004', by: 'emails', name: 'person-000040@example.com' },
	{ text: 'person 123456', by: 'displayName', name: 'person-123456@example.com' },
	{ text: 'external-199999', by: 'externalId', name: 'person-199999@example.com' },
	{ text: 'every', by: 'displayName', name: 'Everyone' },
])('$text is found by $by', async ({ text, by, name }) => {
	const { lookup } = await largeDirectory()
	const { pages } = await lookup.search({ text, count: 10 })
	expect(pages.map((page) => ({ by: page.by, name: page.found[0]?.name }))).toEqual([{ by, name }])
})

test('an id finds its person, and a former name the people who had it', async () => {
	const { lookup } = await largeDirectory()
	const { byId } = await lookup.search({ text: personId(5), count: 10 })
	expect(byId).toEqual({
		id: personId(5),
		type: 'User',
		name: 'person-000005@example.com',
		displayName: 'Person 000005',
		value: personId(5),
		isInactive: false,
	})
	const directory = await newDirectory(simulateTableService())
	const joy = await directory.store.create(userType, { attributes: { userName: 'joy' } })
	await directory.store.delete(userType, joy.id)
	const { former, pages } = await lookupOf(directory).search({ text: 'JOY', count: 10 })
	expect({ former, pages }).toEqual({ former: [{ id: joy.id, type: 'User' }], pages: [] })
})

test('the pages of a million members lead both ways, each by a few requests', async () => {
	const { lookup, meter } = await largeDirectory()
	const page = (place: Parameters<typeof lookup.members>[1]['place']) =>
		meter.measure(() => lookup.members(everyone, { place, count: 50 }))
	const ids = (from: number) => Array.from({ length: 50 }, (_, index) => ({ value: personId(from + index) }))
	const first = await page({ after: '' })
	expect(first).toMatchObject({ result: { members: ids(0), hasEarlier: false, hasLater: true }, requests: 2 })
	const last = await page({ before: '' })
	expect(last).toMatchObject({
		result: { members: ids(members - 50), hasEarlier: true, hasLater: false },
		requests: 16,
	})
	const before = await page({ before: personId(members - 50) })
	expect(before).toMatchObject({
		result: { members: ids(members - 100), hasEarlier: true, hasLater: true },
		requests: 3,
	})
	const middle = await page({ after: personId(499_999) })
	expect(middle).toMatchObject({ result: { members: ids(500_000), hasEarlier: true, hasLater: true }, requests: 2 })
	const back = await page({ before: personId(500_000) })
	expect(back).toMatchObject({ result: { members: ids(499_950), hasEarlier: true, hasLater: true }, requests: 3 })
	const beginning = await page({ before: personId(50) })
	expect(beginning).toMatchObject({ result: { members: ids(0), hasEarlier: false, hasLater: true }, requests: 6 })
	expect(await lookup.members(personId(1), { place: { after: '' }, count: 50 })).toBeUndefined()
})

test('a person in a large directory, and a page of the groups, take three requests', async () => {
	const { lookup, meter } = await largeDirectory()
	const { result, requests } = await meter.measure(() =>
		Promise.all([lookup.get({ id: personId(7), type: 'User' }), lookup.groups(personId(7), { after: '', count: 50 })]),
	)
	expect(result[0]?.attributes).toMatchObject({ userName: 'person-000007@example.com' })
	expect(result[1]).toEqual({ groups: [{ value: everyone, display: 'Everyone' }], total: 1 })
	expect(requests).toBe(3)
})

test('groups of a user come page by page', async () => {
	const directory = await newDirectory(simulateTableService())
	const { store } = directory
	const joy = await store.create(userType, { attributes: { userName: 'joy' } })
	const names = ['A', 'B', 'C', 'D', 'E']
	for (const displayName of names) {
		await store.create(groupType, { attributes: { displayName }, members: [{ value: joy.id }] })
	}
	const lookup = lookupOf(directory)
	const seen: string[] = []
	let after: string | undefined = ''
	while (after !== undefined) {
		const page: Awaited<ReturnType<typeof lookup.groups>> = await lookup.groups(joy.id, { after, count: 2 })
		expect(page.total).toBe(5)
		seen.push(...page.groups.map(({ display }) => display))
		after = page.next
	}
	expect(seen).toEqual(names)
})

test('members come page by page also while a large change is pending', async () => {
	let left = Number.POSITIVE_INFINITY
	const intercept =
		(send: Send): Send =>
		(request) =>
			request.method === 'GET' || left-- > 0 ? send(request) : Promise.reject(new Error('the process is dead'))
	const directory = await newDirectory(simulateTableService(), { intercept })
	const { store } = directory
	const users = []
	for (let index = 0; index < 120; index++) {
		users.push((await store.create(userType, { attributes: { userName: `user${index}` } })).id)
	}
	const group = await store.create(groupType, {
		attributes: { displayName: 'Staff' },
		members: users.slice(0, 20).map((value) => ({ value })),
	})
	const add = users.slice(20).map((value) => ({ value }))
	left = 8
	await store.changeMembers(group.id, { add, remove: users.slice(0, 5) }).catch(() => {})
	const expected = await directory.open((send) => send).get(groupType, group.id, { members: true })
	const lookup = lookupOf(directory)
	const forwards: string[] = []
	for (let after = '', more = true; more; ) {
		const page = await lookup.members(group.id, { place: { after }, count: 7 })
		forwards.push(...(page?.members ?? []).map(({ value }) => value))
		more = page?.hasLater ?? false
		after = forwards.at(-1) ?? ''
	}
	const backwards: string[] = []
	for (let before = '', more = true; more; ) {
		const page = await lookup.members(group.id, { place: { before }, count: 7 })
		backwards.unshift(...(page?.members ?? []).map(({ value }) => value))
		more = page?.hasEarlier ?? false
		before = backwards[0] ?? ''
	}
	const ids = expected?.members?.map(({ value }) => value)
	expect(ids).toHaveLength(115)
	expect({ forwards, backwards }).toEqual({ forwards: ids, backwards: ids })
})

const shortly = ({ kind, type, name, changed, isDeactivation }: ActivityEvent) =>
	[
		kind,
		type,
		name,
		...changed.map((each) => each.replace(/^([+-]).*/, '$1')),
		...(isDeactivation ? ['deactivated'] : []),
	].join(' ')

const feeds: readonly FeedStage[] = ['operations', 'closing', 'epochs']

test.each(feeds)('a watcher of a feed of %s is told each change once, and writes nothing', async (feed) => {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator, { feed })
	const { store } = directory
	const { lookup, meter } = watcherOf(simulator, directory)
	expect((await lookup.activity()).changes).toEqual([])
	const joy = await store.create(userType, { attributes: { userName: 'joy', title: 'boss' } })
	const first = await lookup.activity()
	expect(first.changes.map(shortly)).toEqual(['create User joy'])
	const known = new Set(first.changes.map(({ key }) => key))
	let cursor = first.cursor
	const next = async () => {
		const { result, requests } = await meter.measure(() => lookup.activity(cursor))
		cursor = result.cursor
		const news = result.changes.filter(({ key }) => !known.has(key))
		for (const { key } of news) known.add(key)
		return { news: news.map(shortly), requests }
	}
	const quiet = { operations: 2, closing: 3, epochs: 3 }[feed]
	expect(await next()).toEqual({ news: [], requests: quiet })
	await store.update(userType, joy.id, {
		revise: ({ attributes }) => ({ attributes: { ...attributes, title: 'chief', active: false } }),
	})
	const staff = await store.create(groupType, { attributes: { displayName: 'Staff' }, members: [{ value: joy.id }] })
	expect(await next()).toEqual({
		news: ['update User joy title active deactivated', 'create Group Staff +'],
		requests: quiet + 2,
	})
	const { tables, tenant } = directory
	const slow = idGenerator(
		() => Date.now() - 30_000,
		(digits) => 'f'.repeat(digits),
	)
	const behind = openDirectory({ tables, tenant, ids: slow, feed, now: Date.now, random: () => 1 })
	await behind.create(userType, { attributes: { userName: 'late' } })
	expect(await next()).toEqual({ news: ['create User '], requests: quiet })
	if (feed === 'epochs') await store.changes('', 10)
	await store.changeMembers(staff.id, { add: [], remove: [joy.id] })
	await store.delete(userType, joy.id)
	expect(await next()).toEqual({
		news: ['members Group Staff -', 'delete User joy'],
		requests: quiet + 1,
	})
	const epoch = await directory.table.get(epochPointerRow.key())
	expect(epoch && epochPointerRow.open.of(epoch)).toBe({ operations: undefined, closing: 0, epochs: 2 }[feed])
})

test.each(feeds)('the latest of very many changes are told by a few requests: %s', async (feed) => {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator, { feed })
	const { store } = directory
	const { lookup, meter } = watcherOf(simulator, directory)
	const joy = await store.create(userType, { attributes: { userName: 'joy' } })
	let { cursor } = await lookup.activity()
	for (let index = 0; index < 1200; index++) {
		await store.update(userType, joy.id, {
			revise: ({ attributes }) => ({ attributes: { ...attributes, title: `title ${index}` } }),
		})
	}
	const { result, requests } = await meter.measure(() => lookup.activity())
	expect(result.changes).toHaveLength(50)
	expect(result.changes.at(-1)?.key).toContain((await store.get(userType, joy.id))?.version.slice(-32) ?? '')
	expect(requests).toBeLessThan(12)
	const told = new Set<string>()
	for (let hasMore = true; hasMore; ) {
		const news = await lookup.activity(cursor)
		for (const { key } of news.changes) told.add(key)
		;({ cursor, hasMore } = news)
	}
	expect(told.size).toBe(1201)
})

test('a watcher is told of refusals, and again when there are more of them', async () => {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator)
	const { lookup } = watcherOf(simulator, directory)
	const refusal = {
		...{ operation: directory.ids('Operation'), name: 'joy', method: 'POST', path: '/Users', status: 409 },
		...{ scimType: 'uniqueness', sentence: 'userName is taken', count: 1, first: Date.now(), last: Date.now() },
	}
	await storeRefusals(directory.table, [refusal])
	const first = await lookup.activity()
	expect(first.refusals).toEqual([refusal])
	await storeRefusals(directory.table, [{ ...refusal, count: 2, last: Date.now() }])
	expect((await lookup.activity(first.cursor)).refusals).toMatchObject([{ name: 'joy', count: 2 }])
})

test('a long history comes page by page, the newest events first', async () => {
	const directory = await newDirectory(simulateTableService(), { feed: 'epochs' })
	const { store, meter } = directory
	const lookup = lookupOf(directory)
	const joy = await store.create(userType, { attributes: { userName: 'joy', title: 'title -1' } })
	for (let index = 0; index < 130; index++) {
		await store.update(userType, joy.id, {
			revise: ({ attributes }) => ({ attributes: { ...attributes, title: `title ${index}` } }),
		})
		if (index === 100) await directory.sweep(120_000)
	}
	const subject = { id: joy.id, type: 'User' } as const
	const seen: unknown[] = []
	for (let before: string | undefined = ''; before !== undefined; ) {
		const page: Awaited<ReturnType<typeof lookup.history>> = await lookup.history(subject, { before, count: 50 })
		expect(page.isBehind).toBe(false)
		seen.unshift(...page.events.map((event) => event.before?.title ?? event.kind))
		before = page.older
	}
	expect(seen).toEqual(['create', ...Array.from({ length: 130 }, (_, index) => `title ${index - 1}`)])
	const { result, requests } = await meter.measure(() => lookup.history(subject, { before: '', count: 50 }))
	expect(result.events.at(-1)).toMatchObject({ before: { title: 'title 128' }, after: { title: 'title 129' } })
	expect(requests).toBe(8)
})

test('a page reads a part of very many new changes and refusals, and says so', async () => {
	const simulator = simulateTableService()
	const directory = await newDirectory(simulator, { feed: 'operations' })
	const { name: partitionKey, table } = directory.tenant
	const joy = await directory.store.create(userType, { attributes: { userName: 'joy' } })
	const time = new Date().toISOString()
	const refusal = { method: 'POST', path: '/Users', status: 400, sentence: 'no', count: 1, first: time, last: time }
	// The keys hold times. One in each millisecond, so that a busy machine makes the same keys.
	let made = Date.parse(time)
	const idAt = idGenerator(
		() => made++,
		(digits) => '0'.repeat(digits),
	)
	for (let index = 0; index < 12_000; index++) {
		const operation = idAt('Operation')
		const entry = { kind: 'update', resourceType: 'User', id: personId(index), changed: 'title', at: time }
		simulator.load(table, { partitionKey, rowKey: feedRow.key(operation) }, feedRow.properties(entry))
		const refused = { partitionKey, rowKey: refusalRow.key(`=${index}`, operation) }
		simulator.load(table, refused, refusalRow.properties(refusal))
	}
	const { lookup, meter } = watcherOf(simulator, directory)
	const history = await meter.measure(() => lookup.history({ id: joy.id, type: 'User' }, { before: '', count: 50 }))
	expect(history).toMatchObject({ result: { isBehind: true }, requests: 16 })
	const latest = await meter.measure(() => lookup.activity())
	expect(latest.result.changes).toHaveLength(50)
	expect(latest.result.refusals).toHaveLength(50)
	expect(latest.requests).toBe(71)
	const ledger = openLedger({ ...directory, now: Date.now, random: () => 1 })
	const lastWrite = await directory.meter.measure(() => ledger.lastWrite())
	expect(lastWrite.result).toBe(time)
	expect(lastWrite.requests).toBe(10)
})
