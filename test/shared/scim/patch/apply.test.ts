import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Quirks } from '../../../../shared/scim/dialect.ts'
import { ScimError } from '../../../../shared/scim/error.ts'
import { idGenerator } from '../../../../shared/scim/id.ts'
import { applyPatch } from '../../../../shared/scim/patch/apply.ts'
import { parsePatch } from '../../../../shared/scim/patch/request.ts'
import type { AttributeValues } from '../../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'

const enterprise = urn.enterpriseUser

function patch(
	values: AttributeValues,
	operations: readonly unknown[],
	type: ResourceType = userType,
): AttributeValues {
	const message = { schemas: [urn.patchOp], Operations: operations }
	const quirks: Quirks = new Set()
	return applyPatch(frozen(values), parsePatch(message, type, quirks), { type, quirks })
}

/** The attributes of the user after the operations, without the userName. */
function patchUser(values: AttributeValues, operations: readonly unknown[]): AttributeValues {
	const { userName, ...rest } = patch({ userName: 'bjensen', ...values }, operations)
	expect(userName).toBe('bjensen')
	return rest
}

function refusal(patched: () => unknown): string {
	try {
		return JSON.stringify(patched())
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
		return `${error.status} ${error.scimType}: ${error.message}`
	}
}

function frozen<T>(value: T): T {
	if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen)
	return value
}

type Row = readonly [title: string, before: AttributeValues, operations: readonly unknown[], after: AttributeValues]

const rows = (...table: readonly Row[]) =>
	it.each(table)('%s', (_, before, operations, after) => {
		expect(patchUser(before, operations)).toStrictEqual(after)
	})

const work = { type: 'work', value: 'w' }
const home = { type: 'home', value: 'h' }

describe('an update by Entra', () => {
	rows(
		['adds a simple value', {}, [{ op: 'Add', path: 'nickName', value: 'Babs' }], { nickName: 'Babs' }],
		[
			'adds an enterprise value',
			{},
			[{ op: 'Add', path: `${enterprise}:department`, value: 'Retail' }],
			{ [enterprise]: { department: 'Retail' } },
		],
		[
			'replaces a simple value',
			{ displayName: 'a' },
			[{ op: 'Replace', path: 'displayName', value: 'Pvlo' }],
			{ displayName: 'Pvlo' },
		],
		[
			'replaces a value that is not there',
			{},
			[{ op: 'Replace', path: 'externalId', value: 'Eqpj' }],
			{ externalId: 'Eqpj' },
		],
		[
			'replaces a sub-attribute',
			{ name: { givenName: 'a', familyName: 'b' } },
			[{ op: 'Replace', path: 'name.givenName', value: 'Gtfd' }],
			{ name: { givenName: 'Gtfd', familyName: 'b' } },
		],
		[
			'replaces an enterprise value and keeps the others',
			{ [enterprise]: { department: 'a', employeeNumber: 'b' } },
			[{ op: 'Replace', path: `${enterprise}:employeeNumber`, value: 'Eqpj' }],
			{ [enterprise]: { department: 'a', employeeNumber: 'Eqpj' } },
		],
		[
			'replaces in the element that the filter selects',
			{ emails: [{ ...work, primary: true }, home] },
			[{ op: 'Replace', path: 'emails[type eq "work"].value', value: 'x' }],
			{ emails: [{ type: 'work', value: 'x', primary: true }, home] },
		],
		[
			'removes a sub-attribute, and the element of labels that stays behind',
			{ emails: [{ ...work, primary: true }, home] },
			[{ op: 'Remove', path: 'emails[type eq "work"].value', value: 'old@example.org' }],
			{ emails: [home] },
		],
		['removes a value', { title: 'x', nickName: 'y' }, [{ op: 'Remove', path: 'title' }], { nickName: 'y' }],
		[
			'removes a sub-attribute and keeps the others',
			{ name: { givenName: 'a', familyName: 'b' }, emails: [{ ...work, display: 'W' }] },
			[
				{ op: 'Remove', path: 'name.givenName' },
				{ op: 'Remove', path: 'emails[type eq "work"].value' },
			],
			{ name: { familyName: 'b' }, emails: [{ type: 'work', display: 'W' }] },
		],
		[
			'removes a value and ignores the value in the operation',
			{ title: 'x' },
			[{ op: 'Remove', path: 'title', value: 'y' }],
			{},
		],
		[
			'ignores the removal of an absent value',
			{},
			[
				{ op: 'remove', path: 'emails[type eq "work"]' },
				{ op: 'remove', path: 'name.givenName' },
			],
			{},
		],
		[
			'does several things in order',
			{},
			[
				{ op: 'remove', path: 'externalId' },
				{ op: 'add', path: 'externalId', value: 'a' },
				{ op: 'replace', path: 'externalId', value: 'b' },
			],
			{ externalId: 'b' },
		],
		[
			'writes a simple value as a list of one',
			{},
			[
				{ op: 'Replace', path: 'displayName', value: [{ $ref: null, value: 'Peter Hansen' }] },
				{ op: 'Replace', path: 'name.familyName', value: [{ $ref: null, value: 'Hansen' }] },
				{ op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: [{ $ref: null, value: '5' }] },
			],
			{ displayName: 'Peter Hansen', name: { familyName: 'Hansen' }, phoneNumbers: [{ type: 'mobile', value: '5' }] },
		],
	)

	it.each([
		['"False"', 'False', false],
		['"True"', 'True', true],
		['"false"', 'false', false],
		['false', false, false],
		['true', true, true],
	])('disables and restores by %s', (_, value, active) => {
		expect(patchUser({ active: !active }, [{ op: 'Replace', path: 'active', value }])).toStrictEqual({ active })
		expect(patchUser({ active: !active }, [{ op: 'replace', value: { active: value } }])).toStrictEqual({ active })
	})

	it('changes the userName', () => {
		expect(patch({ userName: 'a' }, [{ op: 'Replace', path: 'userName', value: 'new@testuser.com' }])).toStrictEqual({
			userName: 'new@testuser.com',
		})
		expect(patch({ userName: 'a' }, [{ op: 'replace', value: { userName: 'emilio@hermann.uk' } }])).toStrictEqual({
			userName: 'emilio@hermann.uk',
		})
	})
})

