import { request as requestPlain } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Admin, startAdmin } from '../../agent/admin.ts'
import type { Agent } from '../../agent/agent.ts'
import { metricsOf } from '../../agent/metrics.ts'
import { type Lab, request, serversWith, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

let lab: Lab
let agent: Agent | undefined
let admin: Admin
const agentId = '11111111-1111-4111-8111-111111111111'

beforeEach(async () => {
	lab = await startLab()
	agent = undefined
	const metrics = metricsOf(() => undefined)
	const config = lab.config()
	admin = await startAdmin(0, {
		servers: () => serversWith(config, agent),
		reload: async () => [],
		metrics,
		version: '1.2.3',
	})
})
afterEach(async () => {
	await admin.close()
	await lab.stop()
})

type HttpAnswer = { readonly status: number; readonly type: string | undefined; readonly text: string }

const send = (path: string, { method = 'GET', host = `127.0.0.1:${admin.port}` } = {}): Promise<HttpAnswer> =>
	new Promise((resolve, reject) => {
		const options = { host: '127.0.0.1', port: admin.port, path, method, headers: { host }, agent: false }
		const outgoing = requestPlain(options, async (response) => {
			let text = ''
			for await (const chunk of response.setEncoding('utf8')) text += chunk
			resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], text })
		})
		outgoing.on('error', reject)
		outgoing.end()
	})

const ready = async () => {
	const { status, text } = await send('/ready')
	return { status, body: JSON.parse(text) }
}

const body = (more: object) => ({
	state: 'online',
	agent: agentId,
	namespace: lab.standIn.host,
	hybridConnection: 'demo',
	channels: 1,
	underway: 0,
	...more,
})

describe('/ready', () => {
	test('is 200 while the agent listens and the SCIM server answers', async () => {
		agent = await lab.agent()
		expect(await ready()).toEqual({ status: 200, body: body({ origin: { status: 200 } }) })
	})

	test('is 200 if the SCIM server answers 404 to the health check', async () => {
		agent = await lab.agent()
		lab.origin.answer = (_, response) => json(response, 404, {})
		expect(await ready()).toEqual({ status: 200, body: body({ origin: { status: 404 } }) })
	})

	test('is 503 with the reason if the SCIM server refuses the token of the agent', async () => {
		agent = await lab.agent()
		lab.origin.answer = (_, response) => json(response, 401, {})
		const origin = { fault: 'origin_auth', detail: 'the SCIM server refuses the credentials of the agent' }
		expect(await ready()).toEqual({ status: 503, body: body({ state: 'degraded', origin }) })
	})

	test('is 200 at a 401 if clients send their own token, because the agent has none to send', async () => {
		const { origin } = settings(lab.standIn, lab.origin)
		agent = await lab.agent({ origin: { ...origin, authorization: { type: 'passThrough' } } })
		lab.origin.answer = (_, response) => json(response, 401, {})
		expect(await ready()).toEqual({ status: 200, body: body({ origin: { status: 401 } }) })
	})

	test('is 503 with the reason while the SCIM server does not answer', async () => {
		const origin = { ...settings(lab.standIn, lab.origin).origin, url: 'https://localhost:1/scim' }
		agent = await lab.agent({ origin })
		const fault = { fault: 'origin_refused', detail: expect.stringContaining('ECONNREFUSED') }
		expect(await ready()).toEqual({ status: 503, body: body({ state: 'degraded', origin: fault }) })
	})

	test('is 503 when the SCIM server fails', async () => {
		agent = await lab.agent()
		lab.origin.answer = (_, response) => json(response, 500, {})
		expect(await ready()).toEqual({ status: 503, body: body({ state: 'degraded', origin: { status: 500 } }) })
	})

	test('is 503 with the reason while the agent cannot listen', async () => {
		lab.standIn.faults.nextListens = Array(100).fill(404)
		agent = lab.start()
		await lab.log.until('offline')
		const trouble = { kind: 'entity_missing', detail: expect.stringMatching(/^404 Refused by the test/) }
		const origin = { status: 200 }
		expect(await ready()).toEqual({ status: 503, body: body({ state: 'connecting', channels: 0, trouble, origin }) })
	})

	test('is 503 while the agent finishes its requests, and after that', async () => {
		agent = await lab.agent()
		let answerNow = () => {}
		const held = new Promise<void>((resolve) => {
			lab.origin.answer = (incoming, response) => {
				if (incoming.method === 'GET') return json(response, 200, {})
				answerNow = () => json(response, 201, {})
				return resolve()
			}
		})
		const sent = lab.sender()(request({ method: 'POST', body: Buffer.from('{}') }))
		await held
		const drained = agent.drain()
		const origin = { status: 200 }
		expect(await ready()).toEqual({ status: 503, body: body({ state: 'draining', underway: 1, origin }) })
		answerNow()
		expect((await sent).status).toBe(201)
		await drained
		expect(await ready()).toEqual({ status: 503, body: body({ state: 'stopped', channels: 0, origin }) })
	})

	test('shares one health check among concurrent requests', async () => {
		agent = await lab.agent()
		await Promise.all(Array.from({ length: 20 }, ready))
		expect(lab.origin.requests.length).toBe(1)
		lab.clockForward(6000)
		await ready()
		expect(lab.origin.requests.length).toBe(2)
	})
})

