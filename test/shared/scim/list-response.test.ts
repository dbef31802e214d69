import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listResponse, pageByIndex, pageSize } from '../../../shared/scim/list-response.ts'

const schemas = ['urn:ietf:params:scim:api:messages:2.0:ListResponse']

test('a page by index has its start index', () => {
	expect(listResponse({ resources: [{ id: 'a' }], totalResults: 7, startIndex: 3, itemsPerPage: 1 })).toEqual({
		schemas,
		totalResults: 7,
		startIndex: 3,
		itemsPerPage: 1,
		Resources: [{ id: 'a' }],
	})
})

test('a page by cursor has the cursor of the next page, and the last page has none', () => {
	const page = { resources: [{ id: 'a' }], totalResults: 7, itemsPerPage: 1 }
	const message = { schemas, totalResults: 7, itemsPerPage: 1, Resources: [{ id: 'a' }] }
	expect(Object.entries(listResponse({ ...page, nextCursor: 'VGhl' }))).toEqual(
		Object.entries({ schemas, totalResults: 7, itemsPerPage: 1, nextCursor: 'VGhl', Resources: [{ id: 'a' }] }),
	)
	expect(Object.keys(listResponse({ ...page, nextCursor: undefined }))).toEqual(Object.keys(message))
})

test('an empty result has an empty list', () => {
	expect(listResponse({ resources: [], totalResults: 0, startIndex: 1, itemsPerPage: 0 })).toEqual({
		schemas,
		totalResults: 0,
		startIndex: 1,
		itemsPerPage: 0,
		Resources: [],
	})
})

test.each([
	[undefined, undefined, 1, 100],
	[1, 5, 1, 5],
	[6, 5, 6, 5],
	[0, 100, 1, 100],
	[-3, -1, 1, 0],
	[1, 0, 1, 0],
	[1_000_000, 1000, 1_000_000, 1000],
	[1, 1001, 1, 1000],
	[2, Number.MAX_SAFE_INTEGER, 2, 1000],
])('startIndex %s and count %s become %i and %i', (startIndex, count, from, size) => {
	expect(pageByIndex({ startIndex, count })).toEqual({ startIndex: from, count: size })
	expect(pageSize(count)).toBe(size)
})

test('a page never exceeds the limits', () => {
	fc.assert(
		fc.property(fc.integer(), fc.integer(), (startIndex, count) => {
			const page = pageByIndex({ startIndex, count })
			expect(page.startIndex).toBeGreaterThanOrEqual(1)
			expect(page.count).toBeGreaterThanOrEqual(0)
			expect(page.count).toBeLessThanOrEqual(1000)
			expect(pageByIndex(page)).toEqual(page)
		}),
	)
})
