import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeJournal } from '../../agent/write-journal.ts'
import { judgeRepetition } from '../../functions/relay/repetition.ts'
import { areRelated } from '../../shared/relay/fingerprint.ts'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

const first = '11111111-1111-4111-8111-111111111111'
const second = '22222222-2222-4222-8222-222222222222'

let lab: Lab
/** Answers of the SCIM server that a test holds back. */
let held: (() => void)[]

beforeEach(async () => {
	lab = await startLab()
	held = []
	lab.origin.answer = (incoming, response, body) => {
		const id = `${incoming.method} ${lab.origin.requests.length}`
		if (body.includes('slow') && held.length === 0) held.push(() => json(response, 201, { id }))
		else json(response, 200, { id })
	}
})
afterEach(() => lab.stop())

const create = (name = 'slow', path = '/Users') =>
	request({ method: 'POST', path, body: Buffer.from(JSON.stringify({ name })) })
const unknown = (detail = /outcome_unknown/) => ({ status: 503, detail: expect.stringMatching(detail) })
const executed = () => lab.origin.requests.filter(({ method }) => method !== 'GET').length

/** Sends a write that the SCIM server answers after the client was told that its outcome is unknown. */
async function sendLate(send: ReturnType<Lab['sender']>) {
	expect(await outcome(send(create()))).toMatchObject(unknown())
	const late = lab.log.until('late_answer')
	return async () => {
		held[0]?.()
		await late
	}
}

test.each([1, 2])('with %i agents, a late answer is given to the repetition, and once', async (count) => {
	await lab.agent()
	if (count === 2) await lab.agent({ agentId: second })
	const send = lab.sender()
	const arrive = await sendLate(send)
	for (let round = 0; round < 3; round++)
		expect(await outcome(send(create()))).toMatchObject(unknown(/not yet answered the first write/))
	await arrive()
	expect(executed()).toBe(1)
	expect(await outcome(send(create()))).toEqual({ status: 201, body: { id: 'POST 1' } })
	expect(executed()).toBe(1)
	expect(await outcome(send(create()))).toEqual({ status: 200, body: { id: 'POST 2' } })
})

test('an answer that was lost on the way is given to the repetition, too', async () => {
	await lab.agent()
	const send = lab.sender()
	const path = '/Users/1'
	lab.standIn.faults.cutAnswerAt = 0
	const sent = outcome(send(create('quick', path)))
	expect(await sent).toMatchObject(unknown())
	lab.standIn.faults.cutAnswerAt = undefined
	expect(await outcome(send(create('quick', path)))).toEqual({ status: 200, body: { id: 'POST 1' } })
	expect(executed()).toBe(1)
})

test.each([
	['a write to the same collection', create('other')],
	['a write to a resource of the collection', request({ method: 'DELETE', path: '/Users/POST%201' })],
	['a bulk request', create('other', '/Bulk')],
])('%s makes the late answer void', async (_, other) => {
	await lab.agent()
	const send = lab.sender()
	const arrive = await sendLate(send)
	await arrive()
	expect(await outcome(lab.sender()(other))).toMatchObject({ status: 200 })
	expect(await outcome(send(create()))).toEqual({ status: 200, body: { id: 'POST 3' } })
})

test('a write to another collection, and a GET, leave the late answer', async () => {
	await lab.agent()
	const send = lab.sender()
	const arrive = await sendLate(send)
	await arrive()
	for (const other of [create('other', '/Groups'), request()]) await send(other)
	expect(await outcome(send(create()))).toEqual({ status: 201, body: { id: 'POST 1' } })
})

test('a write with another body, method or path is a new write', async () => {
	await lab.agent()
	const send = lab.sender()
	await sendLate(send)
	for (const other of [create('slow, too'), { ...create(), method: 'PUT' }, create('slow', '/Groups')])
		expect(await outcome(send(other))).toMatchObject({ status: 200 })
	held[0]?.()
})

test('a write that was answered is carried out again if the client repeats it', async () => {
	await lab.agent()
	const send = lab.sender()
	for (const id of ['POST 1', 'POST 2'])
		expect(await outcome(send(create('quick')))).toEqual({ status: 200, body: { id } })
})

