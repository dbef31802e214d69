import { describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'
import { answer, errorOf, listOf, patchOf, urn } from './scim.ts'
import { type Received, send } from './wire.ts'

// The tests of Microsoft's hosted SCIM Validator under their own names, from recorded runs. It reads back by filter.
// https://learn.microsoft.com/entra/identity/app-provisioning/scim-validator-tutorial
// https://github.com/pranems/SCIMServer

const host = useHost()

/** A user as the validator creates it: random strings, and `primary` of a role as a string. */
const fullUser = {
	schemas: [urn.user, urn.enterprise],
	userName: 'emilio@hermann.uk',
	active: true,
	displayName: 'BTKHRUSLDVCO',
	title: 'VQAIWEXNUKSG',
	emails: [{ type: 'work', value: 'leila@kreiger.co.uk', primary: true }],
	preferredLanguage: 'cs-CZ',
	name: {
		givenName: 'Tyrique',
		familyName: 'Vella',
		formatted: 'Oceane',
		middleName: 'Zetta',
		honorificPrefix: 'Aric',
		honorificSuffix: 'Kory',
	},
	addresses: [
		{
			type: 'work',
			formatted: 'EZWBCGHUJTKM',
			streetAddress: '35 Wuckert Gardens',
			locality: 'OMFLDQXNRAIP',
			region: 'UVWKZRSNDEYT',
			postalCode: 'lf4 7vk',
			primary: true,
			country: 'Nauru',
		},
	],
	phoneNumbers: [
		{ type: 'work', value: '23-504-4406', primary: true },
		{ type: 'mobile', value: '23-504-4407' },
		{ type: 'fax', value: '23-504-4408' },
	],
	roles: [{ primary: 'True', display: 'RAJBJMKHJSNI', value: 'OGCIACGFVVRR', type: 'IJAQSLXCMJPC' }],
	externalId: 'a1d1a1f5-6f1d-4a1b-9d4e-9c1d4c8a5b11',
	profileUrl: 'RVSZJGLGMDLF',
	nickName: 'XHOBMRZDSFTQ',
	userType: 'NGWPLVKCEYAB',
	locale: 'PUWGYNUKSGVE',
	timezone: 'America/Matamoros',
	[urn.enterprise]: {
		employeeNumber: 'SLXKQUENHTCB',
		department: 'IOWFYMZDRAPV',
		costCenter: 'GJTHBKNEQSUL',
		organization: 'CXDOWVRMYIFZ',
		division: 'PAKLTGHSENJB',
		manager: { value: 'GZFDHGRKQLCG' },
	},
}

/** The user as it is stored: `primary` is a boolean. */
const storedUser = { ...fullUser, roles: fullUser.roles.map((role) => ({ ...role, primary: true })) }

/** Every attribute by its path, with a new value. */
const others = {
	displayName: 'KWDPTEMUZOYC',
	title: 'BFHSXAGNVLRJ',
	'emails[type eq "work"].value': 'uriah@lang.ca',
	'emails[type eq "work"].primary': true,
	preferredLanguage: 'es-CO',
	'name.givenName': 'Elian',
	'name.familyName': 'Rowe',
	'name.formatted': 'Mina',
	'name.middleName': 'Jade',
	'name.honorificPrefix': 'Loy',
	'name.honorificSuffix': 'Ivy',
	'addresses[type eq "work"].formatted': 'QIYKTZMBXCPA',
	'addresses[type eq "work"].streetAddress': '7 Mohr Isle',
	'addresses[type eq "work"].locality': 'WSNFUJGLHEOD',
	'addresses[type eq "work"].region': 'VRPKCTAXQZIM',
	'addresses[type eq "work"].postalCode': 'xq2 9ba',
	'addresses[type eq "work"].primary': true,
	'addresses[type eq "work"].country': 'Tonga',
	'phoneNumbers[type eq "work"].value': '81-222-0001',
	'phoneNumbers[type eq "work"].primary': true,
	'phoneNumbers[type eq "mobile"].value': '81-222-0002',
	'phoneNumbers[type eq "fax"].value': '81-222-0003',
	'roles[primary eq "True"].display': 'LNTEBOYUDJHW',
	'roles[primary eq "True"].value': 'GKSMFVRQCXIZ',
	'roles[primary eq "True"].type': 'APDNWTHLEYUB',
	externalId: 'd0f4a8b2-1b37-4c55-8a6f-2f2b7f6f7a55',
	profileUrl: 'OJRMSKQFVXGC',
	nickName: 'ZIHLAPENTWDY',
	userType: 'UBCOKGJSXMRF',
	locale: 'QVZWTYEHNDLI',
	timezone: 'Asia/Thimphu',
	[`${urn.enterprise}:employeeNumber`]: 'APKBUOSCJGXM',
	[`${urn.enterprise}:department`]: 'RFQVZWTYEHND',
	[`${urn.enterprise}:costCenter`]: 'LIAPKBUOSCJG',
	[`${urn.enterprise}:organization`]: 'XMRFQVZWTYEH',
	[`${urn.enterprise}:division`]: 'NDLIAPKBUOSC',
}

/** A user who has all these values and a primary role. */
const otherUser = {
	schemas: [urn.user, urn.enterprise],
	displayName: 'KWDPTEMUZOYC',
	title: 'BFHSXAGNVLRJ',
	emails: [{ type: 'work', value: 'uriah@lang.ca', primary: true }],
	preferredLanguage: 'es-CO',
	name: {
		givenName: 'Elian',
		familyName: 'Rowe',
		formatted: 'Mina',
		middleName: 'Jade',
		honorificPrefix: 'Loy',
		honorificSuffix: 'Ivy',
	},
	addresses: [
		{
			type: 'work',
			formatted: 'QIYKTZMBXCPA',
			streetAddress: '7 Mohr Isle',
			locality: 'WSNFUJGLHEOD',
			region: 'VRPKCTAXQZIM',
			postalCode: 'xq2 9ba',
			primary: true,
			country: 'Tonga',
		},
	],
	phoneNumbers: [
		{ type: 'work', value: '81-222-0001', primary: true },
		{ type: 'mobile', value: '81-222-0002' },
		{ type: 'fax', value: '81-222-0003' },
	],
	roles: [{ primary: true, display: 'LNTEBOYUDJHW', value: 'GKSMFVRQCXIZ', type: 'APDNWTHLEYUB' }],
	externalId: 'd0f4a8b2-1b37-4c55-8a6f-2f2b7f6f7a55',
	profileUrl: 'OJRMSKQFVXGC',
	nickName: 'ZIHLAPENTWDY',
	userType: 'UBCOKGJSXMRF',
	locale: 'QVZWTYEHNDLI',
	timezone: 'Asia/Thimphu',
	[urn.enterprise]: {
		employeeNumber: 'APKBUOSCJGXM',
		department: 'RFQVZWTYEHND',
		costCenter: 'LIAPKBUOSCJG',
		organization: 'XMRFQVZWTYEH',
		division: 'NDLIAPKBUOSC',
	},
}

/** One operation for each path. */
const verbose = (op: string) => Object.entries(others).map(([path, value]) => ({ op, path, value }))

/** One operation for each path with a filter, and one without a path for all other attributes. */
const compact = (op: string) => {
	const entries = Object.entries(others)
	const single = Object.fromEntries(entries.filter(([path]) => !path.includes('[')))
	return [
		...entries.filter(([path]) => path.includes('[')).map(([path, value]) => ({ op, path, value })),
		{ op, value: single },
	]
}

const post = (tenant: Host, path: string, body: unknown) => send(tenant, { method: 'POST', path, body })
const get = (tenant: Host, path: string) => send(tenant, { method: 'GET', path })
const remove = (tenant: Host, path: string) => send(tenant, { method: 'DELETE', path })

const byName = (tenant: Host, userName: string) =>
	get(tenant, `/Users?filter=userName+eq+"${encodeURIComponent(userName)}"`)

/** A new tenant with one user, read back as the validator does. */
async function withUser(user: unknown = fullUser) {
	const tenant = await host()
	const { status, body } = await post(tenant, '/Users', user)
	expect(status).toBe(201)
	expect(await byName(tenant, body.userName)).toEqual(answer(200, listOf(body)))
	return { tenant, user: body, path: `/Users/${body.id}` }
}

/** Sends the operations and reads back, by id and by filter. */
async function patchUser(tenant: Host, path: string, ...operations: readonly unknown[]): Promise<Received['body']> {
	const patched = await send(tenant, { method: 'PATCH', path, body: patchOf(...operations) })
	expect(patched).toEqual(answer(200, patched.body))
	expect(await get(tenant, path)).toEqual(answer(200, patched.body))
	expect(await byName(tenant, patched.body.userName)).toEqual(answer(200, listOf(patched.body)))
	return patched.body
}

async function withGroup(...userNames: readonly string[]) {
	const tenant = await host()
	const ids: string[] = []
	for (const userName of userNames) ids.push((await post(tenant, '/Users', { schemas: [urn.user], userName })).body.id)
	const sent = { displayName: 'ZVGTXWQAYKNM', externalId: '5e9a4e0b', schemas: [urn.group] }
	const { status, body } = await post(tenant, '/Groups', sent)
	expect([status, body]).toEqual([201, { ...sent, id: body.id, meta: body.meta }])
	return { tenant, ids, group: body, path: `/Groups/${body.id}` }
}

const patchGroup = async (tenant: Host, path: string, ...operations: readonly unknown[]): Promise<Received['body']> => {
	const { status } = await send(tenant, { method: 'PATCH', path, body: patchOf(...operations) })
	expect(status).toBe(204)
	return (await get(tenant, path)).body
}

describe('the validator, with users', () => {
	it('Create a new User', async () => {
		const { user } = await withUser()
		expect(user).toEqual({ ...storedUser, id: user.id, meta: user.meta })
	})

	it('Create a duplicate User', async () => {
		const { tenant, user } = await withUser()
		const detail = `userName "emilio@hermann.uk" is already taken by the User with the id "${user.id}"`
		expect(await post(tenant, '/Users', fullUser)).toEqual(answer(409, errorOf(409, detail, 'uniqueness')))
	})

	it('Filter for an existing, a non-existing and a different-case user', async () => {
		const { tenant, user } = await withUser()
		expect(await byName(tenant, 'emilio@hermann.uk')).toEqual(answer(200, listOf(user)))
		expect(await byName(tenant, 'nobody@hermann.uk')).toEqual(answer(200, listOf()))
		expect(await byName(tenant, 'EMILIO@hermann.UK')).toEqual(answer(200, listOf(user)))
	})

	it.each([
		['Patch User - Replace Attributes', compact('replace')],
		['Patch User - Replace Attributes Verbose Request', verbose('replace')],
	])('%s', async (_, operations) => {
		const { tenant, user, path } = await withUser()
		const patched = await patchUser(tenant, path, ...operations)
		expect(patched).toEqual({
			...otherUser,
			[urn.enterprise]: { ...otherUser[urn.enterprise], manager: { value: 'GZFDHGRKQLCG' } },
			userName: 'emilio@hermann.uk',
			active: true,
			id: user.id,
			meta: patched.meta,
		})
	})

	it.each([
		['Patch User - Add Attributes', compact('add')],
		['Patch User - Add Attributes Verbose Request', verbose('add')],
	])('%s', async (_, operations) => {
		const least = { userName: 'emilio@hermann.uk', schemas: [urn.user] }
		const { tenant, user, path } = await withUser(least)
		expect(user).toEqual({ ...least, active: true, id: user.id, meta: user.meta })
		const patched = await patchUser(tenant, path, ...operations)
		expect(patched).toEqual({
			...otherUser,
			userName: 'emilio@hermann.uk',
			active: true,
			id: user.id,
			meta: patched.meta,
		})
	})

	it('Update User userName', async () => {
		const { tenant, user, path } = await withUser()
		const patched = await patchUser(tenant, path, { op: 'replace', value: { userName: 'dale.mohr@romaguera.uk' } })
		expect(patched).toEqual({ ...user, userName: 'dale.mohr@romaguera.uk', meta: patched.meta })
		expect(await byName(tenant, 'emilio@hermann.uk')).toEqual(answer(200, listOf()))
	})

	it('Patch User - Disable User', async () => {
		const { tenant, user, path } = await withUser()
		const patched = await patchUser(tenant, path, { op: 'replace', path: 'active', value: false })
		expect(patched).toEqual({ ...user, active: false, meta: patched.meta })
	})

	it('Patch User - Add Manager, Replace Manager, Remove Manager', async () => {
		const { tenant, path } = await withUser({ userName: 'emilio@hermann.uk', schemas: [urn.user] })
		const manager = `${urn.enterprise}:manager`
		const added = await patchUser(tenant, path, { op: 'add', path: manager, value: { value: 'AXTKDLNRKMKT' } })
		expect(added[urn.enterprise]).toEqual({ manager: { value: 'AXTKDLNRKMKT' } })
		const replaced = await patchUser(tenant, path, { op: 'replace', path: manager, value: { value: 'CBEQXYNPNAZS' } })
		expect(replaced[urn.enterprise]).toEqual({ manager: { value: 'CBEQXYNPNAZS' } })
		const removed = await patchUser(tenant, path, { op: 'replace', path: manager, value: { value: '' } })
		expect(removed).not.toHaveProperty([urn.enterprise])
		expect(removed.schemas).toEqual([urn.user])
	})

	it('Delete a User, and the same again', async () => {
		const { tenant, user, path } = await withUser()
		const gone = answer(404, errorOf(404, `there is no User with the id "${user.id}"`))
		expect(await remove(tenant, path)).toEqual(answer(204))
		expect(await get(tenant, path)).toEqual(gone)
		expect(await remove(tenant, path)).toEqual(gone)
	})

	it('Patch User - Multiple Ops on different attributes', async () => {
		const { tenant, user, path } = await withUser()
		const { preferredLanguage, ...others } = user
		expect(preferredLanguage).toBe('cs-CZ')
		const patched = await patchUser(
			tenant,
			path,
			{ op: 'remove', path: 'preferredLanguage' },
			{ op: 'add', path: 'externalId', value: 'LSKDJFNVBGTR' },
			{ op: 'replace', path: 'displayName', value: 'QPWOEIRUTYAL' },
		)
		expect(patched).toEqual({ ...others, externalId: 'LSKDJFNVBGTR', displayName: 'QPWOEIRUTYAL', meta: patched.meta })
	})

	it('Patch User - Multiple Ops on same attribute', async () => {
		const { tenant, user, path } = await withUser()
		const patched = await patchUser(
			tenant,
			path,
			{ op: 'remove', path: 'externalId' },
			{ op: 'add', path: 'externalId', value: 'LSKDJFNVBGTR' },
			{ op: 'replace', path: 'externalId', value: 'MZNXBCVLAKSJ' },
		)
		expect(patched).toEqual({ ...user, externalId: 'MZNXBCVLAKSJ', meta: patched.meta })
	})
})

describe('the validator, with groups', () => {
	it('Create a duplicate Group', async () => {
		const { tenant, group } = await withGroup()
		const detail = `displayName "ZVGTXWQAYKNM" is already taken by the Group with the id "${group.id}"`
		expect(await post(tenant, '/Groups', { displayName: group.displayName, schemas: [urn.group] })).toEqual(
			answer(409, errorOf(409, detail, 'uniqueness')),
		)
	})

	it('Get group by id excluding members', async () => {
		const { tenant, ids, path } = await withGroup('joy')
		const { members, ...others } = await patchGroup(tenant, path, {
			op: 'replace',
			path: 'members',
			value: ids.map((value) => ({ value })),
		})
		expect(members).toHaveLength(1)
		expect(await get(tenant, `${path}?excludedAttributes=members`)).toEqual(answer(200, others))
	})

	it('Filter for an existing group with and without members, a non-existing one and one in a different case', async () => {
		const { tenant, ids, path } = await withGroup('joy')
		const group = await patchGroup(tenant, path, { op: 'replace', path: 'members', value: [{ value: ids[0] }] })
		const { members, ...others } = group
		const list = (query: string) => get(tenant, `/Groups?${query}`)
		expect(await list('filter=displayName+eq+"ZVGTXWQAYKNM"')).toEqual(answer(200, listOf(group)))
		const without = 'excludedAttributes=members&filter=displayName+eq'
		expect(await list(`${without}+"ZVGTXWQAYKNM"`)).toEqual(answer(200, listOf(others)))
		expect(await list(`${without}+"zvgtxwqayknm"`)).toEqual(answer(200, listOf(others)))
		expect(await list(`${without}+"NMKYAQWXTGVZ"`)).toEqual(answer(200, listOf()))
	})

	it.each([
		['Patch Group - Replace Attributes', { externalId: 'WERTYUIOPLKJ' }],
		['Update Group displayName', { displayName: 'HGFDSAZXCVBN' }],
	])('%s', async (_, value) => {
		const { tenant, group, path } = await withGroup()
		const patched = await patchGroup(tenant, path, { op: 'replace', value })
		expect(patched).toEqual({ ...group, ...value, members: [], meta: patched.meta })
	})

	it('Patch Group - Add Member, Remove Member', async () => {
		const { tenant, ids, group, path } = await withGroup('joy')
		const [value] = ids
		const added = await patchGroup(tenant, path, { op: 'replace', path: 'members', value: [{ value }] })
		const members = [{ value, $ref: `${tenant.baseUrl}/Users/${value}`, type: 'User' }]
		expect(added).toEqual({ ...group, members, meta: added.meta })
		const removed = await patchGroup(tenant, path, { op: 'remove', path: `members[value eq "${value}"]` })
		expect(removed).toEqual({ ...group, members: [], meta: removed.meta })
	})

	it('Patch Group - Multiple Ops on same attribute', async () => {
		const { tenant, ids, group, path } = await withGroup('joy')
		const patched = await patchGroup(
			tenant,
			path,
			{ op: 'add', path: 'members', value: [{ value: ids[0] }] },
			{ op: 'remove', path: `members[value eq "${ids[0]}"]` },
		)
		expect(patched).toEqual({ ...group, members: [] })
	})

	it('Delete a Group, and the same again', async () => {
		const { tenant, group, path } = await withGroup()
		const gone = answer(404, errorOf(404, `there is no Group with the id "${group.id}"`))
		expect(await remove(tenant, path)).toEqual(answer(204))
		expect(await get(tenant, path)).toEqual(gone)
		expect(await remove(tenant, path)).toEqual(gone)
	})

	it.each(['/Users', '/Groups'])('Delete a non-existent resource: %s', async (endpoint) => {
		const id = 'f7b2c1d0-5a0e-4a54-9d3b-0c7d6a1b2c3d'
		const { status, body } = await remove(await host(), `${endpoint}/${id}`)
		expect([status, body]).toEqual([404, errorOf(404, `there is no ${endpoint.slice(1, -1)} with the id "${id}"`)])
	})
})
