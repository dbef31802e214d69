import { describe, expect, test } from 'vitest'
import { openTurns, type Turn } from '../../functions/turns.ts'
import { ScimError, unauthorized } from '../../shared/scim/error.ts'
import { fakeClock } from '../support/fake-clock.ts'

const rate = { perSecond: 100, burst: 400 }

/** Turns with a clock that the test moves. It records when requests begin and how they are answered. */
function open() {
	const clock = fakeClock(0)
	const turns = openTurns({ rate, timer: clock.timer, now: clock.now })
	const begun: { tenant: string; at: number }[] = []
	const refused: { tenant: string; at: number; status: number; retryAfter: string | undefined }[] = []
	/** The requests under way, each with the function that ends it. */
	const underWay: { tenant: string; end: () => void }[] = []
	const run = (tenant: string, work: (turn: Turn) => Promise<unknown>) =>
		turns
			.run(tenant, (turn) => {
				begun.push({ tenant, at: clock.now() })
				return work(turn)
			})
			.catch((error: unknown) => {
				if (!(error instanceof ScimError)) throw error
				refused.push({ tenant, at: clock.now(), status: error.status, retryAfter: error.headers['Retry-After'] })
			})
	/** Requests that end at once. */
	const send = (tenant: string, count: number, work: (turn: Turn) => Promise<unknown> = async () => {}) => {
		for (let index = 0; index < count; index++) void run(tenant, work)
	}
	/** Requests that end when the test says so. */
	const hold = (tenant: string, count: number) => {
		for (let index = 0; index < count; index++) {
			void run(tenant, () => new Promise<void>((end) => underWay.push({ tenant, end })))
		}
	}
	const countOf = (tenant: string) => begun.filter((request) => request.tenant === tenant).length
	const underWayOf = (tenant: string) => underWay.filter((request) => request.tenant === tenant).length
	/** Ends the oldest request of a tenant that is under way. */
	const end = async (tenant: string) => {
		const index = underWay.findIndex((request) => request.tenant === tenant)
		for (const request of underWay.splice(index, 1)) request.end()
		await clock.advance(0)
	}
	return { clock, turns, begun, refused, send, hold, countOf, underWayOf, end }
}

describe('the rate of a tenant', () => {
	test('lets 400 requests begin at once, and then 100 a second', async () => {
		const { clock, send, countOf, refused } = open()
		send('acme', 600)
		await clock.advance(0)
		expect(countOf('acme')).toBe(400)
		await clock.advance(1000)
		expect(countOf('acme')).toBe(500)
		await clock.advance(1000)
		expect(countOf('acme')).toBe(600)
		expect(refused).toEqual([])
		expect(clock.pending()).toBe(0)
	})

	test('is its own: another tenant begins at once', async () => {
		const { clock, send, countOf } = open()
		send('acme', 600)
		send('globex', 10)
		await clock.advance(0)
		expect([countOf('acme'), countOf('globex')]).toEqual([400, 10])
	})

	test('keeps requests in the order in which they came', async () => {
		const { clock, send, begun } = open()
		const order: number[] = []
		for (let index = 0; index < 450; index++) send('acme', 1, async () => void order.push(index))
		await clock.advance(1000)
		expect(order).toEqual(Array.from({ length: 450 }, (_, index) => index))
		expect(begun.slice(400).map(({ at }) => at)).toEqual(Array.from({ length: 50 }, (_, index) => 10 * index + 1))
	})

	test('admits a request of any size while the bucket is above zero, and the next one when it is so again', async () => {
		const { clock, send, begun } = open()
		send('acme', 1, async ({ charge }) => charge(999))
		await clock.advance(0)
		send('acme', 1)
		await clock.advance(9_000)
		// 400 − 1,000 = −600, so the next one begins after six seconds.
		expect(begun.map(({ at }) => at)).toEqual([0, 6001])
	})

	test('refuses the request beyond 200 that wait, with the seconds until the others have begun', async () => {
		const { clock, send, countOf, refused } = open()
		send('acme', 601)
		await clock.advance(0)
		expect(countOf('acme')).toBe(400)
		expect(refused).toEqual([{ tenant: 'acme', at: 0, status: 429, retryAfter: '3' }])
		await clock.advance(2000)
		expect(countOf('acme')).toBe(600)
	})

	test('refuses a request that has waited for ten seconds', async () => {
		const { clock, send, begun, refused } = open()
		send('acme', 1, async ({ charge }) => charge(2399))
		await clock.advance(0)
		send('acme', 2)
		await clock.advance(20_000)
		expect(refused).toEqual([
			{ tenant: 'acme', at: 10_000, status: 429, retryAfter: '11' },
			{ tenant: 'acme', at: 10_000, status: 429, retryAfter: '11' },
		])
		send('acme', 1)
		await clock.advance(1)
		expect(begun.map(({ at }) => at)).toEqual([0, 20_001])
	})
})