describe('the examples of RFC 7644 section 3.5.2', () => {
	const address = { type: 'work', streetAddress: '100 Universal City Plaza', primary: true }
	const moved = { type: 'work', streetAddress: '911 Universal City Plaza', locality: 'Hollywood', primary: true }

	rows(
		[
			'add several attributes',
			{ emails: [work] },
			[{ op: 'add', value: { emails: [{ value: 'babs@jensen.org', type: 'home' }], nickname: 'Babs' } }],
			{ emails: [work, { value: 'babs@jensen.org', type: 'home' }], nickName: 'Babs' },
		],
		[
			'remove by a conjunction',
			{ emails: [{ type: 'work', value: 'babs@example.com' }, work] },
			[{ op: 'remove', path: 'emails[type eq "work" and value ew "example.com"]' }],
			{ emails: [work] },
		],
		[
			'replace the work address',
			{ addresses: [address] },
			[{ op: 'replace', path: 'addresses[type eq "work"]', value: moved }],
			{ addresses: [moved] },
		],
		[
			'change the street of the work address',
			{ addresses: [address] },
			[{ op: 'replace', path: 'addresses[type eq "work"].streetAddress', value: '1010 Broadway Ave' }],
			{ addresses: [{ ...address, streetAddress: '1010 Broadway Ave' }] },
		],
		[
			'replace all addresses and the nickname',
			{ emails: [work, home], nickName: 'Babs' },
			[{ op: 'replace', value: { emails: [{ value: 'bjensen@example.com', primary: true }], nickname: 'Barb' } }],
			{ emails: [{ value: 'bjensen@example.com', primary: true }], nickName: 'Barb' },
		],
	)
})

describe('an add or replace whose filter matches nothing', () => {
	for (const op of ['Add', 'replace']) {
		rows(
			[
				`makes the element (${op})`,
				{},
				[{ op, path: 'emails[type eq "work"].value', value: 'a@b.c' }],
				{ emails: [{ type: 'work', value: 'a@b.c' }] },
			],
			[
				`makes it beside others (${op})`,
				{ emails: [home] },
				[{ op, path: 'emails[type eq "work"].value', value: 'w' }],
				{ emails: [home, work] },
			],
			[
				`makes it of another sub-attribute (${op})`,
				{},
				[{ op, path: 'addresses[type eq "work"].formatted', value: '18/2111' }],
				{ addresses: [{ type: 'work', formatted: '18/2111' }] },
			],
			[
				`makes it of a boolean in a string (${op})`,
				{ roles: [{ value: 'User', primary: false }] },
				[{ op, path: 'roles[primary eq "True"].value', value: 'Admin' }],
				{
					roles: [
						{ value: 'User', primary: false },
						{ primary: true, value: 'Admin' },
					],
				},
			],
			[
				`makes it of a conjunction (${op})`,
				{},
				[{ op, path: 'emails[type eq "work" and primary eq true].value', value: 'x' }],
				{ emails: [{ type: 'work', primary: true, value: 'x' }] },
			],
			[`makes nothing of nothing (${op})`, {}, [{ op, path: 'emails[type eq "work"].value', value: '' }], {}],
			[`makes nothing of labels (${op})`, {}, [{ op, path: 'emails[type eq "work"].primary', value: true }], {}],
			[
				`makes one where the path has no filter (${op})`,
				{},
				[{ op, path: 'emails.value', value: 'x' }],
				{ emails: [{ value: 'x' }] },
			],
		)
	}

	rows(
		[
			'is visible to the operations that follow',
			{},
			[
				{ op: 'add', path: 'roles[primary eq "True"].display', value: 'd' },
				{ op: 'add', path: 'roles[primary eq "True"].value', value: 'v' },
				{ op: 'add', path: 'roles[primary eq "True"].type', value: 't' },
				{ op: 'add', path: 'emails[type eq "work"].primary', value: true },
				{ op: 'add', path: 'emails[type eq "work"].value', value: 'w' },
			],
			{ roles: [{ primary: true, display: 'd', value: 'v', type: 't' }], emails: [{ ...work, primary: true }] },
		],
		[
			'is undone by a remove that follows',
			{},
			[
				{ op: 'add', path: 'emails[type eq "work"].value', value: 'w' },
				{ op: 'remove', path: 'emails[type eq "work"]' },
			],
			{},
		],
	)

	rows(
		[
			'makes it of an added object',
			{},
			[{ op: 'add', path: 'emails[type eq "work"]', value: { value: 'w' } }],
			{ emails: [work] },
		],
		[
			'makes it of an added list of one',
			{},
			[{ op: 'add', path: 'emails[type eq "work"]', value: [{ value: 'w' }] }],
			{ emails: [work] },
		],
		[
			'replaces nothing by nothing',
			{ emails: [home] },
			[
				{ op: 'replace', path: 'emails[type eq "work"]', value: null },
				{ op: 'replace', path: 'emails[type eq "work"]', value: { value: '' } },
			],
			{ emails: [home] },
		],
	)

	it.each([
		['emails[type eq "work"]', { value: 'w' }, 'emails'],
		['emails[type eq "work"]', [{ value: 'w' }], 'emails'],
		['emails[type eq "work" and primary eq true]', { value: 'w' }, 'emails'],
		['manager[value eq "other"]', { value: 'm' }, 'manager'],
	])('has no target if it replaces whole values: %s', (path, value, name) => {
		const before = { emails: [home], [enterprise]: { manager: { value: 'boss' } } }
		expect(refusal(() => patchUser(before, [{ op: 'replace', path, value }]))).toBe(
			`400 noTarget: Operations[0]: ${path}: no value of ${name} matches the filter`,
		)
	})

	it.each<[string, AttributeValues?]>([
		['emails[type sw "w"].value'],
		['emails[type eq "work" or type eq "home"].value'],
		['emails[not (type eq "work")].value', { emails: [work] }],
		['emails[type pr].value'],
		['emails[value eq "a"].value'],
		['emails[type eq "a" and type eq "b"].value'],
	])('has no target: %s', (path, values = {}) => {
		const refused = `400 noTarget: Operations[0]: ${path}: no value of emails matches the filter`
		expect(refusal(() => patchUser(values, [{ op: 'add', path, value: 'x' }]))).toBe(refused)
		expect(refusal(() => patchUser(values, [{ op: 'replace', path, value: 'x' }]))).toBe(refused)
		expect(patchUser(values, [{ op: 'replace', path, value: null }])).toStrictEqual(values)
		expect(patchUser(values, [{ op: 'remove', path }])).toStrictEqual(values)
	})
})

