import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { remember } from '../../../shared/auth/remember.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** The rules for the clients of a tenant, with a source that the test changes and a clock that the test moves. */
function open() {
	const state = { time: 0, value: 'one', isAway: false, gate: Promise.resolve() }
	const reads: number[] = []
	const memory = remember({
		read: async (_: string) => {
			reads.push(state.time)
			await state.gate
			if (state.isAway) throw new Error('the store is away')
			return state.value
		},
		keyOf: (subject) => subject,
		name: 'the clients',
		freshFor: 30 * second,
		usableUnread: minute,
		usableOffline: 24 * hour,
		pause: 30 * second,
		now: () => state.time,
	})
	const get = async () => {
		const value = await memory.get('acme')
		await turn()
		return value
	}
	return { state, reads, memory, get }
}

describe('what is remembered', () => {
	test('is read at most every 30 seconds, in the background', async () => {
		const { state, reads, get } = open()
		for (state.time = 0; state.time < 10 * minute; state.time += second) await get()
		expect(reads.length).toBe(20)
		expect(reads.every((time, index) => time === index * 30 * second)).toBe(true)
	})

	test('does not wait for the store between 30 and 60 seconds', async () => {
		const { state, get, memory } = open()
		await get()
		state.value = 'two'
		state.gate = new Promise(() => {})
		state.time = 59 * second
		expect(await memory.get('acme')).toBe('one')
	})

	test('is read before the answer after 60 seconds', async () => {
		const { state, get } = open()
		await get()
		state.value = 'two'
		state.time = 60 * second
		expect(await get()).toBe('two')
	})

	test('is read once for all who wait', async () => {
		const { reads, memory } = open()
		expect(await Promise.all([1, 2, 3].map(() => memory.get('acme')))).toEqual(['one', 'one', 'one'])
		expect(reads).toHaveLength(1)
	})

	test('serves for 24 hours while the store is away, and is then a 503', async () => {
		const { state, reads, get } = open()
		await get()
		state.isAway = true
		state.time = 24 * hour - 1
		expect(await get()).toBe('one')
		expect(await get()).toBe('one')
		expect(reads).toHaveLength(2)
		state.time = 24 * hour
		await expect(get()).rejects.toMatchObject({ status: 503, message: 'the clients cannot be read at the moment' })
	})

	test('is asked for again after two seconds if nothing is known', async () => {
		const { state, reads, get } = open()
		state.isAway = true
		await expect(get()).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '2' } })
		state.time += second
		await expect(get()).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '1' } })
		expect(reads).toHaveLength(1)
		state.isAway = false
		state.time += second
		expect(await get()).toBe('one')
	})

	test('is read again for something that is missing, unless it was just read', async () => {
		const { state, reads, get, memory } = open()
		await get()
		state.value = 'two'
		state.time = 29 * second
		expect(await memory.getAgain('acme')).toBe('one')
		state.time = 30 * second
		expect(await memory.getAgain('acme')).toBe('two')
		expect(reads).toHaveLength(2)
		memory.requireCurrent('acme')
		state.isAway = true
		state.time = 90 * second
		expect(await memory.getAgain('acme')).toBe('two')
		expect(() => memory.requireCurrent('acme')).toThrow(/cannot be read/)
	})
})