describe('the places of a process', () => {
	test('are half for one tenant, and a second tenant begins at once', async () => {
		const { clock, hold, underWayOf } = open()
		hold('acme', 100)
		await clock.advance(0)
		expect(underWayOf('acme')).toBe(16)
		hold('globex', 1)
		await clock.advance(0)
		expect(underWayOf('globex')).toBe(1)
	})

	test('are shared equally while several tenants wait', async () => {
		const { clock, hold, underWayOf, end } = open()
		const names = ['acme', 'globex', 'initech']
		for (const name of names) hold(name, 150)
		await clock.advance(0)
		for (let round = 0; round < 60; round++) {
			for (const name of names) await end(name)
			const shares = names.map(underWayOf)
			if (round > 20) expect(shares).toEqual([8, 8, 8])
		}
	})

	test('are not needed for the first request of a tenant, beside any number of tenants that wait', async () => {
		const { clock, hold, underWayOf } = open()
		for (let index = 0; index < 20; index++) hold(`tenant-${index}`, 100)
		hold('acme', 1)
		await clock.advance(0)
		expect(underWayOf('acme')).toBe(1)
	})

	test('are refused with 503 after ten seconds if the tenant is not over its rate', async () => {
		const { clock, hold, refused } = open()
		hold('acme', 17)
		await clock.advance(10_000)
		expect(refused).toEqual([{ tenant: 'acme', at: 10_000, status: 503, retryAfter: '1' }])
	})

	test('are free again after a request that failed', async () => {
		const { clock, turns, countOf, send } = open()
		for (let index = 0; index < 50; index++) {
			await expect(turns.run('acme', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
		}
		send('acme', 1)
		await clock.advance(0)
		expect(countOf('acme')).toBe(1)
	})

	test('do not let a tenant that sends 500 a second delay one that sends 25', async () => {
		const { clock, send, begun, refused } = open()
		const sent: number[] = []
		for (let time = 0; time < 20_000; time += 40) {
			send('acme', 20)
			sent.push(clock.now())
			send('globex', 1)
			await clock.advance(40)
		}
		const [acme, globex] = ['acme', 'globex'].map((name) => begun.filter(({ tenant }) => tenant === name))
		expect(globex?.map(({ at }) => at)).toEqual(sent)
		expect(acme).toHaveLength(400 + 20 * 100)
		expect(new Set(refused.map(({ tenant, status }) => `${tenant} ${status}`))).toEqual(new Set(['acme 429']))
	})
})

const nearestTen = (count: number) => 10 * Math.round(count / 10)

describe('a storage that is busy', () => {
	/** How many of a tenant's requests begin in each second, to the nearest ten, if more are always waiting. */
	async function rates(slow: (turns: ReturnType<typeof open>['turns'], second: number) => void) {
		const { clock, turns, send, countOf } = open()
		const perSecond: number[][] = []
		for (const name of ['acme', 'globex']) send(name, 400)
		await clock.advance(0)
		for (let second = 0; second < 14; second++) {
			const before = ['acme', 'globex'].map(countOf)
			slow(turns, second)
			for (const name of ['acme', 'globex']) send(name, 100)
			await clock.advance(1000)
			perSecond.push(['acme', 'globex'].map((name, index) => nearestTen(countOf(name) - (before[index] ?? 0))))
		}
		return perSecond
	}

	test('halves the rate of the tenant for ten seconds', async () => {
		const seen = await rates((turns, second) => second === 2 && turns.slowDown('acme'))
		expect(seen).toEqual([...Array(2).fill([100, 100]), ...Array(10).fill([50, 100]), ...Array(2).fill([100, 100])])
	})

	test('halves it once, until ten seconds after the last time', async () => {
		const seen = await rates((turns, second) => second < 3 && turns.slowDown('acme'))
		expect(seen).toEqual([...Array(12).fill([50, 100]), ...Array(2).fill([100, 100])])
	})

	test('halves the rate of every tenant if the account is busy', async () => {
		const seen = await rates((turns, second) => second === 0 && turns.slowDown('every tenant'))
		expect(seen).toEqual([...Array(10).fill([50, 50]), ...Array(4).fill([100, 100])])
	})
})

describe('failed authentication', () => {
	const wrong = unauthorized('wrong', 'Bearer')

	test('is refused as such 400 times at once and 100 times a second, and is 429 beyond that', async () => {
		const { clock, turns } = open()
		const statuses = (count: number) => {
			const errors = Array.from({ length: count }, () => turns.refusalOf(wrong) as ScimError)
			return [401, 429].map((status) => errors.filter((error) => error.status === status).length)
		}
		expect(statuses(1000)).toEqual([400, 600])
		expect(turns.refusalOf(wrong)).toMatchObject({ status: 429, headers: { 'Retry-After': '1' } })
		await clock.advance(1000)
		expect(statuses(1000)).toEqual([100, 900])
	})

	test('has a bucket of its own, and other failures are no part of it', async () => {
		const { clock, turns, send, countOf } = open()
		for (let index = 0; index < 1000; index++) turns.refusalOf(wrong)
		const away = new Error('the vault is away')
		expect(turns.refusalOf(away)).toBe(away)
		send('acme', 400)
		await clock.advance(0)
		expect(countOf('acme')).toBe(400)
	})
})
