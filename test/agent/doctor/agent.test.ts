import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Admin, startAdmin } from '../../../agent/admin.ts'
import { type Agent, startAgent } from '../../../agent/agent.ts'
import { agentFinding } from '../../../agent/doctor/agent.ts'
import { metricsOf } from '../../../agent/metrics.ts'
import { clock, type Lab, request, serversWith, settings, startLab } from '../../support/relay-stand-in/lab.ts'

let lab: Lab
let admin: Admin
let agent: Agent | undefined
const id = '11111111-1111-4111-8111-111111111111'

beforeEach(async () => {
	lab = await startLab()
	const config = lab.config()
	admin = await startAdmin(0, {
		servers: () => serversWith(config, agent),
		reload: async () => [],
		metrics: metricsOf(() => undefined),
		version: '',
	})
})
afterEach(async () => {
	await admin.close()
	await lab.stop()
})

const findingFor = (more = {}, isListening = false, canRun = true) =>
	agentFinding(lab.config({ admin: { port: admin.port }, ...more }), { isListening, canRun }, clock)

test('an agent that listens passes', async () => {
	agent = await lab.agent()
	const seen = `the agent ${id} is online on demo, control channels: 1`
	expect(await findingFor()).toEqual({ code: 'A3', verdict: 'PASS', seen })
})

test('an agent that runs with other settings is a warning', async () => {
	agent = await lab.agent()
	const other = '22222222-2222-4222-8222-222222222222'
	expect(await findingFor({ agentId: other })).toEqual({
		code: 'A3',
		verdict: 'WARN',
		seen: `the agent ${id} is online on demo, control channels: 1; the settings say ${other}`,
		remedy: 'The agent runs with other settings. Restart it.',
	})
})

test('a newer version is a warning', async () => {
	agent = startAgent(lab.config(), { clock, log: lab.log.write, random: () => 0.5, version: '0.2.0' })
	await agent.online
	await lab.sender({ version: '0.3.0' })(request())
	expect(await findingFor()).toEqual({
		code: 'A3',
		verdict: 'WARN',
		seen: `the agent ${id} is online on demo, control channels: 1; version 0.3.0 is available`,
		remedy: 'Copy it over the agent, then type: rollcall-relay restart',
	})
	await agent.drain()
})

test('a stopped agent is a warning', async () => {
	agent = await lab.agent()
	await agent.drain()
	expect(await findingFor()).toMatchObject({ verdict: 'WARN', seen: expect.stringContaining(' is stopped on demo') })
})

const state = 'is connecting on demo, control channels: 0; '
const credentials = { ...settings({ host: '' }, { port: 0 }).credentials, keyName: 'listen' }

test.each([
	[
		401,
		'auth_failed',
		`Azure refuses the token. Check the clock (H2), and that "keyName": "${credentials.keyName}" has the right Listen on demo.`,
	],
	[404, 'entity_missing', 'Create the hybrid connection demo, or correct relay.hybridConnection.'],
	[500, 'network', 'See the network checks above (N1 to N6).'],
])('an agent that is refused with %i reports the reason and a remedy', async (status, kind, remedy) => {
	lab.standIn.faults.nextListens = Array(100).fill(status)
	agent = lab.start()
	await lab.log.until('offline')
	expect(await findingFor()).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: expect.stringContaining(`${state}${kind}: ${status} Refused by the test.`),
		remedy,
	})
})

test('the check is skipped without an agent or without admin.port', async () => {
	const skipped = { code: 'A3', verdict: 'SKIP' }
	const off = expect.stringMatching(/^cannot ask the running agent: the settings have no "admin"/)
	expect(await findingFor({ admin: undefined })).toEqual({ ...skipped, seen: off })
	await admin.close()
	expect(await findingFor()).toEqual({ ...skipped, seen: expect.stringMatching(/^no running agent: .*ECONNREFUSED/) })
})

test('another program on the port fails', async () => {
	const server = createServer((_, response) => response.end('<p>Hello'))
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	expect(await findingFor({ admin: { port } })).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: `another program answers on 127.0.0.1:${port}`,
		remedy: 'Choose another port in admin.port.',
	})
	server.close()
})

test('with --listen and no running agent, an agent listens for a moment', async () => {
	const seen = `an agent listened for a moment as ${id}`
	expect(await findingFor({ admin: undefined }, true)).toEqual({ code: 'A3', verdict: 'PASS', seen })
	await lab.standIn.journal.until('left')
	expect(lab.standIn.listeners()).toEqual([])
	lab.standIn.faults.nextListens = Array(100).fill(403)
	expect(await findingFor({ admin: undefined }, true)).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: expect.stringMatching(/^auth_failed: 403 Refused by the test/),
		remedy: expect.stringContaining('has the right Listen on demo'),
	})
})

test('with --listen and unusable files, the finding says why no agent listened', async () => {
	expect(await findingFor({ admin: undefined }, true, false)).toEqual({
		code: 'A3',
		verdict: 'SKIP',
		seen: expect.stringMatching(/^cannot ask the running agent: .*; did not listen: repair C2 first$/),
	})
	expect(lab.standIn.journal.count('listening')).toBe(0)
})

test('a port whose program ends connections fails, and no agent listens', async () => {
	const server = createServer((request) => request.socket.destroy())
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	expect(await findingFor({ admin: { port } }, true)).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: `no answer from 127.0.0.1:${port}: socket hang up`,
		remedy: 'Restart the agent. If another program has this port, choose another one in admin.port.',
	})
	expect(lab.standIn.journal.count('listening')).toBe(0)
	server.close()
})

test('with --listen and a running agent, no other agent listens', async () => {
	agent = await lab.agent()
	expect(await findingFor({}, true)).toMatchObject({ seen: expect.stringContaining('is online on demo') })
	expect(lab.standIn.journal.count('listening')).toBe(1)
})
