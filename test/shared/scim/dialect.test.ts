import { describe, expect, it } from 'vitest'
import { type Attribute, declareAttribute } from '../../../shared/scim/attribute.ts'
import {
	booleanFromString,
	complexFromJson,
	complexFromString,
	displayFromDisplayName,
	elementFromFilter,
	emptySchemas,
	listOfSingle,
	namesInAnyCase,
	namesValuesToRemove,
	numberFromString,
	operationInAnyCase,
	operationsAlone,
	type Quirk,
	type Quirks,
	roleFromJson,
	singleFromList,
	stringFromScalar,
	unknownLeftOut,
	urnInOtherSpelling,
} from '../../../shared/scim/dialect.ts'
import type { Filter } from '../../../shared/scim/filter/ast.ts'
import { applyPatch } from '../../../shared/scim/patch/apply.ts'
import { parsePatch } from '../../../shared/scim/patch/request.ts'
import { groupType, type ResourceType, resolveAttribute, userType } from '../../../shared/scim/resource-type.ts'
import { urn } from '../../../shared/scim/urn.ts'

function attribute(name: string, type: ResourceType = userType): Attribute {
	const resolved = resolveAttribute(type, { name })
	if (resolved === undefined) throw new TypeError(`no attribute ${name}`)
	return resolved.attribute
}

describe('a boolean in a string', () => {
	it.each([
		['True', true],
		['False', false],
		['true', true],
		['FALSE', false],
		[true, true],
		['yes', 'yes'],
		['', ''],
		[1, 1],
		[null, null],
	])('%j is %j', (value, expected) => {
		expect(booleanFromString(value, new Set())).toBe(expected)
	})
})

/** An attribute that a tenant declares. */
const own = (type: Attribute['type'], isOwn = true): Attribute =>
	declareAttribute({
		...{ name: 'level', type, description: '', multiValued: false, subAttributes: new Map() },
		...{ isOwn, isEnforced: false },
	})

describe('a value of another JSON type in an attribute of the tenant', () => {
	it.each([
		['integer', '42', 42],
		['integer', ' -7 ', -7],
		['integer', '42.0', 42],
		['integer', '42.5', '42.5'],
		['integer', '9007199254740993', '9007199254740993'],
		['integer', '0x10', '0x10'],
		['integer', '', ''],
		['decimal', '.5', 0.5],
		['decimal', '1e3', 1000],
		['decimal', 'NaN', 'NaN'],
		['integer', true, true],
	] as const)('if it is %s, %j is %j', (type, value, expected) => {
		const quirks: Quirks = new Set()
		expect(numberFromString(own(type), value, quirks)).toBe(expected)
		expect([...quirks]).toEqual(value === expected ? [] : ['numberFromString'])
		expect(numberFromString(own(type, false), value, quirks)).toBe(value)
	})

	it.each([
		[7, '7'],
		[false, 'false'],
		['7', '7'],
		[null, null],
	])('if it is a string, %j is %j', (value, expected) => {
		const quirks: Quirks = new Set()
		expect(stringFromScalar(own('string'), value, quirks)).toBe(expected)
		expect([...quirks]).toEqual(value === expected ? [] : ['stringFromScalar'])
		expect(stringFromScalar(own('string', false), value, quirks)).toBe(value)
	})
})

describe('a complex value in a string', () => {
	it.each([
		['manager', '2819c223', { value: '2819c223' }],
		['roles', 'Admin', { value: 'Admin' }],
		['emails', 'a@b.c', 'a@b.c'],
		['manager', '{"value":', '{"value":'],
		['roles', ' [Admin]', ' [Admin]'],
		['name', 'Babs', 'Babs'],
		['addresses', 'Hollywood', 'Hollywood'],
		['manager', { value: 'x' }, { value: 'x' }],
		['manager', 7, 7],
	])('%s: %j is %j', (name, value, expected) => {
		expect(complexFromString(attribute(name), value, new Set())).toStrictEqual(expected)
	})
})

describe('a complex value in the JSON of a string', () => {
	it.each([
		['emails', '[{"value":"a@b.c"}]', [{ value: 'a@b.c' }]],
		['emails', ' {"value": "a@b.c"} ', { value: 'a@b.c' }],
		['manager', '{"value":"2819c223"}', { value: '2819c223' }],
		['name', '{"givenName":"Babs"}', { givenName: 'Babs' }],
		['emails', '[{"value":', '[{"value":'],
		['emails', '"a@b.c"', '"a@b.c"'],
		['manager', '7', '7'],
		['title', '{"value":"Dr"}', '{"value":"Dr"}'],
		['emails', [{ value: 'a@b.c' }], [{ value: 'a@b.c' }]],
	])('%s: %j is %j', (name, value, expected) => {
		expect(complexFromJson(attribute(name), value, new Set())).toStrictEqual(expected)
	})
})

