import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contains } from '../../../../shared/scim/filter/contains.ts'

/** Long enough that the time must be certain, and with few letters, so that parts nearly match. */
const letters = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 12 })

test('finds in long texts what includes finds', () => {
	fc.assert(
		fc.property(letters, letters, letters, (some, part, end) => {
			const text = some.repeat(4000) + end
			const long = part.repeat(400)
			expect(contains(text, long)).toBe(text.includes(long))
			expect(contains(text, text.slice(-2500))).toBe(true)
		}),
	)
})

test('finds the empty text in every text, and no text in a shorter one', () => {
	expect(contains('a', '')).toBe(true)
	expect(contains('a'.repeat(3000), 'a'.repeat(3001))).toBe(false)
})
