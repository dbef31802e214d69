import { describe, expect, it } from 'vitest'
import { parseQuery, parseSearchRequest } from '../../../shared/http/query.ts'

describe('parseQuery', () => {
	it.each([
		['', {}],
		['filter=userName+eq+%22a%2Bb%22', { filter: 'userName eq "a+b"' }],
		['count=100&startindex=0', { count: 100, startIndex: 0 }],
		['COUNT=-5', { count: -5 }],
		['startIndex=9007199254740993', { startIndex: Number.MAX_SAFE_INTEGER }],
		[`startIndex=-${'9'.repeat(400)}`, { startIndex: Number.MIN_SAFE_INTEGER }],
		['aadOptscim062020&filter=', {}],
		['cursor=&count=2', { cursor: '', count: 2 }],
		['sortBy=userName&sortOrder=Descending', { sortBy: 'userName', sortOrder: 'descending' }],
		[
			'attributes=userName,emails&excludedAttributes=members',
			{ attributes: 'userName,emails', excludedAttributes: 'members' },
		],
		['__proto__=1&constructor=2', {}],
	])('reads "%s"', (query, parameters) => {
		expect(parseQuery(new URLSearchParams(query))).toEqual(parameters)
	})

	it.each([
		['count=ten', 'invalidValue', 'count must be an integer, not the string "ten"'],
		['startIndex=1.5', 'invalidValue', 'startIndex must be an integer, not the string "1.5"'],
		['startIndex=1e99', 'invalidValue', 'startIndex must be an integer, not the string "1e99"'],
		['sortOrder=up', 'invalidValue', 'sortOrder must be ascending or descending, not the string "up"'],
		['filter=a&FILTER=b', 'invalidSyntax', 'the query has filter twice'],
	])('refuses "%s"', (query, scimType, message) => {
		expect(() => parseQuery(new URLSearchParams(query))).toThrow(
			expect.objectContaining({ status: 400, scimType, message }),
		)
	})
})

describe('parseSearchRequest', () => {
	it('reads the message of RFC 7644 figure 5', () => {
		expect(
			parseSearchRequest({
				schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
				attributes: ['displayName', 'userName'],
				filter: 'displayName sw "smith"',
				startIndex: 1,
				count: 10,
			}),
		).toEqual({ attributes: ['displayName', 'userName'], filter: 'displayName sw "smith"', startIndex: 1, count: 10 })
	})

	it.each([
		[[], 'invalidSyntax', 'the search request must be a JSON object'],
		['x', 'invalidSyntax', 'the search request must be a JSON object'],
		[{ filter: 7 }, 'invalidValue', 'filter must be a string, not the number 7'],
		[{ count: '7.5' }, 'invalidValue', 'count must be an integer, not the string "7.5"'],
		[{ attributes: [7] }, 'invalidValue', 'attributes must be a string or a list of strings'],
	])('refuses %j', (body, scimType, message) => {
		expect(() => parseSearchRequest(body)).toThrow(
			expect.objectContaining({ status: 400, scimType, message: expect.stringContaining(message) }),
		)
	})
})