describe('a path that selects several elements', () => {
	const two = { emails: [work, { type: 'work', value: 'v', display: 'V' }, home] }

	rows(
		[
			'changes them all',
			two,
			[{ op: 'replace', path: 'emails[type eq "WORK"].display', value: 'x' }],
			{
				emails: [{ ...work, display: 'x' }, { type: 'work', value: 'v', display: 'x' }, home],
			},
		],
		['removes them all', two, [{ op: 'remove', path: 'emails[type eq "work"]' }], { emails: [home] }],
		[
			'keeps one of several elements that become equal',
			two,
			[{ op: 'replace', path: 'emails[type eq "work"]', value: { value: 'x' } }],
			{
				emails: [{ type: 'work', value: 'x' }, home],
			},
		],
		[
			'merges an added object into them',
			two,
			[{ op: 'add', path: 'emails[type eq "work"]', value: { display: 'x' } }],
			{
				emails: [{ ...work, display: 'x' }, { type: 'work', value: 'v', display: 'x' }, home],
			},
		],
		[
			'selects every element without a filter',
			two,
			[{ op: 'replace', path: 'emails.type', value: 'x' }],
			{
				emails: [
					{ type: 'x', value: 'w' },
					{ type: 'x', value: 'v', display: 'V' },
					{ type: 'x', value: 'h' },
				],
			},
		],
	)

	it('cannot make more than one primary', () => {
		expect(
			refusal(() => patchUser(two, [{ op: 'replace', path: 'emails[type eq "work"].primary', value: true }])),
		).toBe('400 invalidValue: Operations[0]: emails: more than one value has primary true')
	})
})

describe('one primary', () => {
	const emails = [{ ...work, primary: true }, home]

	rows(
		[
			'is left by an add',
			{ emails },
			[{ op: 'add', path: 'emails', value: [{ value: 'x', primary: true }] }],
			{
				emails: [{ ...work, primary: false }, home, { value: 'x', primary: true }],
			},
		],
		[
			'is left by a filter',
			{ emails },
			[{ op: 'add', path: 'emails[type eq "home"].primary', value: 'True' }],
			{
				emails: [
					{ ...work, primary: false },
					{ ...home, primary: true },
				],
			},
		],
		[
			'is left by a new element',
			{ emails },
			[{ op: 'add', path: 'emails[type eq "x"]', value: { value: 'x', primary: true } }],
			{
				emails: [{ ...work, primary: false }, home, { type: 'x', value: 'x', primary: true }],
			},
		],
		[
			'moves to a value that is added again',
			{ emails },
			[{ op: 'add', path: 'emails', value: [{ ...home, primary: true }] }],
			{
				emails: [
					{ ...work, primary: false },
					{ ...home, primary: true },
				],
			},
		],
		[
			'stays if the primary itself is changed',
			{ emails },
			[{ op: 'replace', path: 'emails[primary eq true].value', value: 'x' }],
			{
				emails: [{ type: 'work', value: 'x', primary: true }, home],
			},
		],
	)

	it('is checked in added and replaced values', () => {
		const value = [
			{ value: 'x', primary: true },
			{ value: 'y', primary: 'True' },
		]
		const refused = '400 invalidValue: Operations[0]: emails: more than one value has primary true'
		expect(refusal(() => patchUser({ emails }, [{ op: 'add', path: 'emails', value }]))).toBe(refused)
		expect(refusal(() => patchUser({ emails }, [{ op: 'replace', path: 'emails', value }]))).toBe(refused)
	})
})

describe('a replace with an empty value', () => {
	const full = {
		title: 't',
		active: true,
		name: { givenName: 'a', familyName: 'b' },
		emails: [work],
		[enterprise]: { department: 'd', manager: { value: 'm' } },
	}
	const paths = ['title', 'active', 'name.givenName', 'name.familyName', 'emails[type eq "work"].value']
	const extended = [`${enterprise}:department`, `${enterprise}:manager`]

	it.each([[''], [null], [[]]])('%j unassigns the attribute but for active, also a second time', (value) => {
		const operations = [...paths, ...extended].map((path) => ({ op: 'replace', path, value }))
		const once = patch({ userName: 'b', ...full }, operations)
		expect(once).toStrictEqual({ userName: 'b', active: true })
		expect(patch(once, operations)).toBe(once)
	})

	it.each([[''], [null]])('%j unassigns the attribute but for active in the compact form of the validator', (value) => {
		const names = ['title', 'active', 'name.givenName', 'name.familyName', ...extended]
		const operations = [
			{ op: 'replace', path: 'emails[type eq "work"].value', value },
			{ op: 'replace', value: Object.fromEntries(names.map((name) => [name, value])) },
		]
		expect(patchUser(full, operations)).toStrictEqual({ active: true })
		expect(patchUser({}, operations)).toStrictEqual({})
	})

	rows(
		[
			'unassigns a complex value',
			full,
			[
				{ op: 'replace', path: 'name', value: null },
				{ op: 'replace', path: enterprise, value: '' },
			],
			{ title: 't', active: true, emails: [work] },
		],
		[
			'unassigns sub-attributes in an object',
			full,
			[{ op: 'replace', path: 'name', value: { givenName: null } }],
			{ ...full, name: { familyName: 'b' } },
		],
		[
			'unassigns a list',
			full,
			[
				{ op: 'replace', path: 'emails', value: [] },
				{ op: 'replace', path: 'title', value: '' },
			],
			{ active: true, name: full.name, [enterprise]: full[enterprise] },
		],
		[
			'removes the elements that a filter selects',
			{ emails: [work, home] },
			[{ op: 'replace', path: 'emails[type eq "work"]', value: null }],
			{ emails: [home] },
		],
		[
			'and an add of nothing to a single value unassigns it, as a replace does',
			{ title: 't', nickName: 'n' },
			[{ op: 'add', path: 'title', value: '' }],
			{ nickName: 'n' },
		],
		[
			'and an add of nothing to a list adds nothing',
			{ emails: [work] },
			[
				{ op: 'add', path: 'emails', value: [] },
				{ op: 'add', path: 'emails', value: null },
				{ op: 'add', path: 'emails[type eq "work"]', value: '' },
			],
			{ emails: [work] },
		],
	)
})

