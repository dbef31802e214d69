import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { sasToken } from '../../shared/relay/sas.ts'
import { type Fate, serverBusy, withFaults } from '../support/faults.ts'
import { useHost } from '../support/host.ts'
import { type Lab, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

let lab: Lab
beforeAll(async () => {
	lab = await startLab()
})
afterAll(() => lab.stop())

let fate: Fate = 'answered'
const newHost = useHost({
	intercept: withFaults(() => fate),
	relay: () => ({ namespace: lab.standIn.host, sas: { keyName: 'send', key: 'sendkey' }, ca: lab.ca }),
})

const ok = (name: string) => ({ name, status: 'ok', milliseconds: expect.any(Number) })

describe('GET /scim/health', () => {
	const ask = async (method: string, path: string) => {
		const { baseUrl } = await newHost()
		const response = await fetch(`${new URL(baseUrl).origin}${path}`, { method })
		return { status: response.status, allow: response.headers.get('allow'), text: await response.text() }
	}

	test('says without a token that the app runs', async () => {
		expect(await ask('GET', '/scim/health')).toEqual({ status: 200, allow: null, text: '{"status":"ok"}' })
		expect(await ask('HEAD', '/scim/health/')).toEqual({ status: 200, allow: null, text: '' })
	})

	test('cannot be written to', async () => {
		expect(await ask('POST', '/scim/health')).toMatchObject({ status: 405, allow: 'GET, HEAD' })
	})

	test('has nothing below it', async () => {
		expect(await ask('GET', '/scim/health/Users')).toMatchObject({ status: 404 })
	})
})

describe('GET /health of a tenant', () => {
	test('says what its requests need, and that it works', async () => {
		const tenant = await newHost()
		const answer = await tenant.request('GET', '/health')
		expect(answer).toMatchObject({ status: 200, body: { status: 'ok', checks: [ok('tables'), ok('tokens')] } })
	})

	test('needs the token', async () => {
		const tenant = await newHost()
		const answer = await tenant.request('GET', '/health', { headers: { authorization: 'Bearer wrong-wrong-wrong' } })
		expect(answer).toMatchObject({ status: 401 })
	})

	test('is 503 while tables are away, with what is wrong', async () => {
		const tenant = await newHost()
		await tenant.request('GET', '/health')
		fate = serverBusy
		const answer = await tenant.request('GET', '/health').finally(() => {
			fate = 'answered'
		})
		expect(answer).toMatchObject({
			status: 503,
			body: {
				status: 'failing',
				checks: [
					{ name: 'tables', status: 'failing', milliseconds: expect.any(Number), detail: expect.stringMatching(/./) },
					ok('tokens'),
				],
			},
		})
	})

	test('of one behind a relay asks its SCIM server too, and says why it does not answer', async () => {
		const tenant = await newHost({ mode: 'relay', settings: { hybridConnection: 'demo' } })
		const missing = await tenant.request('GET', '/health')
		expect(missing).toMatchObject({
			status: 503,
			body: {
				checks: [ok('tables'), ok('tokens'), { name: 'scimServer', detail: expect.stringContaining('no_agent') }],
			},
		})
		const agent = await lab.agent()
		lab.origin.answer = (_, response) => json(response, 200, {})
		const there = await tenant.request('GET', '/health')
		await agent.drain()
		expect(there).toMatchObject({ status: 200, body: { checks: [ok('tables'), ok('tokens'), ok('scimServer')] } })
		expect(lab.origin.requests.map(({ target }) => target)).toEqual(['/scim/ServiceProviderConfig'])
	})
})

test('GET /health of a tenant names agents that are out of date', async () => {
	const tenant = await newHost({ mode: 'relay', settings: { hybridConnection: 'demo' } })
	const agent = await lab.agent()
	lab.origin.answer = (_, response) => json(response, 200, {})
	const { token } = sasToken({
		uri: 'http://localhost/demo',
		keyName: 'listen',
		key: 'listenkey',
		expires: Date.now() + 1e7,
	})
	const url = `wss://${lab.standIn.host}/$hc/demo?sb-hc-action=listen`
	const old = new WebSocket(url, { ca: lab.ca, headers: { ServiceBusAuthorization: token } })
	old.on('message', (text) => {
		const { id: requestId } = JSON.parse(String(text)).request
		const responseHeaders = { 'x-scim-relay-agent': 'old;v=1;hc=demo', 'x-scim-relay-outcome': 'completed' }
		old.send(JSON.stringify({ response: { requestId, statusCode: 200, responseHeaders } }))
	})
	await once(old, 'open')
	const answer = await tenant.request('GET', '/health')
	old.terminate()
	await agent.drain()
	expect(answer).toMatchObject({
		status: 200,
		body: { checks: [{}, {}, { status: 'ok', detail: expect.stringMatching(/^the agent old is out of date/) }] },
	})
})

test('the log has the template of the path and the requests to storage, and no value', async () => {
	const tenant = await newHost()
	const { id } = await tenant.create('/Users', { userName: 'joy@example.com' })
	const { requests } = await tenant.meter.measure(() => tenant.request('GET', `/Users/${id}`))
	expect(tenant.events.at(-1)).toEqual({
		requestId: expect.any(String),
		method: 'GET',
		tenant: expect.stringMatching(/^tenant-/),
		path: '/Users/{id}',
		status: 200,
		milliseconds: expect.any(Number),
		storageRequests: requests,
	})
	expect(requests).toBe(1)
})

test('the log of what is not offered has no fault', async () => {
	const tenant = await newHost()
	expect(await tenant.request('GET', '/Me')).toMatchObject({ status: 501 })
	expect(tenant.events.at(-1)).toMatchObject({ status: 501 })
	expect(tenant.events.at(-1)).not.toHaveProperty('error')
})

test.each([
	[[{ op: 'replace', path: 'active', value: false }], undefined],
	[[{ op: 'Replace', path: 'active', value: 'False' }], ['operationInAnyCase', 'booleanFromString']],
	[[{ op: 'add', path: 'emails[type eq "work"].value', value: 'joy@example.com' }], ['elementFromFilter']],
	[[{ op: 'replace', path: 'manager', value: [{ value: 'b1' }] }], ['singleFromList']],
])('the log names what the operations %j have that RFC 7644 has not', async (operations, quirks) => {
	const tenant = await newHost()
	const { id } = await tenant.create('/Users', { userName: 'joy@example.com' })
	expect(tenant.events.at(-1)).not.toHaveProperty('quirks')
	const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
	const { status } = await tenant.request('PATCH', `/Users/${id}`, { body: { schemas, Operations: operations } })
	expect(status).toBe(200)
	expect(tenant.events.at(-1)?.quirks).toEqual(quirks)
})
