import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldCase } from '../../../../shared/scim/fold-case.ts'
import { boundsOf, foldCaseOfFormat1, foldingOf, spellingsOf } from '../../../../shared/storage/rows/folding.ts'

describe('the spellings of', () => {
	test.each([
		['Alice', ['alice']],
		['Σταύρο', ['σταύρο']],
		['ΝΙΚΟΣ', ['νικοσ', 'νικος']],
		['νικοσ', ['νικοσ', 'νικος']],
		['νικος', ['νικοσ', 'νικος']],
		['ΝΙΚΟΣΤΡΑΤΟΣ', ['νικοστρατοσ', 'νικοστρατος']],
		['ΝΙΚΟΣ.ΠΑΠΑΣ', ['νικοσ.παπασ', 'νικοσ.παπας', 'νικος.παπασ', 'νικος.παπας']],
		// No orthography has it, but it is found as it was written.
		['ςα', ['σα', 'ςα']],
		['σ σ σ σ σ', ['σ σ σ σ σ', 'ς ς ς ς ς']],
	])('%j are all that a row may have', (text, expected) => {
		expect(spellingsOf(text).toSorted()).toEqual(expected.toSorted())
		expect(spellingsOf(text)[0]).toBe(foldCase(text))
	})
})

/** Text as people write it: a final sigma ends a word. Each character in small and in capital letters. */
const character = fc.oneof(
	{ weight: 3, arbitrary: fc.constantFrom('α', 'κ', 'ϊ', 'e') },
	{ weight: 2, arbitrary: fc.constant('σ') },
	{ weight: 1, arbitrary: fc.constantFrom(' ', '.', '-', '@', "'", '7', '中', '\u0301', '\u00ad') },
)
const word = fc.array(fc.tuple(character, fc.nat(2)), { maxLength: 12 })

const writtenAs = (characters: readonly (readonly [string, number])[], shift: number): string =>
	characters
		.map(([each, style], index) => {
			const way = (style + shift) % 3
			const isLast = !/\p{L}/u.test(characters[index + 1]?.[0] ?? '')
			if (way === 0) return each.toUpperCase()
			return each === 'σ' && isLast && way === 1 ? 'ς' : each
		})
		.join('')

test('a text is found as any other writer has written it', () => {
	fc.assert(
		fc.property(word, fc.nat(2), (characters, shift) => {
			const [one, other] = [writtenAs(characters, 0), writtenAs(characters, shift)]
			if ([...foldCase(one).matchAll(/σ(?!\p{Cased})/gu)].length > 4) return
			expect(foldCase(other)).toBe(foldCase(one))
			for (const format of [1, 2]) expect(spellingsOf(one)).toContain(foldingOf(format)(other))
		}),
		{ numRuns: 5000 },
	)
})

test('every form that a row may have lies between the bounds, and only a sigma makes a difference', () => {
	fc.assert(
		fc.property(
			fc.oneof(
				fc.string({ unit: 'binary' }),
				word.map((each) => writtenAs(each, 0)),
			),
			(text) => {
				const [first, last] = boundsOf(foldCase(text))
				const before = foldCaseOfFormat1(text)
				expect(first <= before && before <= last).toBe(true)
				if (!/[Σς]/.test(text)) expect(before).toBe(foldCase(text))
			},
		),
		{ numRuns: 5000 },
	)
})
