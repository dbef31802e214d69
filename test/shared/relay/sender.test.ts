import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Lab, outcome, request, startLab } from '../../support/relay-stand-in/lab.ts'
import { json } from '../../support/relay-stand-in/origin.ts'

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
				headers: [
					['Content-Type', 'application/scim+json'],
					['Authorization', 'Bearer client'],
					['Cookie', 'no'],
					['X-Forwarded-For', '1.2.3.4'],
				],
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
		const [seen] = lab.origin.requests
		expect(seen).toEqual({
			method: 'POST',
			target: '/scim/Users?attributes=userName%2Cid',
			headers: {
				host: `localhost:${lab.origin.port}`,
				connection: 'close',
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
		'a body of %i bytes arrives whole either way',
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

test('without an agent it is 503 with the reason, never 404', async () => {
	expect(await outcome(lab.sender()(request()))).toEqual({
		status: 503,
		detail: expect.stringMatching(/^The SCIM server cannot be reached \(no_agent\): no on-premises agent is connected/),
		headers: { 'Retry-After': '30' },
	})
})
