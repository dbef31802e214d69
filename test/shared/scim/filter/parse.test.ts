import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ScimError } from '../../../../shared/scim/error.ts'
import type { CompareOperator, CompareValue, Filter } from '../../../../shared/scim/filter/ast.ts'
import { parseFilter } from '../../../../shared/scim/filter/parse.ts'
import type { AttributePath } from '../../../../shared/scim/resource-type.ts'
import { almostFilter } from './arbitrary-filter.ts'

const at = (name: string, sub?: string): AttributePath => ({ name, ...(sub !== undefined && { sub }) })

const compare = (path: AttributePath, operator: CompareOperator, value: CompareValue): Filter => ({
	kind: 'attributeExpression',
	path,
	operator,
	value,
})

const present = (path: AttributePath): Filter => ({ kind: 'presentExpression', path })
const and = (...operands: Filter[]): Filter => ({ kind: 'logicalExpression', operator: 'and', operands })
const or = (...operands: Filter[]): Filter => ({ kind: 'logicalExpression', operator: 'or', operands })
const not = (operand: Filter): Filter => ({ kind: 'notExpression', operand })
const valuePath = (path: AttributePath, filter: Filter): Filter => ({ kind: 'valuePath', path, filter })

const [a, b, c, d] = [present(at('a')), present(at('b')), present(at('c')), present(at('d'))]
const work = compare(at('type'), 'eq', 'work')
const workEmail = (...more: Filter[]) => valuePath(at('emails'), and(work, ...more))

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

/** The refusal of a filter. */
function refusal(filter: string): unknown {
	try {
		return parseFilter(filter)
	} catch (error) {
		return error
	}
}

describe('the grammar of RFC 7644 section 3.4.2.2', () => {
	test.each<[string, Filter]>([
		['userName eq "bjensen"', compare(at('userName'), 'eq', 'bjensen')],
		['name.familyName co "O\'Malley"', compare(at('name', 'familyName'), 'co', "O'Malley")],
		['userName sw "J"', compare(at('userName'), 'sw', 'J')],
		[
			'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"',
			compare({ uri: 'urn:ietf:params:scim:schemas:core:2.0:User', name: 'userName' }, 'sw', 'J'),
		],
		[`${enterprise}:manager.value pr`, present({ uri: enterprise, name: 'manager', sub: 'value' })],
		['title pr', present(at('title'))],
		['title PR', present(at('title'))],
		['meta.lastModified gt "2011-05-13T04:42:34Z"', compare(at('meta', 'lastModified'), 'gt', '2011-05-13T04:42:34Z')],
		['a ne 1', compare(at('a'), 'ne', 1)],
		['a ew "x"', compare(at('a'), 'ew', 'x')],
		['a Ge 1.5', compare(at('a'), 'ge', 1.5)],
		['a LT -1', compare(at('a'), 'lt', -1)],
		['a le 1e+21', compare(at('a'), 'le', 1e21)],
		['active eq true', compare(at('active'), 'eq', true)],
		['active EQ false', compare(at('active'), 'eq', false)],
		['title eq null', compare(at('title'), 'eq', null)],
		['$ref pr', present(at('$ref'))],
		['members.$ref eq "x"', compare(at('members', '$ref'), 'eq', 'x')],
		['my-attr_2.sub$attr-3 pr', present(at('my-attr_2', 'sub$attr-3'))],
		['title pr and userType eq "Employee"', and(present(at('title')), compare(at('userType'), 'eq', 'Employee'))],
		['a pr or b pr', or(a, b)],
		['a pr AND b pr aNd c pr', and(a, b, c)],
		['a pr OR b pr Or c pr', or(a, b, c)],
		['a pr or b pr and c pr or d pr', or(a, and(b, c), d)],
		['(a pr or b pr) and (c pr or d pr)', and(or(a, b), or(c, d))],
		['a pr and (b pr and c pr)', and(a, and(b, c))],
		['not (a pr)', not(a)],
		['NOT(a pr) and b pr', and(not(a), b)],
		['not (a pr or b pr) or not (c pr)', or(not(or(a, b)), not(c))],
		['a pr and not (not (b pr))', and(a, not(not(b)))],
		['(((a pr)))', a],
		['(a pr)and(b pr)or(c pr)', or(and(a, b), c)],
		['emails[type eq "work"]', valuePath(at('emails'), work)],
		[
			'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
			or(
				workEmail(compare(at('value'), 'co', '@example.com')),
				valuePath(at('ims'), and(compare(at('type'), 'eq', 'xmpp'), compare(at('value'), 'co', '@foo.com'))),
			),
		],
		['emails[not (type eq "work") or (a pr)]', valuePath(at('emails'), or(not(work), a))],
		[`${enterprise}:manager[a pr]`, valuePath({ uri: enterprise, name: 'manager' }, a)],
		['  a \t pr \r\n', a],
		// Operators that are names in the place of a name.
		['not pr', present(at('not'))],
		['and eq "or" or or pr', or(compare(at('and'), 'eq', 'or'), present(at('or')))],
		['orders pr or android pr', or(present(at('orders')), present(at('android')))],
	])('%s', (text, filter) => {
		expect(parseFilter(text)).toEqual(filter)
	})
})

