import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Attribute, AttributeType } from '../../../../shared/scim/attribute.ts'
import type { CompareOperator, CompareValue } from '../../../../shared/scim/filter/ast.ts'
import { compare, isComparable } from '../../../../shared/scim/filter/compare.ts'
import { userType } from '../../../../shared/scim/resource-type.ts'

const attributeOf = (type: AttributeType, caseExact = false): Attribute => {
	const attribute = userType.schema.attributes.get('username')
	if (attribute === undefined) throw new TypeError('User has no userName')
	return { ...attribute, type, caseExact }
}

const operators = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const

/** The operators for which the comparison is true. */
const holding = (attribute: Attribute, actual: unknown, value: CompareValue): string =>
	operators.filter((operator) => compare(actual, { attribute, operator, value })).join(' ')

describe('text', () => {
	test.each<[string, CompareValue, string]>([
		['bjensen', 'bjensen', 'eq co sw ew ge le'],
		['bjensen', 'BJensen', 'eq co sw ew ge le'],
		['B\u00c9', 'be\u0301', 'eq co sw ew ge le'],
		['bjensen', 'bj', 'ne co sw gt ge'],
		['bjensen', 'SEN', 'ne co ew lt le'],
		['bjensen', 'jens', 'ne co lt le'],
		['bjensen', 'z', 'ne lt le'],
		['bjensen', 'A', 'ne gt ge'],
		['701984', 701984, 'eq co sw ew ge le'],
		['true', true, 'eq co sw ew ge le'],
		['bjensen', '', 'ne co sw ew gt ge'],
		['bjensen', null, 'ne'],
	])('%j with %j: %s', (actual, value, operators) => {
		expect(holding(attributeOf('string'), actual, value)).toBe(operators)
	})

	test.each<[string, CompareValue, string]>([
		['Jyoung', 'Jyoung', 'eq co sw ew ge le'],
		['Jyoung', 'jyoung', 'ne lt le'],
		['\u00c9', 'E\u0301', 'eq co sw ew ge le'],
	])('case counts: %j with %j: %s', (actual, value, operators) => {
		expect(holding(attributeOf('string', true), actual, value)).toBe(operators)
	})
})

test.each<[unknown, CompareValue, string]>([
	[true, true, 'eq'],
	[true, 'True', 'eq'],
	[false, 'FALSE', 'eq'],
	[true, false, 'ne'],
	[true, 'False', 'ne'],
	[false, null, 'ne'],
	[undefined, false, 'ne'],
])('boolean %j with %j: %s', (actual, value, operators) => {
	expect(holding(attributeOf('boolean'), actual, value)).toBe(operators)
})

test.each<['integer' | 'decimal', unknown, CompareValue, string]>([
	['integer', 10, 9, 'ne gt ge'],
	['integer', 10, '010', 'eq ge le'],
	['decimal', 1.5, 2, 'ne lt le'],
	['decimal', 0, null, 'ne'],
])('%s %j with %j: %s', (type, actual, value, operators) => {
	expect(holding(attributeOf(type), actual, value)).toBe(operators)
})

test.each<[string, CompareValue, string]>([
	['2026-11-01T12:00:00.000Z', '2026-11-01T12:00:00Z', 'eq ge le'],
	['2026-11-01T12:00:00Z', '2026-11-01T05:00:00-07:00', 'eq ge le'],
	['2026-11-01T12:00:00Z', '2026-11-01T12:00:00', 'eq co sw ge le'],
	['2026-11-01T12:00:00Z', '2015-10-10T14:38:21.8617979-07:00', 'ne gt ge'],
	['2026-11-01T12:00:00Z', '2026-11-01T13:00:00+00:30', 'ne lt le'],
	['2026-11-01T12:00:00Z', '2026-11', 'ne co sw gt ge'],
	['2026-11-01T12:00:00Z', '2026-13-41T12:00:00Z', 'ne lt le'],
	['yesterday', 'yesterday', 'eq co sw ew ge le'],
])('dateTime %j with %j: %s', (actual, value, operators) => {
	expect(holding(attributeOf('dateTime'), actual, value)).toBe(operators)
})

describe('a time without an offset is UTC', () => {
	afterEach(() => {
		vi.unstubAllEnvs()
	})

	test.each(['UTC', 'America/Los_Angeles', 'Asia/Kolkata'])('also on a machine in %s', (zone) => {
		vi.stubEnv('TZ', zone)
		expect(holding(attributeOf('dateTime'), '2026-11-01T12:00:00.000Z', '2026-11-01T12:00:00')).toBe('eq co sw ge le')
	})
})

test.each([undefined, null, '', []])('%j is unassigned: equal to null and to "", different from the rest', (actual) => {
	const attribute = attributeOf('string')
	expect(holding(attribute, actual, null)).toBe('eq')
	expect(holding(attribute, actual, '')).toBe('eq')
	expect(holding(attribute, actual, 'x')).toBe('ne')
})

test('an attribute that the resource type does not have is unassigned', () => {
	expect(compare(undefined, { operator: 'eq', value: null })).toBe(true)
	expect(compare(undefined, { operator: 'eq', value: 'x' })).toBe(false)
	expect(compare(undefined, { operator: 'ne', value: 'x' })).toBe(true)
	expect(compare(undefined, { operator: 'lt', value: 'x' })).toBe(false)
})

const comparable = (type: AttributeType, value: CompareValue): string =>
	operators.filter((operator: CompareOperator) => isComparable(attributeOf(type), operator, value)).join(' ')

const all = operators.join(' ')

test.each<[AttributeType, CompareValue, string]>([
	['string', 'x', all],
	['string', 1, all],
	['string', true, all],
	['string', null, 'eq ne'],
	['reference', 'x', all],
	['dateTime', 'yesterday', all],
	['binary', 'TWFu', 'eq ne co sw ew'],
	['boolean', true, 'eq ne'],
	['boolean', 'tRUE', 'eq ne'],
	['boolean', null, 'eq ne'],
	['boolean', 'yes', ''],
	['boolean', 1, ''],
	['integer', 1, 'eq ne gt ge lt le'],
	['decimal', '1.50', 'eq ne gt ge lt le'],
	['decimal', 'many', ''],
	['integer', true, ''],
])('a %s may be compared with %j by: %s', (type, value, operators) => {
	expect(comparable(type, value)).toBe(operators)
})
