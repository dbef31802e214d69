import { foldCase } from '../../scim/fold-case.ts'

// Rows hold strings without regard to letter case, folded. Format 1 leaves a final sigma as it is, and makes one of a
// capital at the end of a word: `ΝΙΚΟΣ` is in its rows as `νικος`, beside `νικοσ` in lower case. Format 2 folds as strings
// are compared: both are `νικοσ`. A reader therefore asks for every spelling that a value may have in rows of format 1.

/** Folds the strings of a resource's rows. */
export type Folding = (text: string) => string

/** The folding of format 1. A folded text of format 2 never has `ς`. */
export const foldCaseOfFormat1: Folding = (text) => text.toLowerCase().normalize('NFC')

/** How rows of a format are folded. */
export const foldingOf = (format: number): Folding => (format >= 2 ? foldCase : foldCaseOfFormat1)

/** Whether the formats may fold texts that are equal without regard to letter case in different ways. */
export const hasSpellings = (folded: string): boolean => folded.includes('σ')

/**
 * A sigma at which a word may end, in a folded text: a letter behind it is what makes it another one. Full stops and other
 * characters that Unicode ignores when it looks for the end of a word end one for some writers, and none for others.
 */
const wordEnd = /σ(?!(?!\p{Case_Ignorable})\p{Cased})/gu

/** Of a text with more words that may end with a sigma, the mixed spellings are left out. */
const maxWordEnds = 4

/**
 * The forms that equal texts may have in rows: that of format 2 first, then those of format 1. Nearly all texts have one.
 * Left out is what no orthography knows, a final sigma inside a word, unless the text itself is written like this.
 */
export function spellingsOf(text: string): readonly string[] {
	const folded = foldCase(text)
	if (!hasSpellings(folded)) return [folded]
	const ends = [...folded.matchAll(wordEnd)].map(({ index }) => index)
	const choices = ends.length > maxWordEnds ? [[], ends] : subsetsOf(ends)
	return [...new Set([...choices.map((chosen) => withFinals(folded, chosen)), foldCaseOfFormat1(text)])]
}

function subsetsOf([first, ...others]: readonly number[]): readonly (readonly number[])[] {
	if (first === undefined) return [[]]
	const subsets = subsetsOf(others)
	return [...subsets, ...subsets.map((subset) => [first, ...subset])]
}

const withFinals = (folded: string, positions: readonly number[]): string =>
	positions.reduce((text, position) => `${text.slice(0, position)}ς${text.slice(position + 1)}`, folded)

/** The first and the last of all forms that equal texts may have in rows, in the order of strings. */
export const boundsOf = (folded: string): readonly [first: string, last: string] => [
	folded.replaceAll('σ', 'ς'),
	folded,
]
