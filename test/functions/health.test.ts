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
let time = Date.now()
const newHost = useHost({
	intercept: withFaults(() => fate),
	now: () => time,
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

	test('has no paths below it', async () => {
		expect(await ask('GET', '/scim/health/Users')).toMatchObject({ status: 404 })
	})
})

describe('GET /health of a tenant', () => {
	test('lists the services that its requests need, and says that they work', async () => {
		const tenant = await newHost()
		const answer = await tenant.request('GET', '/health')
		expect(answer).toMatchObject({ status: 200, body: { status: 'ok', checks: [ok('tables'), ok('tokens')] } })
	})

	test('needs the token', async () => {
		const tenant = await newHost()
		const answer = await tenant.request('GET', '/health', { headers: { authorization: 'Bearer wrong-wrong-wrong' } })
		expect(answer).toMatchObject({ status: 401 })
	})

	test('is 503 with the reason while tables cannot be reached', async () => {
		const tenant = await newHost()
		await tenant.request('GET', '/health')
		time += 10_000
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

	test('asks storage once for 500 calls, and again after ten seconds', async () => {
		const tenant = await newHost()
		await tenant.request('GET', '/Users')
		const ask = async (calls: number) => {
			const asked = () => Promise.all(Array.from({ length: calls }, () => tenant.request('GET', '/health')))
			const { result, requests } = await tenant.meter.measure(asked)
			return [new Set(result.map(({ status }) => status)), requests]
		}
		expect(await ask(250)).toEqual([new Set([200]), 1])
		time += 9_999
		expect(await ask(250)).toEqual([new Set([200]), 0])
		time += 1
		expect(await ask(250)).toEqual([new Set([200]), 1])
	})

	test('answers each tenant from its own checks', async () => {
		const [first, second] = [await newHost(), await newHost()]
		for (const tenant of [first, second]) await tenant.request('GET', '/Users')
		const both = () => Promise.all([first, second].map((tenant) => tenant.request('GET', '/health')))
		expect(await first.meter.measure(both)).toMatchObject({ requests: 2 })
	})

	test('behind a relay asks the SCIM server too, and says why the server does not answer', async () => {
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
		time += 10_000
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

test('the log has the template of the path and the number of storage requests, and no value', async () => {
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

test('the log of a feature that is not offered has no error', async () => {
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
])('the log names the deviations from RFC 7644 in the operations %j', async (operations, quirks) => {
	const tenant = await newHost()
	const { id } = await tenant.create('/Users', { userName: 'joy@example.com' })
	expect(tenant.events.at(-1)).not.toHaveProperty('quirks')
	const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
	const { status } = await tenant.request('PATCH', `/Users/${id}`, { body: { schemas, Operations: operations } })
	expect(status).toBe(200)
	expect(tenant.events.at(-1)?.quirks).toEqual(quirks)
})

test('the log of a refused request names what was tolerated until then', async () => {
	const tenant = await newHost()
	const { id } = await tenant.create('/Users', { userName: 'joy@example.com' })
	const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp']
	const operations = [
		{ op: 'Replace', path: 'active', value: 'False' },
		{ op: 'Add', path: 'manager', value: 7 },
	]
	const { status } = await tenant.request('PATCH', `/Users/${id}`, { body: { schemas, Operations: operations } })
	expect(status).toBe(400)
	expect(tenant.events.at(-1)?.quirks).toEqual(['operationInAnyCase', 'booleanFromString'])
})

test('the log of a bulk request names what was tolerated in all its operations', async () => {
	const tenant = await newHost()
	const { id } = await tenant.create('/Users', { userName: 'joy@example.com' })
	const patch = (operation: unknown) => ({ method: 'PATCH', path: `/Users/${id}`, data: { Operations: [operation] } })
	const Operations = [
		patch({ op: 'Replace', path: 'title', value: 7 }),
		patch({ op: 'replace', path: 'active', value: 'False' }),
	]
	expect(await tenant.request('POST', '/Bulk', { body: { Operations } })).toMatchObject({ status: 200 })
	expect(tenant.events.at(-1)?.quirks).toEqual(['operationInAnyCase', 'booleanFromString'])
})

test('the log of a search names a boolean in quotes', async () => {
	const tenant = await newHost()
	const { status } = await tenant.request('GET', '/Users?filter=active+eq+%22True%22')
	expect(status).toBe(200)
	expect(tenant.events.at(-1)?.quirks).toEqual(['booleanFromString'])
})

test('requests under way at the same time log their own quirks', async () => {
	const tenant = await newHost()
	const { id } = await tenant.create('/Users', { userName: 'joy@example.com' })
	const patch = (operation: unknown) => tenant.request('PATCH', `/Users/${id}`, { body: { Operations: [operation] } })
	const before = tenant.events.length
	await Promise.all([
		patch({ op: 'Replace', path: 'title', value: 'a' }),
		patch({ op: 'replace', path: 'active', value: 'False' }),
		patch({ op: 'replace', path: 'nickName', value: 'b' }),
	])
	const quirks = tenant.events.slice(before).map((event) => event.quirks)
	expect(quirks).toHaveLength(3)
	expect(quirks).toEqual(expect.arrayContaining([['operationInAnyCase'], ['booleanFromString'], undefined]))
})
