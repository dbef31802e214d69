import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { sasToken } from '../../../shared/relay/sas.ts'
import { clock, type Lab, outcome, request, settings, startLab } from '../../support/relay-stand-in/lab.ts'
import { json } from '../../support/relay-stand-in/origin.ts'
import { sendTo } from '../../support/relay-stand-in/sender.ts'

let lab: Lab

beforeEach(async () => {
	lab = await startLab()
})
afterEach(() => lab.stop())

describe('through the relay', () => {
	test('a request reaches the SCIM server and its answer the client', async () => {
		await lab.agent()
		lab.origin.answer = (_, response) =>
			json(
				response,
				201,
				{ id: '1', meta: { location: `https://appsrv01.corp.local/scim/Users/1` }, n: 1.0 },
				{
					location: `https://localhost:${lab.origin.port}/scim/Users/1`,
					etag: 'W/"1"',
					server: 'internal',
					'set-cookie': 'a=b',
				},
			)
		const answer = await lab.sender()(
			request({
				method: 'POST',
				path: '/Users?attributes=userName%2cid',
				headers: new Headers([
					['Content-Type', 'application/scim+json'],
					['Authorization', 'Bearer client'],
					['Cookie', 'no'],
					['X-Forwarded-For', '1.2.3.4'],
				]),
				body: Buffer.from('{"userName":"a"}'),
			}),
		)
		expect({ ...answer, body: JSON.parse(answer.body.toString()) }).toEqual({
			status: 201,
			headers: {
				'content-type': 'application/scim+json',
				etag: 'W/"1"',
				location: 'https://rollcall.test/scim/demo/Users/1',
			},
			body: { id: '1', meta: { location: 'https://rollcall.test/scim/demo/Users/1' }, n: 1 },
		})
		const [received] = lab.origin.requests
		expect(received).toEqual({
			method: 'POST',
			target: '/scim/Users?attributes=userName%2Cid',
			headers: {
				host: `localhost:${lab.origin.port}`,
				connection: 'keep-alive',
				'accept-encoding': 'identity',
				'content-type': 'application/scim+json',
				'content-length': '16',
				authorization: 'Bearer origin-secret',
			},
			body: Buffer.from('{"userName":"a"}'),
		})
		expect(lab.standIn.journal.violations()).toEqual([])
	})

	test.each([0, 65_000, 65_536, 65_537, 1_000_000, 5_000_000])(
		'a body of %i bytes arrives complete in both directions',
		async (length) => {
			await lab.agent()
			const text = 'x'.repeat(length)
			lab.origin.answer = (_, response, body) => json(response, 200, { got: hash(body), text })
			const answer = await lab.sender()(request({ method: 'PUT', body: Buffer.from(text) }))
			const { got, text: returned } = JSON.parse(answer.body.toString())
			expect([got, returned.length]).toEqual([hash(Buffer.from(text)), length])
			expect(lab.standIn.journal.violations()).toEqual([])
		},
	)
})

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('without an agent the answer is 503 with the reason, never 404', async () => {
	expect(await outcome(lab.sender()(request()))).toEqual({
		status: 503,
		detail: expect.stringMatching(/^The SCIM server cannot be reached \(no_agent\): no on-premises agent is connected/),
		headers: { 'Retry-After': '30' },
	})
})

test('a token that the relay refuses is replaced once', async () => {
	await lab.agent()
	let tokenRequests = 0
	const token = async () => {
		const key = tokenRequests++ === 0 ? 'outdated' : 'sendkey'
		return sasToken({ uri: 'http://localhost/demo', keyName: 'send', key, expires: Date.now() + 3_600_000 })
	}
	expect(await outcome(lab.sender({ token })(request()))).toMatchObject({ status: 200 })
	expect(tokenRequests).toBe(2)
})

test.each([
	[
		'refused permanently',
		async () => ({ token: 'x', expiresOnTimestamp: 1 }),
		/\(relay_unauthorized\): the relay answered 401 /,
	],
	['unavailable', () => Promise.reject(new Error('the identity is away')), /\(relay_token\)/],
	[
		'without the right Send',
		async () =>
			sasToken({ uri: 'http://localhost/demo', keyName: 'listen', key: 'listenkey', expires: Date.now() + 1e6 }),
		/\(relay_refused\): the relay answered 403/,
	],
])('a token that is %s is 503, never 401', async (_, token, detail) => {
	expect(await outcome(lab.sender({ token })(request()))).toEqual({
		status: 503,
		detail: expect.stringMatching(detail),
		headers: { 'Retry-After': '30' },
	})
})

