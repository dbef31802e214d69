import { describe, expect, it } from 'vitest'
import { type Host, useHost } from '../support/host.ts'

const host = useHost()

const message = (kind: 'BulkRequest' | 'BulkResponse' | 'PatchOp' | 'Error') =>
	`urn:ietf:params:scim:api:messages:2.0:${kind}`
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

type Operation = { readonly method: string; readonly path: string; readonly [name: string]: unknown }

/** Sends a bulk request and answers the results of its operations. */
async function bulk(tenant: Host, Operations: readonly Operation[], options: { failOnErrors?: number } = {}) {
	const { status, body } = await tenant.request('POST', '/Bulk', {
		body: { schemas: [message('BulkRequest')], ...options, Operations },
	})
	expect([status, body.schemas]).toEqual([200, [message('BulkResponse')]])
	return body.Operations
}

const creation = (bulkId: string, data: object = { userName: bulkId }) => ({
	method: 'POST',
	path: '/Users',
	bulkId,
	data,
})
const statuses = (results: { status: string }[]) => results.map(({ status }) => status)
const idIn = ({ location }: { location: string }) => location.slice(location.lastIndexOf('/') + 1)
const version = expect.stringMatching(/^W\/"[0-9a-f]{32}"$/)
const errorOf = (status: string, detail: string, scimType?: string) => ({
	schemas: [message('Error')],
	status,
	detail,
	...(scimType !== undefined && { scimType }),
})

