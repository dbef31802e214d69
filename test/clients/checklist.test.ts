import { describe, expect, it } from 'vitest'
import { type Fate, withFaults } from '../support/faults.ts'
import { type Host, useHost } from '../support/host.ts'
import { scaledClock } from '../support/relay-stand-in/scaled-clock.ts'
import { aGroup, answer, aUser, errorOf, listOf, patchOf, urn } from './scim.ts'
import { type Received, send } from './wire.ts'

// What Entra and the validators send that RFC 7643 and RFC 7644 do not allow, and what they require. Each test has a
// request in their own words.
// https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
// https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility
// https://github.com/AzureAD/SCIMReferenceCode

let fate: Fate = 'answered'

const host = useHost({ intercept: withFaults(() => fate) })

const get = (tenant: Host, path: string): Promise<Received> => send(tenant, { method: 'GET', path })

const patch = (tenant: Host, path: string, ...operations: readonly unknown[]): Promise<Received> =>
	send(tenant, { method: 'PATCH', path, body: patchOf(...operations) })

/** A new tenant with one user. */
async function withUser(attributes: Readonly<Record<string, unknown>> = {}) {
	const tenant = await host()
	const user = await tenant.create('/Users', aUser('joy@testuser.com', attributes))
	return { tenant, user, path: `/Users/${user.id}` }
}

/** A new tenant with a group of some users, and one user who is not a member. */
async function withGroup(...names: readonly string[]) {
	const tenant = await host()
	const ids: Record<string, string> = {}
	for (const name of [...names, 'outsider']) ids[name] = (await tenant.create('/Users', aUser(name))).id
	const members = names.map((name) => ({ value: ids[name] }))
	const group = await tenant.create('/Groups', aGroup('Ops', { members }))
	return { tenant, ids, group, path: `/Groups/${group.id}` }
}

/** The attributes of a user without its name and without those of the service provider. */
function ownAttributes({ id, schemas, userName, active, meta, ...attributes }: Received['body']) {
	return attributes
}

/** Replaces names with ids: `{joy}`. */
const withIds = (operation: unknown, ids: Readonly<Record<string, string>>): unknown =>
	JSON.parse(JSON.stringify(operation).replaceAll(/\{(\w+)\}/g, (_, name) => ids[name] ?? ''))

const memberIds = async (tenant: Host, path: string): Promise<string[]> =>
	((await get(tenant, path)).body.members ?? []).map(({ value }: { value: string }) => value)

describe('operations', () => {
	it('have names in any letter case and may have unknown keys, with any query', async () => {
		const { tenant, user, path } = await withUser({ title: 'Engineer' })
		const { status, body } = await patch(
			tenant,
			`${path}?aadOptscim062020&AzureAdScimPatch2017=true&api-version=1`,
			{ op: 'Add', path: 'nickName', value: 'Babs', name: 'addNickName' },
			{ op: 'REPLACE', path: 'displayName', value: 'Joy' },
			{ op: 'rEmOvE', path: 'title', comment: null },
		)
		expect(status).toBe(200)
		expect(body).toEqual({
			...aUser('joy@testuser.com'),
			id: user.id,
			nickName: 'Babs',
			displayName: 'Joy',
			active: true,
			meta: body.meta,
		})
		expect(await get(tenant, path)).toEqual(answer(200, body))
	})
})

describe('names', () => {
	it.each([
		'filter=DisplayName+eq+"Joy"',
		'FILTER=USERNAME%20eq%20%22joy@testuser.com%22',
		'filter=emails[type+eq+"work"].Value+eq+"joy@contoso.com"',
		'filter=EMAILS.VALUE+EQ+"joy@contoso.com"',
		'filter=meta.lastmodified+gt+"2020-01-01T00:00:00Z"+and+displayname+eq+"joy"',
		`filter=${urn.enterprise.toUpperCase()}:EMPLOYEENUMBER+eq+"701984"`,
		'startindex=1&COUNT=5&filter=displayName+eq+"joy"&sortby=username',
	])('are the same in any letter case: ?%s', async (query) => {
		const { tenant, user } = await withUser({
			displayName: 'Joy',
			emails: [{ type: 'work', value: 'joy@contoso.com' }],
			[urn.enterprise]: { employeeNumber: '701984' },
		})
		await tenant.create('/Users', aUser('ann@testuser.com'))
		expect(await get(tenant, `/Users?${query}`)).toEqual(answer(200, listOf(user)))
	})

	it('are the same in any letter case in paths and in bodies', async () => {
		const { tenant, path } = await withUser({ EMAILS: [{ TYPE: 'work', VALUE: 'joy@contoso.com' }] })
		const { body } = await send(tenant, {
			method: 'PATCH',
			path: path.replace('Users', 'users'),
			body: {
				Schemas: [urn.patchOp.toLowerCase()],
				operations: [
					{ OP: 'replace', Path: 'Emails[Type eq "WORK"].Value', Value: 'joy@fabrikam.com' },
					{ op: 'add', path: `${urn.enterprise.toLowerCase()}:Department`, value: 'Ops' },
				],
			},
		})
		expect(ownAttributes(body)).toEqual({
			emails: [{ type: 'work', value: 'joy@fabrikam.com' }],
			[urn.enterprise]: { department: 'Ops' },
		})
	})
})

