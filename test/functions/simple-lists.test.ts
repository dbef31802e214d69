import { describe, expect, it } from 'vitest'
import { patchOf, urn } from '../clients/scim.ts'
import { useHost } from '../support/host.ts'

// A list of strings or numbers: `value` in brackets is the element itself.

const host = useHost()

const hr = 'urn:example:hr:2.0:User'
const schemas = [
	{
		id: hr,
		attributes: [
			{ name: 'tags', multiValued: true },
			{ name: 'codes', multiValued: true, caseExact: true },
			{ name: 'levels', multiValued: true, type: 'integer' },
			{ name: 'sizes', multiValued: true, canonicalValues: ['S', 'M'], enforced: true },
			{ name: 'roles', multiValued: true },
		],
	},
]
const own = { tags: ['a', 'b', 'c'], codes: ['A'], levels: [1, 2], sizes: ['S'] }

async function withAnn(dialect: 'standard' | 'strict' = 'standard') {
	const tenant = await host({ schemas, settings: { dialect } })
	const ann = await tenant.create('/Users', { schemas: [urn.user, hr], userName: 'ann', [hr]: own })
	await tenant.create('/Users', { schemas: [urn.user], userName: 'bob' })
	return { tenant, ann }
}

describe.each(['standard', 'strict'] as const)('a list of simple values in the dialect %s', (dialect) => {
	let filled: ReturnType<typeof withAnn> | undefined

	it.each([
		[`${hr}:tags[value eq "B"]`, true],
		['tags[VALUE eq "B"]', true],
		[`${hr}:tags.value sw "c"`, true],
		[`${hr}:tags[value pr]`, true],
		[`${hr}:tags[value eq "x"]`, false],
		[`${hr}:tags[value gt "b" and value lt "d"]`, true],
		[`${hr}:tags[not (value eq "a" or value eq "b")]`, true],
		[`${hr}:tags[value eq "a" and value eq "b"]`, false],
		[`${hr}:codes[value eq "A"]`, true],
		[`${hr}:codes[value eq "a"]`, false],
		[`${hr}:levels[value ge 2]`, true],
		[`${hr}:levels[value gt 2]`, false],
		[`not (${hr}:tags[value eq "x"]) and userName eq "ann"`, true],
	])('is found by %s', async (filter, isFound) => {
		filled ??= withAnn(dialect)
		const { tenant, ann } = await filled
		const found = isFound ? [ann.id] : []
		const idsIn = ({ body }: Awaited<ReturnType<typeof tenant.request>>) =>
			body.Resources.map(({ id }: { id: string }) => id)
		expect(idsIn(await tenant.request('GET', `/Users?filter=${encodeURIComponent(filter)}`))).toEqual(found)
		const search = { schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'], filter }
		expect(idsIn(await tenant.request('POST', '/.search', { body: search }))).toEqual(found)
	})

	it.each<[string, object, object]>([
		['a removal', { op: 'remove', path: `${hr}:tags[value eq "b"]` }, { tags: ['a', 'c'] }],
		['a removal of all', { op: 'remove', path: `${hr}:tags[value pr]` }, { tags: undefined }],
		['a removal of nothing', { op: 'remove', path: `${hr}:tags[value eq "x"]` }, {}],
		['a removal by value', { op: 'remove', path: `${hr}:tags[value eq "b"].value` }, { tags: ['a', 'c'] }],
		['another value', { op: 'replace', path: `${hr}:tags[value eq "b"]`, value: 'x' }, { tags: ['a', 'x', 'c'] }],
		['a part', { op: 'replace', path: `${hr}:tags[value eq "b"].value`, value: 'x' }, { tags: ['a', 'x', 'c'] }],
		['a value that is there', { op: 'replace', path: `${hr}:tags[value eq "b"]`, value: 'a' }, { tags: ['a', 'c'] }],
		['an addition to one', { op: 'add', path: `${hr}:tags[value eq "b"]`, value: 'x' }, { tags: ['a', 'x', 'c'] }],
		['no value', { op: 'replace', path: `${hr}:tags[value eq "b"]`, value: '' }, { tags: ['a', 'c'] }],
		['a number', { op: 'replace', path: `${hr}:levels[value eq 1]`, value: 3 }, { levels: [3, 2] }],
		['more values', { op: 'add', path: `${hr}:tags.value`, value: ['c', 'd'] }, { tags: ['a', 'b', 'c', 'd'] }],
		['no path', { op: 'replace', value: { [`${hr}:tags[value eq "b"]`]: 'x' } }, { tags: ['a', 'x', 'c'] }],
	])('is changed by a PATCH with %s', async (_, operation, changed) => {
		const { tenant, ann } = await withAnn(dialect)
		const { status, body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(operation) })
		expect([status, body[hr]]).toEqual([200, JSON.parse(JSON.stringify({ ...own, ...changed }))])
	})

	it.each<[string, object, string, string]>([
		[
			'another part in a filter',
			{ op: 'remove', path: `${hr}:tags[type eq "work"]` },
			...['invalidPath', `${hr}:tags[type eq "work"]: the values of tags are simple, and their only part is value`],
		] as [string, object, string, string],
		[
			'another part',
			{ op: 'replace', path: `${hr}:tags.type`, value: 'x' },
			'invalidPath',
			`${hr}:tags.type: the values of tags are simple, and their only part is value`,
		],
		[
			'an object',
			{ op: 'replace', path: `${hr}:tags[value eq "a"]`, value: { value: 'x' } },
			'invalidValue',
			`${hr}:tags[value eq "a"].value must be a string, not an object`,
		],
		[
			'another value than those enforced',
			{ op: 'replace', path: `${hr}:sizes[value eq "S"]`, value: 'XL' },
			'invalidValue',
			`${hr}:sizes[value eq "S"].value must be one of S, M, not the string "XL"`,
		],
		[
			'nothing to replace',
			{ op: 'replace', path: `${hr}:tags[value eq "x"]`, value: 'y' },
			'noTarget',
			`${hr}:tags[value eq "x"]: no value of tags matches the filter`,
		],
		[
			'a comparison that the type cannot take',
			{ op: 'remove', path: `${hr}:levels[value co 1]` },
			'invalidFilter',
			'filter: value is a integer and cannot be compared by co with 1',
		],
	])('refuses a PATCH with %s', async (_, operation, scimType, detail) => {
		const { tenant, ann } = await withAnn(dialect)
		const answer = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(operation) })
		expect([answer.status, answer.body.scimType, answer.body.detail]).toEqual([
			...[400, scimType, `Operations[0]: ${detail}`],
		])
		expect((await tenant.request('GET', `/Users/${ann.id}`)).body).toEqual(ann)
	})

	it('refuses a filter by another part', async () => {
		const { tenant } = await withAnn(dialect)
		const { status, body } = await tenant.request('GET', `/Users?filter=${hr}:tags[type+eq+"work"]`)
		expect([status, body.scimType, body.detail]).toEqual([
			...[400, 'invalidFilter'],
			'filter: tags has no attribute type; its values are simple, so that brackets compare value alone',
		])
	})
})

