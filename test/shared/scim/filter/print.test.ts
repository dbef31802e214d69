import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import { printFilter } from '../../../../shared/scim/filter/print.ts'
import { arbitraryFilter } from './arbitrary-filter.ts'

test.each([
	['a EQ  jyoung', 'a eq "jyoung"'],
	['a pr or b pr and c pr', 'a pr or (b pr and c pr)'],
	['NOT(a pr)', 'not (a pr)'],
	['emails[type eq "work"].value eq "x"', 'emails[type eq "work" and value eq "x"]'],
	['a eq "\\u00e9\\"" and b eq 1 and c eq null', 'a eq "é\\"" and b eq 1 and c eq null'],
	['urn:x:User:a.b pr', 'urn:x:User:a.b pr'],
])('%s is printed as %s', (text, printed) => {
	expect(printFilter(parseFilter(text))).toBe(printed)
})

test('a printed filter reads as the same filter', () => {
	fc.assert(
		fc.property(
			arbitraryFilter.filter((filter) => printFilter(filter).length <= 8192),
			(filter) => {
				expect(parseFilter(printFilter(filter))).toEqual(filter)
			},
		),
		{ numRuns: 2000 },
	)
})