describe('strings are JSON strings, decoded exactly', () => {
	test.each([
		['""', ''],
		['"LACreateGroup-(1a2b3c4d)"', 'LACreateGroup-(1a2b3c4d)'],
		['"a] and (b"', 'a] and (b'],
		['"O\'Brien #1"', "O'Brien #1"],
		['"say \\"hi\\""', 'say "hi"'],
		['"C:\\\\dir\\\\"', 'C:\\dir\\'],
		['"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t"', 'é😀/\b\f\n\r\t'],
		['"Zoë 😀 名前"', 'Zoë 😀 名前'],
		['"  "', '  '],
	])('%s', (literal, value) => {
		expect(parseFilter(`(a eq ${literal})`)).toEqual(compare(at('a'), 'eq', value))
	})
})

describe('values without quotes end at a space, a parenthesis or a bracket', () => {
	test.each<[string, Filter]>([
		['externalId eq jyoung', compare(at('externalId'), 'eq', 'jyoung')],
		[
			'id eq 54D382A4-2050-4C03-94D1-E769F1D15682 and manager eq 2819c223-7f76-453a-919d-413861904646',
			and(
				compare(at('id'), 'eq', '54D382A4-2050-4C03-94D1-E769F1D15682'),
				compare(at('manager'), 'eq', '2819c223-7f76-453a-919d-413861904646'),
			),
		],
		[
			'meta.Created gt 2015-10-10T14:38:21.8617979-07:00',
			compare(at('meta', 'Created'), 'gt', '2015-10-10T14:38:21.8617979-07:00'),
		],
		[
			'name.FamilyName eq Employee and (emails.Value co example.com or emails.Value co example.org)',
			and(
				compare(at('name', 'FamilyName'), 'eq', 'Employee'),
				or(compare(at('emails', 'Value'), 'co', 'example.com'), compare(at('emails', 'Value'), 'co', 'example.org')),
			),
		],
		['emails[type eq work]', valuePath(at('emails'), work)],
		["displayName eq O'Brien", compare(at('displayName'), 'eq', "O'Brien")],
		['a eq x(y', compare(at('a'), 'eq', 'x(y')],
		// No text is lost. A number is one only if JavaScript writes it in the same way; literals are those of JSON.
		['employeeNumber eq 701984', compare(at('employeeNumber'), 'eq', 701984)],
		['employeeNumber eq 0012', compare(at('employeeNumber'), 'eq', '0012')],
		['externalId eq 12345678901234567890', compare(at('externalId'), 'eq', '12345678901234567890')],
		['externalId eq 1.0', compare(at('externalId'), 'eq', '1.0')],
		['externalId eq 2819c223', compare(at('externalId'), 'eq', '2819c223')],
		['externalId eq 0x10', compare(at('externalId'), 'eq', '0x10')],
		['externalId eq Infinity', compare(at('externalId'), 'eq', 'Infinity')],
		['externalId eq NaN', compare(at('externalId'), 'eq', 'NaN')],
		['active eq True', compare(at('active'), 'eq', 'True')],
		['name.familyName eq Null', compare(at('name', 'familyName'), 'eq', 'Null')],
	])('%s', (text, filter) => {
		expect(parseFilter(text)).toEqual(filter)
	})
})