describe('values in a filter', () => {
	it.each([
		['Ops', 'displayName+eq+"Ops"'],
		['Ops', 'displayName%20eq%20%22Ops%22'],
		['Ops', 'displayName+eq+Ops'],
		['Ops', 'displayName%20eq%20Ops'],
		['8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159', 'displayName+eq+8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159'],
		['0012', 'displayName+eq+0012'],
		['12345678901234567890', 'displayName+eq+12345678901234567890'],
		['LACreateGroup-(1a2b3c4d)', 'displayName%20eq%20%22LACreateGroup-(1a2b3c4d)%22'],
		["O'Malley's", 'displayName+eq+"O\'Malley\'s"'],
		['C# & F#', 'displayName+eq+"C%23+%26+F%23"'],
		['1 + 1 = 2', 'displayName+eq+"1+%2B+1+=+2"'],
		['100 %', 'displayName+eq+"100+%25"'],
		['Zoë 名前 🙂', `displayName+eq+"${encodeURIComponent('Zoë 名前 🙂')}"`],
		['the "best"', 'displayName+eq+"the+\\"best\\""'],
		['DOMAIN\\ops', 'displayName+eq+"DOMAIN\\\\ops"'],
		['Müller', 'displayName+eq+"M%5Cu00fcller"'],
		['a and b) or c', 'displayName+eq+"a+and+b)+or+c"'],
	])('find %s by ?filter=%s', async (displayName, filter) => {
		const tenant = await host()
		const group = await tenant.create('/Groups', aGroup(displayName))
		await tenant.create('/Groups', aGroup('another'))
		expect(await get(tenant, `/Groups?filter=${filter}`)).toEqual(answer(200, listOf({ ...group, members: [] })))
	})
})

describe('userName and displayName', () => {
	it('compare in any letter case and are returned as they are stored', async () => {
		const tenant = await host()
		const user = await tenant.create('/Users', aUser('Joy.Young@TestUser.com'))
		const group = await tenant.create('/Groups', aGroup('Ops Europe'))
		expect([user.userName, group.displayName]).toEqual(['Joy.Young@TestUser.com', 'Ops Europe'])
		const users = await get(tenant, '/Users?filter=userName+eq+"jOY.yOUNG@tESTuSER.COM"')
		expect(users.body).toEqual(listOf(user))
		const groups = await get(tenant, '/Groups?excludedAttributes=members&filter=displayName+eq+"OPS+EUROPE"')
		expect(groups.body).toEqual(listOf(group))
		const taken = (detail: string) => answer(409, errorOf(409, detail, 'uniqueness'))
		const again = await send(tenant, { method: 'POST', path: '/Users', body: aUser('JOY.YOUNG@TESTUSER.COM') })
		expect(again).toEqual(
			taken(`userName "JOY.YOUNG@TESTUSER.COM" is already taken by the User with the id "${user.id}"`),
		)
		const twin = await send(tenant, { method: 'POST', path: '/Groups', body: aGroup('ops EUROPE') })
		expect(twin).toEqual(taken(`displayName "ops EUROPE" is already taken by the Group with the id "${group.id}"`))
	})
})

