import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../../shared/http/json.ts'

const refusals: readonly [text: string, detail: RegExp][] = [
	['', /not JSON/],
	['{', /not JSON/],
	['{"a":1}}', /not JSON/],
	['{"a":1,"a":2}', /the name "a" twice/],
	['{"a":1,"\\u0061":2}', /the name "a" twice/],
	['{"x":[{"a":1,"b":{"a":1},"a":2}]}', /the name "a" twice/],
	['{"__proto__":{"admin":true}}', /__proto__/],
	['{"x":{"__pro\\u0074o__":1}}', /__proto__/],
	['['.repeat(33) + ']'.repeat(33), /deeper than 32/],
	[`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, /deeper than 32/],
	['['.repeat(1_000_000), /not JSON|deeper/],
]

describe('parseJson', () => {
	it.each(refusals)('refuses %.40s', (text, detail) => {
		expect(() => parseJson(text)).toThrow(
			expect.objectContaining({ status: 400, scimType: 'invalidSyntax', message: expect.stringMatching(detail) }),
		)
	})

	it.each([
		['{"a":{"b":1},"c":{"b":2}}', { a: { b: 1 }, c: { b: 2 } }],
		['{"a":"b","b":"a"}', { a: 'b', b: 'a' }],
		['[{"a":1},{"a":2}]', [{ a: 1 }, { a: 2 }]],
		['{"a":["a","a","{","\\"",":"],"b":"\\\\"}', { a: ['a', 'a', '{', '"', ':'], b: '\\' }],
		['  7 ', 7],
	])('reads %s', (text, value) => {
		expect(parseJson(text)).toEqual(value)
	})

	it('reads the output of JSON.stringify as JSON.parse does', () => {
		fc.assert(
			fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 3 }), (value, space) => {
				const text = JSON.stringify(value, undefined, space)
				fc.pre(!text.includes('"__proto__"'))
				expect(parseJson(text)).toEqual(JSON.parse(text))
			}),
		)
	})

	it('finds a repeated name at any depth', () => {
		fc.assert(
			fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), (name, first, second) => {
				const key = JSON.stringify(name)
				const text = `{${key}:${JSON.stringify(first)},"other ${key.slice(1)}:0,${key}:${JSON.stringify(second)}}`
				fc.pre(name !== '__proto__' && !text.includes('__proto__'))
				expect(() => parseJson(text)).toThrow('twice')
			}),
		)
	})
})