test('a token source that never answers times out, and the next request asks it again', async () => {
	await lab.agent()
	let tokenRequests = 0
	const token = () =>
		tokenRequests++ === 0
			? new Promise<never>(() => undefined)
			: Promise.resolve(
					sasToken({ uri: 'http://localhost/demo', keyName: 'send', key: 'sendkey', expires: Date.now() + 3_600_000 }),
				)
	const send = lab.sender({ token })
	expect(await outcome(send(request()))).toMatchObject({
		status: 503,
		detail: expect.stringMatching(/\(relay_token\)/),
	})
	expect(await outcome(send(request()))).toMatchObject({ status: 200 })
})

test('a header with an invalid value is dropped', async () => {
	await lab.agent()
	const values: Record<string, string> = { 'user-agent': 'a\u0001b', accept: 'application/scim+json' }
	const headers = { get: (name: string) => values[name] ?? null }
	expect(await outcome(lab.sender()(request({ headers })))).toMatchObject({ status: 200 })
	expect(lab.origin.requests[0]?.headers).toMatchObject({ accept: 'application/scim+json' })
	expect(lab.origin.requests[0]?.headers).not.toHaveProperty('user-agent')
})

test.each(['PUT', 'DELETE'])('a %s with a lost answer is not repeated', async (method) => {
	await lab.agent()
	lab.origin.answer = (incoming) => incoming.socket.destroy()
	const lost = lab.sender()(request({ method, path: '/Users/1', headers: new Headers({ 'if-match': 'W/"1"' }) }))
	expect(await outcome(lost)).toMatchObject({ status: 503, detail: expect.stringMatching(/outcome_unknown/) })
	expect(lab.origin.requests.length).toBe(1)
})

test.each(['PUT', 'DELETE', 'PATCH'])(
	'a %s with If-Match whose answer is cut gets the answer of the first attempt, never 412',
	async (method) => {
		await lab.agent()
		await lab.agent({ agentId: '22222222-2222-4222-8222-222222222222' })
		let version = 1
		lab.origin.answer = (incoming, response) => {
			if (incoming.headers['if-match'] !== `W/"${version}"`) return json(response, 412, { status: '412' })
			version++
			return json(response, 200, { version })
		}
		lab.standIn.faults.cutAnswerAt = 3
		const headers = new Headers({ 'if-match': 'W/"1"' })
		const sent = outcome(lab.sender()(request({ method, path: '/Users/1', headers, body: Buffer.from('{}') })))
		await lab.standIn.journal.until('answer')
		lab.standIn.faults.cutAnswerAt = undefined
		expect(await sent).toEqual({ status: 200, body: { version: 2 } })
		expect(lab.origin.requests.length).toBe(1)
	},
)

test('a write with a truncated answer is not repeated: the agent still has the answer', async () => {
	await lab.agent()
	lab.standIn.faults.cutAnswerAt = 5
	const sent = outcome(lab.sender()(request({ method: 'POST', body: Buffer.from('{}') })))
	await lab.standIn.journal.until('answer')
	lab.standIn.faults.cutAnswerAt = undefined
	expect(await sent).toEqual({ status: 200, body: { method: 'POST', target: '/scim/Users', length: 2 } })
	expect(lab.origin.requests.length).toBe(1)
})

test('characters that the service rewrites in a target arrive as the client sent them', async () => {
	await lab.agent()
	lab.standIn.faults.mangle = true
	const path = '/Users?filter=userName eq "a%26b<ø"'
	await lab.sender()(request({ path }))
	expect(lab.origin.requests[0]?.target).toBe('/scim/Users?filter=userName%20eq%20%22a%26b%3C%C3%B8%22')
	expect(lab.log.count('target_mismatch')).toBe(0)
})

test('a relay that never answers times out after 50 s', async () => {
	await lab.agent()
	const thaw = lab.standIn.freeze()
	const before = clock.now()
	expect(await outcome(lab.sender()(request({ method: 'POST' })))).toEqual({
		status: 503,
		detail: expect.stringMatching(/\(outcome_unknown\).*no answer within 50 s/),
		headers: { 'Retry-After': '30' },
	})
	expect(clock.now() - before).toBeLessThan(58_000)
	thaw()
})