describe('a filter', () => {
	it.each([
		'userName eq "joy@testuser.com"',
		'externalId eq "jyoung"',
		'externalId eq jyoung',
		'id eq {joy}',
		'displayName eq "Joy Young"',
		'emails[type eq "work"].value eq "joy@contoso.com"',
		'emails[type eq "work" and value eq "joy@contoso.com"]',
		'emails.value eq "joy@contoso.com"',
		'active eq true',
		'active eq "True"',
		'active eq True',
		'manager eq {ann}',
		`${urn.enterprise}:manager eq "{ann}"`,
		'manager.value eq "{ann}"',
		'id eq {joy} and manager eq {ann}',
		'manager eq "{ann}" and id eq "{joy}"',
		'userName eq "joy@testuser.com" and active eq true',
		'userName sw "joy" and not (active eq false)',
		'name.FamilyName eq Young and (emails.Value co example.com or emails.Value co contoso.com)',
		'meta.Created gt 2015-10-10T14:38:21.8617979-07:00 and userName sw j',
	])('finds exactly one user: %s', async (filter) => {
		const tenant = await host()
		const ann = await tenant.create('/Users', aUser('ann@testuser.com', { externalId: 'alee', active: false }))
		const joy = await tenant.create(
			'/Users',
			aUser('joy@testuser.com', {
				externalId: 'jyoung',
				active: true,
				displayName: 'Joy Young',
				name: { familyName: 'Young' },
				emails: [{ type: 'work', value: 'joy@contoso.com' }],
				[urn.enterprise]: { manager: { value: ann.id } },
			}),
		)
		const sent = encodeURIComponent(filter.replace('{joy}', joy.id).replace('{ann}', ann.id))
		expect(await get(tenant, `/Users?filter=${sent}`)).toEqual(answer(200, listOf(joy)))
	})

	it.each([
		'displayName eq "Ops"',
		'externalId eq "8aa1a0c0"',
		'id eq {ops}',
		'members eq {joy}',
		'members.value eq "{joy}"',
		'members[value eq "{joy}"]',
		'id eq "{ops}" and members eq "{joy}"',
	])('finds exactly one group: %s', async (filter) => {
		const { tenant, user } = await withUser()
		const members = [{ value: user.id }]
		const ops = await tenant.create('/Groups', aGroup('Ops', { externalId: '8aa1a0c0', members }))
		await tenant.create('/Groups', aGroup('another'))
		const sent = encodeURIComponent(filter.replace('{joy}', user.id).replace('{ops}', ops.id))
		expect(await get(tenant, `/Groups?filter=${sent}`)).toEqual(answer(200, listOf(ops)))
	})

	it.each([
		'/Users?filter=userName+eq+"8646d011-1693-4cd3-9ee6-0d7482ca2219"',
		'/Users?filter=id+eq+54D382A4-2050-4C03-94D1-E769F1D15682',
		'/Users?filter=emails[type+eq+"home"].value+eq+"joy@contoso.com"',
		'/Users?filter=manager+eq+nobody&attributes=id',
		'/Groups?excludedAttributes=members&filter=displayName+eq+"nothing"',
		'/Groups?filter=members+eq+nobody',
	])('without a match is answered with an empty list: %s', async (path) => {
		const { tenant } = await withUser({ emails: [{ type: 'work', value: 'joy@contoso.com' }] })
		expect(await get(tenant, path)).toEqual(answer(200, listOf()))
	})

	it.each([
		[
			'userName eq',
			'filter, character 12: expected a value: a string in double quotes, a number, true, false or null, found the end',
		],
		[
			'userName is "joy"',
			'filter, character 10: expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr), found is',
		],
		['userName eq "joy" and', 'filter, character 22: expected an attribute name, found the end'],
		['(userName eq "joy"', 'filter, character 19: expected "and", "or" or ")", found the end'],
		['shoeSize eq "42"', 'filter: User has no attribute shoeSize'],
		['name eq "Joy"', 'filter: name is complex; compare one of its sub-attributes'],
		['active gt true', 'filter: active is a boolean and cannot be compared by gt with true'],
	])('that is malformed is a 400, and never returns all users: %s', async (filter, detail) => {
		const { tenant } = await withUser()
		expect(await get(tenant, `/Users?filter=${encodeURIComponent(filter)}`)).toEqual(
			answer(400, errorOf(400, detail, 'invalidFilter')),
		)
	})
})

describe('the attributes of an answer', () => {
	it('do not have the members if those are excluded', async () => {
		const { tenant, group, path } = await withGroup('joy', 'ann')
		const { members, ...others } = group
		expect(members).toHaveLength(2)
		expect((await get(tenant, `${path}?excludedAttributes=members`)).body).toEqual(others)
		const filter = 'filter=displayName+eq+"Ops"'
		expect((await get(tenant, `/Groups?excludedAttributes=members&${filter}`)).body).toEqual(listOf(others))
		expect((await get(tenant, '/Groups?excludedAttributes=members')).body).toEqual(listOf(others))
	})

	it('always include id and schemas', async () => {
		const { tenant, user, path } = await withUser({ title: 'Engineer' })
		const least = { schemas: [urn.user], id: user.id }
		expect((await get(tenant, `${path}?attributes=id`)).body).toEqual(least)
		expect((await get(tenant, '/Users?attributes=id')).body).toEqual(listOf(least))
		expect((await get(tenant, `${path}?attributes=shoeSize`)).body).toEqual(least)
		expect((await get(tenant, `${path}?excludedAttributes=id,schemas,meta,userName`)).body).toEqual({
			...least,
			title: 'Engineer',
			active: true,
		})
	})
})

describe('a POST', () => {
	it('ignores empty and unknown values, and reads words as booleans', async () => {
		const tenant = await host()
		const { status, body } = await send(tenant, {
			method: 'POST',
			path: '/Users',
			body: {
				schemas: [urn.user],
				id: '48af03ac28ad4fb88478',
				userName: 'joy@testuser.com',
				active: 'True',
				addresses: null,
				phoneNumbers: [],
				title: null,
				manager: null,
				department: null,
				emails: [{ primary: 'True', type: 'work', value: 'joy@contoso.com' }],
				roles: [],
				shoeSize: 42,
				'urn:ietf:params:scim:schemas:extension:acme:2.0:User': { badge: '7' },
				[urn.enterprise]: { manager: '123456' },
				meta: { resourceType: 'User', version: 'W/"1"', location: 'https://example.com' },
			},
		})
		expect(status).toBe(201)
		expect(body).toEqual({
			schemas: [urn.user, urn.enterprise],
			id: expect.stringMatching(/^[0-9a-f]{32}$/),
			userName: 'joy@testuser.com',
			active: true,
			emails: [{ primary: true, type: 'work', value: 'joy@contoso.com' }],
			[urn.enterprise]: { manager: { value: '123456' } },
			meta: {
				resourceType: 'User',
				created: body.meta.lastModified,
				lastModified: expect.stringMatching(/Z$/),
				location: `${tenant.baseUrl}/Users/${body.id}`,
				version: expect.stringMatching(/^W\/"\w+"$/),
			},
		})
		expect((await get(tenant, `/Users/${body.id}`)).body).toEqual(body)
	})

	it('of a group may name an unknown schema', async () => {
		const tenant = await host()
		const adscim = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'
		const { status, body } = await send(tenant, {
			method: 'POST',
			path: '/Groups',
			body: { schemas: [urn.group, adscim], externalId: '8aa1a0c0', displayName: 'Ops', members: null },
		})
		expect(status).toBe(201)
		expect(body).toEqual({
			...aGroup('Ops', { externalId: '8aa1a0c0' }),
			id: body.id,
			meta: body.meta,
		})
	})
})

