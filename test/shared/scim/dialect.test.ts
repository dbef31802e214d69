import { describe, expect, it } from 'vitest'
import type { Attribute } from '../../../shared/scim/attribute.ts'
import {
	booleanFromString,
	complexFromString,
	displayFromDisplayName,
	elementFromFilter,
	listOfSingle,
	namesInAnyCase,
	namesValuesToRemove,
	onTolerated,
	operationInAnyCase,
	type Quirk,
	roleFromJson,
	singleFromList,
} from '../../../shared/scim/dialect.ts'
import type { Filter } from '../../../shared/scim/filter/ast.ts'
import { groupType, type ResourceType, resolveAttribute, userType } from '../../../shared/scim/resource-type.ts'

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
		expect(booleanFromString(value)).toBe(expected)
	})
})

describe('a complex value in a string', () => {
	it.each([
		['manager', '2819c223', { value: '2819c223' }],
		['emails', 'a@b.c', { value: 'a@b.c' }],
		['name', 'Babs', 'Babs'],
		['addresses', 'Hollywood', 'Hollywood'],
		['manager', { value: 'x' }, { value: 'x' }],
		['manager', 7, 7],
	])('%s: %j is %j', (name, value, expected) => {
		expect(complexFromString(attribute(name), value)).toStrictEqual(expected)
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
		['displayName', ['Babs'], ['Babs']],
		['displayName', [{ name: 'Babs' }], [{ name: 'Babs' }]],
		['displayName', [null], [null]],
		['displayName', 'Babs', 'Babs'],
	])('%s: %j is %j', (name, value, expected) => {
		expect(singleFromList(attribute(name), value)).toStrictEqual(expected)
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
		expect(roleFromJson(attribute(name), element)).toStrictEqual(expected)
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
	])('%# is understood where there is no displayName', (owner, name, expected) => {
		expect(displayFromDisplayName(owner, name)).toBe(expected)
	})
})

describe('names and operations', () => {
	it('are known in any letter case', () => {
		expect(namesInAnyCase({ Op: 'Add', PATH: 'title', value: { Kept: 1 } })).toStrictEqual({
			op: 'Add',
			path: 'title',
			value: { Kept: 1 },
		})
		expect(['Add', 'REPLACE', 'remove'].map(operationInAnyCase)).toStrictEqual(['add', 'replace', 'remove'])
	})

	it('do not reach the prototype', () => {
		const named = namesInAnyCase(JSON.parse('{"__proto__": {"op": "remove"}}'))
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
		expect(elementFromFilter(filter)).toStrictEqual(expected)
	})
})

describe('a single value that is filtered', () => {
	it('is a list of one, or of none', () => {
		expect(listOfSingle({ value: 'x' })).toStrictEqual([{ value: 'x' }])
		expect(listOfSingle(undefined)).toStrictEqual([])
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
		expect(namesValuesToRemove(operation)).toBe(expected)
	})
})

describe('whoever listens', () => {
	const told = (tolerate: () => unknown): readonly Quirk[] => {
		const quirks: Quirk[] = []
		onTolerated((quirk) => quirks.push(quirk))
		tolerate()
		onTolerated(() => undefined)
		return quirks
	}

	const typeEq: Filter = { kind: 'attributeExpression', path: { name: 'type' }, operator: 'eq', value: 'work' }

	it.each<[Quirk, () => unknown, () => unknown]>([
		['booleanFromString', () => booleanFromString('True'), () => booleanFromString(true)],
		[
			'complexFromString',
			() => complexFromString(attribute('manager'), 'x'),
			() => complexFromString(attribute('manager'), { value: 'x' }),
		],
		[
			'singleFromList',
			() => singleFromList(attribute('manager'), [{ value: 'x' }]),
			() => singleFromList(attribute('manager'), { value: 'x' }),
		],
		[
			'roleFromJson',
			() => roleFromJson(attribute('roles'), { value: '{"value":"25"}' }),
			() => roleFromJson(attribute('roles'), { value: '25' }),
		],
		[
			'displayFromDisplayName',
			() => displayFromDisplayName(attribute('roles'), 'displayName'),
			() => displayFromDisplayName(attribute('roles'), 'display'),
		],
		['operationInAnyCase', () => operationInAnyCase('Add'), () => operationInAnyCase('add')],
		[
			'namesInAnyCase',
			() => namesInAnyCase({ operations: [] }),
			() => namesInAnyCase({ schemas: [], Operations: [], op: 'add', path: 'x', value: 1 }),
		],
		['elementFromFilter', () => elementFromFilter(typeEq), () => elementFromFilter({ ...typeEq, operator: 'ne' })],
		['namesValuesToRemove', () => namesValuesToRemove({ value: [{ value: 'x' }] }), () => namesValuesToRemove({})],
	])('is told of %s where it applies', (quirk, deviating, allowed) => {
		expect(told(deviating)).toEqual([quirk])
		expect(told(allowed)).toEqual([])
	})

	it('is told of a single value that is filtered', () => {
		expect(told(() => listOfSingle({ value: 'x' }))).toEqual(['listOfSingle'])
	})
})
