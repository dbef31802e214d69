import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Quirk } from '../../../../shared/scim/dialect.ts'
import { ScimError } from '../../../../shared/scim/error.ts'
import { idGenerator } from '../../../../shared/scim/id.ts'
import { applyPatch } from '../../../../shared/scim/patch/apply.ts'
import { diffMembers, type MemberChange, memberChange, toMembers } from '../../../../shared/scim/patch/members.ts'
import { parsePatch } from '../../../../shared/scim/patch/request.ts'
import type { Member } from '../../../../shared/scim/resource.ts'
import { groupType } from '../../../../shared/scim/resource-type.ts'
import { urn } from '../../../../shared/scim/urn.ts'
import { parseResource } from '../../../../shared/scim/value.ts'

const newId = idGenerator(
	() => 0,
	(digits) => 'f'.repeat(digits),
)
const [ann, bob, eve] = [newId('User'), newId('User'), newId('User')]
const nested = newId('Group')
const operationId = newId('Operation')

const parse = (operations: readonly unknown[]) =>
	parsePatch({ schemas: [urn.patchOp], Operations: operations }, groupType, new Set())

const change = (...operations: unknown[]) => memberChange(parse(operations), new Set())

function refusal(work: () => unknown): string {
	try {
		return JSON.stringify(work())
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
		return `${error.status} ${error.scimType}: ${error.message}`
	}
}

const unchanged = { rest: [], base: 'current', add: [], remove: [] }

