import { beforeAll, describe, expect, test } from 'vitest'
import { type Host, useHost } from '../support/host.ts'
import { simulateTableService } from '../support/simulator/table-service.ts'

const service = simulateTableService({ seed: 3, shares: { shortPage: 0.1 } })
/** Runs once, before the row of a group is read. */
let before: (() => Promise<unknown>) | undefined
const newHost = useHost({
	intercept: () => async (request) => {
		const happen = request.path.includes("RowKey='g%7C") ? before : undefined
		if (happen !== undefined) {
			before = undefined
			await happen()
		}
		return service.send(request)
	},
})

const size = 2300
let tenant: Host
let ids: readonly string[]
let group: string

beforeAll(async () => {
	tenant = await newHost()
	const users: string[] = []
	for (let index = 0; index < size; index++) {
		users.push((await tenant.create('/Users', { userName: `user-${index}` })).id)
	}
	ids = users
	group = (await tenant.create('/Groups', { displayName: 'Everybody', members: users.map((value) => ({ value })) })).id
})

const get = (query = '', headers = {}) => tenant.request('GET', `/Groups/${group}${query}`, { headers })

describe('a group of more members than a page of the table service', () => {
	test('is returned with all its members, as any other group', async () => {
		const { body, headers } = await get()
		expect(body.members).toEqual(
			ids.map((value) => ({ value, $ref: `${tenant.baseUrl}/Users/${value}`, type: 'User' })),
		)
		const { members, ...rest } = body
		expect(rest).toEqual((await get('?excludedAttributes=members')).body)
		expect(headers.get('etag')).toBe(body.meta.version)
		expect(headers.get('content-type')).toBe('application/scim+json; charset=utf-8')
	})

	test('is returned with the selected attributes of each member', async () => {
		const { body } = await get('?attributes=members.value')
		expect(body).toEqual({
			schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'],
			id: group,
			members: ids.map((value) => ({ value })),
		})
	})

	test('is not sent again to a client that has it', async () => {
		const { headers } = await get('?excludedAttributes=members')
		expect(await get('', { 'if-none-match': headers.get('etag') })).toMatchObject({ status: 304, body: undefined })
	})

	test('has no body for HEAD', async () => {
		expect(await tenant.request('HEAD', `/Groups/${group}`)).toMatchObject({ status: 200, body: undefined })
	})
})

test('a group never has a version that is newer than its members', async () => {
	const { id } = await tenant.create('/Groups', { displayName: 'Few', members: [{ value: ids[0] }] })
	const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
	const Operations = [{ op: 'add', path: 'members', value: [{ value: ids[1] }] }]
	before = () => tenant.request('PATCH', `/Groups/${id}`, { body: { schemas, Operations } })
	const { body } = await tenant.request('GET', `/Groups/${id}`)
	const now = await tenant.request('GET', `/Groups/${id}`)
	expect(now.body.members).toHaveLength(2)
	expect(body).toEqual(now.body)
})

test('the answer of a group without members has an empty list of them', async () => {
	const { id } = await tenant.create('/Groups', { displayName: 'Nobody' })
	const { body } = await tenant.request('GET', `/Groups/${id}`)
	expect(Object.keys(body).sort()).toEqual(['displayName', 'id', 'members', 'meta', 'schemas'])
	expect(body.members).toEqual([])
})

test('a group that does not exist is a 404, with and without members', async () => {
	for (const id of ['nonsense', ids[0], group.replace(/.$/, group.endsWith('0') ? '1' : '0')]) {
		expect(await tenant.request('GET', `/Groups/${id}`)).toMatchObject({ status: 404 })
	}
})