describe('a value without a path', () => {
	rows(
		[
			'sets what its dotted and URN names say, in place',
			{ name: { givenName: 'a', formatted: 'f' }, [enterprise]: { department: 'd' } },
			[
				{
					op: 'replace',
					value: {
						displayName: 'Bjfe',
						'name.givenName': 'Kkom',
						'name.familyName': 'Unua',
						[`${enterprise}:employeeNumber`]: 'Aklq',
					},
				},
			],
			{
				displayName: 'Bjfe',
				name: { givenName: 'Kkom', formatted: 'f', familyName: 'Unua' },
				[enterprise]: { department: 'd', employeeNumber: 'Aklq' },
			},
		],
		[
			'works with an add too',
			{},
			[
				{
					op: 'add',
					value: { displayName: 'Foo Bar', title: 'Bar Foo', 'name.givenName': 'Foo', 'name.formatted': 'Foo Bar' },
				},
			],
			{ displayName: 'Foo Bar', title: 'Bar Foo', name: { givenName: 'Foo', formatted: 'Foo Bar' } },
		],
		[
			'merges nested objects',
			{ name: { familyName: 'b' }, [enterprise]: { department: 'd', costCenter: 'c' } },
			[{ op: 'replace', value: { name: { givenName: 'Given Updated' }, [enterprise]: { department: 'e' } } }],
			{ name: { familyName: 'b', givenName: 'Given Updated' }, [enterprise]: { department: 'e', costCenter: 'c' } },
		],
		[
			'replaces and adds lists',
			{ emails: [home] },
			[
				{ op: 'replace', value: { emails: [work] } },
				{ op: 'add', value: { emails: [home] } },
			],
			{ emails: [work, home] },
		],
		[
			'ignores what it must not set',
			{ title: 't' },
			[{ op: 'replace', value: { id: '7', schemas: [], meta: {}, unknown: 1 } }],
			{ title: 't' },
		],
	)
})

describe('an object for a complex value', () => {
	for (const op of ['add', 'replace']) {
		rows(
			[
				`keeps the sub-attributes that it does not name (${op})`,
				{ name: { givenName: 'a', familyName: 'b' } },
				[{ op, path: 'name', value: { givenName: 'c' } }],
				{ name: { givenName: 'c', familyName: 'b' } },
			],
			[
				`is a new one if there is none (${op})`,
				{},
				[{ op, path: 'name', value: { givenName: 'c', unknown: 1 } }],
				{ name: { givenName: 'c' } },
			],
		)
	}
})

describe('a list', () => {
	rows(
		[
			'is added to, each value once',
			{ emails: [work] },
			[{ op: 'add', path: 'emails', value: [home, { value: 'w', type: 'work' }, home] }],
			{ emails: [work, home] },
		],
		[
			'is added to by a single value',
			{ emails: [work] },
			[{ op: 'add', path: 'emails', value: home }],
			{ emails: [work, home] },
		],
		[
			'is replaced as a set',
			{ emails: [work, home] },
			[{ op: 'replace', path: 'emails', value: [home, { value: 'x' }, home] }],
			{ emails: [home, { value: 'x' }] },
		],
		['is removed', { emails: [work, home] }, [{ op: 'remove', path: 'emails' }], {}],
		['is removed by a remove of null', { emails: [work, home] }, [{ op: 'remove', path: 'emails', value: null }], {}],
		[
			'loses the values that a remove names',
			{ emails: [work, { ...home, display: 'H' }] },
			[{ op: 'remove', path: 'emails', value: [{ value: 'h' }] }],
			{ emails: [work] },
		],
		[
			'loses nothing by a remove that names others',
			{ emails: [work] },
			[
				{ op: 'remove', path: 'emails', value: [{ value: 'w', type: 'home' }] },
				{ op: 'remove', path: 'emails', value: [] },
			],
			{ emails: [work] },
		],
		[
			'is replaced element by element',
			{ emails: [work, home] },
			[{ op: 'replace', path: 'emails[type eq "work"]', value: { value: 'x', type: 'other' } }],
			{ emails: [{ type: 'other', value: 'x' }, home] },
		],
		[
			'loses an element and not its neighbour',
			{ emails: [work, home] },
			[{ op: 'remove', path: 'emails[value eq "w"]' }],
			{ emails: [home] },
		],
	)
})

