import { expect, test } from 'vitest'
import { nearest, nearlyNamed } from '../../../shared/scim/nearest.ts'

test.each([
	['concurency', 'concurrency'],
	['NAMESPACE', 'namespace'],
	['nam', undefined],
	['prot', 'port'],
	['rejectUnauthorized', undefined],
	['', undefined],
])('%j is closest to %j', (name, expected) => {
	expect(nearest(name, ['concurrency', 'namespace', 'port'])).toBe(expected)
})

test('nothing is close in an empty list', () => {
	expect(nearest('port', [])).toBeUndefined()
})

test.each(['dispalyName', 'displayNam', 'displayNames', 'dysplayName'])('%s is one edit from displayName', (name) => {
	expect(nearlyNamed(name, ['userName', 'displayName'])).toBe('displayName')
})

test.each(['displayName', 'dsiplyaName', 'nickName'])('%s is not one edit from displayName', (name) => {
	expect(nearlyNamed(name, ['userName', 'displayName'])).toBeUndefined()
})
