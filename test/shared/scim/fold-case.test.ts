import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldCase, foldCaseInSteps, keepCase } from '../../../shared/scim/fold-case.ts'

test.each([
	['Alice', 'aLICE'],
	['É', 'e\u0301'],
	['STRASSE', 'strasse'],
	// Lower case alone leaves a letter and a mark, although one character exists for both.
	['J\u030c', 'ǰ'],
	['\u212b', 'å'],
	['ΝΙΚΟΣ', 'νικοσ'],
	['ΝΙΚΟΣ', 'νικος'],
	['ΠΑΠΑΣ.ΝΙΚΟΣ', 'παπας.νικοσ'],
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
	fc.string({ unit: 'grapheme' }),
	fc.string({
		unit: fc.constantFrom(
			...[
				'J',
				'T',
				'İ',
				'I',
				'ı',
				'Ϊ',
				'Σ',
				'σ',
				'ς',
				'A',
				'ß',
				'ẞ',
				'ﬁ',
				'ﬅ',
				'Ǆ',
				'가',
				'\u1100',
				'\u1161',
				'.',
				' ',
			],
			...['\u030c', '\u0308', '\u0301', '\u0345', '\u0307', '\u00ad'],
		),
	}),
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

const lastCodePoint = 0x10ffff
const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff

function* characters(): Generator<string> {
	for (let code = 0; code <= lastCodePoint; code++) if (!isSurrogate(code)) yield String.fromCodePoint(code)
}

/** The characters that normal form C may join to the one before: marks, and the parts of what Unicode composes. */
const joiners = new Set<string>()
for (const character of characters()) {
	if (/\p{M}/u.test(character)) joiners.add(character)
	for (const part of [...character.normalize('NFD')].slice(1)) joiners.add(part)
}
const isJoined = (text: string): boolean => joiners.has([...text.normalize('NFD')][0] ?? '')

describe('unless normal form C joins two texts, folding them together gives the folded texts, one after the other:', () => {
	test('any texts', () => {
		fc.assert(
			fc.property(text, text, text, (before, middle, after) => {
				if (isJoined(middle) || isJoined(after)) return
				const whole = foldCase(before + middle + after)
				expect(whole).toBe(foldCase(before) + foldCase(middle) + foldCase(after))
				// So prefixes, substrings and suffixes of a text are those of its folded form.
				expect(whole.startsWith(foldCase(before))).toBe(true)
				expect(whole.includes(foldCase(middle))).toBe(true)
				expect(whole.endsWith(foldCase(after))).toBe(true)
			}),
			{ numRuns: 5000 },
		)
	})

	test('every character of Unicode before and behind a sigma', () => {
		const broken: string[] = []
		for (const character of characters()) {
			const folded = foldCase(character)
			if (!isJoined(character) && foldCase(`αΣ${character}`) !== `ασ${folded}`) broken.push(character)
			if (foldCase(`${character}Σ`) !== `${folded}σ`) broken.push(character)
		}
		expect(broken).toEqual([])
	})
})

test.each([
	['e', 'e\u0301'],
	['e', 'é'],
	['J', 'J\u030c'],
	['가', '각'],
])('%j is no beginning of %j, which normal form C makes one character', (part, whole) => {
	expect(foldCase(whole).startsWith(foldCase(part))).toBe(false)
	expect(foldCase(whole).includes(foldCase(part))).toBe(false)
})

describe('in steps', () => {
	const inSteps = (text: string) => {
		const steps = foldCaseInSteps(text)
		let count = 0
		for (let step = steps.next(); ; step = steps.next(), count++) if (step.done) return { folded: step.value, count }
	}

	test('a text is folded as at once', () => {
		const text = fc.string({
			unit: fc.constantFrom('a', 'É', 'e', '\u0301', '\u0316', 'Σ', 'ς', 'İ', '\u034f', '한', '😀'),
		})
		fc.assert(fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), (a) => inSteps(a).folded === foldCase(a)))
	})

	test('four parts of the work are apart, and two if nothing joins', () => {
		expect(inSteps('\u0301'.repeat(100)).count).toBe(3)
		expect(inSteps('x'.repeat(100)).count).toBe(2)
	})
})
