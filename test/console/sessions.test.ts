import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { createSessions, type Sessions } from '../../console/sessions.ts'

const hour = 3_600_000
let now = 0
let pauses: { readonly milliseconds: number; readonly end: () => void }[] = []
let sessions: Sessions

beforeEach(() => {
	now = Date.UTC(2026, 0, 1)
	pauses = []
	sessions = create((milliseconds) => new Promise((end) => pauses.push({ milliseconds, end })))
})

const create = (pause: (milliseconds: number) => Promise<void> = async () => {}): Sessions =>
	createSessions({ now: () => now, randomBytes, pause })

describe('a link', () => {
	test('has 256 random bits, and is exchanged for a session once', async () => {
		sessions = create()
		const link = sessions.newLink()
		expect(link).toMatch(/^[\w-]{43}$/)
		const session = await sessions.exchange(link)
		expect(session).toMatch(/^[\w-]{43}$/)
		expect(session).not.toBe(link)
		expect(await sessions.check(session, 'person')).toBe('open')
		expect(await sessions.exchange(link)).toBe('refused')
		expect(await sessions.check(session, 'person')).toBe('open')
	})

	test('works no longer when there is a newer one', async () => {
		sessions = create()
		const older = sessions.newLink()
		const newer = sessions.newLink()
		expect(await sessions.exchange(older)).toBe('refused')
		expect(await sessions.exchange(newer)).toMatch(/^[\w-]{43}$/)
	})

	test('is made for the key of the owner, and for no other key', async () => {
		sessions = create()
		expect(await sessions.newLinkFor(randomBytes(32).toString('base64url'))).toBe('refused')
		expect(await sessions.newLinkFor(sessions.newLink())).toBe('refused')
		expect(await sessions.exchange(sessions.ownerKey)).toBe('refused')
		expect(await sessions.exchange(await sessions.newLinkFor(sessions.ownerKey))).toMatch(/^[\w-]{43}$/)
	})
})

describe('a session', () => {
	test('ends after 8 hours without a request by a person', async () => {
		sessions = create()
		const session = await sessions.exchange(sessions.newLink())
		now += 8 * hour - 1
		expect(await sessions.check(session, 'person')).toBe('open')
		now += 8 * hour - 1
		expect(await sessions.check(session, 'person')).toBe('open')
		now += 8 * hour
		expect(await sessions.check(session, 'person')).toBe('refused')
		now -= 8 * hour
		expect(await sessions.check(session, 'person')).toBe('refused')
	})

	test('is not kept open by a timer of the page', async () => {
		sessions = create()
		const session = await sessions.exchange(sessions.newLink())
		for (let hours = 0; hours < 7; hours++) {
			now += hour
			expect(await sessions.check(session, 'timer')).toBe('open')
		}
		now += hour
		expect(await sessions.check(session, 'timer')).toBe('refused')
	})

	test('is one of several, which end by themselves', async () => {
		sessions = create()
		const first = await sessions.exchange(sessions.newLink())
		now += 5 * hour
		const second = await sessions.exchange(sessions.newLink())
		expect(first).not.toBe(second)
		now += 5 * hour
		expect(await sessions.check(second, 'person')).toBe('open')
		expect(await sessions.check(first, 'person')).toBe('refused')
	})

	test('is unknown to another console', async () => {
		sessions = create()
		const session = await sessions.exchange(sessions.newLink())
		expect(await create().check(session, 'person')).toBe('refused')
	})
})

describe('a wrong key', () => {
	const guess = () => sessions.check(randomBytes(32).toString('base64url'), 'person')

	test('is answered after a second, and the right one at once', async () => {
		const session = await sessions.exchange(sessions.newLink())
		let answer = ''
		const guessed = guess().then((text) => {
			answer = text
		})
		expect(await sessions.check(session, 'person')).toBe('open')
		expect(answer).toBe('')
		expect(pauses.map(({ milliseconds }) => milliseconds)).toEqual([1000])
		pauses[0]?.end()
		await guessed
		expect(answer).toBe('refused')
	})

	test('is one of 16 that wait at a time, and the right one is answered at once meanwhile', async () => {
		const session = await sessions.exchange(sessions.newLink())
		const guesses = Array.from({ length: 16 }, guess)
		expect(await guess()).toBe('busy')
		expect(pauses).toHaveLength(16)
		expect(await sessions.check(session, 'person')).toBe('open')
		expect(await sessions.exchange(sessions.newLink())).toMatch(/^[\w-]{43}$/)
		expect(await sessions.newLinkFor(sessions.ownerKey)).toMatch(/^[\w-]{43}$/)
		expect(await guess()).toBe('busy')
		for (const { end } of pauses) end()
		expect(new Set(await Promise.all(guesses))).toEqual(new Set(['refused']))
	})
})
