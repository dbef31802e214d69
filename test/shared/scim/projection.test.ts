import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { attributesOf, complex, string } from '../../../shared/scim/attribute.ts'
import { defaultSelection, type Projection, parseSelection, project, selects } from '../../../shared/scim/projection.ts'
import type { ResourceId } from '../../../shared/scim/resource.ts'
import { groupType, type ResourceType, userType } from '../../../shared/scim/resource-type.ts'
import { isObject } from '../../../shared/scim/value.ts'

const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const id = '2819c223' as ResourceId // sound: only the brand is missing, and no test here looks up an id

const urnOfUser = 'urn:ietf:params:scim:schemas:core:2.0:User'
const identity = { schemas: [urnOfUser, enterprise], id }

const rest = {
	userName: 'bjensen',
	name: { familyName: 'Jensen', givenName: 'Barbara' },
	active: false,
	emails: [
		{ type: 'work', value: 'bjensen@example.com', primary: true },
		{ type: 'home', value: 'babs@jensen.org', display: 'Babs' },
	],
	[enterprise]: { employeeNumber: '701984', manager: { value: '26118915', $ref: '../Users/26118915' } },
	meta: { resourceType: 'User', version: 'W/"1"' },
}

const groups = [{ value: 'e9e30dba', display: 'Tour Guides' }]
const babs: Projection = { ...identity, groups, ...rest }

const select = (
	parameters: Parameters<typeof parseSelection>[0],
	types: readonly ResourceType[] = [userType, groupType],
) => parseSelection(parameters, types)

test('without a selection all default attributes are returned, in order', () => {
	expect(project(babs, userType)).toEqual({ ...identity, ...rest })
	expect(Object.keys(project(babs, userType))).toEqual([
		'schemas',
		'id',
		'userName',
		'name',
		'active',
		'emails',
		enterprise,
		'meta',
	])
})

describe('attributes selects the named attributes, plus id and schemas', () => {
	test.each<[string | readonly string[], object]>([
		['id', {}],
		['userName', { userName: 'bjensen' }],
		['USERNAME,meta.Version', { userName: 'bjensen', meta: { version: 'W/"1"' } }],
		[' userName , active ', { userName: 'bjensen', active: false }],
		[['userName', 'active,meta'], { userName: 'bjensen', active: false, meta: rest.meta }],
		['name.familyName', { name: { familyName: 'Jensen' } }],
		['name.familyName,name', { name: rest.name }],
		['emails.value', { emails: [{ value: 'bjensen@example.com' }, { value: 'babs@jensen.org' }] }],
		['emails.display', { emails: [{ display: 'Babs' }] }],
		['emails[type eq "work"]', { emails: rest.emails }],
		[
			'emails[type eq "a,b" and (c pr)].type,userName',
			{ emails: [{ type: 'work' }, { type: 'home' }], userName: 'bjensen' },
		],
		['urn:ietf:params:scim:schemas:core:2.0:User:userName', { userName: 'bjensen' }],
		[`${enterprise}:manager`, { [enterprise]: { manager: rest[enterprise]?.manager } }],
		[`${enterprise.toUpperCase()}:manager.value`, { [enterprise]: { manager: { value: '26118915' } } }],
		['manager.$ref', { [enterprise]: { manager: { $ref: '../Users/26118915' } } }],
		[enterprise, { [enterprise]: rest[enterprise] }],
		['groups', { groups }],
		['groups.type', {}],
		['groups.display', { groups: [{ display: 'Tour Guides' }] }],
		['phoneNumbers,title,members', {}],
		['nonsense,1x,a.b.c,[[,:', {}],
	])('%s', (attributes, selected) => {
		expect(project(babs, userType, select({ attributes }))).toEqual({ ...identity, ...selected })
	})
})

describe('excludedAttributes leaves out the named attributes', () => {
	const without = (...names: string[]) =>
		Object.fromEntries(Object.entries(rest).filter(([name]) => !names.includes(name)))

	test.each<[string | readonly string[], object]>([
		['id,schemas', rest],
		['groups', rest],
		['groups.value', rest],
		['nonsense', rest],
		['Emails,META', without('emails', 'meta')],
		[['name', enterprise], without('name', enterprise)],
		['name.familyName', { ...rest, name: { givenName: 'Barbara' } }],
		['name.familyName,name.givenName', without('name')],
		['emails.value,emails.type,emails.primary', { ...rest, emails: [{ display: 'Babs' }] }],
		[`${enterprise}:employeeNumber,manager.$ref`, { ...rest, [enterprise]: { manager: { value: '26118915' } } }],
		['employeeNumber,manager', without(enterprise)],
	])('%s', (excludedAttributes, left) => {
		const schemas = identity.schemas.filter((urn) => urn !== enterprise || Object.hasOwn(left, enterprise))
		expect(project(babs, userType, select({ excludedAttributes }))).toEqual({ ...identity, schemas, ...left })
	})
})

test.each([undefined, '', ' , ', []])('%j names no attribute, so the default applies', (names) => {
	expect(select({ attributes: names, excludedAttributes: names })).toEqual(defaultSelection)
	expect(select({ attributes: 'id', excludedAttributes: names }).mode).toBe('only')
})

test('both parameters at once are refused', () => {
	expect(() => select({ attributes: 'userName', excludedAttributes: ['nonsense'] })).toThrow(
		expect.objectContaining({
			status: 400,
			scimType: 'invalidValue',
			message: 'attributes and excludedAttributes are mutually exclusive: send one of them',
		}),
	)
})