describe('a manager', () => {
	const of = (value: string) => ({ [enterprise]: { manager: { value } } })
	const path = `${enterprise}:manager`
	const beside = { [enterprise]: { manager: { value: 'old', $ref: 'https://x/old' }, department: 'd' } }

	rows(
		['is a string', {}, [{ op: 'Add', path, value: '2c2f6fb8' }], of('2c2f6fb8')],
		['is an object', {}, [{ op: 'Add', path, value: { value: 'AXTKDLNRKMKT' } }], of('AXTKDLNRKMKT')],
		[
			'is another object',
			beside,
			[{ op: 'replace', path, value: { value: 'CBEQ' } }],
			{ [enterprise]: { manager: { value: 'CBEQ' }, department: 'd' } },
		],
		[
			'is a list of one below a bare name',
			{},
			[{ op: 'Add', path: 'manager', value: [{ $ref: 'http://x/scim/Users/00aa', value: '00aa' }] }],
			{ [enterprise]: { manager: { $ref: 'http://x/scim/Users/00aa', value: '00aa' } } },
		],
		[
			'is not called anything by the client',
			{},
			[{ op: 'Add', path, value: { value: 'x', displayName: 'X' } }],
			of('x'),
		],
		['is removed by an empty value', of('old'), [{ op: 'replace', path, value: { value: '' } }], {}],
		['is removed by an empty string', of('old'), [{ op: 'replace', path, value: '' }], {}],
		['is removed', beside, [{ op: 'remove', path }], { [enterprise]: { department: 'd' } }],
		['is removed by a filter', of('manager-id'), [{ op: 'remove', path: 'manager[value eq "manager-id"]' }], {}],
		[
			'is not removed by a filter for another',
			of('old'),
			[{ op: 'remove', path: 'manager[value eq "manager-id"]' }],
			of('old'),
		],
		[
			'is removed although there is none',
			{},
			[
				{ op: 'remove', path },
				{ op: 'remove', path: 'manager[value eq "x"]' },
				{ op: 'replace', path, value: '' },
			],
			{},
		],
		[
			'is replaced through its value',
			beside,
			[{ op: 'replace', path: `${path}.value`, value: 'new' }],
			{ [enterprise]: { manager: { value: 'new' }, department: 'd' } },
		],
		[
			'is removed through its value',
			beside,
			[{ op: 'remove', path: `${path}.value` }],
			{ [enterprise]: { department: 'd' } },
		],
		[
			'is replaced through a filter',
			of('old'),
			[{ op: 'replace', path: 'manager[value eq "old"]', value: { value: 'new' } }],
			of('new'),
		],
		[
			'is made through a filter',
			{},
			[{ op: 'add', path: 'manager[value eq "x"].$ref', value: 'https://x' }],
			{ [enterprise]: { manager: { value: 'x', $ref: 'https://x' } } },
		],
		[
			'is set without a path',
			beside,
			[{ op: 'replace', value: { [enterprise]: { manager: 'new' } } }],
			{ [enterprise]: { manager: { value: 'new' }, department: 'd' } },
		],
	)

	it('is a single value, so a filter for another manager has no target', () => {
		const operations = [{ op: 'add', path: 'manager[value eq "x"].$ref', value: 'https://x' }]
		expect(refusal(() => patchUser(of('old'), operations))).toBe(
			'400 noTarget: Operations[0]: manager[value eq "x"].$ref: the value of manager does not match the filter',
		)
	})
})

describe('roles', () => {
	const json = '{"id":"06b07648-ecfe","value":"25","displayName":"Role1234"}'
	const fromJson = { value: '25', display: 'Role1234' }
	const assigned = { primary: false, type: 'WindowsAzureActiveDirectoryRole', display: 'User', value: 'User' }

	rows(
		[
			'come with a type',
			{},
			[
				{
					op: 'Add',
					path: 'roles',
					value: [{ primary: true, type: 'WindowsAzureActiveDirectoryRole', value: 'Admin' }],
				},
			],
			{ roles: [{ primary: true, type: 'WindowsAzureActiveDirectoryRole', value: 'Admin' }] },
		],
		[
			'come with a primary in a string',
			{},
			[{ op: 'Add', path: 'roles', value: [{ primary: 'True', display: 'R', value: 'O', type: 'I' }] }],
			{ roles: [{ primary: true, display: 'R', value: 'O', type: 'I' }] },
		],
		[
			'come through the primary',
			{ roles: [{ primary: true, value: 'User' }] },
			[{ op: 'Add', path: 'roles[primary eq "True"].value', value: 'Admin' }],
			{ roles: [{ primary: true, value: 'Admin' }] },
		],
		['come as JSON in a string', {}, [{ op: 'Add', path: 'roles', value: [{ value: json }] }], { roles: [fromJson] }],
		[
			'come as JSON through the primary',
			{},
			[{ op: 'Add', path: 'roles[primary eq "True"].value', value: json }],
			{ roles: [{ primary: true, ...fromJson }] },
		],
		[
			'come as JSON twice',
			{ roles: [fromJson] },
			[{ op: 'Add', path: 'roles', value: [{ value: json }] }],
			{ roles: [fromJson] },
		],
		[
			'come as the whole set',
			{ roles: [fromJson, assigned] },
			[
				{
					op: 'replace',
					path: 'roles',
					value: [assigned, { primary: false, displayName: 'X', value: 'X' }],
				},
			],
			{ roles: [assigned, { primary: false, display: 'X', value: 'X' }] },
		],
		[
			'leave through the primary',
			{ roles: [{ primary: true, value: 'User' }, fromJson] },
			[{ op: 'Replace', path: 'roles[primary eq "True"].value', value: '' }],
			{ roles: [fromJson] },
		],
	)
})

describe('strings', () => {
	it.each([
		'emails[type eq "work"].value',
		'preferredLanguage',
		'profileUrl',
		'locale',
		'addresses[type eq "x"].country',
	])('are opaque: %s', (path) => {
		for (const value of ['upd-1a2b3c4d', ' É\u0301 ', '{"a":1}', '2026-11-22T08:00:00Z', 'True']) {
			expect(JSON.stringify(patchUser({}, [{ op: 'replace', path, value }]))).toContain(JSON.stringify(value))
		}
	})
})

describe('a group', () => {
	it.each([
		[{ op: 'Replace', path: 'displayName', value: 'b' }, { displayName: 'b' }],
		[{ op: 'replace', value: { displayName: 'b' } }, { displayName: 'b' }],
		[
			{ op: 'replace', value: { externalId: 'x' } },
			{ displayName: 'a', externalId: 'x' },
		],
	])('is changed by %j', (operation, after) => {
		expect(patch({ displayName: 'a' }, [operation], groupType)).toStrictEqual(after)
	})
})

const newId = idGenerator(
	() => 0,
	(digits) => 'f'.repeat(digits),
)
const [ann, bob, eve] = [newId('User'), newId('User'), newId('User')]
const nested = newId('Group')