describe('a bulk request', () => {
	it('creates, replaces, patches and deletes, with the results in the order of the operations', async () => {
		const tenant = await host()
		const [replaced, patched, deleted] = [
			await tenant.create('/Users', { userName: 'replaced', title: 'Dr' }),
			await tenant.create('/Users', { userName: 'patched', title: 'Dr' }),
			await tenant.create('/Users', { userName: 'deleted' }),
		]
		const results = await bulk(tenant, [
			creation('created', { userName: 'created', title: 'Dr' }),
			{ method: 'PUT', path: `/Users/${replaced.id}`, data: { userName: 'replaced' } },
			{
				method: 'PATCH',
				path: `/Users/${patched.id}`,
				data: { schemas: [message('PatchOp')], Operations: [{ op: 'remove', path: 'title' }] },
			},
			{ method: 'DELETE', path: `/Users/${deleted.id}` },
		])
		const at = (id: string) => `${tenant.baseUrl}/Users/${id}`
		expect(results).toEqual([
			{ method: 'POST', bulkId: 'created', location: expect.stringContaining(at('')), version, status: '201' },
			{ method: 'PUT', location: at(replaced.id), version, status: '200' },
			{ method: 'PATCH', location: at(patched.id), version, status: '200' },
			{ method: 'DELETE', location: at(deleted.id), status: '204' },
		])
		const { body } = await tenant.request('GET', '/Users?attributes=userName,title,meta.version')
		expect(body.Resources).toEqual([
			expect.objectContaining({ userName: 'replaced', meta: { version: results[1].version } }),
			expect.objectContaining({ userName: 'patched', meta: { version: results[2].version } }),
			expect.objectContaining({ userName: 'created', title: 'Dr', id: idIn(results[0]) }),
		])
		expect(body.Resources.map(({ title }: { title?: string }) => title)).toEqual([undefined, undefined, 'Dr'])
	})

	it('may have the operations of a PATCH alone as its data, as RFC 7644 prints them', async () => {
		const tenant = await host()
		const user = await tenant.create('/Users', { userName: 'joy', title: 'Dr' })
		const at = { method: 'PATCH', path: `/Users/${user.id}` }
		const results = await bulk(tenant, [
			creation('a'),
			{
				...at,
				data: [
					{ op: 'remove', path: 'title' },
					{ op: 'add', path: 'manager', value: 'bulkId:a' },
				],
			},
			{ ...at, method: 'PUT', data: [{ op: 'remove', path: 'title' }] },
			{ ...at, data: [] },
		])
		expect(statuses(results)).toEqual(['201', '200', '400', '400'])
		const { body } = await tenant.request('GET', `/Users/${user.id}`)
		expect(body).toMatchObject({ userName: 'joy', [enterprise]: { manager: { value: idIn(results[0]) } } })
		expect(body).not.toHaveProperty('title')
		expect(tenant.events.find(({ path }) => path === '/Bulk')?.quirks).toEqual(['operationsAlone', 'complexFromString'])
	})

	it('accepts methods and endpoints in any letter case, and paths without a slash', async () => {
		const tenant = await host()
		const results = await bulk(tenant, [
			{ ...creation('a'), method: 'post', path: 'users' },
			{ ...creation('b', { displayName: 'b' }), path: '/groups' },
			{ method: 'Delete', path: 'GROUPS/bulkId:b' },
		])
		expect(results).toMatchObject([
			{ method: 'POST', status: '201' },
			{ method: 'POST', status: '201' },
			{ method: 'DELETE', status: '204' },
		])
	})

	it.each([
		['/Users/', { userName: 'joy' }],
		['/Groups/', { displayName: 'Ops' }],
		['groups/', { displayName: 'Ops' }],
	])('creates at %s a resource that can be read at its location', async (path, data) => {
		const tenant = await host()
		const [result] = await bulk(tenant, [{ ...creation('a', data), path }])
		expect(result).toMatchObject({ status: '201', location: expect.stringContaining(tenant.baseUrl) })
		const at = result.location.slice(tenant.baseUrl.length)
		expect(await tenant.request('GET', at)).toMatchObject({ status: 200, body: { id: idIn(result), ...data } })
		expect((await tenant.request('DELETE', at)).status).toBe(204)
	})

	it('may have up to a thousand operations', async () => {
		const tenant = await host()
		const results = await bulk(
			tenant,
			Array.from({ length: 1000 }, () => ({ method: 'DELETE', path: '/Users/nobody' })),
		)
		expect(new Set(statuses(results))).toEqual(new Set(['404']))
		expect(results).toHaveLength(1000)
	})

	it('is answered in a bounded number of bytes: no resource, and no more than the beginning of a value', async () => {
		const tenant = await host()
		const long = 'x'.repeat(3500)
		const created = await bulk(tenant, [creation('b', { userName: 'joy', title: long })])
		expect(created).toEqual([{ method: 'POST', bulkId: 'b', location: created[0].location, version, status: '201' }])
		const at = { method: 'PATCH', path: `/Users/${idIn(created[0])}` }
		const wrong = [
			{ ...at, data: { Operations: [{ op: 'replace', path: 'active', value: long }] } },
			{ ...at, data: { Operations: [{ op: 'replace', path: `title[${long}`, value: 'x' }] } },
			{ ...at, data: { Operations: [{ op: long, path: 'title', value: 'x' }] } },
			{ ...at, data: { Operations: [{ op: 'add', path: 'active', value: { [long]: long } }] } },
			{ ...at, path: `/${long.slice(0, 1000)}`, data: {} },
			{ method: 'POST', path: '/Users', bulkId: 'c', data: { userName: { [long]: long } } },
			{ method: 'POST', path: '/Groups', bulkId: 'd', data: { displayName: 'x', members: [{ value: long }] } },
			{
				method: 'POST',
				path: '/Groups',
				bulkId: 'e',
				data: { displayName: 'x', members: [{ value: `bulkId:${long}` }] },
			},
		]
		const results = await bulk(tenant, wrong)
		expect(statuses(results).filter((status) => Number(status) < 400)).toEqual([])
		for (const result of results) expect(JSON.stringify(result).length).toBeLessThan(1300)
	})

	it('has access to one tenant only', async () => {
		const [mine, theirs] = [await host(), await host()]
		const { id } = await theirs.create('/Users', { userName: 'joy' })
		expect(statuses(await bulk(mine, [{ method: 'DELETE', path: `/Users/${id}` }]))).toEqual(['404'])
		expect((await theirs.request('GET', `/Users/${id}`)).status).toBe(200)
	})
})