describe('an add or replace whose filter matches nothing', () => {
	it.each(['Add', 'replace'])('creates the element, which later operations find: %s', async (op) => {
		const { tenant, path } = await withUser()
		const { status, body } = await patch(
			tenant,
			path,
			{ op, path: 'emails[type eq "work"].value', value: 'joy@contoso.com' },
			{ op, path: 'emails[type eq "work"].display', value: 'Joy' },
			{ op, path: 'emails[type eq "work"].primary', value: true },
			{ op, path: 'emails[type eq "home" and primary eq "True"].value', value: 'joy@home.org' },
			{ op, path: 'addresses[type eq "work"].locality', value: 'Paris' },
			{ op, path: 'addresses[type eq "work"].country', value: 'FR' },
		)
		expect(status).toBe(200)
		expect(ownAttributes(body)).toEqual({
			emails: [
				{ type: 'work', value: 'joy@contoso.com', display: 'Joy', primary: false },
				{ type: 'home', primary: true, value: 'joy@home.org' },
			],
			addresses: [{ type: 'work', locality: 'Paris', country: 'FR' }],
		})
		expect((await get(tenant, path)).body).toEqual(body)
	})

	it('is a 400 if the filter does not define the element', async () => {
		const { tenant, user, path } = await withUser()
		const operation = { op: 'replace', path: 'emails[type ne "home"].value', value: 'joy@contoso.com' }
		expect(await patch(tenant, path, operation)).toEqual(
			answer(
				400,
				errorOf(400, 'Operations[0]: emails[type ne "home"].value: no value of emails matches the filter', 'noTarget'),
			),
		)
		expect((await get(tenant, path)).body).toEqual(user)
	})
})

const optional = [
	'externalId',
	'displayName',
	'nickName',
	'profileUrl',
	'title',
	'userType',
	'preferredLanguage',
	'locale',
	'timezone',
	'name.formatted',
	'name.familyName',
	'name.givenName',
	'name.middleName',
	'name.honorificPrefix',
	'emails[type eq "work"].value',
	'emails[type eq "other"].value',
	'phoneNumbers[type eq "mobile"].value',
	'addresses[type eq "work"].formatted',
	'addresses[type eq "work"].country',
	'roles[primary eq "True"].value',
	...['employeeNumber', 'costCenter', 'organization', 'division', 'department'].map((at) => `${urn.enterprise}:${at}`),
]

