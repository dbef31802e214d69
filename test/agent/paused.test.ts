import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startAgent } from '../../agent/agent.ts'
import type { RelayResponse } from '../../agent/channel.ts'
import { dispatcher } from '../../agent/dispatch.ts'
import { forwardTo } from '../../agent/forward.ts'
import type { TimeAnswer } from '../../agent/relay-time.ts'
import { type StartCheck, startCheck } from '../../agent/start-check.ts'
import { pause } from '../../shared/relay/clock.ts'
import { type Bundle, bundle } from '../support/bundle.ts'
import { clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'
import { countAllTime, scaledClock } from '../support/relay-stand-in/scaled-clock.ts'

countAllTime()

const first = '11111111-1111-4111-8111-111111111111'
const second = '22222222-2222-4222-8222-222222222222'
const hour = 3_600_000

let lab: Lab
let program: Bundle
const stops: (() => unknown)[] = []

beforeAll(async () => {
	program = await bundle('test/support/relay-stand-in/agent-process.ts')
})
afterAll(() => program.remove())
beforeEach(async () => {
	lab = await startLab()
	lab.origin.answer = (_, response, body) => json(response, 200, { body: body.toString() })
})
afterEach(async () => {
	for (const stop of stops.splice(0)) await stop()
	await lab.stop()
})

const put = (version: string) =>
	request({ method: 'PUT', path: '/Users/1', body: Buffer.from(JSON.stringify({ version })) })
const written = () => lab.origin.requests.map(({ body }) => JSON.parse(body.toString()).version)
const receivers = () => lab.standIn.journal.entries.filter(({ event }) => event === 'request')

/** Sends writes until one is delivered to this agent. Resolves to the outcome of that write, and its name. */
async function writeTo(id: string) {
	const send = lab.sender()
	for (let at = 0; ; at++) {
		const version = `old ${at}`
		const before = receivers().length
		const sent = outcome(send(put(version)))
		await lab.standIn.journal.until('request', before + 1)
		if (receivers()[before]?.listener === id) return { version, sent }
		await sent
	}
}

/** Pauses the first of two agents, and lets a write wait in it until the client has given up and written again. */
async function expectNoStaleWrite(pauseAgent: () => () => void) {
	const wake = pauseAgent()
	const { version, sent } = await writeTo(first)
	expect(await sent).toMatchObject({ status: 503, detail: expect.stringMatching(/outcome_unknown/) })
	expect(await outcome(lab.sender()(put('new')))).toMatchObject({ status: 200 })
	wake()
	// The paused agent answers the request, for which no client waits any more.
	await lab.standIn.journal.until('late-answer')
	expect(written()).not.toContain(version)
	expect(written().at(-1)).toBe('new')
	expect(lab.standIn.journal.entries.find(({ event }) => event === 'late-answer')).toMatchObject({ status: 503 })
}

/** Starts an agent with its own clock, which is this much ahead. */
async function startWithClock(agentId: string, ahead: number) {
	const ownClock = scaledClock(20, clock.now() + ahead)
	const agent = startAgent(lab.config({ agentId }), { clock: ownClock, log: lab.log.write, random: () => 0.5 })
	stops.push(() => agent.drain())
	await agent.online
	return ownClock
}

async function startProcess(agentId: string): Promise<ChildProcess> {
	const file = lab.write(`${agentId}.json`, JSON.stringify({ ...settings(lab.standIn, lab.origin), agentId }))
	const listening = lab.standIn.journal.until('listening', lab.standIn.journal.count('listening') + 1)
	const child = spawn(process.execPath, [program.file, file, '20', String(clock.now()), 'all-time'])
	stops.push(() => child.kill('SIGKILL'))
	await listening
	return child
}

describe('an agent that was paused does not carry out a write that was given up', () => {
	test('if its process was stopped', async () => {
		const child = await startProcess(first)
		await startProcess(second)
		await expectNoStaleWrite(() => {
			child.kill('SIGSTOP')
			return () => child.kill('SIGCONT')
		})
	})

	test.each([
		['if its machine was suspended, and its clock was corrected on waking', true, 0],
		['if its machine was suspended, and all its clocks stood still', false, 0],
		['if all its clocks stood still and are five hours ahead', false, 5 * hour],
		['if all its clocks stood still and are forty minutes behind', false, -hour * (2 / 3)],
	])('%s', async (_, isCorrected, ahead) => {
		const ownClock = await startWithClock(first, ahead)
		await startWithClock(second, ahead === 0 ? 0 : 3 * hour)
		await expectNoStaleWrite(() => {
			const thaw = lab.standIn.freeze(first)
			ownClock.suspend()
			return () => {
				ownClock.wake(isCorrected)
				thaw()
			}
		})
		expect(lab.log.entries).toContainEqual(expect.objectContaining({ event: 'request', error: 'expired' }))
	})
})

test('agents and senders whose clocks are hours apart carry out all writes', async () => {
	await startWithClock(first, 5 * hour)
	await startWithClock(second, -hour / 2)
	for (const ahead of [-3 * hour, 0, 7 * hour]) {
		const send = lab.sender({ clock: scaledClock(20, clock.now() + ahead) })
		for (let at = 0; at < 4; at++) expect(await outcome(send(put(`${ahead}`)))).toMatchObject({ status: 200 })
	}
	expect(new Set(receivers().map(({ listener }) => listener))).toEqual(new Set([first, second]))
	expect(lab.log.count('late')).toBe(0)
})

test('a sender whose clock falls behind that of the relay repeats a write that expired for this reason', async () => {
	await lab.agent()
	const ownClock = scaledClock(20)
	const send = lab.sender({ clock: ownClock })
	expect(await outcome(send(put('1')))).toMatchObject({ status: 200 })
	ownClock.forward(-300_000)
	expect(await outcome(send(put('2')))).toMatchObject({ status: 200 })
	expect(written()).toEqual(['1', '2'])
})

test('a write of a tenant with one trusted agent, and a GET, need no time of the relay', async () => {
	await lab.agent()
	const send = lab.sender({ agents: [first] })
	expect(await outcome(send(put('1')))).toMatchObject({ status: 200 })
	lab.origin.answer = (_, response) => json(response, 200, {})
	expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
	expect(lab.standIn.journal.count('root')).toBe(0)
})

test.each([
	[[first], 0, 15_000],
	[undefined, 24_000, 45_000],
	[[first, second], 24_000, 45_000],
])('with the trusted agents %j, a lost write is given up after %i to %i ms', async (agents, least, most) => {
	await lab.agent()
	lab.standIn.faults.nextSends = [504]
	const before = clock.now()
	expect(await outcome(lab.sender({ ...(agents && { agents }) })(put('1')))).toMatchObject({
		status: 503,
		detail: expect.stringMatching(/outcome_unknown/),
	})
	expect(clock.now() - before).toBeGreaterThanOrEqual(least)
	expect(clock.now() - before).toBeLessThan(most)
})

describe('the check before a write', () => {
	const write = { method: 'PUT', path: '/scim/Users/1', headers: {}, body: Buffer.from('{}'), deadline: 20_000 }
	const passing = { before: async () => undefined, after: () => undefined }

	test('is made on an open connection, before the first byte', async () => {
		const forward = forwardTo(lab.config(), clock)
		const events: string[] = []
		lab.origin.answer = (_, response) => {
			events.push('received')
			json(response, 200, {})
		}
		const check: StartCheck = {
			before: async () => {
				await pause(clock, 1000)
				events.push('checked')
				return undefined
			},
			after: () => events.push('sent'),
		}
		for (let round = 0; round < 2; round++) expect(await forward({ ...write, check })).toMatchObject({ status: 200 })
		expect(events).toEqual(['checked', 'sent', 'received', 'checked', 'sent', 'received'])
	})

	test('prevents the write if it fails, and if the connection breaks meanwhile', async () => {
		const forward = forwardTo(lab.config(), clock)
		const problem = { fault: 'expired', detail: 'too late' } as const
		expect(await forward({ ...write, check: { ...passing, before: async () => problem } })).toEqual(problem)
		expect(await forward({ ...write, check: passing })).toMatchObject({ status: 200 })
		let isBroken = false
		const before = async () => {
			await lab.origin.stop()
			await pause(clock, 5000)
			isBroken = true
			return undefined
		}
		expect(await forward({ ...write, check: { ...passing, before } })).toMatchObject({ fault: 'origin_refused' })
		expect([isBroken, lab.origin.requests.length]).toEqual([false, 1])
	})

	const at = (date: number, age = 0): TimeAnswer => ({ date, age: () => age })
	const checkWith = (relayTime: () => Promise<TimeAnswer>, signal?: AbortSignal) =>
		startCheck({ relayTime, expires: 100_000, signal, late: () => undefined }).before()

	test.each([
		[98_999, 0, undefined],
		[99_000, 0, 'expired'],
		[90_000, 8999, undefined],
		[90_000, 9000, 'expired'],
	])('at %i, asked %i ms ago, results in %s', async (date, age, fault) => {
		expect((await checkWith(async () => at(date, age)))?.fault).toBe(fault)
	})

	test('fails if the sender has disconnected, and if the relay does not answer', async () => {
		expect(await checkWith(async () => at(0), AbortSignal.abort())).toMatchObject({ fault: 'expired' })
		expect(await checkWith(() => Promise.reject(new Error('away')))).toEqual({
			fault: 'not_confirmed',
			detail: 'the relay did not tell its time: away',
		})
	})

	test('a write that was sent too late is logged', async () => {
		const times = [at(0), at(103_000), at(0), at(50_000)]
		const requests = dispatcher({
			config: lab.config(),
			clock,
			log: lab.log.write,
			forward: forwardTo(lab.config(), clock),
			probe: async () => ({ status: 200 }),
			relayTime: async () => times.shift() ?? at(0),
		})
		for (const id of ['1', '2']) {
			const requestHeaders = { 'x-scim-relay-expires': '100000', 'x-scim-relay-request-id': `request ${id}` }
			const incoming = { id, requestTarget: '/demo/scim/Users', method: 'POST', requestHeaders, body: true }
			const answer = async ({ status }: RelayResponse) => String(status)
			await requests.receive({ request: incoming, body: Buffer.from('{}'), answer })
		}
		expect(lab.log.entries.filter(({ event }) => event === 'late')).toEqual([
			{ event: 'late', requestId: 'request 1', serviceId: '1', method: 'POST', detail: 'sent up to 3000 ms too late' },
		])
	})
})
