import { expect, test } from 'vitest'
import { shown } from '../../../shared/scim/shown.ts'

test.each([
	['yes', 'the string "yes"'],
	['x'.repeat(30), 'a string'],
	[5, 'the number 5'],
	[Number.POSITIVE_INFINITY, 'the number Infinity'],
	[true, 'the boolean true'],
	[null, 'null'],
	[[1], 'a list'],
	[{ a: 1 }, 'an object'],
])('%j is shown as %s', (value, text) => expect(shown(value)).toBe(text))