test('while an agent cannot be asked, the repetition is not sent', async () => {
	const agent = await lab.agent()
	await lab.agent({ agentId: second })
	const send = lab.sender()
	const arrive = await sendLate(send)
	await arrive()
	for (let at = 0; at < 2; at++) await send(request())
	await agent.drain()
	expect(await outcome(send(create()))).toMatchObject(unknown(new RegExp(`the agent ${first} cannot be asked`)))
	expect(executed()).toBe(1)
})

test('an agent that the settings name and that is not connected cannot be asked', async () => {
	await lab.agent()
	const send = lab.sender({ agents: [first, second] })
	const arrive = await sendLate(send)
	await arrive()
	expect(await outcome(send(create()))).toMatchObject(unknown(new RegExp(`the agent ${second} cannot be asked`)))
	expect(executed()).toBe(1)
})

test('after a restart, an agent no longer knows, and the repetition is not sent', async () => {
	const agent = await lab.agent()
	const send = lab.sender()
	await sendLate(send)
	await agent.drain()
	await lab.agent()
	expect(await outcome(send(create()))).toMatchObject(unknown(/was restarted after the first write/))
	expect(executed()).toBe(1)
	lab.clockForward(600_000)
	expect(await outcome(send(create()))).toMatchObject({ status: 200 })
	held[0]?.()
})

test('after a reload of the settings, the late answer is still given', async () => {
	const agent = await lab.agent()
	const send = lab.sender()
	const arrive = await sendLate(send)
	const successor = await lab.agent()
	await agent.retire(successor)
	await arrive()
	expect(await outcome(send(create()))).toEqual({ status: 201, body: { id: 'POST 1' } })
})

describe('the verdict on a repetition', () => {
	const fresh = { state: 'none', memoryAge: 9000 } as const
	const answered = { state: 'answered', memoryAge: 9000 } as const
	test.each([
		['no agent knows it', [fresh, fresh], { kind: 'send' }],
		['one agent has the answer', [fresh, answered], { kind: 'answered', agent: '1' }],
		['an older write to the resource', [answered, { ...fresh, otherWriteAge: 5000 }], { kind: 'answered', agent: '0' }],
		['a newer write through the other agent', [answered, { ...fresh, otherWriteAge: 4999 }], { kind: 'send' }],
		['the write is still in progress', [fresh, { ...fresh, state: 'pending' as const }], { kind: 'unknown' }],
		['an agent was restarted', [answered, { ...fresh, memoryAge: 4999 }], { kind: 'unknown' }],
		['an agent cannot be asked', [answered, undefined], { kind: 'unknown' }],
	])('if %s', (_, known, verdict) => {
		const agents = known.map((one, at) => ({ id: String(at), known: one }))
		expect(judgeRepetition({ before: 5000, after: 5000 }, agents)).toMatchObject(verdict)
	})
})

test('a journal that overflows says how long its memory is', () => {
	let time = 0
	const journal = writeJournal({ now: () => time, after: () => () => undefined })
	for (let at = 0; at <= 20_000; at++) {
		time++
		journal.begin({ fingerprint: `${at}`, path: '/Users', key: `${at}` })
	}
	expect(journal.ask('1', '/Groups')).toEqual({ state: 'none', memoryAge: 10_000 })
	expect(journal.ask('20000', '/Groups')).toEqual({ state: 'pending', memoryAge: 10_000 })
})

test.each([
	['/demo/scim/Users', '/demo/scim/Users', true],
	['/demo/scim/Users', '/demo/scim/Users/1', true],
	['/demo/scim/Users/1', '/demo/scim/Users', true],
	['/demo/scim/Users/1', '/demo/scim/Users/2', false],
	['/demo/scim/Users', '/demo/scim/Groups', false],
	['/demo/scim/Groups/1', '/demo/scim/Bulk', true],
])('%s and %s are related: %s', (one, other, expected) => {
	expect(areRelated(one, other)).toBe(expected)
})