describe('an addition by a filter that matches nothing', () => {
	const operation = { op: 'add', path: `${hr}:tags[value eq "x"]`, value: 'x' }

	it('adds the value, as it adds an element of a complex list', async () => {
		const { tenant, ann } = await withAnn()
		const { body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(operation) })
		expect(body[hr].tags).toEqual(['a', 'b', 'c', 'x'])
		expect(tenant.events.at(-1)?.quirks).toEqual(['elementFromFilter'])
	})

	it('is refused by a strict tenant', async () => {
		const { tenant, ann } = await withAnn('strict')
		const { status, body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(operation) })
		expect([status, body.scimType]).toEqual([400, 'noTarget'])
	})

	it('is refused if the value is another one than the filter names', async () => {
		const { tenant, ann } = await withAnn()
		const other = { ...operation, value: 'y' }
		const { status, body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(other) })
		expect([status, body.scimType]).toEqual([400, 'noTarget'])
	})
})

it('a list of another schema that is called roles keeps text in the form of JSON', async () => {
	const { tenant, ann } = await withAnn()
	const json = '{"value":"25"}'
	const operations = [
		{ op: 'add', path: `${hr}:roles`, value: ['x'] },
		{ op: 'replace', path: `${hr}:roles[value eq "x"]`, value: json },
	]
	const { body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(...operations) })
	expect(body[hr].roles).toEqual([json])
})

it('a strict tenant replaces an element whole that a filter finds', async () => {
	const { tenant, ann } = await withAnn('strict')
	const add = { op: 'add', path: 'emails', value: [{ type: 'work', value: 'a@example.com' }] }
	const replace = { op: 'replace', path: 'emails[type eq "work"]', value: { type: 'work', value: 'b@example.com' } }
	const { status, body } = await tenant.request('PATCH', `/Users/${ann.id}`, { body: patchOf(add, replace) })
	expect([status, body.emails]).toEqual([200, [replace.value]])
})
