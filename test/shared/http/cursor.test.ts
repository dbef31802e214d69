import { describe, expect, it } from 'vitest'
import { openCursor, sealCursor } from '../../../shared/http/cursor.ts'

const scope = { key: 'c2VjcmV0', query: 'active eq true', now: Date.UTC(2026, 0, 1) }
const hour = 3_600_000

describe('a cursor', () => {
	it.each(['', 'User u|0123', 'a b  c', 'ü|🙂'])('returns the position %s', (position) => {
		const cursor = sealCursor(position, scope)
		expect(cursor).toMatch(/^[A-Za-z0-9._~-]+$/)
		expect(openCursor(cursor, { ...scope, now: scope.now + hour - 1000 })).toBe(position)
	})

	it('expires after an hour', () => {
		const cursor = sealCursor('x', scope)
		expect(() => openCursor(cursor, { ...scope, now: scope.now + hour + 1000 })).toThrow(
			expect.objectContaining({ status: 400, scimType: 'expiredCursor' }),
		)
	})

	it.each([
		['of another tenant', { ...scope, key: 'b3RoZXI' }],
		['of another query', { ...scope, query: 'active eq false' }],
	])('is refused if it is %s', (_, other) => {
		expect(() => openCursor(sealCursor('x', scope), other)).toThrow(
			expect.objectContaining({ status: 400, scimType: 'invalidCursor' }),
		)
	})

	it.each(['', 'x', '.', 'a.b', 'a.b.c'])('is refused if it is made up: "%s"', (cursor) => {
		expect(() => openCursor(cursor, scope)).toThrow(expect.objectContaining({ scimType: 'invalidCursor' }))
	})

	it('is refused if one character has changed', () => {
		const cursor = sealCursor('User u|0123', scope)
		for (let index = 0; index < cursor.length - 1; index++) {
			const changed = cursor.slice(0, index) + (cursor[index] === 'A' ? 'B' : 'A') + cursor.slice(index + 1)
			expect(() => openCursor(changed, scope)).toThrow(expect.objectContaining({ scimType: 'invalidCursor' }))
		}
	})
})
