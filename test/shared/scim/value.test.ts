import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ScimError } from '../../../shared/scim/error.ts'
import { groupType, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import { urn } from '../../../shared/scim/urn.ts'
import { parseResource, prune, sameValue } from '../../../shared/scim/value.ts'

const refusal = (type: ResourceType, body: unknown) => {
	try {
		return parseResource(type, body, new Set())
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
		return `${error.status} ${error.scimType}: ${error.message}`
	}
}

describe('the attributes in a body', () => {
	it('are read as Entra writes a user', () => {
		const body = {
			schemas: [urn.user, urn.enterpriseUser],
			externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
			userName: 'Test_User_00aa00aa@testuser.com',
			active: true,
			displayName: 'Joy Young',
			emails: [{ primary: true, type: 'work', value: 'joy@testuser.com' }],
			meta: { resourceType: 'User' },
			name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
			phoneNumbers: [
				{ type: 'work', value: '1' },
				{ type: 'mobile', value: '2' },
			],
			[urn.enterpriseUser]: { employeeNumber: '701984', department: 'Ops' },
			roles: [],
		}
		const { schemas, meta, roles, ...attributes } = body
		expect(parseResource(userType, body, new Set())).toStrictEqual(attributes)
	})

	it.each([
		['explicit nulls', { addresses: null, title: null, department: null, manager: null, name: null }, {}],
		['empty strings and lists', { title: '', emails: [], nickName: '' }, {}],
		['read-only and unknown names', { id: '7', meta: {}, groups: [{ value: '1' }], favoriteColor: 'red' }, {}],
		[
			'sub-attributes that are not kept',
			{ manager: { value: 'x', displayName: 'X' } },
			{ [urn.enterpriseUser]: { manager: { value: 'x' } } },
		],
		['booleans in strings', { active: 'True' }, { active: true }],
		[
			'names in any letter case',
			{ DISPLAYNAME: 'B', Emails: [{ VALUE: 'a' }] },
			{ displayName: 'B', emails: [{ value: 'a' }] },
		],
		[
			'a primary in a string',
			{ roles: [{ primary: 'True', value: 'Admin' }] },
			{ roles: [{ primary: true, value: 'Admin' }] },
		],
		[
			'an extension whose URN is not in schemas',
			{ [urn.enterpriseUser]: { department: 'Ops' } },
			{ [urn.enterpriseUser]: { department: 'Ops' } },
		],
		[
			'an enterprise attribute beside the core ones',
			{ manager: '123456', department: 'Ops' },
			{ [urn.enterpriseUser]: { manager: { value: '123456' }, department: 'Ops' } },
		],
		['an empty extension', { [urn.enterpriseUser]: { department: '', manager: { value: '' } } }, {}],
		[
			'elements that have only labels',
			{
				emails: [
					{ type: 'work', primary: true },
					{ type: 'home', value: 'h' },
				],
			},
			{ emails: [{ type: 'home', value: 'h' }] },
		],
		['one element without its list', { emails: { value: 'a' } }, { emails: [{ value: 'a' }] }],
		['empty elements', { emails: [null, '', { value: null }, { value: 'a' }] }, { emails: [{ value: 'a' }] }],
		['unknown types', { emails: [{ type: 'pigeon', value: 'a' }] }, { emails: [{ type: 'pigeon', value: 'a' }] }],
		[
			'two e-mail addresses of one type',
			{
				emails: [
					{ type: 'work', value: 'a' },
					{ type: 'work', value: 'b' },
				],
			},
			{
				emails: [
					{ type: 'work', value: 'a' },
					{ type: 'work', value: 'b' },
				],
			},
		],
		[
			'strings that are not what they are called',
			{ locale: 'PUWGYNUKSGVE', profileUrl: 'RVSZJGLGMDLF' },
			{ locale: 'PUWGYNUKSGVE', profileUrl: 'RVSZJGLGMDLF' },
		],
	])('are read from %s', (_, body, expected) => {
		expect(parseResource(userType, { userName: 'bjensen', ...body }, new Set())).toStrictEqual({
			userName: 'bjensen',
			...expected,
		})
	})

	it.each([
		['a body that is not an object', userType, [], '400 invalidSyntax: the body must be a JSON object, not a list'],
		['a user without a name', userType, { displayName: 'B' }, '400 invalidValue: userName is required'],
		['a user whose name is empty', userType, { userName: '' }, '400 invalidValue: userName is required'],
		['a group without a name', groupType, { externalId: 'x' }, '400 invalidValue: displayName is required'],
		[
			'a number for a string',
			userType,
			{ userName: 5 },
			'400 invalidValue: userName must be a string, not the number 5',
		],
		[
			'a word for a boolean',
			userType,
			{ userName: 'b', active: 'yes' },
			'400 invalidValue: active must be a boolean, not the string "yes"',
		],
		[
			'a list of two for a single value',
			userType,
			{ userName: 'b', title: ['x', 'y'] },
			'400 invalidValue: title must be a string, not a list',
		],
		[
			'a string for a complex value',
			userType,
			{ userName: 'b', name: 'x' },
			'400 invalidValue: name must be an object, not the string "x"',
		],
		[
			'a number among the elements',
			userType,
			{ userName: 'b', emails: [{ value: 'a' }, 7] },
			'400 invalidValue: emails[1] must be an object, not the number 7',
		],
		[
			'a wrong sub-attribute',
			userType,
			{ userName: 'b', emails: [{ value: 7 }] },
			'400 invalidValue: emails[0].value must be a string, not the number 7',
		],
		[
			'an extension that is not an object',
			userType,
			{ userName: 'b', [urn.enterpriseUser]: 'x' },
			`400 invalidValue: ${urn.enterpriseUser} must be an object, not the string "x"`,
		],
		['a name given twice', userType, { userName: 'b', UserName: 'c' }, '400 invalidSyntax: userName is given twice'],
		[
			'a sub-attribute given twice',
			userType,
			{ userName: 'b', name: { givenName: 'a', GivenName: 'b' } },
			'400 invalidSyntax: name.givenName is given twice',
		],
		[
			'two primary values',
			userType,
			{
				userName: 'b',
				emails: [
					{ value: 'a', primary: true },
					{ value: 'b', primary: 'true' },
				],
			},
			'400 invalidValue: emails: more than one value has primary true',
		],
		[
			'a NUL character',
			userType,
			{ userName: 'a\0b' },
			'400 invalidValue: userName must not contain the character U+0000',
		],
		[
			'half a character',
			userType,
			{ userName: 'a\ud800' },
			'400 invalidValue: userName must not contain half of a surrogate pair',
		],
		[
			'a member without a value',
			groupType,
			{ displayName: 'g', members: [{ value: 'a' }, { display: 'b' }] },
			'400 invalidValue: members[1].value is required',
		],
		[
			'a member that is null',
			groupType,
			{ displayName: 'g', members: [null] },
			'400 invalidValue: members[0].value is required',
		],
		[
			'a member that is empty',
			groupType,
			{ displayName: 'g', members: [{ value: '' }] },
			'400 invalidValue: members[0].value is required',
		],
	])('are refused for %s', (_, type, body, expected) => {
		expect(refusal(type, body)).toBe(expected)
	})
})

const element = fc.record(
	{ type: fc.constantFrom('work', 'home'), primary: fc.boolean(), value: fc.string({ minLength: 1 }) },
	{ requiredKeys: [] },
)
const resource = fc.record(
	{
		title: fc.string({ minLength: 1 }),
		name: fc.record({ givenName: fc.string({ minLength: 1 }) }, { requiredKeys: [] }),
		emails: fc.array(element),
		[urn.enterpriseUser]: fc.record(
			{ department: fc.string({ minLength: 1 }), manager: fc.record({ value: fc.string() }, { requiredKeys: [] }) },
			{ requiredKeys: [] },
		),
	},
	{ requiredKeys: [] },
)

describe('pruning', () => {
	it('leaves out values without content', () => {
		const values = {
			title: 'x',
			name: {},
			emails: [{ type: 'work' }, { type: 'home', value: 'h' }],
			roles: [{ primary: true }],
			[urn.enterpriseUser]: { manager: {} },
		}
		expect(prune(userType, values)).toEqual({ title: 'x', emails: [{ type: 'home', value: 'h' }] })
	})

	it('returns the same object the second time', () => {
		fc.assert(
			fc.property(resource, (values) => {
				const pruned = prune(userType, values)
				expect(prune(userType, pruned)).toBe(pruned)
			}),
		)
	})

	it('keeps every element that has a value, in order, and drops empty ones', () => {
		fc.assert(
			fc.property(resource, (values) => {
				const pruned = prune(userType, values)
				expect(pruned.emails ?? []).toEqual((values.emails ?? []).filter(({ value }) => value !== undefined))
				expect(Object.values(pruned).filter(saysNothing)).toEqual([])
			}),
		)
	})
})

describe('equal values', () => {
	it('may have their names in any order', () => {
		fc.assert(
			fc.property(fc.jsonValue(), (value) => {
				expect(sameValue(value, reversed(value))).toBe(true)
			}),
		)
	})

	it.each([
		[{ a: 1 }, { a: 1, b: 2 }],
		[{ a: 1, b: 2 }, { a: 1 }],
		[{ a: undefined }, { b: undefined }],
		[
			[1, 2],
			[2, 1],
		],
		[[1], [1, 2]],
		[[], {}],
		[{}, []],
		['1', 1],
		[null, {}],
		[null, undefined],
	])('do not include %j and %j', (a, b) => {
		expect(sameValue(a, b)).toBe(false)
	})
})

const saysNothing = (value: unknown): boolean =>
	typeof value === 'object' &&
	value !== null &&
	(Object.keys(value).length === 0 || Object.values(value).some((inner) => saysNothing(inner)))

const reversed = (value: unknown): unknown => {
	if (Array.isArray(value)) return value.map(reversed)
	if (typeof value !== 'object' || value === null) return value
	return Object.fromEntries(
		Object.entries(value)
			.reverse()
			.map(([name, inner]) => [name, reversed(inner)]),
	)
}

describe('values in a body', () => {
	const work = { type: 'work', value: 'w' }
	const home = { type: 'home', value: 'w' }

	it.each<[string, object, object]>([
		['twice are one', { emails: [work, home, work] }, { emails: [work, home] }],
		[
			'twice are one with all that is said',
			{
				phoneNumbers: [
					{ ...work, primary: true },
					{ ...work, display: 'W', primary: true },
				],
			},
			{ phoneNumbers: [{ ...work, primary: true, display: 'W' }] },
		],
		['without a type twice are one', { roles: ['a', { value: 'a' }] }, { roles: [{ value: 'a' }] }],
		[
			'of addresses twice are one',
			{ addresses: [{ country: 'FR' }, { country: 'FR', primary: true }] },
			{ addresses: [{ country: 'FR', primary: true }] },
		],
		['in a list of one are single', { title: ['x'], active: [false] }, { title: 'x', active: false }],
		['in the JSON of a string are read', { emails: JSON.stringify([work]) }, { emails: [work] }],
	])('%s', (_, body, expected) => {
		expect(parseResource(userType, { userName: 'a', ...body }, new Set())).toStrictEqual({ userName: 'a', ...expected })
	})

	it.each<[object, string]>([
		[{ emails: 'a@b.c' }, 'emails must be an object, not the string "a@b.c"'],
		[{ emails: ['a@b.c'] }, 'emails[0] must be an object, not the string "a@b.c"'],
		[{ phoneNumbers: '[{"value":' }, 'phoneNumbers must be an object, not the string "[{\\"value\\":"'],
		[{ manager: '[1' }, 'manager must be an object, not the string "[1"'],
	])('that are no objects are refused: %j', (body, detail) => {
		expect(refusal(userType, { userName: 'a', ...body })).toBe(`400 invalidValue: ${detail}`)
	})

	it('in the JSON of a string are members, too', () => {
		const members = JSON.stringify([{ value: 'x' }])
		expect(refusal(groupType, { displayName: 'a', members })).toStrictEqual({
			displayName: 'a',
			members: [{ value: 'x' }],
		})
	})
})