test('a refusal of the SCIM server passes even if its text only resembles JSON', async () => {
	await lab.agent()
	const page = '<script>page = {"location": "\\x2fscim"}</script>'
	lab.origin.answer = (_, response) => response.writeHead(403, { 'content-type': 'text/html' }).end(page)
	const { status, body } = await lab.sender()(request())
	expect([status, body.toString()]).toEqual([403, page])
})

/** A listener that answers every request with these headers and this body. */
async function impostor(
	responseHeaders: Readonly<Record<string, string>>,
	body?: string,
	statusCode = 200,
): Promise<WebSocket> {
	const { token } = sasToken({
		uri: 'http://localhost/demo',
		keyName: 'listen',
		key: 'listenkey',
		expires: Date.now() + 3_600_000,
	})
	const url = `wss://${lab.standIn.host}/$hc/demo?sb-hc-action=listen`
	const before = lab.standIn.journal.count('listening')
	const socket = new WebSocket(url, { ca: lab.ca, headers: { ServiceBusAuthorization: token } })
	socket.on('message', (text) => {
		const { id } = JSON.parse(String(text)).request
		const response = { requestId: id, statusCode, responseHeaders, body: body !== undefined }
		socket.send(JSON.stringify({ response }))
		if (body !== undefined) socket.send(Buffer.from(body))
	})
	await lab.standIn.journal.until('listening', before + 1)
	return socket
}

test.each([
	['no mark', {}, /\(unknown_agent\): a listener that is no agent answered 200/],
	['an outcome but no mark', { 'x-scim-relay-outcome': 'completed' }, /unknown_agent/],
	['a mark but no outcome', { 'x-scim-relay-agent': 'a;v=1;hc=demo' }, /unknown_agent/],
	[
		'the mark of another connection',
		{ 'x-scim-relay-agent': 'a;v=1;hc=other', 'x-scim-relay-outcome': 'completed' },
		/unknown_agent.*another hybrid connection/,
	],
])('an answer with %s is not an answer of the SCIM server', async (_, responseHeaders, detail) => {
	const socket = await impostor(responseHeaders)
	expect(await outcome(lab.sender()(request()))).toEqual({
		status: 503,
		detail: expect.stringMatching(detail),
		headers: { 'Retry-After': '30' },
	})
	socket.terminate()
})

test.each([200, 401, 404, 500, 503])(
	'nothing is sent twice to a listener that is no agent and answers %i',
	async (status) => {
		const socket = await impostor({}, 'hello', status)
		for (const method of ['GET', 'POST', 'DELETE'])
			expect(await outcome(lab.sender()(request({ method })))).toMatchObject({
				status: 503,
				detail: expect.stringMatching(new RegExp(`\\(unknown_agent\\).*answered ${status}`)),
			})
		expect(lab.standIn.journal.count('request')).toBe(3)
		socket.terminate()
	},
)

const marked = (version: string, result = 'completed') => ({
	'x-scim-relay-agent': `a;${version}hc=demo`,
	'x-scim-relay-outcome': result,
})

test.each([
	['v=9;', 'not-sent', /\(version_refused\): the agent a speaks version 9 .*; deploy a newer Rollcall/],
	['v=9;', 'completed', /\(outcome_unknown\).*the agent a speaks version 9/],
	['v=0;', 'not-sent', /\(version_refused\): the agent a speaks version 0 .*; update the agent/],
	['', 'not-sent', /the agent a speaks version none/],
])('an agent with the mark %j and the outcome %s is refused with a sentence', async (version, result, detail) => {
	const socket = await impostor(marked(version, result), '{}')
	expect(await outcome(lab.sender()(request({ method: 'POST' })))).toMatchObject({
		status: 503,
		detail: expect.stringMatching(detail),
	})
	socket.terminate()
})

test('a redirect that an older agent passes on does not reach the client', async () => {
	const socket = await impostor({ ...marked('v=1;'), location: 'https://internal/scim/' }, '{}', 301)
	const answer = await outcome(lab.sender()(request({ method: 'PUT' })))
	expect(answer).toMatchObject({ status: 503, detail: expect.stringMatching(/outcome_unknown.*redirect \(301\)/) })
	expect(JSON.stringify(answer)).not.toContain('internal')
	socket.terminate()
})

