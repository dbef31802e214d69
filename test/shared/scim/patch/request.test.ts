import { describe, expect, it } from 'vitest'
import type { Quirks } from '../../../../shared/scim/dialect.ts'
import { ScimError } from '../../../../shared/scim/error.ts'
import { printFilter } from '../../../../shared/scim/filter/print.ts'
import type { PatchOperation } from '../../../../shared/scim/patch/operation.ts'
import { maxOperations, parsePatch } from '../../../../shared/scim/patch/request.ts'
import { groupType, type ResourceType, userType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'

const enterprise = urn.enterpriseUser

/** `add enterprise:manager.value "x"`: the operation with its target in declared names. */
function shown(operation: PatchOperation): string {
	const { extension, attribute, filter, subAttribute } = operation.target
	const prefix = extension === undefined ? '' : 'enterprise:'
	const brackets = filter === undefined ? '' : `[${printFilter(filter)}]`
	const sub = subAttribute === undefined ? '' : `.${subAttribute.name}`
	const value = Object.hasOwn(operation, 'value') ? ` ${JSON.stringify(operation.value)}` : ''
	return `${operation.op} ${prefix}${attribute.name}${brackets}${sub}${value}`
}

const message = (...operations: unknown[]) => ({ schemas: [urn.patchOp], Operations: operations })

const parsed = (operation: unknown, type: ResourceType = userType) =>
	parsePatch(message(operation), type, new Set()).map(shown)

function refusal(body: unknown, type: ResourceType = userType): string {
	try {
		return parsePatch(body, type, new Set()).map(shown).join('; ')
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
		return `${error.status} ${error.scimType}: ${error.message}`
	}
}

describe('a PATCH message', () => {
	it.each([
		['op in any letter case', { op: 'Add', path: 'nickName', value: 'Babs' }, 'add nickName "Babs"'],
		['op in capitals', { op: 'REPLACE', path: 'title', value: 'x' }, 'replace title "x"'],
		['unknown keys', { op: 'add', path: 'title', value: 'x', name: 'addMember' }, 'add title "x"'],
		['names in any letter case', { Op: 'remove', Path: 'title' }, 'remove title'],
		['a value beside a remove', { op: 'Remove', path: 'title', value: 'x' }, 'remove title "x"'],
		['null as a value', { op: 'Replace', path: 'title', value: null }, 'replace title null'],
	])('may have %s', (_, operation, expected) => {
		expect(parsed(operation)).toStrictEqual([expected])
	})

	it.each([
		['no schemas', { Operations: [{ op: 'remove', path: 'title' }] }],
		['an empty list of schemas', { schemas: [], Operations: [{ op: 'remove', path: 'title' }] }],
		['null for schemas', { schemas: null, Operations: [{ op: 'remove', path: 'title' }] }],
		[
			'its names in any letter case',
			{ Schemas: [urn.patchOp.toUpperCase()], operations: [{ op: 'remove', path: 'title' }] },
		],
		['further schemas', { schemas: ['urn:x', urn.patchOp], Operations: [{ op: 'remove', path: 'title' }] }],
	])('may have %s', (_, body) => {
		expect(parsePatch(body, userType, new Set()).map(shown)).toStrictEqual(['remove title'])
	})

	it.each([
		['a string', 'PATCH', '400 invalidSyntax: the body must be an object, not the string "PATCH"'],
		['nothing', null, '400 invalidSyntax: the body must be an object, not null'],
		['a list', [], '400 invalidSyntax: the body must be an object, not a list'],
		['no Operations', { schemas: [urn.patchOp] }, '400 invalidSyntax: Operations is missing: it must be a list'],
		[
			'Operations that are an object',
			{ Operations: {} },
			'400 invalidSyntax: Operations must be a list, not an object',
		],
		[
			'another schema',
			{ schemas: [urn.user], Operations: [{ op: 'remove', path: 'title' }] },
			`400 invalidSyntax: schemas must have ${urn.patchOp}, not "${urn.user}"`,
		],
		['no operation', message(), '400 invalidSyntax: Operations is an empty list: it must have an operation'],
		[
			'schemas in a string',
			{ schemas: urn.patchOp, Operations: [{ op: 'remove', path: 'title' }] },
			'400 invalidSyntax: schemas must be a list, not a string',
		],
		[
			'an operation that is null',
			message({ op: 'remove', path: 'title' }, null),
			'400 invalidSyntax: Operations[1] must be an object, not null',
		],
		[
			'no op',
			message({ path: 'title' }),
			'400 invalidSyntax: Operations[0].op is missing: it must be add, replace or remove',
		],
		[
			'another op',
			message({ op: 'move', path: 'title' }),
			'400 invalidSyntax: Operations[0].op must be add, replace or remove, not the string "move"',
		],
		[
			'an op that is a number',
			message({ op: 1, path: 'title' }),
			'400 invalidSyntax: Operations[0].op must be add, replace or remove, not the number 1',
		],
		[
			'a path that is a number',
			message({ op: 'add', path: 1, value: 1 }),
			'400 invalidSyntax: Operations[0].path must be a string, not the number 1',
		],
		[
			'an add without a value',
			message({ op: 'add', path: 'title' }),
			'400 invalidValue: Operations[0]: add must have a value',
		],
		[
			'a replace without a value',
			message({ op: 'replace', path: 'members' }),
			'400 invalidValue: Operations[0]: replace must have a value',
		],
		['a remove without a path', message({ op: 'remove' }), '400 noTarget: Operations[0]: remove must have a path'],
		[
			'a remove with an empty path',
			message({ op: 'remove', path: '' }),
			'400 noTarget: Operations[0]: remove must have a path',
		],
		[
			'a remove of a value object',
			message({ op: 'remove', value: { title: 'x' } }),
			'400 noTarget: Operations[0]: remove must have a path',
		],
		[
			'a bare value without a path',
			message({ op: 'add', value: 'x' }),
			'400 invalidValue: Operations[0].value must be an object, since there is no path; it is the string "x"',
		],
		[
			'a list without a path',
			message({ op: 'add', path: null, value: [] }),
			'400 invalidValue: Operations[0].value must be an object, since there is no path; it is a list',
		],
	])('is refused for %s', (_, body, expected) => {
		expect(refusal(body)).toBe(expected)
	})

	it('is limited in its number of changes', () => {
		const many = (count: number) => Array.from({ length: count }, () => ({ op: 'remove', path: 'title' }))
		const names = Array.from({ length: 501 }, (_, index) => [`emails[type eq "${index}"].value`, 'x'] as const)
		const wide = { op: 'add', value: Object.fromEntries(names) }
		expect(parsePatch(message(...many(maxOperations)), userType, new Set())).toHaveLength(1000)
		expect(refusal(message(...many(maxOperations + 1)))).toBe('413 undefined: a PATCH may make at most 1000 changes')
		expect(refusal(message(wide, wide))).toBe('413 undefined: a PATCH may make at most 1000 changes')
	})
})

describe('a path', () => {
	it.each([
		['displayName', 'displayName'],
		['DISPLAYNAME', 'displayName'],
		['name.GivenName', 'name.givenName'],
		['externalId', 'externalId'],
		[`${urn.user}:displayName`, 'displayName'],
		[`${urn.user}:name.familyName`, 'name.familyName'],
		['emails', 'emails'],
		['emails.value', 'emails.value'],
		['emails[type eq "work"]', 'emails[type eq "work"]'],
		['emails[type eq "work"].Value', 'emails[type eq "work"].value'],
		['roles[primary eq "True"].value', 'roles[primary eq "True"].value'],
		[
			'addresses[type eq "work" and primary eq true].formatted',
			'addresses[type eq "work" and primary eq true].formatted',
		],
		[`${enterprise}:employeeNumber`, 'enterprise:employeeNumber'],
		[`${enterprise.toLowerCase()}:EMPLOYEENUMBER`, 'enterprise:employeeNumber'],
		[`${enterprise}:manager`, 'enterprise:manager'],
		[`${enterprise}:manager.value`, 'enterprise:manager.value'],
		[`${enterprise}.department`, 'enterprise:department'],
		[`${enterprise}.manager.value`, 'enterprise:manager.value'],
		['urn:ietf:params:scim:schemas:extension:enterprise:2.0.User:department', 'enterprise:department'],
		['urn:ietf:params:scim:schemas:core:2.0.User:name.givenName', 'name.givenName'],
		[`${urn.user}.userName`, 'userName'],
		[`${urn.user}.emails[type eq "work"].value`, 'emails[type eq "work"].value'],
		['urn:scim:schemas:core:1.0:userName', 'userName'],
		['urn:scim:schemas:core:2.0:User:name.givenName', 'name.givenName'],
		['urn:scim:schemas:extension:enterprise:1.0:department', 'enterprise:department'],
		['URN:scim:schemas:extension:enterprise:2.0:User:manager.value', 'enterprise:manager.value'],
		['manager', 'enterprise:manager'],
		['manager[value eq "x"]', 'enterprise:manager[value eq "x"]'],
	])('%s is %s', (path, expected) => {
		expect(parsed({ op: 'remove', path })).toStrictEqual([`remove ${expected}`])
	})

	it.each([
		['members', 'members'],
		['members[value eq "7f4bc1a3"]', 'members[value eq "7f4bc1a3"]'],
	])('of a group, %s, is %s', (path, expected) => {
		expect(parsed({ op: 'remove', path }, groupType)).toStrictEqual([`remove ${expected}`])
	})

	it('that is the URN of an extension stands for all its attributes', () => {
		expect(
			parsed({ op: 'add', path: enterprise, value: { department: 'a', 'manager.value': 'b', unknown: 1 } }),
		).toStrictEqual(['add enterprise:department "a"', 'add enterprise:manager.value "b"'])
		const all = ['employeeNumber', 'costCenter', 'organization', 'division', 'department', 'manager']
		const removed = all.map((name) => `remove enterprise:${name}`)
		for (const path of [
			enterprise.toUpperCase(),
			'urn:ietf:params:scim:schemas:extension:enterprise:2.0.User',
			'urn:scim:schemas:extension:enterprise:1.0',
		]) {
			expect(parsed({ op: 'remove', path })).toStrictEqual(removed)
		}
		expect(parsed({ op: 'replace', path: enterprise, value: null })).toStrictEqual(removed)
		expect(parsed({ op: 'add', path: enterprise, value: null })).toStrictEqual([])
		expect(refusal(message({ op: 'add', path: enterprise, value: 'x' }))).toBe(
			`400 invalidValue: Operations[0]: ${enterprise} must be an object, not the string "x"`,
		)
	})

	it.each([
		'favoriteColor',
		'password',
		'name.nick',
		'members',
		`${urn.user}:manager`,
		`${enterprise}:userName`,
		'urn:example:2.0:User',
		'urn:example:2.0:User:color',
		'emails[type eq "work"].color',
		'emails[color eq "x"]',
		'emails[type eq "work" and not (color pr)].value',
		'color[type eq "work"].value',
		'@odata.type',
		'na me',
		'.value',
		'a'.repeat(2000),
	])('that the resource type does not have is left out, and logged: %s', (path) => {
		for (const operation of [
			{ op: 'remove', path },
			{ op: 'add', path, value: 'x' },
			{ op: 'replace', value: { [path]: 'x' } },
		]) {
			const quirks: Quirks = new Set()
			const rest = { op: 'replace', path: 'active', value: false }
			expect(parsePatch(message(operation, rest), userType, quirks).map(shown)).toEqual(['replace active false'])
			expect([...quirks]).toEqual(['unknownLeftOut'])
		}
	})

	it('that is left out is logged even if an operation before it is refused', () => {
		const quirks: Quirks = new Set()
		const body = message({ op: 'remove', path: 'id' }, { op: 'remove', path: 'favoriteColor' }, { op: 'remove' })
		expect(() => parsePatch(body, userType, quirks)).toThrow('id is read-only')
		expect([...quirks]).toEqual(['unknownLeftOut'])
	})

	it.each([
		[
			'userName[value eq "x"]',
			'400 invalidPath: Operations[0]: userName[value eq "x"]: userName has no sub-attributes',
		],
		['active.value', '400 invalidPath: Operations[0]: active.value: active has no sub-attributes'],
		[
			'emails[primary eq "x"]',
			'400 invalidFilter: Operations[0]: filter: primary is a boolean and cannot be compared by eq with "x"',
		],
		['id', '400 mutability: Operations[0]: id is read-only'],
		['Meta', '400 mutability: Operations[0]: Meta is read-only'],
		['meta.created', '400 mutability: Operations[0]: meta.created is read-only'],
		['schemas', '400 mutability: Operations[0]: schemas is read-only'],
		['groups', '400 mutability: Operations[0]: groups is read-only'],
		['groups[value eq "x"]', '400 mutability: Operations[0]: groups[value eq "x"] is read-only'],
	])('is refused: %s', (path, expected) => {
		expect(refusal(message({ op: 'remove', path }))).toBe(expected)
		expect(refusal(message({ op: 'add', path, value: 'x' }))).toBe(expected)
	})

	it.each([
		['members[value eq "x"].display', '400 mutability: Operations[0]: members[value eq "x"].display cannot be changed'],
		['members.value', '400 mutability: Operations[0]: members.value cannot be changed'],
	])('of a group is refused: %s', (path, expected) => {
		expect(refusal(message({ op: 'replace', path, value: 'x' }), groupType)).toBe(expected)
	})

	it.each(['emails[type eq "work"', 'emails[]', 'emails[type eq "work"].value.x'])(
		'that cannot be parsed is refused: %s',
		(path) => {
			expect(refusal(message({ op: 'remove', path }))).toMatch(/^400 invalidPath: /)
		},
	)
})

describe('a value without a path', () => {
	it('has paths as names, as Entra and the validator write them', () => {
		const value = {
			displayName: 'Bjfe',
			'name.givenName': 'Kkom',
			'name.familyName': 'Unua',
			[`${enterprise}:employeeNumber`]: 'Aklq',
			'emails[type eq "work"].value': 'a@b.c',
			manager: 'x',
			[`${urn.user}:title`]: 't',
		}
		expect(parsed({ op: 'replace', value })).toStrictEqual([
			'replace displayName "Bjfe"',
			'replace name.givenName "Kkom"',
			'replace name.familyName "Unua"',
			'replace enterprise:employeeNumber "Aklq"',
			'replace emails[type eq "work"].value "a@b.c"',
			'replace enterprise:manager "x"',
			'replace title "t"',
		])
	})

	it('may be nested', () => {
		const value = { name: { givenName: 'a' }, [enterprise]: { department: 'b', manager: { value: 'c' } } }
		expect(parsed({ op: 'Add', value })).toStrictEqual([
			'add name {"givenName":"a"}',
			'add enterprise:department "b"',
			'add enterprise:manager {"value":"c"}',
		])
	})

	it('may clear an extension', () => {
		expect(parsed({ op: 'replace', value: { [enterprise]: null } })).toContain('remove enterprise:manager')
	})

	it('may have read-only or unknown names, which are ignored', () => {
		const value = {
			schemas: [urn.user],
			id: '7',
			meta: { resourceType: 'User' },
			groups: [],
			'meta.created': 'x',
			'@odata.type': '#User',
			'': 1,
			'two words': 1,
			'urn:example:2.0:User:color': 'red',
			'emails[type eq "work"].color': 'red',
			'manager.displayName': 'x',
			['__proto__']: 1,
			constructor: 1,
			title: 't',
		}
		expect(parsed({ op: 'add', value })).toStrictEqual(['add title "t"'])
	})

	it.each([
		[{ 'emails[type eq "work].value': 'x' }, userType, /^400 invalidPath: /],
		[
			{ 'members[value eq "x"].display': 'x' },
			groupType,
			/^400 mutability: Operations\[0\]: members\[value eq "x"\].display cannot be changed$/,
		],
		[
			{ [enterprise]: 'x' },
			userType,
			/^400 invalidValue: Operations\[0\]: urn:\S+:User must be an object, not the string "x"$/,
		],
	])('%j, which is malformed, is refused', (value, type, expected) => {
		expect(refusal(message({ op: 'replace', value }), type)).toMatch(expected)
	})
})
