import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Agent } from '../../agent/agent.ts'
import { enrolAgent } from '../../agent/enrol.ts'
import { writeCode } from '../../shared/relay/enrolment.ts'
import { type EnrolmentHost, useEnrolmentHost } from '../support/enrolment.ts'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'
import { type ScaledClock, scaledClock } from '../support/relay-stand-in/scaled-clock.ts'

const newHost = useEnrolmentHost()
const minute = 60_000

let clock: ScaledClock
let lab: Lab
let host: EnrolmentHost
let agent: Agent
let id = ''

/** An agent that has enrolled at the app and listens at the service. All of them have one clock. */
beforeEach(async () => {
	clock = scaledClock(20)
	const key = { value: () => '' }
	const rule = {
		get key() {
			return key.value()
		},
		rights: ['listen'],
	} as const
	const send = { key: 'sendkey', rights: ['send'] } as const
	lab = await startLab({ commonClock: clock, rules: { 'rollcall-agents': rule, send } })
	host = await newHost({
		namespace: lab.standIn.host,
		now: () => Math.floor(clock.now()),
		settings: { hybridConnection: 'demo' },
	})
	key.value = () => host.keys.primaryKey
	const code = await host.add()
	id = code.agent
	const file = lab.write('enrolled.json', JSON.stringify({ origin: lab.config().origin }))
	await enrolAgent({ text: writeCode(code), file, host: 'dc01', clock })
	const { credentials, agentId } = JSON.parse(readFileSync(file, 'utf8'))
	agent = await lab.agent({ credentials, agentId })
})
afterEach(() => lab.stop())

const statusOf = async (): Promise<number> => (await outcome(lab.sender()(request()))).status

/** Moves all clocks from renewal to renewal, and answers what clients get meanwhile. */
async function pass(minutes: number): Promise<readonly number[]> {
	const statuses: number[] = []
	for (let passed = 0; passed < minutes; passed += 5) {
		clock.forward(5 * minute)
		statuses.push(await statusOf())
	}
	return statuses
}

test('an enrolled agent serves requests under the id of its enrolment, and renews its token every 15 minutes', async () => {
	expect(lab.standIn.listeners()).toEqual([id])
	expect(await statusOf()).toBe(200)
	const renewed = lab.log.until('token_renewed', 2)
	expect(new Set(await pass(35))).toEqual(new Set([200]))
	await renewed
	expect(agent.status()).toMatchObject({ state: 'online', rollcall: { version: 'not built' } })
	expect(JSON.stringify(lab.log.entries)).not.toMatch(/sig=|SharedAccessSignature|primary-1/)
})

test('an agent goes on for an hour while the app is away, also on a new channel, and renews when the app is back', async () => {
	await pass(15)
	host.faults.isAway = true
	const during = await pass(30)
	lab.standIn.reset()
	await lab.log.until('online', 2)
	expect(new Set([...during, ...(await pass(30))])).toEqual(new Set([200]))
	host.faults.isAway = false
	const renewals = lab.log.count('token_renewed')
	expect(new Set(await pass(20))).toEqual(new Set([200]))
	await lab.log.until('token_renewed', renewals + 1)
	expect(lab.log.count('token_failed')).toBeGreaterThan(0)
	expect(new Set(await pass(90))).toEqual(new Set([200]))
})

test('an agent that was removed stops within 15 minutes, and says why', async () => {
	await host.remove(id)
	clock.forward(15 * minute)
	await agent.removed
	await vi.waitFor(() => expect(lab.standIn.listeners()).toEqual([]))
	expect(agent.status().state).toBe('stopped')
	expect(lab.log.entries).toContainEqual({
		event: 'removed',
		detail: expect.stringMatching(/ answers: an administrator has removed this agent$/),
	})
	expect(await statusOf()).toBe(503)
})

test('an agent whose token is void because a key was renewed gets another one by itself', async () => {
	host.keys.primaryKey = 'primary-of-the-portal'
	lab.standIn.drop(1008, 'the key was renewed')
	await lab.log.until('online', 2)
	expect(lab.log.count('offline')).toBe(1)
	expect(await statusOf()).toBe(200)
})