test('the agents that are out of date are named', async () => {
	await lab.agent()
	const send = lab.sender()
	expect(await send.outdatedAgents('1')).toEqual([])
	const socket = await impostor(marked('v=1;'), '{}')
	expect(await send.outdatedAgents('2')).toEqual([
		'the agent a is out of date: it speaks version 1 of the contract, and Rollcall 2',
	])
	socket.terminate()
})

test.each(['null', '7', '{"detail":7}', 'Bad Gateway'])(
	'a failure of an agent with the body %s is 503',
	async (body) => {
		const mark = { 'x-scim-relay-agent': 'a;v=1;hc=demo', 'x-scim-relay-outcome': 'unknown' }
		const socket = await impostor(mark, body)
		expect(await outcome(lab.sender()(request()))).toEqual({
			status: 503,
			detail: expect.stringMatching(/outcome_unknown.*the agent gave no reason/),
			headers: { 'Retry-After': '30' },
		})
		socket.terminate()
	},
)

test.each([
	[true, 'passThrough', 'Bearer client'],
	[false, 'passThrough', undefined],
	[true, 'clientCertificate', undefined],
])(
	'the Authorization of the client passes only if sender and agent allow it (%s, %s)',
	async (isAuthorizationPassed, type, expected) => {
		await lab.agent({ origin: { ...settings(lab.standIn, lab.origin).origin, authorization: { type } } })
		await lab.sender({ isAuthorizationPassed })(request({ headers: new Headers({ authorization: 'Bearer client' }) }))
		expect(lab.origin.requests[0]?.headers.authorization).toBe(expected)
	},
)

test.each([
	['GET', 504, 200, 1],
	['PUT', 500, 503, 0],
	['DELETE', 504, 503, 0],
	['POST', 504, 503, 0],
	['PATCH', 500, 503, 0],
	['POST', 404, 200, 1],
	['POST', 503, 200, 1],
	['GET', 502, 200, 1],
	['POST', 502, 503, 0],
	['PATCH', 502, 503, 0],
	['DELETE', 502, 503, 0],
	['DELETE', 404, 200, 1],
])('%s for which the relay answers %i becomes %i', async (method, fate, status, tokenRequests) => {
	await lab.agent()
	lab.standIn.faults.nextSends = [fate]
	expect(await outcome(lab.sender()(request({ method })))).toMatchObject({ status })
	expect(lab.origin.requests.length).toBe(tokenRequests)
})

test('a relay that refuses connections is relay_unreachable', async () => {
	const answer = await outcome(lab.sender({ namespace: 'localhost:1' })(request({ method: 'POST' })))
	expect(answer).toMatchObject({ status: 503, detail: expect.stringMatching(/\(relay_unreachable\).*ECONNREFUSED/) })
})

test('after repeated failures the relay is not tried for each request, and the cause is still reported', async () => {
	const send = lab.sender({ namespace: 'localhost:1' })
	for (let at = 0; at < 5; at++) await outcome(send(request()))
	const answer = await outcome(send(request()))
	expect(answer).toMatchObject({
		detail: expect.stringMatching(/\(relay_unreachable\).*as of a moment ago.*ECONNREFUSED/),
	})
})

test('writes with truncated answers are not repeated, even with more writes than connections', async () => {
	await lab.agent()
	const { answer } = lab.origin
	const arrived: string[] = []
	lab.origin.answer = (incoming, response, body) => {
		if (incoming.method === 'POST') arrived.push(String(body))
		if (arrived.length > 32) lab.standIn.faults.cutAnswerAt = 0
		answer(incoming, response, body)
	}
	const send = lab.sender()
	// The connections are open before the writes, which otherwise wait for all the handshakes.
	await Promise.all(Array.from({ length: 32 }, () => outcome(send(request()))))
	const write = (at: number) => outcome(send(request({ method: 'POST', body: Buffer.from(String(at)) })))
	const outcomes = await Promise.all(Array.from({ length: 40 }, (_, at) => write(at)))
	const codes = outcomes.map((each) => ('detail' in each ? /\((\w+)\)/.exec(each.detail)?.[1] : 'answered'))
	expect(codes).toContain('outcome_unknown')
	expect(arrived.length).toBe(new Set(arrived).size)
	// On a slow machine, some writes are given up before they are sent.
	for (const [at, code] of codes.entries())
		if (code !== 'outcome_unknown')
			expect([at, code, arrived.includes(String(at))]).toEqual([at, code, code === 'answered'])
	const posts = lab.standIn.journal.entries.filter(({ event, method }) => event === 'request' && method === 'POST')
	expect(posts.length).toBeLessThanOrEqual(40)
})