describe('a replace', () => {
	it.each([[''], [null]])('by %j unassigns every optional attribute, assigned or not', async (value) => {
		const { tenant, user, path } = await withUser()
		const full = await patch(
			tenant,
			path,
			...optional.map((at) => ({ op: 'replace', path: at, value: 'upd-1a2b3c4d' })),
		)
		expect(ownAttributes(full.body)).toEqual({
			...Object.fromEntries(optional.slice(0, 9).map((name) => [name, 'upd-1a2b3c4d'])),
			name: Object.fromEntries(optional.slice(9, 14).map((name) => [name.slice('name.'.length), 'upd-1a2b3c4d'])),
			emails: ['work', 'other'].map((type) => ({ type, value: 'upd-1a2b3c4d' })),
			phoneNumbers: [{ type: 'mobile', value: 'upd-1a2b3c4d' }],
			addresses: [{ type: 'work', formatted: 'upd-1a2b3c4d', country: 'upd-1a2b3c4d' }],
			roles: [{ primary: true, value: 'upd-1a2b3c4d' }],
			[urn.enterprise]: Object.fromEntries(
				optional.slice(-5).map((at) => [at.slice(urn.enterprise.length + 1), 'upd-1a2b3c4d']),
			),
		})
		const clear = optional.map((at) => ({ op: 'replace', path: at, value }))
		const cleared = await patch(tenant, path, ...clear)
		expect(cleared).toEqual(answer(200, { ...user, meta: cleared.body.meta }))
		expect(await patch(tenant, path, ...clear)).toEqual(answer(200, cleared.body))
	})

	it.each([
		['nested', { name: { givenName: 'Joy' } }, { name: { givenName: 'Joy', familyName: 'Young' } }],
		['with dots', { 'name.givenName': 'Joy' }, { name: { givenName: 'Joy', familyName: 'Young' } }],
		['in any letter case', { 'NAME.GIVENNAME': 'Joy' }, { name: { givenName: 'Joy', familyName: 'Young' } }],
		[
			'with a URN',
			{ [`${urn.enterprise}:department`]: 'Ops' },
			{ [urn.enterprise]: { costCenter: '4130', department: 'Ops' } },
		],
		[
			'URNs alone',
			{ [urn.enterprise]: { department: 'Ops' } },
			{ [urn.enterprise]: { costCenter: '4130', department: 'Ops' } },
		],
		['with the URN of the core schema', { [`${urn.user}:title`]: 'Engineer' }, { title: 'Engineer' }],
		[
			'with filters',
			{ 'emails[type eq "work"].value': 'joy@contoso.com' },
			{ emails: [{ type: 'work', value: 'joy@contoso.com' }] },
		],
	])('or add without a path accepts names %s, and does not change other attributes', async (_, value, changed) => {
		for (const op of ['add', 'Replace']) {
			const before = { name: { givenName: 'J', familyName: 'Young' }, [urn.enterprise]: { costCenter: '4130' } }
			const { tenant, path } = await withUser(before)
			const { status, body } = await patch(tenant, path, { op, value })
			expect(status).toBe(200)
			expect(ownAttributes(body)).toEqual({ ...before, ...changed })
		}
	})

	it.each(['add', 'replace'])('or add of a complex attribute merges its sub-attributes: %s', async (op) => {
		const { tenant, path } = await withUser({ name: { givenName: 'J', familyName: 'Young', middleName: 'X' } })
		const { body } = await patch(tenant, path, { op, path: 'name', value: { givenName: 'Joy', middleName: null } })
		expect(ownAttributes(body)).toEqual({ name: { givenName: 'Joy', familyName: 'Young' } })
	})
})

describe('members', () => {
	it.each([
		[
			'objects',
			{ op: 'Remove', path: 'members', value: [{ $ref: null, value: '{joy}' }, { value: '{ann}' }] },
			['bob'],
		],
		['texts', { op: 'remove', path: 'members', value: ['{joy}'] }, ['ann', 'bob']],
		['one object', { op: 'remove', path: 'members', value: { value: '{bob}' } }, ['joy', 'ann']],
		['a filter', { op: 'remove', path: 'members[value eq "{ann}"]' }, ['joy', 'bob']],
		['no value', { op: 'remove', path: 'members' }, []],
		[
			'a user who is not a member',
			{ op: 'Remove', path: 'members', value: [{ value: '{outsider}' }] },
			['joy', 'ann', 'bob'],
		],
		['an id that never existed', { op: 'remove', path: 'members[value eq "u1091"]' }, ['joy', 'ann', 'bob']],
		['nobody', { op: 'Remove', path: 'members', value: [] }, ['joy', 'ann', 'bob']],
	])('are removed by %s', async (_, operation, left) => {
		const { tenant, ids, path } = await withGroup('joy', 'ann', 'bob')
		expect((await patch(tenant, path, withIds(operation, ids))).status).toBe(204)
		expect(await memberIds(tenant, path)).toEqual(left.map((name) => ids[name]))
	})

	it.each([
		[[{ $ref: null }], 'Operations[0]: members[0].value is required'],
		[[null], 'Operations[0]: members[0].value is required'],
		[[{ value: '' }], 'Operations[0]: members[0].value is required'],
		[[{ value: 42 }], 'Operations[0]: members[0].value must be a string, not the number 42'],
		[null, 'Operations[0]: members: the value of a remove must name members'],
		['', 'Operations[0]: members: the value of a remove must name members'],
		[42, 'Operations[0]: members must be an object, not the number 42'],
	])('all stay if the value of a remove names no member: %j', async (value, detail) => {
		const { tenant, group, path } = await withGroup('joy', 'ann')
		expect(await patch(tenant, path, { op: 'Remove', path: 'members', value })).toEqual(
			answer(400, errorOf(400, detail, 'invalidValue')),
		)
		expect((await get(tenant, path)).body).toEqual(group)
	})

	it.each([
		['a text', { op: 'add', path: 'members', value: '{outsider}' }, ['joy', 'outsider']],
		['an object', { op: 'Add', path: 'members', value: { value: '{outsider}' } }, ['joy', 'outsider']],
		['a list', { op: 'Add', path: 'members', value: [{ $ref: null, value: '{outsider}' }] }, ['joy', 'outsider']],
		['a list of strings', { op: 'add', path: 'members', value: ['{outsider}'] }, ['joy', 'outsider']],
		['no path', { op: 'add', value: { members: [{ value: '{outsider}' }] } }, ['joy', 'outsider']],
		[
			'a user who is already a member',
			{ op: 'Add', path: 'members', value: [{ value: '{joy}' }, { value: '{joy}' }] },
			['joy'],
		],
		['a new set', { op: 'replace', path: 'members', value: [{ value: '{outsider}' }] }, ['outsider']],
	])('are added by %s', async (_, operation, after) => {
		const { tenant, ids, group, path } = await withGroup('joy')
		const { status, headers } = await patch(tenant, path, withIds(operation, ids))
		expect(status).toBe(204)
		expect(headers.etag === group.meta.version).toBe(after.join() === 'joy')
		expect(await memberIds(tenant, path)).toEqual(after.map((name) => ids[name]))
	})
})

