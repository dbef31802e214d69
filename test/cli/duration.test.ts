import { expect, test } from 'vitest'
import { parseDuration } from '../../cli/duration.ts'

test.each([
	['0s', 0],
	['90s', 90_000],
	['30m', 1_800_000],
	['24h', 86_400_000],
	['7d', 604_800_000],
	['', undefined],
	['24', undefined],
	['h', undefined],
	['1.5h', undefined],
	['-1h', undefined],
	['24h ', undefined],
	['1w', undefined],
])('%j is %j', (text, milliseconds) => {
	expect(parseDuration(text)).toBe(milliseconds)
})
