import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalForm } from '../../../shared/scim/normal-form.ts'

const text = fc.string({
	unit: fc.constantFrom('a', 'é', 'ſ', '\u02ff', '\u0301', '\u0316', 'İ', '漢', '가', '\u1161', '\u0345'),
})

test('is normal form C of every text', () => {
	fc.assert(
		fc.property(text, (text) => {
			expect(normalForm(text)).toBe(text.normalize('NFC'))
		}),
	)
	for (let code = 0; code < 0x300; code++) {
		const character = String.fromCharCode(code)
		expect(`a${character}b`.normalize('NFC')).toBe(`a${character}b`)
	}
})

test('has a joiner behind each 30 marks, so that no mark moves far', () => {
	const marks = (count: number) => '\u0301'.repeat(count) + '\u0316'.repeat(count)
	expect(normalForm(`x${marks(15)}y`)).toBe(`x${marks(15)}y`.normalize('NFC'))
	const many = normalForm(`x${marks(10_000)}`)
	expect(many.match(/[\u0301\u0316]+/g)?.map(({ length }) => length)).toEqual([
		...Array.from({ length: 666 }, () => 30),
		20,
	])
	expect(normalForm(many)).toBe(many)
})
