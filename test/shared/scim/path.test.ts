import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import type { Filter } from '../../../shared/scim/filter/ast.ts'
import { type Path, parseAttributePath, parsePath, printPath } from '../../../shared/scim/path.ts'
import type { AttributePath } from '../../../shared/scim/resource-type.ts'
import { almostFilter, arbitraryPath, arbitraryValueFilter } from './filter/arbitrary-filter.ts'

const equals = (name: string, value: string): Filter => ({
	kind: 'attributeExpression',
	path: { name },
	operator: 'eq',
	value,
})

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

const refusal = (parse: (text: string) => unknown, text: string): unknown => {
	try {
		return parse(text)
	} catch (error) {
		return error
	}
}

describe('a path of RFC 7644 figure 7', () => {
	test.each<[string, Path]>([
		['members', { path: { name: 'members' } }],
		['name.familyName', { path: { name: 'name', sub: 'familyName' } }],
		['addresses[type eq "work"]', { path: { name: 'addresses' }, filter: equals('type', 'work') }],
		[
			'members[value eq "2819c223-7f76-453a-919d-413861904646"].displayName',
			{
				path: { name: 'members', sub: 'displayName' },
				filter: equals('value', '2819c223-7f76-453a-919d-413861904646'),
			},
		],
		['manager[value eq 2819c223]', { path: { name: 'manager' }, filter: equals('value', '2819c223') }],
		['roles[primary eq "True"].Value', { path: { name: 'roles', sub: 'Value' }, filter: equals('primary', 'True') }],
		['emails[value eq "a].b[c"].$ref', { path: { name: 'emails', sub: '$ref' }, filter: equals('value', 'a].b[c') }],
		[`${enterprise}:manager.value`, { path: { uri: enterprise, name: 'manager', sub: 'value' } }],
		[
			`${enterprise}:manager[value eq "1"].displayName`,
			{ path: { uri: enterprise, name: 'manager', sub: 'displayName' }, filter: equals('value', '1') },
		],
		[enterprise, { path: { uri: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0', name: 'User' } }],
		[' displayName ', { path: { name: 'displayName' } }],
	])('%s', (text, path) => {
		expect(parsePath(text)).toEqual(path)
	})
})

const operators = '(eq, ne, co, sw, ew, gt, ge, lt, le or pr)'

test.each([
	['', 'path, character 1: expected an attribute name, found the end'],
	['a.b.c', 'path, character 1: expected an attribute name, found a.b.c'],
	[
		'urn:ietf:params:scim:schemas:core:2.0',
		'path, character 1: expected an attribute name, found urn:ietf:params:scim:schemas:cor',
	],
	['[type eq "work"]', 'path, character 1: expected an attribute name, found [type'],
	['a b', 'path, character 3: expected the end, found b'],
	['a eq 1', 'path, character 3: expected the end, found eq'],
	['a.b[c pr]', 'path, character 4: expected the end, found [c'],
	['emails[]', 'path, character 8: expected an attribute name, found ]'],
	['emails[type]', `path, character 12: expected an operator ${operators}, found ]`],
	['emails[type eq "work"', 'path, character 22: expected "and", "or" or "]", found the end'],
	['emails[type eq "work"]value', 'path, character 23: expected the end, found value'],
	['emails[type eq "work"].', 'path, character 23: expected the end, found .'],
	['emails[type eq "work"].a.b', 'path, character 25: expected the end, found .b'],
	['emails[type eq "work"][a pr]', 'path, character 23: expected the end, found [a'],
	['a'.repeat(1025), 'the path is longer than 1024 characters'],
	[`a[${'('.repeat(32)}`, 'the path is nested deeper than 32 parentheses and brackets'],
])('%s is refused with invalidPath', (text, detail) => {
	expect(refusal(parsePath, text)).toMatchObject({ status: 400, scimType: 'invalidPath', message: detail })
})

describe('an attribute in attribute notation', () => {
	test.each<[string, AttributePath]>([
		['userName', { name: 'userName' }],
		['name.givenName', { name: 'name', sub: 'givenName' }],
		[`${enterprise}:employeeNumber`, { uri: enterprise, name: 'employeeNumber' }],
	])('%s', (text, path) => {
		expect(parseAttributePath(text)).toEqual(path)
	})

	test.each([
		['', 'path, character 1: expected an attribute name, found the end'],
		['emails[type eq "work"]', 'path, character 7: expected the end, found [type'],
	])('%s is refused with invalidPath', (text, detail) => {
		expect(refusal(parseAttributePath, text)).toMatchObject({ status: 400, scimType: 'invalidPath', message: detail })
	})
})

test('a printed path reads as the same path', () => {
	const valuePath = fc
		.record({
			attribute: arbitraryPath({ withSub: false }),
			sub: arbitraryPath({ withSub: true }),
			filter: arbitraryValueFilter,
		})
		.map(
			({ attribute, sub: { sub }, filter }): Path => ({
				path: { ...attribute, ...(sub !== undefined && { sub }) },
				filter,
			}),
		)
	const path = fc.oneof(
		valuePath,
		arbitraryPath({ withSub: true }).map((path): Path => ({ path })),
	)
	fc.assert(
		fc.property(
			path.filter((path) => printPath(path).length <= 1024),
			(path) => {
				expect(parsePath(printPath(path))).toEqual(path)
			},
		),
		{ numRuns: 1000 },
	)
})

test('any string is either a path or refused with invalidPath', () => {
	fc.assert(
		fc.property(almostFilter, (text) => {
			const outcome = refusal(parsePath, text)
			if (outcome instanceof ScimError) expect(outcome).toMatchObject({ status: 400, scimType: 'invalidPath' })
			else expect(outcome).toHaveProperty('path')
		}),
		{ numRuns: 5000 },
	)
})
