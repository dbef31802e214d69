import { afterAll, beforeAll, expect, test } from 'vitest'
import { askThroughRelay } from '../support/relay-stand-in/ask.ts'
import { type Lab, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab

beforeAll(async () => {
	lab = await startLab()
	await lab.agent({ concurrency: 4 })
})
afterAll(() => lab.stop())

const ask = (path: string, method = 'GET') => askThroughRelay(lab, { method, path })

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