describe('the members of a group, once they are read', () => {
	const members = [{ value: ann, display: 'Ann' }, { value: bob }]
	const group = { displayName: 'g', members }

	it.each([
		[
			'add one that is there',
			[{ op: 'add', path: 'members', value: [{ value: ann, display: 'Other' }] }],
			[{ value: ann, display: 'Ann' }, { value: bob }],
		],
		[
			'add another',
			[{ op: 'Add', path: 'members', value: [{ $ref: null, value: eve, type: 'User' }] }],
			[...members, { value: eve }],
		],
		['remove those named', [{ op: 'Remove', path: 'members', value: [{ $ref: null, value: ann }] }], [{ value: bob }]],
		['remove by a filter', [{ op: 'remove', path: `members[value eq "${ann}"]` }], [{ value: bob }]],
		['remove by their display', [{ op: 'remove', path: 'members[display co "nn"]' }], [{ value: bob }]],
		['remove all but one', [{ op: 'remove', path: `members[value ne "${ann}"]` }], [{ value: ann, display: 'Ann' }]],
		['remove all', [{ op: 'remove', path: 'members' }], undefined],
		[
			'replace',
			[{ op: 'replace', path: 'members', value: [{ value: eve }, { value: ann, display: 'Other' }] }],
			[{ value: ann, display: 'Ann' }, { value: eve }],
		],
		[
			'add through a filter',
			[{ op: 'add', path: `members[value eq "${eve}"]`, value: { display: 'Eve' } }],
			[...members, { value: eve, display: 'Eve' }],
		],
		[
			'put one in the place of another',
			[{ op: 'replace', path: `members[value eq "${bob}"]`, value: { value: eve } }],
			[members[0], { value: eve }],
		],
	])('change: %s', (_, operations, after) => {
		expect(patch(group, operations, groupType)).toStrictEqual({ displayName: 'g', ...(after && { members: after }) })
	})

	it.each([
		[
			{ op: 'add', path: `members[value eq "${ann}"]`, value: { display: 'B' } },
			`400 mutability: Operations[0]: members[value eq "${ann}"]: display cannot be changed`,
		],
		[
			{ op: 'add', path: `members[value eq "${nested}"]`, value: { display: 'B' } },
			`400 invalidValue: Operations[0]: members[0].value: "${nested}" is a group, and nested groups are not supported`,
		],
		[
			{ op: 'add', path: 'members[display eq "Z"]', value: { display: 'Z' } },
			'400 invalidValue: Operations[0]: members[display eq "Z"].value is required',
		],
		[
			{ op: 'replace', path: `members[value eq "${bob}"]`, value: { value: 'x' } },
			'400 invalidValue: Operations[0]: members[0].value: no user has the id "x"',
		],
	])('are protected from %j', (operation, refused) => {
		expect(refusal(() => patch(group, [operation], groupType))).toBe(refused)
	})
})

describe('many values', () => {
	it('are added in one operation: fifty thousand members', () => {
		const many = Array.from({ length: 50_000 }, () => ({ value: newId('User') }))
		const group = { displayName: 'g', members: many.slice(0, 25_000) }
		expect(patch(group, [{ op: 'add', path: 'members', value: many }], groupType).members).toHaveLength(50_000)
	})

	it('of any other attribute are limited to a thousand', () => {
		const many = Array.from({ length: 1000 }, (_, index) => ({ value: `${index}` }))
		const added = { op: 'add', path: 'roles', value: many }
		expect(patchUser({}, [added, added]).roles).toHaveLength(1000)
		expect(refusal(() => patchUser({ roles: [{ value: 'other' }] }, [added]))).toBe(
			'400 invalidValue: Operations[0]: roles: 1001 values; the limit is 1000',
		)
	})
})

describe('a refusal', () => {
	it.each([
		[
			'a required value removed',
			{ op: 'remove', path: 'userName' },
			'400 mutability: Operations[0]: userName is required',
		],
		[
			'a required value replaced by ""',
			{ op: 'replace', path: 'userName', value: '' },
			'400 invalidValue: Operations[0]: userName is required',
		],
		[
			'a required value replaced by null',
			{ op: 'replace', value: { userName: null } },
			'400 invalidValue: Operations[0]: userName is required',
		],
		[
			'a number for a string',
			{ op: 'replace', path: 'Title', value: 7 },
			'400 invalidValue: Operations[0]: Title must be a string, not the number 7',
		],
		[
			'a list for a string',
			{ op: 'add', path: 'title', value: ['a', 'b'] },
			'400 invalidValue: Operations[0]: title must be a string, not a list',
		],
		[
			'a word for a boolean',
			{ op: 'replace', path: 'active', value: 'no' },
			'400 invalidValue: Operations[0]: active must be a boolean, not the string "no"',
		],
		[
			'an object for a sub-attribute',
			{ op: 'add', path: 'name.givenName', value: {} },
			'400 invalidValue: Operations[0]: name.givenName must be a string, not an object',
		],
		[
			'a number through a filter',
			{ op: 'add', path: 'emails[type eq "work"].value', value: 7 },
			'400 invalidValue: Operations[0]: emails[type eq "work"].value must be a string, not the number 7',
		],
		[
			'a string for a complex value',
			{ op: 'replace', path: 'name', value: 'x' },
			'400 invalidValue: Operations[0]: name must be an object, not the string "x"',
		],
		[
			'a number among values',
			{ op: 'add', path: 'emails', value: [{ value: 'a' }, 7] },
			'400 invalidValue: Operations[0]: emails[1] must be an object, not the number 7',
		],
		[
			'a NUL character',
			{ op: 'add', path: 'title', value: '\0' },
			'400 invalidValue: Operations[0]: title must not contain the character U+0000',
		],
		[
			'values to remove that are malformed',
			{ op: 'remove', path: 'emails', value: 7 },
			'400 invalidValue: Operations[0]: emails must be an object, not the number 7',
		],
		[
			'a value without a path',
			{ op: 'add', value: { name: { givenName: 7 } } },
			'400 invalidValue: Operations[0]: name.givenName must be a string, not the number 7',
		],
	])('names %s', (_, operation, refused) => {
		expect(refusal(() => patchUser({ title: 't' }, [operation]))).toBe(refused)
	})

	it('does not hit a required value that a later operation restores', () => {
		const operations = [
			{ op: 'remove', path: 'userName' },
			{ op: 'add', path: 'userName', value: 'c' },
		]
		expect(patch({ userName: 'b' }, operations)).toStrictEqual({ userName: 'c' })
	})

	it('of an empty required value differs from that of a removed value', () => {
		const operations = [
			{ op: 'remove', path: 'title' },
			{ op: 'replace', path: 'userName', value: '' },
		]
		expect(refusal(() => patch({ userName: 'b' }, operations))).toBe(
			'400 invalidValue: Operations[1]: userName is required',
		)
	})

	it('protects the name of a group', () => {
		const remove = [{ op: 'remove', path: 'displayName' }]
		const empty = [{ op: 'Replace', path: 'displayName', value: '' }]
		expect(refusal(() => patch({ displayName: 'g' }, remove, groupType))).toBe(
			'400 mutability: Operations[0]: displayName is required',
		)
		expect(refusal(() => patch({ displayName: 'g' }, empty, groupType))).toBe(
			'400 invalidValue: Operations[0]: displayName is required',
		)
	})
})

