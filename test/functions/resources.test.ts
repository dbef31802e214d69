import { describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const host = useHost()

const urn = (name: string) => `urn:ietf:params:scim:${name}`
const enterprise = urn('schemas:extension:enterprise:2.0:User')
const patch = (...Operations: unknown[]) => ({ body: { schemas: [urn('api:messages:2.0:PatchOp')], Operations } })
const rename = patch({ op: 'replace', path: 'displayName', value: 'Bábs' })
const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const etag = expect.stringMatching(/^W\/"[0-9a-f]{32}"$/)

const babs = {
	schemas: [urn('schemas:core:2.0:User'), enterprise],
	userName: 'bjensen@example.com',
	externalId: '701984',
	name: { formatted: 'Ms. Barbara J Jensen, III', familyName: 'Jensen', givenName: 'Barbara' },
	displayName: 'Babs Jensen',
	active: true,
	emails: [
		{ value: 'bjensen@example.com', type: 'work', primary: true },
		{ value: 'babs@jensen.org', type: 'home' },
	],
	[enterprise]: { employeeNumber: '701984', department: 'Tour Operations' },
}

const errorOf = (status: string, detail: string) => ({ schemas: [urn('api:messages:2.0:Error')], status, detail })
const stale = errorOf('412', 'the current version of the resource does not match If-Match: read the resource again')

/** Babs and a group that has her as a member. */
async function populated() {
	const tenant = await host()
	const user = await tenant.create('/Users', babs)
	const group = await tenant.create('/Groups', {
		displayName: 'Guides',
		members: [{ value: user.id, display: 'Babs' }],
	})
	return { tenant, user, group, at: { user: `/Users/${user.id}`, group: `/Groups/${group.id}` } }
}

describe('POST', () => {
	it('returns the user as it is stored, and its location', async () => {
		const tenant = await host()
		const { status, headers, body } = await tenant.request('POST', '/Users', {
			body: { ...babs, id: 'mine', meta: {}, x: 1 },
		})
		const location = `${tenant.baseUrl}/Users/${body.id}`
		expect(status).toBe(201)
		expect(body).toEqual({
			...babs,
			id: expect.stringMatching(/^[0-9a-f]{32}$/),
			meta: { resourceType: 'User', created: timestamp, lastModified: body.meta.created, location, version: etag },
		})
		expect(Object.fromEntries(headers)).toMatchObject({
			'content-type': 'application/scim+json; charset=utf-8',
			'cache-control': 'no-store',
			location,
			etag: body.meta.version,
		})
		const found = await tenant.request('GET', `/Users/${body.id}`)
		expect([found.status, found.body, found.headers.get('etag')]).toEqual([200, body, body.meta.version])
		expect(found.headers.get('location')).toBe(location)
	})

	it('returns the selected attributes', async () => {
		const tenant = await host()
		const { body } = await tenant.request('POST', '/Users?attributes=userName', { body: babs })
		expect(body).toEqual({ schemas: babs.schemas, id: expect.any(String), userName: babs.userName })
	})

	it('never stores a password', async () => {
		const tenant = await host()
		const { id } = await tenant.create('/Users', { userName: 'joy', password: 'open sesame' })
		const { body } = await tenant.request('GET', `/Users/${id}?attributes=password,userName`)
		expect(body).toEqual({ schemas: [urn('schemas:core:2.0:User')], id, userName: 'joy' })
	})
})

describe('GET', () => {
	it('is a 404 for an unknown id, for a resource of the other type, and for one of another tenant', async () => {
		const { tenant, user, group } = await populated()
		const other = await host()
		for (const [asked, path, detail] of [
			[tenant, '/Users/nobody', 'there is no User with the id "nobody"'],
			[tenant, `/Users/${group.id}`, `there is no User with the id "${group.id}"`],
			[tenant, `/Groups/${user.id}`, `there is no Group with the id "${user.id}"`],
			[other, `/Users/${user.id}`, `there is no User with the id "${user.id}"`],
		] as const) {
			const { status, body } = await asked.request('GET', path)
			expect([status, body]).toEqual([404, errorOf('404', detail)])
		}
	})

	it.each<[string, (version: string) => string, number]>([
		['the version', (version) => version, 304],
		['the version among others', (version) => `W/"1", ${version}`, 304],
		['the version as a strong tag', (version) => version.slice(2), 304],
		['anything', () => '*', 304],
		['another version', () => 'W/"1"', 200],
		['no tag at all', () => 'x', 200],
	])('with If-None-Match of %s', async (_, tag, status) => {
		const { tenant, user, at } = await populated()
		const answer = await tenant.request('GET', at.user, { headers: { 'If-None-Match': tag(user.meta.version) } })
		expect([answer.status, answer.headers.get('etag')]).toEqual([status, user.meta.version])
		expect(answer.body).toEqual(status === 304 ? undefined : user)
	})

	it.each(['user', 'group'] as const)(
		'of a %s is a 412 if If-Match has another version, before it is a 304',
		async (kind) => {
			const { tenant, at, ...resources } = await populated()
			const { version } = resources[kind].meta
			const ask = (...headers: [string, string][]) =>
				tenant.request('GET', at[kind], { headers: Object.fromEntries(headers) })
			for (const query of ['', '?excludedAttributes=members']) {
				const path = `${at[kind]}${query}`
				const { status, body } = await tenant.request('GET', path, { headers: { 'If-Match': 'W/"1"' } })
				expect([status, body]).toEqual([412, stale])
			}
			expect((await ask(['If-Match', 'W/"1"'], ['If-None-Match', version])).status).toBe(412)
			expect((await ask(['If-Match', version], ['If-None-Match', version])).status).toBe(304)
			expect((await ask(['If-Match', version])).body).toEqual(resources[kind])
			expect((await ask(['If-Match', '*'])).status).toBe(200)
		},
	)

	it('of an empty group shows that it has no members, unless they are left out', async () => {
		const tenant = await host()
		const group = { ...(await tenant.create('/Groups', { displayName: 'Empty' })), members: [] }
		const path = `/Groups/${group.id}`
		expect((await tenant.request('GET', path)).body).toEqual(group)
		expect((await tenant.request('GET', '/Groups')).body.Resources).toEqual([group])
		expect((await tenant.request('GET', `${path}?attributes=members.value`)).body.members).toEqual([])
		for (const query of ['excludedAttributes=members', 'attributes=displayName']) {
			expect((await tenant.request('GET', `${path}?${query}`)).body).not.toHaveProperty('members')
			expect((await tenant.request('GET', `/Groups?${query}`)).body.Resources[0]).not.toHaveProperty('members')
		}
	})

	it('has the same answer as HEAD, which has no body', async () => {
		const { tenant, user, at } = await populated()
		const { status, headers, body } = await tenant.request('HEAD', at.user)
		expect([status, headers.get('etag'), body]).toEqual([200, user.meta.version, undefined])
		expect((await tenant.request('HEAD', '/Users/nobody')).status).toBe(404)
	})

	it.each<[string, string, object]>([
		['user', 'attributes=userName', { userName: babs.userName }],
		['user', 'attributes=USERNAME, name.familyName', { userName: babs.userName, name: { familyName: 'Jensen' } }],
		['user', `attributes=${urn('schemas:core:2.0:User')}:displayName`, { displayName: babs.displayName }],
		['user', `attributes=${enterprise}:department`, { [enterprise]: { department: 'Tour Operations' } }],
		['user', `attributes=${enterprise}`, { [enterprise]: babs[enterprise] }],
		['user', 'attributes=emails.type', { emails: [{ type: 'work' }, { type: 'home' }] }],
		['user', 'attributes=nope', {}],
		[
			'user',
			`excludedAttributes=emails,name,meta,externalId,active,${enterprise}`,
			{ schemas: [babs.schemas[0]], userName: babs.userName, displayName: babs.displayName },
		],
		[
			'user',
			`excludedAttributes=id,schemas,userName,emails,name.formatted,meta,externalId,active,${enterprise}`,
			{
				schemas: [babs.schemas[0]],
				name: { familyName: 'Jensen', givenName: 'Barbara' },
				displayName: babs.displayName,
			},
		],
		[
			'user',
			'attributes=groups',
			{ groups: [{ value: '<group>', $ref: '<base>/Groups/<group>', display: 'Guides', type: 'direct' }] },
		],
		['group', 'attributes=displayName', { displayName: 'Guides' }],
		['group', 'excludedAttributes=members,meta', { displayName: 'Guides' }],
		[
			'group',
			'attributes=members',
			{ members: [{ value: '<user>', $ref: '<base>/Users/<user>', type: 'User', display: 'Babs' }] },
		],
		['group', 'attributes=members.value', { members: [{ value: '<user>' }] }],
	])('of a %s with %s', async (kind, query, expected) => {
		const { tenant, user, group, at } = await populated()
		const [resource, path] = kind === 'user' ? [user, at.user] : [group, at.group]
		const { status, body } = await tenant.request('GET', `${path}?${query}`)
		const placed = JSON.stringify(expected)
			.replaceAll('<user>', user.id)
			.replaceAll('<group>', group.id)
			.replaceAll('<base>', tenant.baseUrl)
		expect([status, body]).toEqual([200, { schemas: resource.schemas, id: resource.id, ...JSON.parse(placed) }])
	})
})

describe('PUT', () => {
	it('clears the attributes that it leaves out except active, and keeps those that only we write', async () => {
		const { tenant, user, at } = await populated()
		const replaced = {
			userName: 'BJensen@example.com',
			id: 'mine',
			groups: [],
			meta: { created: '1970-01-01T00:00:00Z' },
		}
		const { status, headers, body } = await tenant.request('PUT', at.user, { body: replaced })
		expect([status, body]).toEqual([
			200,
			{
				schemas: [urn('schemas:core:2.0:User')],
				id: user.id,
				userName: 'BJensen@example.com',
				active: true,
				meta: { ...user.meta, lastModified: timestamp, version: etag },
			},
		])
		expect(body.meta.version).not.toBe(user.meta.version)
		expect([headers.get('etag'), headers.get('location')]).toEqual([body.meta.version, user.meta.location])
		const { body: found } = await tenant.request('GET', `${at.user}?attributes=userName,groups`)
		expect(found).toMatchObject({ userName: 'BJensen@example.com', groups: [{ display: 'Guides' }] })
	})

	it('without a change keeps the version', async () => {
		const { tenant, user, group, at } = await populated()
		expect((await tenant.request('PUT', at.user, { body: user })).body).toEqual(user)
		expect((await tenant.request('PUT', at.group, { body: group })).body).toEqual(group)
	})

	it('of a group sets its members', async () => {
		const { tenant, user, group, at } = await populated()
		const other = await tenant.create('/Users', { userName: 'joy' })
		const put = async (...members: string[]) =>
			(
				await tenant.request('PUT', at.group, {
					body: { displayName: 'Guides', members: members.map((value) => ({ value })) },
				})
			).body
		const valuesIn = ({ members = [] }: { members?: { value: string }[] }) => members.map(({ value }) => value)
		const replaced = await put(other.id)
		expect(valuesIn(replaced)).toEqual([other.id])
		expect(replaced.meta.version).not.toBe(group.meta.version)
		expect(valuesIn(await put(user.id, other.id))).toEqual([user.id, other.id])
		expect(valuesIn(await put())).toEqual([])
		expect((await tenant.request('GET', at.group)).body.members).toEqual([])
	})
})

describe('PATCH', () => {
	it('returns the whole user, or its selected attributes', async () => {
		const { tenant, user, at } = await populated()
		const { status, headers, body } = await tenant.request('PATCH', at.user, rename)
		expect([status, body]).toEqual([
			200,
			{ ...user, displayName: 'Bábs', meta: { ...user.meta, lastModified: timestamp, version: etag } },
		])
		expect([headers.get('etag'), headers.get('location')]).toEqual([body.meta.version, user.meta.location])
		const some = await tenant.request(
			'PATCH',
			`${at.user}?attributes=title`,
			patch({ op: 'add', path: 'title', value: 'Dr' }),
		)
		expect([some.status, some.body]).toEqual([200, { schemas: user.schemas, id: user.id, title: 'Dr' }])
	})

	it('returns the new version of a group, and attributes only if the client selects them', async () => {
		const { tenant, group, at } = await populated()
		const { status, headers, body } = await tenant.request('PATCH', at.group, rename)
		expect([status, body]).toEqual([204, undefined])
		const { body: found } = await tenant.request('GET', at.group)
		expect(found).toEqual({
			...group,
			displayName: 'Bábs',
			meta: { ...group.meta, lastModified: timestamp, version: headers.get('etag') },
		})
		expect(found.meta.version).not.toBe(group.meta.version)
		const some = await tenant.request('PATCH', `${at.group}?attributes=displayName`, rename)
		expect([some.status, some.body]).toEqual([200, { schemas: group.schemas, id: group.id, displayName: 'Bábs' }])
	})
})

describe('PATCH of members by a filter', () => {
	it.each<[string, object, string[]]>([
		['their type', { op: 'remove', path: 'members[type eq "User"]' }, []],
		['their type and their display', { op: 'remove', path: 'members[type eq "User" and display eq "babs"]' }, ['joy']],
		['another type', { op: 'remove', path: 'members[type ne "User"]' }, ['babs', 'joy']],
		[
			'an effect that they already have',
			{ op: 'add', path: 'members[value eq "<joy>"]', value: { value: '<joy>', type: 'User' } },
			['babs', 'joy'],
		],
	])('sees the members as a GET shows them: %s', async (_, operation, left) => {
		const { tenant, user, at } = await populated()
		const ids: Record<string, string> = { babs: user.id, joy: (await tenant.create('/Users', { userName: 'joy' })).id }
		await tenant.request('PATCH', at.group, patch({ op: 'add', path: 'members', value: ids.joy }))
		const sent = JSON.parse(JSON.stringify(operation).replaceAll('<joy>', ids.joy ?? ''))
		expect((await tenant.request('PATCH', at.group, patch(sent))).status).toBe(204)
		const { members = [] } = (await tenant.request('GET', at.group)).body
		expect(members.map(({ value }: { value: string }) => value)).toEqual(left.map((name) => ids[name]))
	})
})

describe('DELETE', () => {
	it('removes a user from its groups and frees its name, and works once', async () => {
		const { tenant, at } = await populated()
		const { status, body } = await tenant.request('DELETE', at.user)
		expect([status, body]).toEqual([204, undefined])
		for (const method of ['GET', 'DELETE', 'PUT', 'PATCH']) {
			const options = method === 'PUT' ? { body: babs } : method === 'PATCH' ? rename : {}
			expect((await tenant.request(method, at.user, options)).status, method).toBe(404)
		}
		expect((await tenant.request('GET', at.group)).body.members).toEqual([])
		await tenant.create('/Users', babs)
	})

	it('removes a group from its members and frees its name', async () => {
		const { tenant, at } = await populated()
		expect((await tenant.request('DELETE', at.group)).status).toBe(204)
		expect((await tenant.request('GET', `${at.user}?attributes=groups`)).body.groups).toBeUndefined()
		await tenant.create('/Groups', { displayName: 'guides' })
	})
})

describe('If-Match', () => {
	type Change = (tenant: Host, path: string, headers: Record<string, string>) => ReturnType<Host['request']>
	const changes: [string, 'user' | 'group', Change, number][] = [
		[
			'PUT of a user',
			'user',
			(tenant, path, headers) => tenant.request('PUT', path, { body: { userName: 'joy' }, headers }),
			200,
		],
		['PATCH of a user', 'user', (tenant, path, headers) => tenant.request('PATCH', path, { ...rename, headers }), 200],
		['DELETE of a user', 'user', (tenant, path, headers) => tenant.request('DELETE', path, { headers }), 204],
		[
			'PUT of a group',
			'group',
			(tenant, path, headers) => tenant.request('PUT', path, { body: { displayName: 'Joys' }, headers }),
			200,
		],
		[
			'PATCH of a group',
			'group',
			(tenant, path, headers) => tenant.request('PATCH', path, { ...rename, headers }),
			204,
		],
		[
			'PATCH of members',
			'group',
			(tenant, path, headers) =>
				tenant.request('PATCH', path, { ...patch({ op: 'remove', path: 'members' }), headers }),
			204,
		],
		['DELETE of a group', 'group', (tenant, path, headers) => tenant.request('DELETE', path, { headers }), 204],
	]

	it.each(changes)('of another version stops a %s', async (_, kind, change) => {
		const { tenant, at, ...resources } = await populated()
		for (const tag of ['W/"1"', 'W/"1", "2"', 'x', '']) {
			const { status, body } = await change(tenant, at[kind], { 'If-Match': tag })
			expect([status, body], tag).toEqual([412, stale])
		}
		expect((await tenant.request('GET', at[kind])).body).toEqual(resources[kind])
	})

	it.each(changes)('of the version, or of any, lets a %s through', async (_, kind, change, success) => {
		for (const tagOf of [(version: string) => version, (version: string) => `"1", ${version.slice(2)}`, () => '*']) {
			const { tenant, at, ...resources } = await populated()
			const { status } = await change(tenant, at[kind], { 'If-Match': tagOf(resources[kind].meta.version) })
			expect(status).toBe(success)
			expect((await tenant.request('GET', at[kind])).body).not.toEqual(resources[kind])
		}
	})

	it('compares with the current version: after a change of members the old one is stale', async () => {
		const { tenant, user, group, at } = await populated()
		const remove = patch({ op: 'remove', path: `members[value eq "${user.id}"]` })
		const { headers } = await tenant.request('PATCH', at.group, remove)
		const before = { 'If-Match': group.meta.version }
		expect((await tenant.request('PATCH', at.group, { ...rename, headers: before })).status).toBe(412)
		const after = { 'If-Match': headers.get('etag') ?? '' }
		expect((await tenant.request('PATCH', at.group, { ...rename, headers: after })).status).toBe(204)
	})
})