describe('a single value in a list', () => {
	it.each([
		['manager', [{ value: 'x' }], { value: 'x' }],
		['manager', ['x'], 'x'],
		['manager', [{ value: 'x' }, { value: 'y' }], [{ value: 'x' }, { value: 'y' }]],
		['manager', [], []],
		['displayName', [{ $ref: null, value: 'Babs' }], 'Babs'],
		['displayName', [{ value: null }], null],
		['displayName', ['Babs'], 'Babs'],
		['displayName', ['Babs', 'Joy'], ['Babs', 'Joy']],
		['active', [false], false],
		['displayName', [{ name: 'Babs' }], { name: 'Babs' }],
		['displayName', [null], null],
		['displayName', 'Babs', 'Babs'],
	])('%s: %j is %j', (name, value, expected) => {
		expect(singleFromList(attribute(name), value, new Set())).toStrictEqual(expected)
	})
})

describe('a role in JSON', () => {
	const role = { value: '{"id":"06b0","value":"25","displayName":"Admin"}' }

	it.each([
		['roles', role, { id: '06b0', value: '25', display: 'Admin' }],
		[
			'roles',
			{ ...role, display: 'Old', primary: false },
			{ id: '06b0', value: '25', display: 'Admin', primary: false },
		],
		['roles', { value: '{"value":"25"}', display: 'Kept' }, { value: '25', display: 'Kept' }],
		['roles', { value: '{"a":1}' }, { value: '{"a":1}' }],
		['roles', { value: '{not JSON' }, { value: '{not JSON' }],
		['roles', { value: '[25]' }, { value: '[25]' }],
		['roles', { value: 'Admin' }, { value: 'Admin' }],
		['emails', role, role],
	])('%s: %j is %j', (name, element, expected) => {
		expect(roleFromJson(attribute(name), element, new Set())).toStrictEqual(expected)
	})
})

describe('displayName for display', () => {
	it.each([
		[attribute('roles'), 'displayName', 'display'],
		[attribute('roles'), 'DISPLAYNAME', 'display'],
		[attribute('members', groupType), 'displayName', 'display'],
		[attribute('manager'), 'displayName', 'displayName'],
		[attribute('name'), 'displayName', 'displayName'],
		[attribute('roles'), 'value', 'value'],
	])('%# is understood if the attribute has no displayName', (owner, name, expected) => {
		expect(displayFromDisplayName(owner, name, new Set())).toBe(expected)
	})
})

describe('names and operations', () => {
	it('are known in any letter case', () => {
		expect(namesInAnyCase({ Op: 'Add', PATH: 'title', value: { Kept: 1 } }, new Set())).toStrictEqual({
			op: 'Add',
			path: 'title',
			value: { Kept: 1 },
		})
		expect(['Add', 'REPLACE', 'remove'].map((op) => operationInAnyCase(op, new Set()))).toStrictEqual([
			'add',
			'replace',
			'remove',
		])
	})

	it('cannot change the prototype', () => {
		const named = namesInAnyCase(JSON.parse('{"__proto__": {"op": "remove"}}'), new Set())
		expect('op' in named).toBe(false)
	})
})

const eq = (name: string, value: string | boolean): Filter => ({
	kind: 'attributeExpression',
	path: { name },
	operator: 'eq',
	value,
})
const logical = (operator: 'and' | 'or', ...operands: Filter[]): Filter => ({
	kind: 'logicalExpression',
	operator,
	operands,
})

describe('the element that a filter describes', () => {
	it.each<[string, Filter, unknown]>([
		['type eq "work"', eq('type', 'work'), { type: 'work' }],
		['primary eq "True"', eq('primary', 'True'), { primary: 'True' }],
		[
			'type eq "work" and (primary eq true and display eq "x")',
			logical('and', eq('type', 'work'), logical('and', eq('primary', true), eq('display', 'x'))),
			{ type: 'work', primary: true, display: 'x' },
		],
		['type eq "work" or type eq "home"', logical('or', eq('type', 'work'), eq('type', 'home')), undefined],
		[
			'type eq "work" and (type eq "a" or type eq "b")',
			logical('and', eq('type', 'work'), logical('or', eq('type', 'a'), eq('type', 'b'))),
			undefined,
		],
		['type sw "w"', { kind: 'attributeExpression', path: { name: 'type' }, operator: 'sw', value: 'w' }, undefined],
		[
			'a.b eq "x"',
			{ kind: 'attributeExpression', path: { name: 'a', sub: 'b' }, operator: 'eq', value: 'x' },
			undefined,
		],
		['type pr', { kind: 'presentExpression', path: { name: 'type' } }, undefined],
		['not (type eq "work")', { kind: 'notExpression', operand: eq('type', 'work') }, undefined],
	])('%s', (_, filter, expected) => {
		expect(elementFromFilter(filter, new Set())).toStrictEqual(expected)
	})
})

describe('a single value that is filtered', () => {
	it('is a list of one element, or an empty list', () => {
		expect(listOfSingle({ value: 'x' }, new Set())).toStrictEqual([{ value: 'x' }])
		expect(listOfSingle(undefined, new Set())).toStrictEqual([])
	})
})

describe('a remove', () => {
	it.each([
		[{ value: [{ value: 'x' }] }, true],
		[{ value: 'x' }, true],
		[{ value: [] }, true],
		[{ value: null }, false],
		[{ value: '' }, false],
		[{}, false],
	])('%j names values: %j', (operation, expected) => {
		expect(namesValuesToRemove(operation, new Set())).toBe(expected)
	})
})