const text = fc.constantFrom('a', 'b', 'c')
const label = fc.constantFrom('work', 'home', 'other')
const element = fc.record(
	{ type: label, value: text, display: text, primary: fc.constant(false) },
	{ requiredKeys: ['value'] },
)
const emails = fc.uniqueArray(element, { selector: ({ value }) => value, maxLength: 3 })
const emailsOfDifferentTypes = fc.uniqueArray(element, { selector: ({ type }) => type })
const user = fc
	.record({ title: text, name: fc.record({ givenName: text, familyName: text }), emails }, { requiredKeys: [] })
	.map(({ emails: values = [], ...rest }) => ({ userName: 'u', ...rest, ...(values.length > 0 && { emails: values }) }))

const nothing = fc.constantFrom('', null)
const op = fc.constantFrom('Add', 'Replace')
const simplePath = fc.constantFrom('title', 'name.givenName', 'name.familyName', `${enterprise}:department`, 'manager')
const subPath = fc
	.tuple(label, fc.constantFrom('value', 'display'))
	.map(([type, sub]) => `emails[type eq "${type}"].${sub}`)
const removal = fc.record({ op: fc.constant('Remove'), path: fc.oneof(simplePath, subPath, fc.constant('emails')) })
const replacement = fc.oneof(
	fc.record({ op: fc.constant('Replace'), path: fc.oneof(simplePath, subPath), value: fc.oneof(text, nothing) }),
	fc.record({ op: fc.constant('Replace'), path: fc.constant('emails'), value: emailsOfDifferentTypes }),
	fc.record({
		op: fc.constant('Replace'),
		path: label.map((type) => `emails[type eq "${type}"].primary`),
		value: fc.boolean(),
	}),
	fc.record({
		op: fc.constant('replace'),
		value: fc.record(
			{ title: text, 'name.givenName': text, name: fc.record({ familyName: text }) },
			{ requiredKeys: [] },
		),
	}),
)
const addition = fc.oneof(
	fc.record({ op, path: fc.oneof(simplePath, subPath), value: text }),
	fc.record({ op: fc.constant('Add'), path: fc.constant('emails'), value: emails }),
)
const operation = fc.oneof(removal, replacement, addition)

const outcome = (values: AttributeValues, operations: readonly unknown[]) => {
	try {
		return patch(values, operations)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
		return error.message
	}
}

describe('a PATCH', () => {
	it('with one failing operation changes nothing', () => {
		const failing = fc.constantFrom(
			{ op: 'add', path: 'title', value: 7 },
			{ op: 'add', path: 'emails[value co "zz"].display', value: 'x' },
			{ op: 'replace', path: 'active', value: 'maybe' },
		)
		fc.assert(
			fc.property(user, fc.array(operation), failing, fc.array(operation), (values, before, failed, after) => {
				const copy = structuredClone(values)
				expect(() => patch(values, [...before, failed, ...after])).toThrow(ScimError)
				expect(values).toEqual(copy)
			}),
		)
	})

	it('of replaces and removes has no further effect the second time', () => {
		fc.assert(
			fc.property(user, fc.array(fc.oneof(removal, replacement)), (values, operations) => {
				const once = outcome(values, operations)
				fc.pre(typeof once !== 'string')
				const twice = outcome(once, operations)
				expect(twice).toEqual(once)
				expect(outcome(once, operations)).toBe(once)
			}),
		)
	})

	it('that adds a value twice stores the value once', () => {
		fc.assert(
			fc.property(user, addition, (values, added) => {
				const once = outcome(values, [added])
				expect(outcome(values, [added, added])).toEqual(once)
				if (typeof once !== 'string') expect(outcome(once, [added])).toBe(once)
			}),
		)
	})

	it('with several operations has the effect of several PATCHes in a row', () => {
		fc.assert(
			fc.property(user, fc.array(operation, { maxLength: 6 }), (values, operations) => {
				const whole = outcome(values, operations)
				fc.pre(typeof whole !== 'string')
				const stepwise = operations.reduce<AttributeValues>((current, next) => patch(current, [next]), values)
				// A label without a value is dropped at the end of each request, so the single steps may end with fewer values.
				expect(stepwise.title).toEqual(whole.title)
				expect(stepwise.name).toEqual(whole.name)
				expect(stepwise[enterprise]).toEqual(whole[enterprise])
			}),
		)
	})

	it('leaves at most one primary and no element without a value', () => {
		fc.assert(
			fc.property(user, fc.array(operation), (values, operations) => {
				const patched = outcome(values, operations)
				fc.pre(typeof patched !== 'string')
				const left: readonly unknown[] = Array.isArray(patched.emails) ? patched.emails : []
				expect(left.filter((email) => JSON.stringify(email).includes('"primary":true')).length).toBeLessThan(2)
				expect(left.every((email) => /"(value|display)":/.test(JSON.stringify(email)))).toBe(true)
				expect(patched.emails).not.toEqual([])
			}),
		)
	})
})

describe('the same object', () => {
	const values = { userName: 'b', title: 't', emails: [work, home], [enterprise]: { manager: { value: 'm' } } }

	it.each([
		['an operation that is left out', [{ op: 'remove', path: 'shoeSize' }]],
		[
			'the values that are already there',
			[
				{ op: 'Replace', path: 'title', value: 't' },
				{ op: 'Add', path: 'emails', value: [{ value: 'h', type: 'home' }] },
			],
		],
		['the current list', [{ op: 'replace', path: 'emails', value: [work, home] }]],
		['the manager as a string', [{ op: 'Replace', path: 'manager', value: 'm' }]],
		[
			'the removal of an absent value',
			[
				{ op: 'remove', path: 'nickName' },
				{ op: 'remove', path: `${enterprise}:department` },
			],
		],
		[
			'there and back again',
			[
				{ op: 'remove', path: 'title' },
				{ op: 'add', path: 'title', value: 't' },
			],
		],
	])('is returned for %s', (_, operations) => {
		expect(patch(values, operations)).toBe(values)
	})
})