test('/status has the same content and is always 200', async () => {
	agent = lab.start({ relay: { ...settings(lab.standIn, lab.origin).relay, namespace: 'localhost:1' } })
	await lab.log.until('offline')
	const { status, text } = await send('/status?now')
	expect([status, JSON.parse(text)]).toEqual([
		200,
		body({
			version: '1.2.3',
			namespace: 'localhost:1',
			state: 'connecting',
			channels: 0,
			trouble: { kind: 'network', detail: expect.stringContaining('ECONNREFUSED') },
			origin: { status: 200 },
		}),
	])
})

test('/metrics is in the format of Prometheus, and sends no request to the SCIM server', async () => {
	agent = await lab.agent()
	const { status, type, text } = await send('/metrics')
	expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
	expect(text).toContain('\nrollcall_relay_online 1\n')
	expect(text).toContain('\nrollcall_relay_channels 1\n')
	expect(text).toContain('\nrollcall_relay_requests_underway 0\n')
	expect(lab.origin.requests).toEqual([])
})

test.each([
	['/', {}, 404, 'the paths are /ready, /status and /metrics'],
	['/ready', { method: 'POST' }, 405, 'only GET and HEAD are supported'],
	['/ready', { host: 'rebound.example:80' }, 403, 'only requests to 127.0.0.1 or localhost are answered'],
])('%s %j is %i', async (path, options, status, detail) => {
	agent = await lab.agent()
	const reply = await send(path, options)
	expect([reply.status, JSON.parse(reply.text)]).toEqual([status, { detail }])
})

test.each([
	[{ method: 'POST' }, 403, { detail: 'a reload needs the header rollcall-relay-command: reload' }],
	[{}, 405, undefined],
	[{ method: 'OPTIONS' }, 405, { detail: 'only GET and HEAD are supported' }],
	[
		{ method: 'POST', host: 'rebound.example' },
		403,
		{ detail: 'only requests to 127.0.0.1 or localhost are answered' },
	],
])('a web page cannot reload the settings: %j is %i', async (options, status, answer) => {
	agent = await lab.agent()
	const reply = await send('/reload', options)
	if (answer === undefined) return expect(reply.status).toBe(404)
	return expect([reply.status, JSON.parse(reply.text)]).toEqual([status, answer])
})

test('every request is 503 before the first agent starts', async () => {
	expect(await ready()).toEqual({ status: 503, body: { detail: 'the agent is starting' } })
})

test('a port in use is a UsageError', async () => {
	const second = startAdmin(admin.port, {
		servers: () => [],
		reload: async () => [],
		metrics: metricsOf(() => undefined),
		version: '',
	})
	await expect(second).rejects.toThrow(`cannot listen on admin.port ${admin.port}: EADDRINUSE`)
})
