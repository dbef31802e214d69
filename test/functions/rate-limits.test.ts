import { beforeAll, describe, expect, test } from 'vitest'
import type { TableResponse } from '../../shared/storage/table/tables.ts'
import { useAzurite } from '../support/azurite.ts'
import { type EdgeAnswer, startEdge } from '../support/edge.ts'
import { type Fate, serverBusy, withFaults } from '../support/faults.ts'

const azurite = useAzurite()
const rate = { perSecond: 100, burst: 400 }

beforeAll(async () => {
	const { services } = await startEdge(azurite())
	for (const name of ['acme', 'globex']) await services.tenants.createTenant({ name, mode: 'store', settings: {} })
})

const start = (options: Partial<Parameters<typeof startEdge>[0]> = {}) => startEdge({ ...azurite(), rate, ...options })

/** Counts the answers by their status. */
const counted = (answers: readonly EdgeAnswer[]) => {
	const counts: Record<string, number> = {}
	for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
	return counts
}

const config = '/ServiceProviderConfig'
const deletion = { method: 'DELETE', path: '/Users/nobody' }
const bulkOf = (size: number) => ({ body: { Operations: Array.from({ length: size }, () => deletion) } })

describe('a tenant over its rate', () => {
	test('has its answers in turn, and beyond 200 that wait a 429 with a SCIM body', async () => {
		const { ask, clock, events } = await start()
		await ask('GET', 'acme', config)
		const answers = Array.from({ length: 700 }, () => ask('GET', 'acme', config))
		await clock.advance(10_000)
		const done = await Promise.all(answers)
		expect(counted(done)).toEqual({ 200: 599, 429: 101 })
		const refused = done.find(({ status }) => status === 429)
		expect(refused?.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
		expect(refused?.headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
		expect(refused?.body).toEqual({
			schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
			status: '429',
			detail: expect.stringContaining('100 a second'),
		})
		expect(events.find(({ status }) => status === 429)).toMatchObject({ tenant: 'acme', storageRequests: 0 })
	})

	test('does not touch another tenant', async () => {
		const { ask, clock } = await start()
		const flood = Array.from({ length: 900 }, () => ask('GET', 'acme', config))
		await clock.advance(0)
		const other = await Promise.all(Array.from({ length: 50 }, () => ask('GET', 'globex', config)))
		expect(counted(other)).toEqual({ 200: 50 })
		await clock.advance(10_000)
		await Promise.all(flood)
	})

	test('does not exist on a host without a rate', async () => {
		const edge = await startEdge(azurite())
		const answers = await Promise.all(Array.from({ length: 1000 }, () => edge.ask('GET', 'acme', config)))
		expect(counted(answers)).toEqual({ 200: 1000 })
	})
})

describe('a bulk request', () => {
	test.each([
		[1, 1],
		[10, 1],
		[11, 2],
		[95, 10],
		[1000, 100],
	])('of %i operations takes %i units', async (size, units) => {
		const { ask, clock } = await start()
		expect(await ask('POST', 'acme', '/Bulk', bulkOf(size))).toMatchObject({ status: 200 })
		const more = Array.from({ length: 400 }, () => ask('GET', 'acme', config))
		let answered = 0
		for (const answer of more) void answer.then(() => answered++)
		await clock.advance(0)
		expect(answered).toBe(400 - units)
		await clock.advance(10_000)
		await Promise.all(more)
	})

	test('of the largest size is served while one unit is left', async () => {
		const { ask, clock } = await start()
		await Promise.all(Array.from({ length: 399 }, () => ask('GET', 'acme', config)))
		expect(await ask('POST', 'acme', '/Bulk', bulkOf(1000))).toMatchObject({ status: 200 })
		const next = ask('GET', 'acme', config)
		expect(await clock.advanceUntil(next)).toBe(991)
	})
})

test('1,000 wrong credentials a second neither delay nor refuse a job with the right one at 25 a second', async () => {
	const { ask, clock } = await start()
	const right: EdgeAnswer[] = []
	const wrong: Promise<EdgeAnswer>[] = []
	for (let time = 0; time < 10_000; time += 40) {
		for (let index = 0; index < 40; index++) {
			wrong.push(ask('GET', index % 2 === 0 ? 'acme' : `made-up-${time}-${index}`, '/Users', { token: 'wrong' }))
		}
		// The clock stands still, so an answer that came late would never come.
		right.push(await ask('GET', 'acme', config))
		await clock.advance(40)
	}
	expect(counted(right)).toEqual({ 200: 250 })
	const refused = await Promise.all(wrong)
	expect(counted(refused)).toEqual({ 401: expect.any(Number), 429: expect.any(Number) })
	expect(counted(refused)[401]).toBeLessThanOrEqual(400 + 100 * 10)
	expect(counted(refused)[401]).toBeGreaterThanOrEqual(400 + 99 * 10)
	expect(refused.find(({ status }) => status === 429)).toMatchObject({
		body: { status: '429', detail: 'too many requests with a wrong token arrive' },
	})
})

describe('a table service that is busy', () => {
	const answer = (status: number, code: string, value = 'The server is busy.'): TableResponse => ({
		status,
		headers: { get: () => undefined },
		text: JSON.stringify({ 'odata.error': { code, message: { lang: 'en-US', value } } }),
	})
	const partition = answer(503, 'ServerBusy')
	const account = answer(503, 'ServerBusy', 'Operations per second is over the account limit.')

	/** The units of each tenant that come in within ten seconds after one request to storage has met the fate. */
	async function unitsAfter(met: Fate) {
		let fate: Fate = 'answered'
		const edge = await start({ intercept: withFaults(() => fate) })
		const names = ['acme', 'globex']
		for (const name of names) await edge.ask('GET', name, config)
		fate = met
		const refused = edge.ask('GET', 'acme', '/Users')
		await edge.clock.advanceUntil(refused)
		fate = 'answered'
		// Empties the buckets.
		for (const name of names) await edge.ask('POST', name, '/Bulk', bulkOf(1000))
		for (const name of names) await edge.ask('POST', name, '/Bulk', bulkOf(1000))
		for (const name of names) await edge.ask('POST', name, '/Bulk', bulkOf(1000))
		const begun = names.map(() => 0)
		const answers = names.flatMap((name, index) =>
			Array.from({ length: 400 }, async () => {
				const { status } = await edge.ask('GET', name, config)
				if (status === 200) begun[index] = (begun[index] ?? 0) + 1
			}),
		)
		await edge.clock.advance(0)
		const before = [...begun]
		await edge.clock.advance(1000)
		const units = begun.map((count, index) => 10 * Math.round((count - (before[index] ?? 0)) / 10))
		await edge.clock.advance(10_000)
		await Promise.all(answers)
		const { status, headers } = await refused
		return { status, retryAfter: headers.get('retry-after'), units }
	}

	test.each([
		['in a partition', partition],
		['with another code', answer(500, 'OperationTimedOut')],
		['with 429', answer(429, 'TooManyRequests')],
	])('halves the rate of the tenant, and is a 503: %s', async (_, fate) => {
		expect(await unitsAfter(fate)).toEqual({ status: 503, retryAfter: '5', units: [50, 100] })
	})

	test('as an account halves the rate of every tenant', async () => {
		expect(await unitsAfter(account)).toEqual({ status: 503, retryAfter: '5', units: [50, 50] })
	})

	test('with another failure changes no rate', async () => {
		expect(await unitsAfter(answer(500, 'InternalError'))).toEqual({ status: 503, retryAfter: '5', units: [100, 100] })
	})

	const part = (text: string): TableResponse => ({ status: 202, headers: { get: () => undefined }, text })
	const inBatch = ({ status, text }: TableResponse) => part(`HTTP/1.1 ${status} Busy\r\n\r\n${text}`)

	test.each([
		['as a whole', serverBusy],
		['in a part of a transaction', inBatch(partition)],
		['in a part, with 500', inBatch(answer(500, 'OperationTimedOut'))],
		['in a part, with 429', inBatch(answer(429, 'TooManyRequests'))],
	])('for a write is a 503 and never a 500: %s', async (_, response) => {
		const fateOf = ({ path }: { path: string }): Fate => (path === '$batch' ? response : 'answered')
		const { ask, clock } = await start({ intercept: withFaults(fateOf) })
		const creation = ask('POST', 'acme', '/Users', { body: { userName: 'joy' } })
		await clock.advanceUntil(creation)
		const { status, headers } = await creation
		expect([status, headers.get('retry-after')]).toEqual([503, '5'])
	})
})