describe('a sub-attribute behind the brackets is read as one inside', () => {
	const joe = compare(at('value'), 'eq', 'joe@example.com')
	test.each<[string, Filter]>([
		['emails[type eq "work"].value eq "joe@example.com"', workEmail(joe)],
		['emails[type eq "work"].Value pr', workEmail(present(at('Value')))],
		['emails[type eq "work" and a pr].value eq "joe@example.com"', workEmail(a, joe)],
		['emails[a pr or b pr].value eq "joe@example.com"', valuePath(at('emails'), and(or(a, b), joe))],
		['c pr and emails[type eq "work"].value eq "joe@example.com" or d pr', or(and(c, workEmail(joe)), d)],
		['members[type eq "work"].$ref eq "x"', valuePath(at('members'), and(work, compare(at('$ref'), 'eq', 'x')))],
	])('%s', (text, filter) => {
		expect(parseFilter(text)).toEqual(filter)
	})
})

const operators = '(eq, ne, co, sw, ew, gt, ge, lt, le or pr)'

describe('text that is not a filter is refused with invalidFilter and its position', () => {
	test.each([
		['', 'character 1: expected an attribute name, found the end'],
		['   ', 'character 4: expected an attribute name, found the end'],
		['"a" eq 1', 'character 1: expected an attribute name, found "a"'],
		['1a eq 1', 'character 1: expected an attribute name, found 1a'],
		[':a eq 1', 'character 1: expected an attribute name, found :a'],
		['a: eq 1', 'character 1: expected an attribute name, found a:'],
		['a..b eq 1', 'character 1: expected an attribute name, found a..b'],
		['a.b.c eq 1', 'character 1: expected an attribute name, found a.b.c'],
		['a,b eq 1', 'character 1: expected an attribute name, found a,b'],
		['é eq 1', 'character 1: expected an attribute name, found é'],
		['a', `character 2: expected an operator ${operators}, found the end`],
		['a = 1', `character 3: expected an operator ${operators}, found =`],
		['a equals "x"', `character 3: expected an operator ${operators}, found equals`],
		['a b eq 1', `character 3: expected an operator ${operators}, found b`],
		['a.b[c pr]', `character 4: expected an operator ${operators}, found [c`],
		['a[b[c pr]]', `character 4: expected an operator ${operators}, found [c`],
		['a eq', `character 5: expected a value: a string in double quotes, a number, true, false or null, found the end`],
		['a eq (b)', `character 6: expected a value: a string in double quotes, a number, true, false or null, found (b)`],
		["a eq 'b'", `character 6: expected a value: a string in double quotes, a number, true, false or null, found 'b'`],
		['a eq "b', `character 6: expected a value: a string in double quotes, a number, true, false or null, found "b`],
		['a eq "\\x"', 'character 6: expected a string that is valid JSON, found "\\x"'],
		['a eq "b\tc"', 'character 6: expected a string that is valid JSON, found "b'],
		['a eq b"', 'character 7: expected "and", "or" or the end, found "'],
		['a eq "b"c', 'character 9: expected "and", "or" or the end, found c'],
		['a eq "b" xor c pr', 'character 10: expected "and", "or" or the end, found xor'],
		['a eq Mary Ann', 'character 11: expected "and", "or" or the end, found Ann'],
		['a pr orb pr', 'character 6: expected "and", "or" or the end, found orb'],
		['a pr andb pr', 'character 6: expected "and", "or" or the end, found andb'],
		['a pr b pr', 'character 6: expected "and", "or" or the end, found b'],
		['a pr and', 'character 9: expected an attribute name, found the end'],
		['a pr or or b pr', `character 12: expected an operator ${operators}, found b`],
		['and a pr', `character 5: expected an operator ${operators}, found a`],
		['not a pr', `character 5: expected an operator ${operators}, found a`],
		['not (a pr', 'character 10: expected "and", "or" or ")", found the end'],
		['(a pr', 'character 6: expected "and", "or" or ")", found the end'],
		['(a pr]', 'character 6: expected "and", "or" or ")", found ]'],
		['a pr)', 'character 5: expected "and", "or" or the end, found )'],
		['()', 'character 2: expected an attribute name, found )'],
		['emails[type eq "work"', 'character 22: expected "and", "or" or "]", found the end'],
		['emails[]', 'character 8: expected an attribute name, found ]'],
		['emails[type eq "work"].value', `character 29: expected an operator ${operators}, found the end`],
		['emails[type eq "work"] .value eq 1', 'character 24: expected "and", "or" or the end, found .value'],
		['emails[type eq "work"].1 eq 1', 'character 23: expected "and", "or" or the end, found .1'],
		[`a ${'x'.repeat(100)}`, `character 3: expected an operator ${operators}, found ${'x'.repeat(32)}`],
		['a pr \u00a0b', 'character 6: expected "and", "or" or the end, found \u00a0b'],
	])('%j', (text, detail) => {
		expect(refusal(text)).toMatchObject({ status: 400, scimType: 'invalidFilter', message: `filter, ${detail}` })
	})
})

