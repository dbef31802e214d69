import fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldCase, keepCase } from '../../../shared/scim/fold-case.ts'

test.each([
	['Alice', 'aLICE'],
	['É', 'e\u0301'],
	['STRASSE', 'strasse'],
	// Lower case alone leaves a letter and a mark, although one character exists for both.
	['J\u030c', 'ǰ'],
	['\u212b', 'å'],
])('%j and %j are equal if case does not count', (a, b) => {
	expect(foldCase(a)).toBe(foldCase(b))
})

test.each([
	['a', 'b'],
	['é', 'e'],
	['ß', 'ss'],
])('%j and %j are different', (a, b) => {
	expect(foldCase(a)).not.toBe(foldCase(b))
})

test('if case counts, the composition of characters still does not', () => {
	expect(keepCase('E\u0301')).toBe('É')
	expect(keepCase('É')).not.toBe(keepCase('é'))
})

const text = fc.oneof(
	fc.string({ unit: 'binary' }),
	fc.string({ unit: fc.constantFrom('J', 'T', 'İ', 'Ϊ', 'Σ', 'A', '\u030c', '\u0308', '\u0301', '\u0345') }),
)

test('folding twice gives the same text as folding once', () => {
	fc.assert(
		fc.property(text, (text) => {
			const folded = foldCase(text)
			expect(foldCase(folded)).toBe(folded)
			expect(foldCase(text.normalize('NFD'))).toBe(folded)
			expect(foldCase(keepCase(text))).toBe(folded)
		}),
		{ numRuns: 2000 },
	)
})
