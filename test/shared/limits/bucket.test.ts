import { describe, expect, test } from 'vitest'
import { allowance } from '../../../shared/limits/allowance.ts'
import { fullBucket, millisecondsUntilAbove, refilled, slowed, taken } from '../../../shared/limits/bucket.ts'

const rate = { perSecond: 100, burst: 400 }
const full = fullBucket(rate, 0)

describe('a bucket', () => {
	test.each([
		['is full at first and holds no more than its burst', full, 60_000, 400],
		['takes in its rate', taken(full, 400), 1500, 150],
		['may be below zero', taken(full, 500), 500, -50],
		[
			'takes in half of its rate while it is slow',
			slowed(taken(full, 400), rate, { now: 0, slowUntil: 1000 }),
			500,
			25,
		],
		['takes in its rate again afterwards', slowed(taken(full, 400), rate, { now: 0, slowUntil: 1000 }), 1500, 100],
		['is not changed by a clock that goes back', taken(full, 400), -1000, 0],
	])('%s', (_, bucket, now, level) => {
		expect(refilled(bucket, rate, now).level).toBe(level)
	})

	test('takes in its rate again from the time to which the clock has gone back', () => {
		const back = refilled(taken(fullBucket(rate, 3_600_000), 400), rate, 1000)
		expect(refilled(back, rate, 2000).level).toBe(100)
	})

	test('keeps what came in before it became slow', () => {
		const slow = slowed(taken(full, 400), rate, { now: 1000, slowUntil: 11_000 })
		expect(refilled(slow, rate, 2000).level).toBe(150)
	})

	test('says the first millisecond at which it is above zero, at any level and pace', () => {
		const slowings = [0, 1, 700, 100_000]
		for (const slowUntil of slowings) {
			for (const units of [399, 400, 400.05, 401, 437, 1000]) {
				const bucket = slowed(taken(full, units), rate, { now: 0, slowUntil })
				const wait = millisecondsUntilAbove(bucket, rate)
				expect(refilled(bucket, rate, wait).level).toBeGreaterThan(0)
				if (wait > 0) expect(refilled(bucket, rate, wait - 1).level).toBeLessThanOrEqual(0.000_001)
			}
		}
		expect(millisecondsUntilAbove(taken(full, 399), rate)).toBe(0)
	})
})

test('an allowance lets pass its burst at once, and its rate afterwards', () => {
	let time = 0
	const isWithin = allowance({ perSecond: 1, burst: 3 }, () => time)
	const passed = (count: number) => Array.from({ length: count }, isWithin).filter(Boolean).length
	expect(passed(10)).toBe(3)
	time += 2000
	expect(passed(10)).toBe(2)
	time += 60_000
	expect(passed(10)).toBe(3)
})