describe('a manager', () => {
	const manager = `${urn.enterprise}:manager`

	it.each([
		['a text', { op: 'Add', path: manager, value: '2c2f6fb8' }, { value: '2c2f6fb8' }],
		['an object', { op: 'Add', path: manager, value: { value: 'AXTKDLNRKMKT' } }, { value: 'AXTKDLNRKMKT' }],
		['another object', { op: 'replace', path: manager, value: { value: 'CBEQXYNPNAZS' } }, { value: 'CBEQXYNPNAZS' }],
		[
			'a list, without the URN',
			{ op: 'Add', path: 'manager', value: [{ $ref: 'http://localhost/scim/Users/00aa', value: '00aa' }] },
			{ $ref: 'http://localhost/scim/Users/00aa', value: '00aa' },
		],
		['an object without a value', { op: 'replace', path: manager, value: { value: '' } }, undefined],
		['an empty string', { op: 'replace', path: manager, value: '' }, undefined],
		['a remove', { op: 'remove', path: manager }, undefined],
		['a remove with a filter', { op: 'remove', path: 'manager[value eq "manager-id"]' }, undefined],
	])('is set, changed or removed by %s; an empty extension is removed', async (_, operation, after) => {
		const { tenant, user, path } = await withUser({ [urn.enterprise]: { manager: 'manager-id' } })
		expect(user[urn.enterprise]).toEqual({ manager: { value: 'manager-id' } })
		const { status, body } = await patch(tenant, path, operation)
		expect(status).toBe(200)
		expect({ schemas: body.schemas, ...ownAttributes(body) }).toEqual(
			after === undefined
				? { schemas: [urn.user] }
				: { schemas: [urn.user, urn.enterprise], [urn.enterprise]: { manager: after } },
		)
		expect((await get(tenant, path)).body).toEqual(body)
	})

	it('stays if the filter of a remove names another manager', async () => {
		const { tenant, user, path } = await withUser({ [urn.enterprise]: { manager: 'manager-id' } })
		const operation = { op: 'remove', path: 'manager[value eq "somebody-else"]' }
		expect(await patch(tenant, path, operation)).toEqual(answer(200, user))
	})
})

describe('roles', () => {
	const type = 'WindowsAzureActiveDirectoryRole'
	const json = '{"id":"06b07648","value":"25","displayName":"Role1234"}'

	it.each([
		[
			{ op: 'Add', path: 'roles[primary eq "True"].value', value: 'Admin' },
			[
				{ value: 'old', primary: false },
				{ primary: true, value: 'Admin' },
			],
		],
		[
			{ op: 'Add', path: 'roles', value: [{ primary: 'True', display: 'RAJB', value: 'OGCI', type: 'IJAQ' }] },
			[
				{ value: 'old', primary: false },
				{ primary: true, display: 'RAJB', value: 'OGCI', type: 'IJAQ' },
			],
		],
		[
			{ op: 'Add', path: 'roles', value: [{ value: json }] },
			[
				{ value: 'old', primary: false },
				{ value: '25', display: 'Role1234' },
			],
		],
		[
			{ op: 'replace', path: 'roles', value: [{ primary: false, type, display: 'User', value: 'User' }] },
			[{ primary: false, type, display: 'User', value: 'User' }],
		],
		[
			{ op: 'replace', path: 'roles', value: [{ primary: 'False', type, displayName: 'User', value: 'User' }] },
			[{ primary: false, type, display: 'User', value: 'User' }],
		],
	])('are written as %j', async (operation, roles) => {
		const { tenant, path } = await withUser({ roles: [{ value: 'old', primary: 'False' }] })
		const { status, body } = await patch(tenant, path, operation)
		expect([status, ownAttributes(body)]).toEqual([200, { roles }])
		expect((await get(tenant, path)).body).toEqual(body)
	})

	it('with one primary role are changed by the word True', async () => {
		const { tenant, path } = await withUser({ roles: [{ primary: 'True', type, value: 'Admin' }] })
		const { body } = await patch(tenant, path, { op: 'Replace', path: 'roles[primary eq "True"].value', value: 'User' })
		expect(ownAttributes(body)).toEqual({ roles: [{ primary: true, type, value: 'User' }] })
	})
})