describe('a reference by bulkId', () => {
	it.each([
		['before', [0, 1]],
		['behind', [1, 0]],
	])('names a user that is created %s the group', async (_, order) => {
		const tenant = await host()
		const operations = [
			creation('qwerty', { userName: 'Alice' }),
			{
				method: 'POST',
				path: '/Groups',
				bulkId: 'ytrewq',
				data: { displayName: 'Tour Guides', members: [{ type: 'User', value: 'bulkId:qwerty' }] },
			},
		]
		const results = await bulk(
			tenant,
			order.flatMap((index) => operations[index] ?? []),
		)
		expect(statuses(results)).toEqual(['201', '201'])
		const [user, group] = order.map((index) => idIn(results[index]))
		expect(results.map(({ bulkId }: { bulkId: string }) => bulkId)).toEqual(
			order.map((index) => operations[index]?.bulkId),
		)
		const { body } = await tenant.request('GET', `/Groups/${group}`)
		expect(body.members).toEqual([{ value: user, $ref: `${tenant.baseUrl}/Users/${user}`, type: 'User' }])
	})

	it('may be part of a cycle', async () => {
		const tenant = await host()
		const managedBy = (value: string) => ({ [enterprise]: { manager: { value } } })
		const results = await bulk(tenant, [
			creation('a', { userName: 'a', ...managedBy('bulkId:b') }),
			creation('b', { userName: 'b', ...managedBy('bulkId:c') }),
			creation('c', { userName: 'c', ...managedBy('bulkId:a') }),
			creation('self', { userName: 'self', ...managedBy('bulkId:self') }),
		])
		expect(statuses(results)).toEqual(['201', '201', '201', '201'])
		const [a, b, c, self] = results.map(idIn)
		const managers = []
		for (const id of [a, b, c, self])
			managers.push((await tenant.request('GET', `/Users/${id}`)).body[enterprise].manager.value)
		expect(managers).toEqual([b, c, a, self])
	})

	it('may be in a path', async () => {
		const tenant = await host()
		const results = await bulk(tenant, [
			{
				method: 'PATCH',
				path: '/Users/bulkId:a',
				data: { schemas: [message('PatchOp')], Operations: [{ op: 'add', path: 'title', value: 'Dr' }] },
			},
			creation('a'),
		])
		expect(statuses(results)).toEqual(['200', '201'])
		expect(results[0].location).toBe(results[1].location)
		expect((await tenant.request('GET', `/Users/${idIn(results[1])}`)).body.title).toBe('Dr')
	})

	it('to an unknown or failed POST makes only its own operation fail', async () => {
		const tenant = await host()
		const taken = await tenant.create('/Users', { userName: 'taken' })
		const group = (bulkId: string, member: string) => ({
			method: 'POST',
			path: '/Groups',
			bulkId,
			data: { displayName: bulkId, members: [{ value: `bulkId:${member}` }] },
		})
		const results = await bulk(tenant, [
			group('of nobody', 'absent'),
			group('of the failed', 'failed'),
			creation('failed', { userName: 'TAKEN' }),
			{ method: 'DELETE', path: '/Groups/bulkId:of the failed' },
			creation('fine'),
		])
		expect(results).toEqual([
			{
				method: 'POST',
				bulkId: 'of nobody',
				status: '400',
				response: errorOf('400', 'no POST of this request has the bulkId:absent', 'invalidValue'),
			},
			{
				method: 'POST',
				bulkId: 'of the failed',
				status: '400',
				response: errorOf('400', 'bulkId:failed was not created', 'invalidValue'),
			},
			{
				method: 'POST',
				bulkId: 'failed',
				status: '409',
				response: errorOf(
					'409',
					`userName "TAKEN" is already taken by the User with the id "${taken.id}"`,
					'uniqueness',
				),
			},
			{
				method: 'DELETE',
				status: '400',
				response: errorOf('400', 'bulkId:of the failed was not created', 'invalidValue'),
			},
			{ method: 'POST', bulkId: 'fine', status: '201', location: expect.any(String), version },
		])
		expect((await tenant.request('GET', '/Groups')).body.totalResults).toBe(0)
	})
})

