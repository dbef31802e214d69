import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { disallowed } from '../../agent/allow.ts'
import { metricsOf } from '../../agent/metrics.ts'
import { askThroughRelay } from '../support/relay-stand-in/ask.ts'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

const refuses = 'its settings refuse the request, because the setting allow'

describe('a list with all methods of Users and reads of Groups', () => {
	const list = {
		Users: ['GET' as const, 'POST' as const, 'PUT' as const, 'PATCH' as const, 'DELETE' as const],
		Groups: ['GET' as const],
	}
	const check = (method: string, target: string, contentType?: string) =>
		disallowed(list, { method, target, contentType })

	test.each([
		['GET', '/Users'],
		['GET', '/Users/'],
		['GET', '/Users?filter=userName%20eq%20%22_method%22&count=1'],
		['GET', '/Users?filter=a%20eq%20%22x%26_method=DELETE%22'],
		['GET', '/Users/2819c223'],
		['GET', '/Users/a%40b.example'],
		['POST', '/Users'],
		['POST', '/Users?attributes=userName'],
		['POST', '/Users/.search'],
		['PUT', '/Users/1'],
		['PATCH', '/Users/1'],
		['DELETE', '/Users/1'],
		['GET', '/Groups'],
		['GET', '/Groups/1?excludedAttributes=members'],
	])('allows %s %s', (method, target) => {
		expect(check(method, target, method === 'GET' ? undefined : 'application/scim+json; charset=utf-8')).toBeUndefined()
	})

	test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('refuses %s for Groups', (method) => {
		expect(check(method, '/Groups/1')).toBe(`${refuses} lists no ${method} for Groups`)
	})

	test.each([
		'',
		'/',
		'?filter=userName%20pr',
		'/.search',
		'/Bulk',
		'/bulk',
		'/Me',
		'/Schemas',
		'/ServiceProviderConfig',
		'/users',
		'/USERS/1',
		'/User',
		'/Userss',
		'/Users;v=1',
		'/Users;/Groups',
		'/Users%20',
		'/Users.',
		'/%55sers',
		'/%2555sers',
		'/Users%2fGroups',
		'/Users%3fx',
		'/Users%23',
		'/Users%00',
		'/v2/Users',
		'/..%2fUsers',
		'/constructor',
		'/__proto__',
		'/toString/1',
	])('refuses the endpoint of %s with every method', (target) => {
		for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
			expect(check(method, target)).toBe(`${refuses} lists no such endpoint`)
	})

	test.each(['/Users/1/Groups', '/Users/1/.search', '/Users/../Groups', '/Users/1/../../Groups', '/Users/./1'])(
		'refuses the deeper path %s',
		(target) => {
			expect(check('GET', target)).toBe(
				`${refuses} covers an endpoint and its resources, and no paths below a resource`,
			)
		},
	)

	test.each(['/Users/1', '/Users/.Search', '/Users/%2esearch', '/Users/.search;x', '/Users/Bulk'])(
		'refuses POST to %s',
		(target) => {
			expect(check('POST', target)).toBe(`${refuses} covers POST to an endpoint and to its .search alone`)
		},
	)

	test.each(['_method=DELETE', 'a=b&_METHOD=PUT', 'a;%5fmethod=PUT', '+_method', 'X-HTTP-Method-Override=DELETE'])(
		'refuses the query %s',
		(query) => {
			expect(check('POST', `/Users?${query}`)).toBe(`${refuses} accepts no query that names another method`)
		},
	)

	test.each(['application/x-www-form-urlencoded', 'multipart/form-data; x=application/json', 'application/json, x/y'])(
		'refuses a body of type %s',
		(type) => {
			expect(check('POST', '/Users', type)).toBe(`${refuses} accepts no body but JSON`)
		},
	)

	test('an escape that is invalid in a query is no other method', () => {
		expect(check('GET', '/Users?%zz=1')).toBeUndefined()
	})
})