describe('the change of members', () => {
	it.each<[string, unknown[], Partial<MemberChange>]>([
		['what is left out', [{ op: 'remove', path: 'nothing' }], {}],
		[
			'an add of Entra',
			[{ op: 'Add', path: 'members', value: [{ $ref: null, value: ann }] }],
			{ add: [{ value: ann }] },
		],
		[
			'an add of two',
			[{ op: 'Add', path: 'members', value: [{ value: ann }, { value: bob }] }],
			{ add: [{ value: ann }, { value: bob }] },
		],
		['an add of a string', [{ op: 'add', path: 'members', value: ann }], { add: [{ value: ann }] }],
		[
			'an add of strings',
			[{ op: 'add', path: 'members', value: [ann, bob] }],
			{ add: [{ value: ann }, { value: bob }] },
		],
		[
			'an add of an object',
			[{ op: 'add', path: 'members', value: { value: ann, type: 'User' } }],
			{ add: [{ value: ann }] },
		],
		[
			'an add of the reference client',
			[{ op: 'add', path: 'members', value: [{ displayName: 'new User', value: ann }], name: 'addMember' }],
			{ add: [{ value: ann, display: 'new User' }] },
		],
		['an add without a path', [{ op: 'add', value: { Members: [{ value: ann }] } }], { add: [{ value: ann }] }],
		[
			'an add of one twice',
			[
				{
					op: 'add',
					path: 'members',
					value: [
						{ value: ann, display: 'A' },
						{ value: ann, display: 'B' },
					],
				},
				{ op: 'add', path: 'members', value: ann },
			],
			{ add: [{ value: ann, display: 'A' }] },
		],
		[
			'an add of none',
			[
				{ op: 'add', path: 'members', value: [] },
				{ op: 'add', path: 'members', value: null },
			],
			{},
		],
		['a remove of Entra', [{ op: 'Remove', path: 'members', value: [{ $ref: null, value: ann }] }], { remove: [ann] }],
		['a remove of strings', [{ op: 'remove', path: 'members', value: [ann, bob] }], { remove: [ann, bob] }],
		['a remove of an object', [{ op: 'remove', path: 'members', value: { value: ann } }], { remove: [ann] }],
		['a remove of a string', [{ op: 'remove', path: 'members', value: ann }], { remove: [ann] }],
		['a remove of none', [{ op: 'remove', path: 'members', value: [] }], {}],
		[
			'a remove of an id that no member can have',
			[{ op: 'remove', path: 'members', value: [{ value: 'u1091' }, { value: nested, type: 'Group' }] }],
			{},
		],
		['a remove by a filter', [{ op: 'remove', path: `members[value eq "${ann}"]` }], { remove: [ann] }],
		[
			'a remove by a filter and a value',
			[{ op: 'remove', path: `members[VALUE eq "${ann}"]`, value: [{ value: bob }] }],
			{ remove: [ann] },
		],
		[
			'a remove by a filter for several',
			[{ op: 'remove', path: `members[value eq "${ann}" or value eq "${bob}"]` }],
			{ remove: [ann, bob] },
		],
		[
			'a remove by a filter for an id that no member can have',
			[{ op: 'remove', path: 'members[value eq "7f4bc1a3-285e"]' }],
			{},
		],
		['a remove of all', [{ op: 'remove', path: 'members' }], { base: 'none' }],
		[
			'a replace',
			[{ op: 'replace', path: 'members', value: [{ value: ann }, { value: bob }] }],
			{ base: 'none', add: [{ value: ann }, { value: bob }] },
		],
		['a replace by none', [{ op: 'replace', path: 'members', value: [] }], { base: 'none' }],
		[
			'an add and a remove',
			[
				{ op: 'add', path: 'members', value: ann },
				{ op: 'remove', path: 'members', value: ann },
			],
			{ remove: [ann] },
		],
		[
			'a remove and an add',
			[
				{ op: 'remove', path: 'members', value: ann },
				{ op: 'add', path: 'members', value: ann },
			],
			{ add: [{ value: ann }] },
		],
		[
			'a remove of all and an add',
			[
				{ op: 'add', path: 'members', value: ann },
				{ op: 'remove', path: 'members' },
				{ op: 'add', path: 'members', value: bob },
			],
			{ base: 'none', add: [{ value: bob }] },
		],
		[
			'a replace and a remove',
			[
				{ op: 'replace', path: 'members', value: [ann, bob] },
				{ op: 'remove', path: 'members', value: [ann, eve] },
			],
			{ base: 'none', add: [{ value: bob }] },
		],
	])('is known for %s', (_, operations, expected) => {
		expect(change(...operations)).toStrictEqual({ ...unchanged, ...expected })
	})

	it('leaves the other operations', () => {
		const rename = { op: 'Replace', path: 'displayName', value: 'x' }
		const operations = [rename, { op: 'add', path: 'members', value: ann }]
		expect(change(...operations)).toStrictEqual({ ...unchanged, rest: parse([rename]), add: [{ value: ann }] })
	})

	it('is known for fifty thousand members at once', () => {
		const many = Array.from({ length: 50_000 }, () => ({ value: newId('User') }))
		const changed = change({ op: 'add', path: 'members', value: many }, { op: 'remove', path: 'members', value: many })
		expect(changed?.remove).toHaveLength(50_000)
	})

	it.each([
		{ op: 'remove', path: 'members[display co "x"]' },
		{ op: 'remove', path: `members[value ne "${ann}"]` },
		{ op: 'remove', path: `members[value eq "${ann}" and display eq "x"]` },
		{ op: 'remove', path: `members[value eq "${ann}" or display eq "x"]` },
		{ op: 'remove', path: `members[value eq "${ann}" and value eq "${bob}"]` },
		{ op: 'remove', path: 'members[value pr]' },
		{ op: 'add', path: `members[value eq "${ann}"]`, value: { display: 'x' } },
		{ op: 'replace', path: `members[value eq "${ann}"]`, value: { value: bob } },
	])('depends on the current members for %j', (operation) => {
		expect(change({ op: 'add', path: 'members', value: bob }, operation)).toBeUndefined()
	})

	it.each([
		[null, '400 invalidValue: Operations[0]: members: the value of a remove must name members'],
		['', '400 invalidValue: Operations[0]: members: the value of a remove must name members'],
		[[null], '400 invalidValue: Operations[0]: members[0].value is required'],
		[[''], '400 invalidValue: Operations[0]: members[0].value is required'],
		[[{ value: ann }, {}], '400 invalidValue: Operations[0]: members[1].value is required'],
		[[{ value: null }], '400 invalidValue: Operations[0]: members[0].value is required'],
		[[{ display: 'x' }], '400 invalidValue: Operations[0]: members[0].value is required'],
		[{}, '400 invalidValue: Operations[0]: members.value is required'],
		[7, '400 invalidValue: Operations[0]: members must be an object, not the number 7'],
		[[7], '400 invalidValue: Operations[0]: members[0] must be an object, not the number 7'],
		[[[ann]], '400 invalidValue: Operations[0]: members[0] must be an object, not a list'],
		[[{ value: 7 }], '400 invalidValue: Operations[0]: members[0].value must be a string, not the number 7'],
		[true, '400 invalidValue: Operations[0]: members must be an object, not the boolean true'],
	])('is refused for a remove of %j, which must not empty the group', (value, expected) => {
		expect(refusal(() => change({ op: 'Remove', path: 'members', value }))).toBe(expected)
	})

	it.each([
		[
			[{ value: ann }, { value: bob }, { value: 'u1091' }],
			'400 invalidValue: Operations[0]: members[2].value: no user has the id "u1091"',
		],
		['string id 1', '400 invalidValue: Operations[0]: members[0].value: no user has the id "string id 1"'],
		[
			[ann.toUpperCase()],
			`400 invalidValue: Operations[0]: members[0].value: no user has the id "${ann.toUpperCase()}"`,
		],
		[[operationId], `400 invalidValue: Operations[0]: members[0].value: no user has the id "${operationId}"`],
		[
			[{ value: ann }, { value: nested }],
			`400 invalidValue: Operations[0]: members[1].value: "${nested}" is a group, and nested groups are not supported`,
		],
		[
			[{ value: 'x', type: 'GROUP' }],
			'400 invalidValue: Operations[0]: members[0].value: "x" is a group, and nested groups are not supported',
		],
		[[null], '400 invalidValue: Operations[0]: members[0].value is required'],
		[[{ display: 'x' }], '400 invalidValue: Operations[0]: members[0].value is required'],
		[7, '400 invalidValue: Operations[0]: members must be an object, not the number 7'],
	])('is refused for an add or replace of %j', (value, expected) => {
		expect(refusal(() => change({ op: 'add', path: 'members', value }))).toBe(expected)
		expect(refusal(() => change({ op: 'replace', path: 'members', value }))).toBe(expected)
	})
})