describe('a PATCH', () => {
	it('without operations is refused', async () => {
		const { tenant, path } = await withGroup('joy')
		const user = await tenant.create('/Users', aUser('ann'))
		const refused = answer(400, errorOf(400, 'Operations is an empty list: it must have an operation', 'invalidSyntax'))
		expect(await patch(tenant, `/Users/${user.id}`)).toEqual(refused)
		expect(await patch(tenant, path)).toEqual(refused)
	})

	it('that changes nothing succeeds and keeps the version', async () => {
		const { tenant, ids, group, path } = await withGroup('joy')
		const user = await tenant.create('/Users', aUser('ann', { active: true, title: 'Engineer' }))
		const operations = [
			{ op: 'Replace', path: 'active', value: 'True' },
			{ op: 'Add', path: 'title', value: 'Engineer' },
			{ op: 'Remove', path: 'nickName' },
		]
		expect(await patch(tenant, `/Users/${user.id}`, ...operations)).toEqual(answer(200, user))
		const again = { op: 'Add', path: 'members', value: [{ value: ids.joy }] }
		expect(await patch(tenant, path, again)).toEqual(answer(204, undefined, { etag: group.meta.version }))
		expect((await get(tenant, path)).body).toEqual(group)
	})

	it('is applied as a whole or not at all', async () => {
		const { tenant, ids, group, path } = await withGroup('joy')
		const user = await tenant.create('/Users', aUser('ann'))
		expect(
			await patch(
				tenant,
				`/Users/${user.id}`,
				{ op: 'Replace', path: 'displayName', value: 'Lost' },
				{ op: 'Replace', path: 'active', value: 'maybe' },
			),
		).toEqual(
			answer(400, errorOf(400, 'Operations[1]: active must be a boolean, not the string "maybe"', 'invalidValue')),
		)
		expect((await get(tenant, `/Users/${user.id}`)).body).toEqual(user)
		expect(
			await patch(
				tenant,
				path,
				{ op: 'Remove', path: 'members', value: [{ value: ids.joy }] },
				{ op: 'Add', path: 'members', value: [{ value: ids.outsider }, { value: 'u1091' }] },
			),
		).toEqual(answer(400, errorOf(400, 'Operations[1]: members[1].value: no user has the id "u1091"', 'invalidValue')))
		expect((await get(tenant, path)).body).toEqual(group)
	})
})

describe('a user', () => {
	it('that is disabled stays visible, and one that is deleted is gone permanently', async () => {
		const { tenant, user, path } = await withUser({ active: true })
		const match = '/Users?filter=userName+eq+"joy%40testuser.com"'
		const disabled = await patch(tenant, path, { op: 'Replace', path: 'active', value: 'False' })
		expect(disabled).toEqual(answer(200, { ...user, active: false, meta: disabled.body.meta }))
		expect(await get(tenant, path)).toEqual(answer(200, disabled.body))
		expect(await get(tenant, match)).toEqual(answer(200, listOf(disabled.body)))
		const remove = () => send(tenant, { method: 'DELETE', path })
		const gone = answer(404, errorOf(404, `there is no User with the id "${user.id}"`))
		expect(await remove()).toEqual(answer(204))
		expect(await remove()).toEqual(gone)
		expect(await get(tenant, path)).toEqual(gone)
		expect(await get(tenant, match)).toEqual(answer(200, listOf()))
		const again = await tenant.create('/Users', aUser('joy@testuser.com', { active: true }))
		expect(again.id).not.toBe(user.id)
		expect(await get(tenant, match)).toEqual(answer(200, listOf(again)))
		expect(await get(tenant, path)).toEqual(gone)
	})

	it('keeps its strings exactly, and any type label', async () => {
		const texts = {
			externalId: '2026-11-25T20:58:01.0000000+00:00',
			title: ' leading and trailing ',
			profileUrl: 'RVSZJGLGMDLF',
			locale: 'PUWGYNUKSGVE',
			timezone: 'Mars/Phobos',
			preferredLanguage: 'upd-1a2b3c4d',
			emails: [{ type: 'QKXW', value: 'upd-1a2b3c4d' }, { value: 'neither type nor @' }],
			phoneNumbers: [{ type: 'Satellite phone', value: '(425) 555 0100 ext. 7' }],
			addresses: [{ type: 'work', country: 'upd-1a2b3c4d' }],
		}
		const { tenant, user, path } = await withUser(texts)
		expect(ownAttributes(user)).toEqual(texts)
		expect((await get(tenant, path)).body).toEqual(user)
		const renamed = await patch(tenant, path, { op: 'replace', path: 'userName', value: 'upd-5e6f7a8b' })
		expect(renamed.body).toEqual({ ...user, userName: 'upd-5e6f7a8b', meta: renamed.body.meta })
		const added = { op: 'add', path: 'emails[type eq "LNTB"].value', value: 'upd-9c0d' }
		expect((await patch(tenant, path, added)).body.emails).toEqual([
			...texts.emails,
			{ type: 'LNTB', value: 'upd-9c0d' },
		])
	})
})