describe('a filter has limits', () => {
	const nested = (depth: number, open = '(', close = ')') => `${open.repeat(depth)}a pr${close.repeat(depth)}`
	const many = (count: number) => Array.from({ length: count }, () => 'a pr').join(' or ')

	test.each([
		['8,192 characters', `a eq "${'x'.repeat(8185)}"`],
		['32 parentheses', nested(32)],
		['32 negations', nested(32, 'not (')],
		['31 parentheses around a bracket', `${'('.repeat(31)}a[b pr]${')'.repeat(31)}`],
		['256 expressions', many(256)],
	])('%s are accepted', (_, text) => {
		expect(refusal(text)).toHaveProperty('kind')
	})

	test.each([
		['8,193 characters', `a eq "${'x'.repeat(8186)}"`, 'the filter is longer than 8192 characters'],
		['33 parentheses', nested(33), 'the filter is nested deeper than 32 parentheses and brackets'],
		['33 negations', nested(33, 'not('), 'the filter is nested deeper than 32 parentheses and brackets'],
		[
			'32 parentheses around a bracket',
			`${'('.repeat(32)}a[b pr]${')'.repeat(32)}`,
			'the filter is nested deeper than 32 parentheses and brackets',
		],
		[
			'32 parentheses inside a bracket',
			`a[${nested(32)}]`,
			'the filter is nested deeper than 32 parentheses and brackets',
		],
		['8,000 open parentheses', '('.repeat(8000), 'the filter is nested deeper than 32 parentheses and brackets'],
		['10,000 open parentheses', '('.repeat(10_000), 'the filter is longer than 8192 characters'],
		['257 expressions', many(257), 'the filter is longer than 256 expressions'],
		[
			'257 expressions in brackets',
			`a[${many(129)}] and not (${many(128)})`,
			'the filter is longer than 256 expressions',
		],
	])('%s are refused', (_, text, detail) => {
		expect(refusal(text)).toMatchObject({ status: 400, scimType: 'invalidFilter', message: detail })
	})
})

test('any string is either a filter or refused with invalidFilter', () => {
	fc.assert(
		fc.property(almostFilter, (text) => {
			const outcome = refusal(text)
			if (outcome instanceof ScimError) expect(outcome).toMatchObject({ status: 400, scimType: 'invalidFilter' })
			else expect(outcome).toHaveProperty('kind')
		}),
		{ numRuns: 5000 },
	)
})
