import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldCase } from '../../../../shared/scim/fold-case.ts'
import { encode, encodeFoldedAscii, isAscii } from '../../../../shared/storage/rows/keys.ts'
import { after, within } from '../../../../shared/storage/table/key-range.ts'

/** Texts of any code units. Many have code units next to those of the letters and digits, which are kept as they are. */
const text = fc.oneof(
	fc.string({ unit: fc.integer({ min: 0, max: 0x7f }).map((code) => String.fromCharCode(code)), maxLength: 12 }),
	fc.string({ unit: fc.constantFrom(...'-./09:@AZ[_`az{|~ "') }),
	fc.string({ unit: 'binary', maxLength: 12 }),
)

const sign = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

describe('the encoding of a key part', () => {
	test.each([
		['bjensen@example.com', 'bjensen@example.com'],
		['a/b c', 'a.~2fb!20c'],
		["o'neil+x", 'o!27neil!2bx'],
		['zoë', 'zo{00eb'],
		['a|b', 'a{007cb'],
		['?`^', '9~3f_~60Z~5e'],
		['😀', '{d83d{de00'],
		['', ''],
	])('of %j is %j', (plain, encoded) => {
		expect(encode(plain)).toBe(encoded)
	})

	test('keeps the order of texts, and keeps different texts different', () => {
		fc.assert(fc.property(text, text, (a, b) => sign(encode(a), encode(b)) === sign(a, b)))
	})

	test('begins with the encoding of any text that the text begins with', () => {
		fc.assert(fc.property(text, text, (a, b) => encode(a + b).startsWith(encode(a))))
	})

	test('has at most 200 characters, each of which a key can hold and none of which is a separator', () => {
		fc.assert(
			fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (a) => /^[-.0-9@A-Z_a-z!~{=]{0,200}$/.test(encode(a))),
		)
	})

	test('of two long texts differs even if the texts differ only at the end', () => {
		const long = 'x'.repeat(1000)
		expect(encode(`${long}a`)).toHaveLength(194)
		expect(encode(`${long}a`)).not.toBe(encode(`${long}b`))
		expect(encode(`${long}a`).slice(0, 151)).toBe(`${'x'.repeat(150)}=`)
	})

	test('of a text of any length ends with the digest of all of it, whichever characters lie between its parts', () => {
		for (const before of [2 ** 14 - 1, 2 ** 14, 2 ** 15 - 2]) {
			for (const between of ['😀', '\ud83d', '\ude00', 'é', '']) {
				const long = `${'x'.repeat(before)}${between}${'y'.repeat(2 ** 14)}`
				expect(encode(long).slice(151)).toBe(createHash('sha256').update(long).digest('base64url'))
			}
		}
	})
})

test('the encoding of a folded text is the same if the text is ASCII and folded a part at a time', () => {
	const ascii = fc.string({ unit: 'binary-ascii', maxLength: 500 })
	fc.assert(
		fc.property(ascii, fc.constantFrom(1, 200), (some, times) => {
			const long = some.repeat(times)
			return isAscii(long) && encodeFoldedAscii(long) === encode(foldCase(long))
		}),
	)
	const every = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code)).join('')
	expect(encodeFoldedAscii(every.repeat(500))).toBe(encode(foldCase(every.repeat(500))))
	for (const other of ['É', 'İ', 'ΝΙΚΟΣ', '\u212a', '한']) expect(isAscii(other)).toBe(false)
})

describe('a range of keys', () => {
	test('within a prefix holds every key that begins with it and no other', () => {
		fc.assert(
			fc.property(text, text, (a, b) => {
				const range = within('y|em|')
				const key = `y|em|${encode(a)}|${encode(b)}`
				return range.from <= key && key < range.to
			}),
		)
		expect('y|en|' < within('y|em|').to).toBe(false)
		expect('y|em|' < within('y|em|').to).toBe(true)
		expect('y|el|' < within('y|em|').from).toBe(true)
	})

	test('after a key holds every greater key, even one that begins with it', () => {
		fc.assert(fc.property(text, text, (a, b) => encode(b) >= after(encode(a)) === encode(b) > encode(a)))
	})
})