test('a search needs both GET and POST, because it reads', () => {
	const search = { method: 'POST', target: '/Users/.search', contentType: undefined }
	expect(disallowed({ Users: ['POST'] }, search)).toBe(`${refuses} lists no GET for Users, and a search reads`)
	expect(disallowed({ Users: ['GET'] }, search)).toBe(`${refuses} lists no POST for Users`)
	expect(disallowed({ Users: ['GET', 'POST'] }, search)).toBeUndefined()
})

describe('an agent with a list', () => {
	let lab: Lab
	beforeEach(async () => {
		lab = await startLab()
	})
	afterEach(() => lab.stop())

	const raw = (method: string, path: string, headers = {}) => askThroughRelay(lab, { method, path, headers })

	test('answers 403 in SCIM, in its log and to the client, and the SCIM server gets no request', async () => {
		await lab.agent({ allow: { Users: ['GET'] } })
		const { status, headers, body } = await raw('DELETE', '/demo/scim/Users/2819c223')
		expect([status, headers['content-type'], headers['x-scim-relay-error'], headers['x-scim-relay-outcome']]).toEqual([
			403,
			'application/scim+json',
			'not_allowed',
			'not-sent',
		])
		const detail = `The on-premises agent answers not_allowed: ${refuses} lists no DELETE for Users.`
		expect(JSON.parse(body.toString())).toEqual({
			schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
			status: '403',
			detail,
		})
		const client = await outcome(lab.sender()(request({ method: 'DELETE', path: '/Users/2819c223' })))
		expect(client).toMatchObject({ status: 403, detail: detail.replace(/\.$/, '') })
		expect(lab.origin.requests).toEqual([])
		await lab.log.until('request')
		const { event, ...entry } = lab.log.entries.find((one) => one.event === 'request') ?? { event: '' }
		expect([event, entry]).toMatchObject([
			'request',
			{ method: 'DELETE', endpoint: 'Users', error: 'not_allowed', detail },
		])
		const metrics = metricsOf(() => undefined)
		metrics.log('request', entry)
		expect(metrics.text({})).toMatch(
			/requests_total\{method="DELETE",status="403",outcome="not-sent",way="control",error="not_allowed"\} 1/,
		)
	})

	test('refuses a PATCH that travels as POST', async () => {
		await lab.agent({ allow: { Users: ['GET', 'POST'] } })
		const { status, body } = await raw('POST', '/demo/scim/Users/1', { 'x-scim-relay-method': 'PATCH' })
		expect([status, JSON.parse(body.toString()).detail]).toEqual([
			403,
			expect.stringMatching(/lists no PATCH for Users/),
		])
		expect(lab.origin.requests).toEqual([])
	})

	test.each([
		'/Users/../Groups',
		'/Users/%2e%2e/Groups',
		'/Users/%252e%252e/Groups',
		'/Users/..;/Groups',
		'/Users//Groups',
	])('%s does not reach the SCIM server', async (path) => {
		await lab.agent({ allow: { Users: ['GET'] } })
		const { status } = await raw('GET', `/demo/scim${path}`)
		expect([400, 403]).toContain(status)
		expect(lab.origin.requests).toEqual([])
	})

	test('passes what the list allows, and answers questions about itself', async () => {
		await lab.agent({ allow: { Users: ['GET'] } })
		expect((await raw('GET', '/demo/scim/Users/1')).status).toBe(200)
		expect((await raw('GET', '/demo/.scim-relay/health')).status).toBe(200)
		expect(lab.origin.requests.map(({ method, target }) => `${method} ${target}`)).toEqual([
			'GET /scim/Users/1',
			'GET /scim/ServiceProviderConfig',
		])
	})

	test('leaves a request that it refuses to another agent', async () => {
		await lab.agent({ allow: { Groups: ['GET'] } })
		await lab.agent({ agentId: '22222222-2222-4222-8222-222222222222' })
		expect(await outcome(lab.sender()(request({ path: '/Users/1' })))).toMatchObject({ status: 200 })
		expect(lab.origin.requests).toHaveLength(1)
	})
})