describe('a body', () => {
	it.each([
		'application/scim+json',
		'application/scim+json; charset=utf-8',
		'application/scim+json;charset=UTF-8',
		'application/json',
		'application/json; charset="utf-8"',
		'Application/JSON; Charset=UTF-8',
	])('is read as %s, with and without a byte order mark', async (type) => {
		const tenant = await host()
		for (const [mark, userName] of [
			['', 'joy'],
			['\ufeff', 'ann'],
		] as const) {
			const headers = { 'Content-Type': type }
			const body = `${mark}${JSON.stringify(aUser(userName))}`
			const created = await send(tenant, { method: 'POST', path: '/Users', headers, body })
			expect(created).toEqual(
				answer(201, { ...aUser(userName), active: true, id: created.body.id, meta: created.body.meta }),
			)
			const change = `${mark}${JSON.stringify(patchOf({ op: 'Replace', path: 'title', value: 'Zoë' }))}`
			const path = `/Users/${created.body.id}`
			const changed = await send(tenant, { method: 'PATCH', path, headers, body: change })
			expect(changed).toEqual(answer(200, { ...created.body, title: 'Zoë', meta: changed.body.meta }))
		}
	})

	it('that is not JSON is refused', async () => {
		const tenant = await host()
		const { body, ...received } = await send(tenant, { method: 'POST', path: '/Users', body: '{ "acve": tre }' })
		expect({ ...received, body }).toEqual(answer(400, errorOf(400, body.detail, 'invalidSyntax')))
		expect(body.detail).toMatch(/^the body is not JSON: /)
	})

	it('of another type is refused', async () => {
		const tenant = await host()
		const headers = { 'Content-Type': 'text/plain' }
		expect(await send(tenant, { method: 'POST', path: '/Users', headers, body: aUser('joy') })).toEqual(
			answer(415, errorOf(415, 'the Content-Type is text/plain: send application/scim+json')),
		)
	})
})

describe('a refused request', () => {
	it.each(['Bearer wrong', 'Bearer', 'Basic am95OnNlY3JldA==', ''])(
		'is a 401 in SCIM with "%s"',
		async (Authorization) => {
			const tenant = await host()
			for (const path of ['/Users', '/Schemas', '/nothing']) {
				const { status, headers, body } = await send(tenant, { method: 'GET', path, headers: { Authorization } })
				expect({ status, headers, body }).toEqual(
					answer(401, errorOf(401, body.detail), { 'www-authenticate': expect.stringMatching(/^Bearer realm="scim"/) }),
				)
				expect(body.detail).toMatch(/token/)
			}
		},
	)

	it('to an unknown tenant has the same answer as one with a wrong token', async () => {
		const tenant = await host()
		const wrong = await get({ ...tenant, token: 'wrong' }, '/Users')
		expect(await get({ ...tenant, baseUrl: tenant.baseUrl.replace('tenant-', 'nobody-') }, '/Users')).toEqual(wrong)
	})

	it('to an unknown path has an answer in SCIM', async () => {
		const tenant = await host()
		const { body } = await get(tenant, '/index.html')
		expect(await get(tenant, '/index.html')).toEqual(answer(404, errorOf(404, body.detail)))
		expect(body.detail).toContain('/index.html')
	})
})

describe('load', () => {
	it('of one PATCH for each of a hundred members, 25 at a time, is handled at 25 or more a second', async () => {
		const { tenant, path } = await withGroup()
		const ids: string[] = []
		for (let index = 0; index < 100; index++) ids.push((await tenant.create('/Users', aUser(`user-${index}`))).id)
		const left = ids.values()
		const statuses: number[] = []
		const working = scaledClock(1)
		const started = working.now()
		await Promise.all(
			Array.from({ length: 25 }, async () => {
				for (const value of left) {
					const operation = { op: 'Add', path: 'members', value: [{ $ref: null, value }] }
					statuses.push((await patch(tenant, path, operation)).status)
				}
			}),
		)
		expect(working.now() - started).toBeLessThan(4000)
		expect(statuses).toEqual(ids.map(() => 204))
		expect((await memberIds(tenant, path)).sort()).toEqual(ids.sort())
	})

	it('that the storage cannot take is a 503 with Retry-After, for as long as it lasts', async () => {
		const { tenant, user, path } = await withUser()
		const busy = answer(503, errorOf(503, 'the directory is not available at the moment'), { 'retry-after': '5' })
		fate = 'unsent'
		try {
			expect(await get(tenant, path)).toEqual(busy)
			expect(await patch(tenant, path, { op: 'Replace', path: 'active', value: 'False' })).toEqual(busy)
		} finally {
			fate = 'answered'
		}
		expect(await get(tenant, path)).toEqual(answer(200, user))
	})
})

describe('an endpoint', () => {
	it.each(['/Users', '/Groups', '/Schemas', '/ResourceTypes', '/ServiceProviderConfig'])(
		'%s is the same with a slash at its end and two at its beginning',
		async (path) => {
			const tenant = await host()
			const plain = await get(tenant, path)
			expect(plain).toEqual(answer(200, plain.body))
			expect(await get(tenant, `${path}/`)).toEqual(plain)
			expect(await get(tenant, `/${path}`)).toEqual(plain)
			expect(await get(tenant, `/${path}//?aadOptscim062020`)).toEqual(plain)
		},
	)

	it('for groups returns an empty list if there are none', async () => {
		const { tenant } = await withUser()
		expect(await get(tenant, '/Groups')).toEqual(answer(200, listOf()))
	})
})
