import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accepts, etag, isNotModified, parseEtags } from '../../../shared/scim/version.ts'

test('the ETag of a version is weak', () => {
	expect(etag('3694e05e9dff590')).toBe('W/"3694e05e9dff590"')
})

test.each<[string, '*' | readonly string[]]>([
	['*', '*'],
	[' * ', '*'],
	['W/"a"', ['a']],
	['"a"', ['a']],
	['""', ['']],
	['W/"a", "b" ,W/"c"', ['a', 'b', 'c']],
	[', W/"a",, ', ['a']],
	['W/"a,b"', ['a,b']],
	['W/"a\\"', ['a\\']],
	['"é"', ['é']],
	// Not entity tags.
	['', []],
	['a', []],
	['W/a', []],
	['"a', []],
	["'a'", []],
	['"a b"', []],
	['a, W/"b"', ['b']],
	['*, W/"b"', ['b']],
])('%j reads as %j', (header, etags) => {
	expect(parseEtags(header)).toEqual(etags)
})

test.each([
	[undefined, true, false],
	['*', true, true],
	['W/"2"', true, true],
	['"2"', true, true],
	['W/"1", W/"2"', true, true],
	['W/"1"', false, false],
	['W/"22"', false, false],
	['', false, false],
	['2', false, false],
])('with version 2, %j: a write is accepted: %s, a read is not modified: %s', (header, accepted, notModified) => {
	expect(accepts(header, '2')).toBe(accepted)
	expect(isNotModified(header, '2')).toBe(notModified)
})

test('the ETag of a version matches this version alone', () => {
	const version = fc.stringMatching(/^[!#-~]{0,12}$/)
	fc.assert(
		fc.property(version, version, fc.array(version), (version, other, more) => {
			const header = [...more, version].map(etag).join(', ')
			expect(accepts(header, version)).toBe(true)
			expect(isNotModified(header, version)).toBe(true)
			expect(accepts(header, other)).toBe([...more, version].includes(other))
		}),
	)
})