describe('the members in a body', () => {
	const membersOf = (members: unknown) =>
		toMembers(parseResource(groupType, { displayName: 'g', members }, new Set()).members)

	it.each([
		[undefined, []],
		[null, []],
		[[], []],
		[
			[{ value: ann, display: 'Ann', $ref: '../Users/1', type: 'User' }, bob],
			[{ value: ann, display: 'Ann' }, { value: bob }],
		],
		[
			[{ value: ann }, { value: bob }, { value: ann, display: 'second' }],
			[{ value: ann }, { value: bob }],
		],
	])('%j are each read once', (members, expected) => {
		expect(membersOf(members)).toStrictEqual(expected)
	})

	it.each([
		[
			[{ value: ann }, { value: bob }, { value: nested }],
			`400 invalidValue: members[2].value: "${nested}" is a group, and nested groups are not supported`,
		],
		[
			[{ value: ann, type: 'group' }],
			`400 invalidValue: members[0].value: "${ann}" is a group, and nested groups are not supported`,
		],
		[['x'], '400 invalidValue: members[0].value: no user has the id "x"'],
	])('%j are refused', (members, expected) => {
		expect(refusal(() => membersOf(members))).toBe(expected)
	})
})

describe('the difference of members', () => {
	it('has the new and the removed members; a member that stays keeps the display', () => {
		const current = [{ value: ann, display: 'Ann' }, { value: bob }]
		const wanted = [{ value: eve }, { value: ann, display: 'Other' }]
		expect(diffMembers(current, wanted)).toStrictEqual({ add: [{ value: eve }], remove: [bob] })
		expect(diffMembers(current, current)).toStrictEqual({ add: [], remove: [] })
	})
})

const people = Array.from({ length: 5 }, () => newId('User'))
const id = fc.constantFrom(...people)
const member = fc.record({ value: id, display: fc.constantFrom('A', 'B') }, { requiredKeys: ['value'] })
const named = fc.oneof(id, member, fc.array(fc.oneof(id, member), { maxLength: 4 }))
const operation = fc.oneof(
	fc.record({ op: fc.constantFrom('Add', 'add', 'Replace', 'Remove'), path: fc.constant('members'), value: named }),
	fc.record({ op: fc.constant('remove'), path: id.map((value) => `members[value eq "${value}"]`) }),
	fc.record({ op: fc.constantFrom('add', 'replace'), value: fc.record({ members: named }) }),
	fc.constant({ op: 'remove', path: 'members' }),
	fc.record({ op: fc.constant('replace'), path: fc.constant('displayName'), value: fc.constantFrom('x', 'y') }),
)
const members = fc.uniqueArray(member, { selector: ({ value }) => value })

/** The members that the store has after a change. A member that stays keeps its display. */
function stored(current: readonly Member[], { add, remove }: Pick<MemberChange, 'add' | 'remove'>): unknown {
	const kept = new Map(current.filter(({ value }) => !remove.includes(value)).map((kept) => [kept.value, kept]))
	for (const added of add) if (!kept.has(added.value)) kept.set(added.value, added)
	return [...kept.values()].sort((a, b) => (a.value < b.value ? -1 : 1))
}

describe('a change of members that were not read', () => {
	it('equals the effect of the operations on the members', () => {
		fc.assert(
			fc.property(members, fc.array(operation, { minLength: 1 }), (current, operations) => {
				const parsed = parse(operations)
				const options = { type: groupType, quirks: new Set<Quirk>() }
				const changed = memberChange(parsed, new Set())
				const patched = applyPatch({ displayName: 'g', members: current }, parsed, options)
				if (changed === undefined) throw new TypeError('every one of these operations is known')
				const { base, add, remove, rest } = changed
				expect(remove.filter((value) => add.some((added) => added.value === value))).toEqual([])
				const unread = base === 'none' ? diffMembers(current, add) : { add, remove }
				expect(stored(current, unread)).toEqual(stored(current, diffMembers(current, toMembers(patched.members))))
				expect(applyPatch({ displayName: 'g' }, rest, options).displayName).toBe(patched.displayName)
			}),
			{ numRuns: 500 },
		)
	})
})