describe('JSON inside a string', () => {
	const json = JSON.stringify

	rows(
		['is read as a list', {}, [{ op: 'add', path: 'emails', value: json([work, home]) }], { emails: [work, home] }],
		['is read as one value', {}, [{ op: 'add', path: 'emails', value: json(work) }], { emails: [work] }],
		['is read in a list', {}, [{ op: 'add', path: 'emails', value: [json(work)] }], { emails: [work] }],
		['is read without a path', {}, [{ op: 'replace', value: { emails: json([work]) } }], { emails: [work] }],
		[
			'is read as the value that a filter selects',
			{ emails: [work] },
			[{ op: 'replace', path: 'emails[type eq "work"]', value: json({ value: 'x' }) }],
			{ emails: [{ type: 'work', value: 'x' }] },
		],
		[
			'names the values to remove',
			{ emails: [work, home] },
			[{ op: 'remove', path: 'emails', value: json([{ value: 'w' }]) }],
			{ emails: [home] },
		],
		[
			'is read as a manager',
			{},
			[{ op: 'add', path: 'manager', value: json([{ value: 'boss' }]) }],
			{ [enterprise]: { manager: { value: 'boss' } } },
		],
		['is text in a text', {}, [{ op: 'add', path: 'title', value: json([1]) }], { title: '[1]' }],
	)

	it.each([
		['emails', '[{"value":', 'emails must be an object, not the string "[{\\"value\\":"'],
		['emails', 'a@b.c', 'emails must be an object, not the string "a@b.c"'],
		['emails', ['a@b.c'], 'emails[0] must be an object, not the string "a@b.c"'],
		['emails[type eq "work"]', 'a@b.c', 'emails[type eq "work"] must be an object, not the string "a@b.c"'],
		['manager', '{"value":', 'manager must be an object, not the string "{\\"value\\":"'],
		['manager', '[{"value":"a"},{"value":"b"}]', 'manager must be an object, not a list'],
		['roles', '[Admin]', 'roles must be an object, not the string "[Admin]"'],
	])('that cannot be read is refused, and so is a bare string: %s: %j', (path, value, detail) => {
		expect(refusal(() => patchUser({}, [{ op: 'add', path, value }]))).toBe(
			`400 invalidValue: Operations[0]: ${detail}`,
		)
	})
})

describe('a remove whose value names nothing', () => {
	const before = { emails: [work, home] }

	it.each([[{}], [[{}]], [[null]], ['[]'], [[{ color: 'red' }]], [{ value: '' }]])('is refused: %j', (value) => {
		expect(refusal(() => patchUser(before, [{ op: 'remove', path: 'emails', value }]))).toBe(
			'400 invalidValue: Operations[0]: emails: the value of a remove must name values of emails',
		)
	})

	it.each([
		['w', 'the string "w"'],
		['[{"value":"w"', 'the string "[{\\"value\\":\\"w\\""'],
		[7, 'the number 7'],
	])('that can be read by no rule is refused: %j', (value, shown) => {
		expect(refusal(() => patchUser(before, [{ op: 'remove', path: 'emails', value }]))).toBe(
			`400 invalidValue: Operations[0]: emails must be an object, not ${shown}`,
		)
	})

	rows(['removes nothing if it is an empty list', before, [{ op: 'remove', path: 'emails', value: [] }], before])
})

describe('the same type and value twice', () => {
	const shown = { ...work, display: 'W' }

	rows(
		['are one value', {}, [{ op: 'add', path: 'emails', value: [work, home, work] }], { emails: [work, home] }],
		['are one with all that is said', {}, [{ op: 'add', path: 'emails', value: [work, shown] }], { emails: [shown] }],
		[
			'are one that may be primary twice',
			{},
			[{ op: 'replace', path: 'emails', value: [{ ...work, primary: true }, work, { ...work, primary: true }] }],
			{ emails: [{ ...work, primary: true }] },
		],
		['are one, added later', { emails: [work] }, [{ op: 'add', path: 'emails', value: [shown] }], { emails: [shown] }],
		[
			'stay primary',
			{ emails: [{ ...work, primary: true }] },
			[{ op: 'add', path: 'emails', value: [{ ...work, primary: false }] }],
			{ emails: [{ ...work, primary: true }] },
		],
	)
})

describe('operations that compare much text', () => {
	const address = { type: 'work', streetAddress: 'x'.repeat(2 ** 18) }
	const replace = (index: number) => ({
		op: 'replace',
		path: `addresses[streetAddress co "y${index}" or type eq "work"].locality`,
		value: `City ${index}`,
	})
	// The address is compared twice and copied once by each operation: 2^27 characters are 170 times that.
	const operations = (count: number) => Array.from({ length: count }, (_, index) => replace(index))

	it('are refused beyond 2^27 characters, and say what to do', () => {
		expect(refusal(() => patchUser({ addresses: [address] }, operations(171)))).toBe(
			'413 undefined: the operations compare too much text: send them in several PATCHes',
		)
	})

	it('are done below that', () => {
		expect(patchUser({ addresses: [address] }, operations(170))).toEqual({
			addresses: [{ ...address, locality: 'City 169' }],
		})
	})

	it('may be a thousand for values of usual length', () => {
		const emails = Array.from({ length: 20 }, (_, index) => ({ type: `t${index}`, value: `user-${index}@example.com` }))
		const changes = Array.from({ length: 1000 }, (_, index) => ({
			op: 'replace',
			path: `emails[type eq "t${index % 20}" and value co "user"].display`,
			value: `Display ${index}`,
		}))
		expect(patchUser({ emails }, changes)).toMatchObject({
			emails: emails.map(() => ({ display: expect.any(String) })),
		})
	})
})
