import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Admin, startAdmin } from '../../../agent/admin.ts'
import type { Agent } from '../../../agent/agent.ts'
import { agentFinding } from '../../../agent/doctor/agent.ts'
import { metricsOf } from '../../../agent/metrics.ts'
import { clock, type Lab, settings, startLab } from '../../support/relay-stand-in/lab.ts'

let lab: Lab
let admin: Admin
let agent: Agent | undefined
const id = '11111111-1111-4111-8111-111111111111'

beforeEach(async () => {
	lab = await startLab()
	admin = await startAdmin(0, { agent: () => agent, metrics: metricsOf(() => undefined), version: '' })
})
afterEach(async () => {
	await admin.close()
	await lab.stop()
})

const found = (more = {}, isListening = false) =>
	agentFinding(lab.config({ admin: { port: admin.port }, ...more }), isListening, clock)

test('an agent that listens says so', async () => {
	agent = await lab.agent()
	const seen = `the agent ${id} is online on demo, control channels: 1`
	expect(await found()).toEqual({ code: 'A3', verdict: 'PASS', seen })
})

test('an agent that runs with other settings is told from one of these', async () => {
	agent = await lab.agent()
	const other = '22222222-2222-4222-8222-222222222222'
	expect(await found({ agentId: other })).toEqual({
		code: 'A3',
		verdict: 'WARN',
		seen: `the agent ${id} is online on demo, control channels: 1; the settings name ${other}`,
		remedy: 'It runs with other settings: restart it.',
	})
})

test('an agent that was stopped says so', async () => {
	agent = await lab.agent()
	await agent.drain()
	expect(await found()).toMatchObject({ verdict: 'WARN', seen: expect.stringContaining(' is stopped on demo') })
})

const trouble = 'is connecting on demo, control channels: 0; '
const named = { ...settings({ host: '' }, { port: 0 }).credentials, keyName: 'listen' }

test.each([
	[
		401,
		'auth_failed',
		`The service refuses the key, or the times in the token if the clock is wrong (H2): "keyName": "${named.keyName}" must have the right Listen on demo.`,
	],
	[404, 'entity_missing', 'Create the hybrid connection demo, or correct relay.hybridConnection.'],
	[500, 'network', 'The checks of the network above say where it ends.'],
])('an agent that is refused with %i says why, and what helps', async (status, kind, remedy) => {
	lab.standIn.faults.nextListens = Array(100).fill(status)
	agent = lab.start()
	await lab.log.until('offline')
	expect(await found()).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: expect.stringContaining(`${trouble}${kind}: ${status} Refused as told.`),
		remedy,
	})
})

test('without an agent, or a way to ask it, nothing is wrong', async () => {
	const skipped = { code: 'A3', verdict: 'SKIP' }
	const off = expect.stringMatching(/^the running agent cannot be asked: there is no "admin"/)
	expect(await found({ admin: undefined })).toEqual({ ...skipped, seen: off })
	await admin.close()
	expect(await found()).toEqual({ ...skipped, seen: expect.stringMatching(/^no agent runs here: .*ECONNREFUSED/) })
})

test('what is no agent is told from one', async () => {
	const server = createServer((_, response) => response.end('<p>Hello'))
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	expect(await found({ admin: { port } })).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: `what answers on 127.0.0.1:${port} is no agent`,
		remedy: 'Choose another port in admin.port.',
	})
	server.close()
})

test('where no agent can be asked one listens for a moment, if that is wanted, and is gone again', async () => {
	const seen = `an agent listened for a moment as ${id}`
	expect(await found({ admin: undefined }, true)).toEqual({ code: 'A3', verdict: 'PASS', seen })
	await lab.standIn.journal.until('left')
	expect(lab.standIn.listeners()).toEqual([])
	lab.standIn.faults.nextListens = Array(100).fill(403)
	expect(await found({ admin: undefined }, true)).toEqual({
		code: 'A3',
		verdict: 'FAIL',
		seen: expect.stringMatching(/^auth_failed: 403 Refused as told/),
		remedy: expect.stringContaining('must have the right Listen on demo'),
	})
})

test('where an agent answers no other one listens', async () => {
	agent = await lab.agent()
	expect(await found({}, true)).toMatchObject({ seen: expect.stringContaining('is online on demo') })
	expect(lab.standIn.journal.count('listening')).toBe(1)
})
