import { afterAll, beforeAll, expect, test } from 'vitest'
import { sasToken } from '../../shared/relay/sas.ts'
import { ca, clock, type Lab, startLab } from '../support/relay-stand-in/lab.ts'
import { sendTo } from '../support/relay-stand-in/sender.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	await lab.agent({ concurrency: 4 })
})
afterAll(() => lab.stop())

async function ask(path: string, method = 'GET') {
	const uri = 'http://localhost/demo'
	const { token } = sasToken({ uri, keyName: 'send', key: 'sendkey', expires: clock.now() + 3_600_000_000 })
	return sendTo({
		port: lab.standIn.port,
		ca: ca.cert,
		method,
		path,
		body: Buffer.alloc(0),
		headers: { ServiceBusAuthorization: token },
	})
}

test('info describes the agent, without a request to the SCIM server and without its address', async () => {
	const { status, headers, body } = await ask('/demo/.scim-relay/info')
	expect(status).toBe(200)
	expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-scim-relay-outcome': 'completed' })
	expect(JSON.parse(body.toString())).toEqual({
		agent: '11111111-1111-4111-8111-111111111111',
		hybridConnection: 'demo',
		version: 'not built',
		contract: '2',
		node: process.versions.node,
		platform: process.platform,
		concurrency: 4,
		since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
	})
	expect(lab.origin.requests).toEqual([])
})

test.each(['/demo/.scim-relay/info/', '/demo/.scim-relay/info?x', '/demo/.scim-relay', '/demo/.scim-relay/config'])(
	'%s is refused',
	async (path) => {
		const { status, headers } = await ask(path)
		expect([status, headers['x-scim-relay-error']]).toEqual([400, 'path_refused'])
		expect(lab.origin.requests).toEqual([])
	},
)