test.each(['attributes', 'excludedAttributes'])('%s may have up to a thousand names', (parameter) => {
	const names = (count: number) => ({ [parameter]: Array.from({ length: count }, (_, index) => `a${index}`) })
	expect(select(names(1000)).named.size).toBe(0)
	expect(() => select(names(1001))).toThrow(
		expect.objectContaining({
			status: 400,
			scimType: 'invalidValue',
			message: `${parameter} has more than 1000 names`,
		}),
	)
})

test('a selection for two resource types works for both', () => {
	const guides: Projection = {
		schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
		id,
		displayName: 'Guides',
		members: [{ value: id }],
	}
	const selection = select({ attributes: 'displayName,userName' })
	expect(project(guides, groupType, selection)).toEqual({ schemas: guides.schemas, id, displayName: 'Guides' })
	expect(project(babs, userType, selection)).toEqual({ ...identity, userName: 'bjensen' })
})

test.each([
	[{}, true, false],
	[{ attributes: 'id' }, false, false],
	[{ attributes: 'members,groups' }, true, true],
	[{ attributes: 'Members.value,Groups.display' }, true, true],
	[{ excludedAttributes: 'members' }, false, false],
	[{ excludedAttributes: 'members.display' }, true, false],
	[{ excludedAttributes: 'displayName' }, true, false],
])('%j needs members: %s, groups: %s', (parameters, members, groups) => {
	expect(selects(select(parameters), groupType, 'members')).toBe(members)
	expect(selects(select(parameters), userType, 'groups')).toBe(groups)
	expect(selects(select(parameters), userType, 'members')).toBe(false)
})

describe('the characteristic `returned`', () => {
	const attributes = attributesOf(
		z.object({
			pin: string({ description: '', returned: 'never' }),
			badge: string({ description: '', returned: 'always' }),
			office: complex({ room: string({ description: '' }) }, { description: '', returned: 'always' }),
			desk: complex(
				{
					floor: string({ description: '' }),
					lock: string({ description: '', returned: 'never' }),
					number: string({ description: '', returned: 'always' }),
					plan: string({ description: '', returned: 'request' }),
				},
				{ description: '' },
			),
		}),
	)
	const type: ResourceType = { ...userType, schema: { ...userType.schema, attributes }, extensions: [] }
	const always = { badge: 'B1', office: { room: '4' } }
	const desk = { floor: '2', lock: '0000', number: '17', plan: 'A' }
	const resource: Projection = { ...identity, pin: '1234', ...always, desk, undeclared: 'x' }

	test.each<[Parameters<typeof parseSelection>[0], object]>([
		[{}, { desk: { floor: '2', number: '17' } }],
		[{ attributes: 'pin,undeclared' }, {}],
		[{ attributes: 'office.room' }, {}],
		[{ attributes: 'desk' }, { desk: { floor: '2', number: '17' } }],
		[{ attributes: 'desk,desk.plan' }, { desk: { floor: '2', number: '17', plan: 'A' } }],
		[{ attributes: 'desk.plan' }, { desk: { number: '17', plan: 'A' } }],
		[{ attributes: 'desk.lock' }, { desk: { number: '17' } }],
		[{ excludedAttributes: 'badge,office,desk.number,desk.plan' }, { desk: { floor: '2', number: '17' } }],
		[{ excludedAttributes: 'desk' }, {}],
	])('%j', (parameters, returned) => {
		expect(project(resource, type, parseSelection(parameters, [type]))).toEqual({ ...identity, ...always, ...returned })
	})
})

const name = fc.constantFrom(
	'id',
	'schemas',
	'meta',
	'userName',
	'name.givenName',
	'name',
	'emails',
	'emails.value',
	'emails.display',
	'groups',
	'groups.display',
	enterprise,
	`${enterprise}:manager`,
	'manager.value',
	'nonsense',
)
const selection = fc
	.tuple(fc.constantFrom('attributes', 'excludedAttributes'), fc.array(name, { maxLength: 6 }))
	.map(([parameter, names]) => select({ [parameter]: names }))

/** Says whether a value equals another value without some of its parts. */
const isPartOf = (part: unknown, whole: unknown): boolean => {
	if (Array.isArray(part))
		return Array.isArray(whole) && part.every((element) => whole.some((other) => isPartOf(element, other)))
	if (!isObject(part)) return part === whole
	return isObject(whole) && Object.entries(part).every(([name, value]) => isPartOf(value, whole[name]))
}

test('a projection is a part of the resource with id and schemas, and a second projection changes nothing', () => {
	fc.assert(
		fc.property(selection, (selection) => {
			const projected = project(babs, userType, selection)
			expect(isPartOf(projected, babs)).toBe(true)
			expect(projected.id).toBe(identity.id)
			expect(projected.schemas.filter((urn) => urn !== enterprise)).toEqual([urnOfUser])
			if (selection.mode !== 'except') expect(projected.schemas).toEqual(identity.schemas)
			expect(project(projected, userType, selection)).toEqual(projected)
		}),
		{ numRuns: 500 },
	)
})

test('the selected and the excluded attributes together are the default attributes', () => {
	const top = fc.array(fc.constantFrom('userName', 'name', 'active', 'emails', enterprise, 'meta'), { minLength: 1 })
	fc.assert(
		fc.property(top, (names) => {
			const selected = project(babs, userType, select({ attributes: names }))
			const left = project(babs, userType, select({ excludedAttributes: names }))
			expect(left.schemas.includes(enterprise)).toBe(!names.includes(enterprise))
			expect({ ...left, ...selected }).toEqual(project(babs, userType))
			expect(Object.keys(selected).filter((name) => Object.hasOwn(left, name))).toEqual(['schemas', 'id'])
		}),
	)
})