describe('an operation that fails', () => {
	it('has its location and the reason, and the others still run', async () => {
		const tenant = await host()
		const { id } = await tenant.create('/Users', { userName: 'joy' })
		const results = await bulk(tenant, [
			{ method: 'PUT', path: `/Users/${id}`, data: { title: 'Dr' } },
			{ method: 'PUT', path: `/Users/${id}` },
			{ method: 'DELETE', path: '/Users/nobody' },
			{ method: 'DELETE', path: '/Users' },
			{ ...creation('a'), path: `/Users/${id}` },
			{ ...creation('b'), path: '/Schemas' },
			{ method: 'DELETE', path: `/Users/${id}/emails` },
			creation('c'),
		])
		const location = `${tenant.baseUrl}/Users/${id}`
		const invalidPath = (path: string) =>
			errorOf('400', `the path "${path}" is not the path of a user or a group`, 'invalidPath')
		expect(results).toEqual([
			{ method: 'PUT', location, status: '400', response: errorOf('400', 'userName is required', 'invalidValue') },
			{
				method: 'PUT',
				location,
				status: '400',
				response: errorOf('400', 'the body must be a JSON object, not null', 'invalidSyntax'),
			},
			{
				method: 'DELETE',
				location: `${tenant.baseUrl}/Users/nobody`,
				status: '404',
				response: errorOf('404', 'there is no User with the id "nobody"'),
			},
			{ method: 'DELETE', status: '405', response: errorOf('405', 'DELETE is not supported on this path') },
			{
				method: 'POST',
				bulkId: 'a',
				location,
				status: '405',
				response: errorOf('405', 'POST is not supported on this path'),
			},
			{ method: 'POST', bulkId: 'b', status: '400', response: invalidPath('/Schemas') },
			{ method: 'DELETE', status: '400', response: invalidPath(`/Users/${id}/emails`) },
			{ method: 'POST', bulkId: 'c', location: expect.any(String), version, status: '201' },
		])
	})

	it('on its version is a 412, and the If-Match of the request is ignored', async () => {
		const tenant = await host()
		const { id, meta } = await tenant.create('/Users', { userName: 'joy' })
		const change = (title: string) => ({
			method: 'PUT',
			path: `/Users/${id}`,
			version: meta.version,
			data: { userName: 'joy', title },
		})
		const results = await bulk(tenant, [
			change('Dr'),
			change('Prof'),
			{ method: 'DELETE', path: `/Users/${id}`, version: meta.version },
		])
		expect(statuses(results)).toEqual(['200', '412', '412'])
		expect(results[1].response.detail).toBe(
			'the current version of the resource does not match If-Match: read the resource again',
		)
		const { body } = await tenant.request('POST', '/Bulk', {
			body: { Operations: [{ method: 'DELETE', path: `/Users/${id}` }] },
			headers: { 'If-Match': 'W/"another"' },
		})
		expect(statuses(body.Operations)).toEqual(['204'])
	})

	it.each([
		[1, ['201', '409']],
		[2, ['201', '409', '201', '409']],
		[3, ['201', '409', '201', '409', '201']],
	])('ends the request if it is failure number %i', async (failOnErrors, expected) => {
		const tenant = await host()
		const operations = ['a', 'a', 'b', 'b', 'c'].map((userName, index) => creation(`${index}`, { userName }))
		const results = await bulk(tenant, operations, { failOnErrors })
		expect(statuses(results)).toEqual(expected)
		const created = expected.filter((status) => status === '201').length
		expect((await tenant.request('GET', '/Users')).body.totalResults).toBe(created)
	})
})
