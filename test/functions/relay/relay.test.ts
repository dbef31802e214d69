import { request as requestRaw } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { relayedPath } from '../../../functions/relay/relay.ts'
import { useHost } from '../../support/host.ts'
import { type Lab, startLab } from '../../support/relay-stand-in/lab.ts'
import { json } from '../../support/relay-stand-in/origin.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	await lab.agent()
})
afterAll(() => lab.stop())
beforeEach(() => {
	lab.origin.requests.length = 0
})

const newHost = useHost({
	relay: () => ({ namespace: lab.standIn.host, sas: { keyName: 'send', key: 'sendkey' }, ca: lab.ca }),
})
const newTenant = () => newHost({ mode: 'relay', settings: { hybridConnection: 'demo' } })

describe('a tenant of mode relay', () => {
	test('gets the answer of its SCIM server, with the locations that the client can reach', async () => {
		const tenant = await newTenant()
		lab.origin.answer = (_, response) =>
			json(
				response,
				201,
				{ id: '7', userName: 'joy', meta: { location: `https://localhost:${lab.origin.port}/scim/Users/7` } },
				{ etag: 'W/"1"', location: `https://localhost:${lab.origin.port}/scim/Users/7`, 'set-cookie': 'a=b' },
			)
		const answer = await tenant.request('POST', '/Users?attributes=userName', { body: { userName: 'joy' } })
		const location = `${tenant.baseUrl}/Users/7`
		expect(answer.status).toBe(201)
		expect(answer.body).toEqual({ id: '7', userName: 'joy', meta: { location } })
		expect(Object.fromEntries(answer.headers)).toMatchObject({
			'content-type': 'application/scim+json',
			etag: 'W/"1"',
			location,
			'cache-control': 'no-store',
			'x-content-type-options': 'nosniff',
		})
		expect(answer.headers.has('set-cookie')).toBe(false)
		expect(lab.origin.requests).toEqual([
			{
				method: 'POST',
				target: '/scim/Users?attributes=userName',
				headers: expect.objectContaining({ authorization: 'Bearer origin-secret' }),
				body: Buffer.from('{"userName":"joy"}'),
			},
		])
		expect(tenant.events).toEqual([expect.objectContaining({ method: 'POST', path: '/Users', status: 201 })])
	})

	test.each([
		['/Users/7', 404, { status: '404', detail: 'no such user' }],
		['/Schemas/urn:ietf:params:scim:schemas:core:2.0:User', 200, { id: 'x' }],
		['/Anything/of/its/own', 200, { its: 'own' }],
	])('passes on %s as the SCIM server answers it', async (path, status, body) => {
		const tenant = await newTenant()
		lab.origin.answer = (_, response) => json(response, status, body)
		expect(await tenant.request('GET', path)).toMatchObject({ status, body })
		expect(lab.origin.requests[0]?.target).toBe(`/scim${path}`)
	})

	test('answers HEAD without a body and 204 as it is', async () => {
		const tenant = await newTenant()
		lab.origin.answer = (_, response) => json(response, 200, { totalResults: 0 })
		expect(await tenant.request('HEAD', '/Users')).toMatchObject({ status: 200, body: undefined })
		lab.origin.answer = (_, response) => response.writeHead(204).end()
		expect(await tenant.request('DELETE', '/Users/7')).toMatchObject({ status: 204, body: undefined })
	})

	test('sends PATCH as POST where its settings say so, and its SCIM server gets a PATCH', async () => {
		const tenant = await newHost({ mode: 'relay', settings: { hybridConnection: 'demo', patchAsPost: true } })
		lab.origin.answer = (_, response) => json(response, 200, {})
		lab.standIn.faults.refusePatch = true
		expect(await tenant.request('PATCH', '/Users/7', { body: {} })).toMatchObject({ status: 200 })
		lab.standIn.faults.refusePatch = false
		expect(lab.origin.requests).toMatchObject([{ method: 'PATCH', target: '/scim/Users/7' }])
	})

	test('asks its SCIM server nothing for a wrong token', async () => {
		const tenant = await newTenant()
		const answer = await tenant.request('GET', '/Users', { headers: { authorization: 'Bearer wrong-wrong-wrong' } })
		expect(answer).toMatchObject({ status: 401, body: { status: '401' } })
		expect(lab.origin.requests).toEqual([])
	})

	test('refuses a path that leaves /scim', async () => {
		const tenant = await newTenant()
		const { hostname, port, pathname } = new URL(tenant.baseUrl)
		const status = await new Promise((resolve, reject) => {
			const headers = { authorization: `Bearer ${tenant.token}` }
			const path = `${pathname}/Users/%252e%252e/admin`
			requestRaw({ hostname, port, path, headers }, (response) => resolve(response.resume().statusCode))
				.on('error', reject)
				.end()
		})
		expect(status).toBe(400)
		expect(lab.origin.requests).toEqual([])
	})

	test('refuses a body that is too large before anything is sent', async () => {
		const tenant = await newTenant()
		const body = JSON.stringify({ text: 'x'.repeat(4 * 1024 * 1024) })
		expect(await tenant.request('POST', '/Users', { body })).toMatchObject({
			status: 413,
			body: { status: '413', detail: 'the body is larger than 4194304 bytes' },
		})
		expect(lab.origin.requests).toEqual([])
	})

	test('is 503 with the reason while no agent listens', async () => {
		const tenant = await newHost({ mode: 'relay', settings: { hybridConnection: 'deep/name' } })
		const answer = await tenant.request('GET', '/Users?filter=userName+eq+%22joy%22')
		expect(answer.status).toBe(503)
		expect(answer.headers.get('retry-after')).toBe('30')
		expect(answer.body).toEqual({
			schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
			status: '503',
			detail: expect.stringContaining('(no_agent)'),
		})
	})

	test('is 503 where its settings are wrong', async () => {
		const tenant = await newHost({ mode: 'relay', settings: { agents: ['no guid'] } })
		const answer = await tenant.request('GET', '/Users')
		expect(answer).toMatchObject({
			status: 503,
			body: { detail: expect.stringMatching(/relay_settings.*agents\[0\]/s) },
		})
	})
})

describe('without a relay', () => {
	const bareHost = useHost()

	test('a tenant of mode relay is 503 and the missing setting named', async () => {
		const tenant = await bareHost({ mode: 'relay' })
		const answer = await tenant.request('GET', '/Users')
		expect(answer).toMatchObject({
			status: 503,
			body: { detail: expect.stringContaining('ROLLCALL_RELAY_NAMESPACE is missing') },
		})
	})
})

test.each([
	['https://host/scim/demo', ''],
	['https://host/scim/demo/', ''],
	['https://host/scim/demo?count=1', '?count=1'],
	['http://127.0.0.1:7071//scim//demo//Users//7/?a=//b', '/Users/7?a=//b'],
	['https://host/scim/demo/Users/%2e%2e%2fadmin', '/Users/%2e%2e%2fadmin'],
	['https://host/scim/demo/Users?filter=userName eq "a"', '/Users?filter=userName eq "a"'],
	['https://host/scim/demo/Users#fragment', '/Users'],
])('%s is %j below the tenant', (url, path) => {
	expect(relayedPath(url)).toBe(path)
})
