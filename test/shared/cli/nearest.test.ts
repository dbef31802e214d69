import { expect, test } from 'vitest'
import { nearest } from '../../../shared/cli/nearest.ts'

test.each([
	['concurency', 'concurrency'],
	['NAMESPACE', 'namespace'],
	['nam', undefined],
	['prot', 'port'],
	['rejectUnauthorized', undefined],
	['', undefined],
])('%j is meant to be %j', (name, expected) => {
	expect(nearest(name, ['concurrency', 'namespace', 'port'])).toBe(expected)
})

test('of nothing nothing is near', () => {
	expect(nearest('port', [])).toBeUndefined()
})
