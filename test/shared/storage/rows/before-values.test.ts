import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { beforeValues, valuesBefore } from '../../../../shared/storage/rows/before-values.ts'

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

describe('what a change has replaced', () => {
	test.each([
		['one attribute', { userName: 'joy', title: 'boss' }, { userName: 'joy', title: 'chief' }, { title: 'boss' }],
		['an attribute that is new', {}, { title: 'chief' }, { title: null }],
		['an attribute that is gone', { title: 'boss' }, {}, { title: 'boss' }],
		[
			'a sub-attribute alone',
			{ name: { givenName: 'Joy', familyName: 'Li' } },
			{ name: { givenName: 'Joy', familyName: 'Lo' } },
			{ name: { familyName: 'Li' } },
		],
		[
			'an attribute of an extension alone',
			{ [enterprise]: { department: 'Sales', costCenter: '7' } },
			{ [enterprise]: { costCenter: '7', manager: { value: '1' } } },
			{ [enterprise]: { department: 'Sales', manager: null } },
		],
		[
			'a whole list',
			{ emails: [{ value: 'a' }, { value: 'b' }] },
			{ emails: [{ value: 'a' }] },
			{ emails: [{ value: 'a' }, { value: 'b' }] },
		],
		['nothing', { emails: [{ value: 'a' }] }, { emails: [{ value: 'a' }] }, {}],
	])('is %s', (_, before, now, kept) => {
		expect(beforeValues(before, now)).toEqual(kept)
	})

	const leaf = fc.oneof(fc.string(), fc.boolean(), fc.array(fc.record({ value: fc.string() })))
	const attributes = (values: fc.Arbitrary<unknown>) => fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), values)
	const resource = attributes(fc.oneof(leaf, attributes(fc.oneof(leaf, attributes(leaf)))))

	test('brings back what was there, whatever it was', () => {
		fc.assert(
			fc.property(resource, resource, (before, now) => {
				const kept = JSON.parse(JSON.stringify(beforeValues(before, now)))
				expect(valuesBefore(now, kept)).toEqual(before)
			}),
		)
	})
})