describe('the quirks of a request', () => {
	const quirksOf = (tolerate: (quirks: Quirks) => unknown): readonly Quirk[] => {
		const quirks: Quirks = new Set()
		tolerate(quirks)
		return [...quirks]
	}

	const typeEq: Filter = { kind: 'attributeExpression', path: { name: 'type' }, operator: 'eq', value: 'work' }
	const allowed = { schemas: [], Operations: [], op: 'add', path: 'x', value: 1 }

	it.each<[Quirk, (quirks: Quirks) => unknown, (quirks: Quirks) => unknown]>([
		[
			'booleanFromString',
			(quirks) => booleanFromString('True', quirks),
			(quirks) => [booleanFromString(true, quirks), booleanFromString('yes', quirks)],
		],
		[
			'complexFromJson',
			(quirks) => complexFromJson(attribute('manager'), '{}', quirks),
			(quirks) => [
				complexFromJson(attribute('manager'), '{', quirks),
				complexFromJson(attribute('title'), '{}', quirks),
			],
		],
		[
			'complexFromString',
			(quirks) => complexFromString(attribute('manager'), 'x', quirks),
			(quirks) => [
				complexFromString(attribute('manager'), { value: 'x' }, quirks),
				complexFromString(attribute('name'), 'x', quirks),
			],
		],
		[
			'singleFromList',
			(quirks) => singleFromList(attribute('manager'), [{ value: 'x' }], quirks),
			(quirks) => [
				singleFromList(attribute('manager'), { value: 'x' }, quirks),
				singleFromList(attribute('displayName'), ['x', 'y'], quirks),
			],
		],
		[
			'roleFromJson',
			(quirks) => roleFromJson(attribute('roles'), { value: '{"value":"25"}' }, quirks),
			(quirks) => [
				roleFromJson(attribute('roles'), { value: '25' }, quirks),
				roleFromJson(attribute('roles'), { value: '{"a":1}' }, quirks),
			],
		],
		[
			'displayFromDisplayName',
			(quirks) => displayFromDisplayName(attribute('roles'), 'displayName', quirks),
			(quirks) => displayFromDisplayName(attribute('roles'), 'display', quirks),
		],
		[
			'operationInAnyCase',
			(quirks) => operationInAnyCase('Add', quirks),
			(quirks) => operationInAnyCase('add', quirks),
		],
		[
			'operationsAlone',
			(quirks) => operationsAlone([], quirks),
			(quirks) => operationsAlone({ Operations: [] }, quirks),
		],
		['emptySchemas', (quirks) => emptySchemas([], quirks), (quirks) => emptySchemas([urn.patchOp], quirks)],
		[
			'urnInOtherSpelling',
			(quirks) => urnInOtherSpelling(`${urn.enterpriseUser}.department`, quirks),
			(quirks) => [
				urnInOtherSpelling(`${urn.enterpriseUser}:manager.value`, quirks),
				urnInOtherSpelling('urn:scim:schemas:extension:acme:1.0:badge', quirks),
				urnInOtherSpelling('urn:ietf:params:scim:schemas:extension:acme:2.0:User.badge', quirks),
				urnInOtherSpelling('name.givenName', quirks),
			],
		],
		[
			'namesInAnyCase',
			(quirks) => namesInAnyCase({ operations: [] }, quirks),
			(quirks) => namesInAnyCase(allowed, quirks),
		],
		[
			'elementFromFilter',
			(quirks) => elementFromFilter(typeEq, quirks),
			(quirks) => elementFromFilter({ ...typeEq, operator: 'ne' }, quirks),
		],
		[
			'namesValuesToRemove',
			(quirks) => namesValuesToRemove({ value: [{ value: 'x' }] }, quirks),
			(quirks) => namesValuesToRemove({}, quirks),
		],
	])('have %s if it applies', (quirk, tolerate, pass) => {
		expect(quirksOf(tolerate)).toEqual([quirk])
		expect(quirksOf(pass)).toEqual([])
	})

	it('have a part that is left out', () => {
		expect(quirksOf(unknownLeftOut)).toEqual(['unknownLeftOut'])
	})

	it('have a single value that is filtered', () => {
		expect(quirksOf((quirks) => listOfSingle({ value: 'x' }, quirks))).toEqual(['listOfSingle'])
	})

	it('are kept apart from those of a request in between', () => {
		const first: Quirks = new Set()
		const second: Quirks = new Set()
		const message = (op: string, value: unknown) => ({
			schemas: [urn.patchOp],
			Operations: [{ op, path: 'active', value }],
		})
		const firstOperations = parsePatch(message('Replace', true), userType, first)
		const secondOperations = parsePatch(message('replace', 'False'), userType, second)
		applyPatch({ userName: 'a' }, secondOperations, { type: userType, quirks: second })
		applyPatch({ userName: 'b' }, firstOperations, { type: userType, quirks: first })
		expect([...first]).toEqual(['operationInAnyCase'])
		expect([...second]).toEqual(['booleanFromString'])
	})
})