test('the answer of a busy agent has Retry-After', async () => {
	await lab.agent({ concurrency: 1 })
	const waiting: (() => void)[] = []
	lab.origin.answer = (_, response) => waiting.push(() => json(response, 200, {}))
	const senders = [lab.sender(), lab.sender(), lab.sender()]
	const sent = senders.flatMap((send) => Array.from({ length: 32 }, () => outcome(send(request()))))
	const first = await Promise.race(sent)
	expect(first).toMatchObject({ status: 503, detail: expect.stringMatching(/agent_busy/) })
	expect(first).toMatchObject({ headers: { 'Retry-After': '1' } })
	lab.origin.answer = (_, response) => json(response, 200, {})
	for (const answer of waiting) answer()
	await Promise.all(sent)
})

test('the id of an agent is compared without regard to case', async () => {
	const id = 'aaaaaaaa-0000-4000-8000-00000000000a'
	await lab.agent({ agentId: id })
	expect(await outcome(lab.sender({ agents: [id.toUpperCase()] })(request()))).toMatchObject({ status: 200 })
})

test('a path and query that are too long are 414, before anything is sent', async () => {
	await lab.agent()
	const path = (length: number) => `/Users?filter=${'x'.repeat(length - '/demo/scim/Users?filter='.length)}`
	expect(await outcome(lab.sender()(request({ path: path(8192) })))).toMatchObject({ status: 200 })
	expect(await outcome(lab.sender()(request({ path: path(8193) })))).toMatchObject({
		status: 414,
		detail: 'the path and query are longer than 8192 characters',
	})
	expect(lab.standIn.journal.count('request')).toBe(1)
})

describe('PATCH', () => {
	const patch = () => request({ method: 'PATCH', path: '/Users/1', body: Buffer.from('{"Operations":[]}') })
	const done = { status: 200, body: { method: 'PATCH', target: '/scim/Users/1', length: 17 } }

	test('is sent as PATCH by default', async () => {
		await lab.agent()
		expect(await outcome(lab.sender()(patch()))).toEqual(done)
		expect(lab.standIn.journal.entries.find(({ event }) => event === 'request')?.method).toBe('PATCH')
	})

	test('is sent as POST if configured, and is PATCH at the SCIM server and in the log', async () => {
		await lab.agent()
		lab.standIn.faults.refusePatch = true
		expect(await outcome(lab.sender()(patch()))).toMatchObject({ status: 503, detail: expect.stringMatching(/405/) })
		expect(lab.origin.requests).toEqual([])
		const send = lab.sender({ isPatchSentAsPost: true })
		expect(await outcome(send(patch()))).toEqual(done)
		expect(await outcome(send(request()))).toMatchObject({ body: { method: 'GET' } })
		expect(lab.origin.requests[0]?.headers).not.toHaveProperty('x-scim-relay-method')
		expect(lab.log.entries).toContainEqual(expect.objectContaining({ method: 'PATCH', status: 200 }))
		expect(lab.standIn.journal.violations()).toEqual([])
	})

	test('that is sent as POST is not repeated if its answer is lost', async () => {
		await lab.agent()
		lab.origin.answer = (incoming) => incoming.socket.destroy()
		expect(await outcome(lab.sender({ isPatchSentAsPost: true })(patch()))).toMatchObject({ status: 503 })
		expect(lab.origin.requests.length).toBe(1)
	})

	test.each([
		['GET', 'PATCH'],
		['POST', 'DELETE'],
		['POST', 'BREW'],
		['PATCH', 'POST'],
	])('%s cannot stand for %s', async (method, intended) => {
		await lab.agent()
		const { token } = sasToken({
			uri: 'http://localhost/demo',
			keyName: 'send',
			key: 'sendkey',
			expires: Date.now() + 36_000_000,
		})
		const { status, headers } = await sendTo({
			...{ port: lab.standIn.port, ca: lab.ca, method, path: '/demo/scim/Users' },
			headers: { ServiceBusAuthorization: token, 'x-scim-relay-method': intended },
		})
		expect([status, headers['x-scim-relay-error']]).toEqual([405, 'method_refused'])
		expect(lab.origin.requests).toEqual([])
	})
})
