import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAgent } from '../../agent/agent.ts'
import { versionWatch } from '../../agent/versions.ts'
import { askThroughRelay } from '../support/relay-stand-in/ask.ts'
import { journal } from '../support/relay-stand-in/journal.ts'
import { clock, type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

let lab: Lab
beforeAll(async () => {
	lab = await startLab()
})
afterAll(() => lab.stop())

/** A watch of an agent of version 0.2.0, and its log. */
function watched() {
	const lines: unknown[] = []
	const watch = versionWatch('0.2.0', (event, details) => lines.push({ event, ...details }))
	return { watch, lines }
}

test('an agent that is told nothing says nothing', () => {
	const { watch, lines } = watched()
	expect([watch.news(), lines]).toEqual([{}, []])
})

test('an agent of the newest version logs the versions once', () => {
	const { watch, lines } = watched()
	const told = { version: '0.2.0', newestAgent: '0.2.0' }
	watch.note(told)
	watch.note(told)
	expect(watch.news()).toEqual({ rollcall: told })
	expect(lines).toEqual([{ event: 'versions', agentVersion: '0.2.0', ...told }])
})

test('an older agent says what to upgrade to, also while two versions of the app tell theirs in turn', () => {
	const { watch, lines } = watched()
	const earlier = { version: '0.2.0', newestAgent: '0.2.0' }
	const later = { version: '0.10.0', newestAgent: '0.10.0' }
	for (const told of [earlier, later, earlier, later, earlier]) watch.note(told)
	expect(watch.news()).toEqual({ rollcall: { version: '0.2.0', newestAgent: '0.10.0' }, upgrade: '0.10.0' })
	expect(lines).toEqual([
		{ event: 'versions', agentVersion: '0.2.0', ...earlier },
		{ event: 'upgrade_available', agentVersion: '0.2.0', ...later },
		{ event: 'upgrade_available', agentVersion: '0.2.0', version: '0.2.0', newestAgent: '0.10.0' },
	])
})

test('each request tells the agent the versions, and the SCIM server does not see them', async () => {
	const log = journal()
	const agent = startAgent(lab.config(), { clock, log: log.write, random: () => 0.5, version: '0.2.0' })
	await agent.online
	expect(agent.status()).not.toHaveProperty('rollcall')
	expect(await outcome(lab.sender({ version: '0.3.0' })(request()))).toMatchObject({ status: 200 })
	expect(agent.status()).toMatchObject({ rollcall: { version: '0.3.0', newestAgent: '0.3.0' }, upgrade: '0.3.0' })
	expect(log.count('upgrade_available')).toBe(1)
	expect(lab.origin.requests.at(-1)?.headers).not.toHaveProperty('x-scim-relay-rollcall')
	await agent.drain()
})

test('an agent answers a request with a header that it does not know, as an older agent does with this one', async () => {
	const agent = await lab.agent()
	const headers = { 'x-scim-relay-of-the-future': '1' }
	const { status } = await askThroughRelay(lab, { method: 'GET', path: '/demo/scim/Users', headers })
	expect(status).toBe(200)
	expect(lab.origin.requests.at(-1)?.headers).not.toHaveProperty('x-scim-relay-of-the-future')
	expect(agent.status()).not.toHaveProperty('rollcall')
	await agent.drain()
})
