import { expect, test } from 'vitest'
import { isNewer, readVersions, shownVersion, writeVersions } from '../../../shared/relay/versions.ts'

test('what is written can be read', () => {
	const told = { version: '0.2.0', newestAgent: '0.10.3' }
	expect(writeVersions(told)).toBe('0.2.0;agent=0.10.3')
	expect(readVersions(writeVersions(told))).toEqual(told)
})

test.each([
	undefined,
	'',
	'0.2.0',
	'not built;agent=not built',
	'0.2.0;agent=0.3',
	'0.2.0;agent=0.3.0;more=1',
	`0.2.0;agent=${'1'.repeat(10)}.0.0`,
])('%j has no versions', (text) => {
	expect(readVersions(text)).toBeUndefined()
})

test.each([
	['1.10.0', '1.9.2', true],
	['1.9.2', '1.10.0', false],
	['1.9.2', '1.9.2', false],
	['2.0.0', 'not built', true],
	['not built', '1.0.0', false],
])('%s is newer than %s: %s', (version, other, expected) => {
	expect(isNewer(version, other)).toBe(expected)
})

test.each([
	['0.2.0', '0.3.0', '0.2.0'],
	['0.3.0', '0.3.0', '0.3.0'],
	['999.0.0', '0.3.0', '999.0.0, newer than Rollcall 0.3.0'],
	['0.2.0', 'not built', '0.2.0'],
	['not built', '0.3.0', 'not built'],
	['0.3', '0.3.0', 'unknown'],
	['0.3.0 (latest)', '0.3.0', 'unknown'],
	[`${'9'.repeat(10)}.0.0`, '0.3.0', 'unknown'],
])('an agent that says %j to Rollcall %s is shown as %j', (claimed, own, shown) => {
	expect(shownVersion(claimed, own)).toBe(shown)
})
