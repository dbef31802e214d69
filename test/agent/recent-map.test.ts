import { expect, test } from 'vitest'
import { recentMap } from '../../agent/recent-map.ts'

/** A clock that a test advances. */
function manualClock() {
	let time = 0
	return {
		clock: { now: () => time, after: () => () => undefined },
		pass: (milliseconds: number) => {
			time += milliseconds
		},
	}
}

test('an entry stays for its time while others are added', () => {
	const { clock, pass } = manualClock()
	const entries = recentMap<number>(clock, { milliseconds: 1000, capacity: 1e6 })
	for (let at = 0; at < 5000; at++) {
		if (at > 4000) pass(0.9)
		entries.set(String(at), at)
	}
	expect([entries.get('0'), entries.get('4999')]).toEqual([0, 4999])
})

test('an entry is forgotten after at most twice its time', () => {
	const { clock, pass } = manualClock()
	const entries = recentMap<number>(clock, { milliseconds: 1000, capacity: 10 })
	entries.set('a', 1)
	pass(1999)
	expect(entries.get('a')).toBe(1)
	pass(1000)
	expect(entries.get('a')).toBeUndefined()
	entries.set('b', 2)
	pass(2000)
	expect(entries.get('b')).toBeUndefined()
})

test('if the entries exceed the capacity, the newest stay', () => {
	const { clock } = manualClock()
	const entries = recentMap<number>(clock, { milliseconds: 1000, capacity: 100 })
	for (let at = 0; at < 60; at++) entries.set(String(at), at, 10)
	const there = Array.from({ length: 60 }, (_, at) => entries.get(String(at))).filter((value) => value !== undefined)
	expect(there.at(-1)).toBe(59)
	expect(there.length).toBeGreaterThanOrEqual(10)
	expect(there.length).toBeLessThanOrEqual(20)
})

test('a repeated set makes an entry the newest, and delete removes it', () => {
	const { clock } = manualClock()
	const entries = recentMap<number>(clock, { milliseconds: 1000, capacity: 2 })
	entries.set('a', 1)
	entries.set('b', 2)
	entries.set('c', 3)
	entries.set('a', 4)
	entries.set('d', 5)
	expect([entries.get('a'), entries.get('b')]).toEqual([4, undefined])
	entries.delete('a')
	expect(entries.get('a')).toBeUndefined()
})
