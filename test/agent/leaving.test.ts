import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Bundle, bundle } from '../support/bundle.ts'
import { certificate, clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json, noise, startOrigin } from '../support/relay-stand-in/origin.ts'

let program: Bundle
let lab: Lab
const children: ChildProcess[] = []
const [one, two] = ['aaaaaaaa-0000-4000-8000-000000000001', 'bbbbbbbb-0000-4000-8000-000000000002']
const post = (size = 2) => request({ method: 'POST', body: Buffer.alloc(size, 'x') })

beforeAll(async () => {
	program = await bundle('test/support/relay-stand-in/agent-process.ts')
})
afterAll(() => program.remove())
beforeEach(async () => {
	lab = await startLab()
})
afterEach(async () => {
	for (const child of children.splice(0)) child.kill('SIGKILL')
	await lab.stop()
})

/** Starts an agent in its own process, with a slower clock because a busy machine delays it. */
async function start(id: string): Promise<ChildProcess> {
	const file = lab.write(`${id}.json`, JSON.stringify({ ...settings(lab.standIn, lab.origin), agentId: id }))
	const listening = lab.standIn.journal.until('listening', lab.standIn.journal.count('listening') + 1)
	const child = spawn(process.execPath, [program.file, file, '5', String(clock.now())])
	children.push(child)
	await listening
	return child
}

/** Makes the service bind the sender's connection to the current agent. */
async function bind(send: ReturnType<Lab['sender']>) {
	const { answer } = lab.origin
	lab.origin.answer = (_, response) => json(response, 200, { noise })
	expect((await outcome(send(request()))).status).toBe(200)
	lab.origin.answer = answer
}

test('a stopping agent loses no request on a connection that is bound to it', async () => {
	const first = await start(one)
	const send = lab.sender()
	await bind(send)
	await start(two)
	const exited = once(first, 'exit')
	first.kill('SIGTERM')
	const results: unknown[] = []
	for (let at = 0; at < 40; at++) results.push(await outcome(send(post())))
	expect(await exited).toEqual([0, null])
	for (let at = 0; at < 5; at++) results.push(await outcome(send(post())))
	expect(results.filter((answer) => (answer as { status: number }).status !== 200)).toEqual([])
	expect(lab.origin.requests.filter(({ method }) => method === 'POST')).toHaveLength(45)
})

test('agents that are replaced in turn under load lose nothing', async () => {
	const agents = [await start(one), await start(two)]
	const { answer } = lab.origin
	lab.origin.answer = (incoming, response, body) => setTimeout(() => answer(incoming, response, body), 50)
	const send = lab.sender()
	for (let round = 0; round < 4; round++) {
		const sent = Array.from({ length: 60 }, () => outcome(send(post())))
		await new Promise((resolve) => setTimeout(resolve, 100))
		const leaving = agents.shift()
		const exited = once(leaving as ChildProcess, 'exit') // sound: there are always two
		leaving?.kill('SIGTERM')
		expect((await Promise.all(sent)).filter(({ status }) => status !== 200)).toEqual([])
		expect(await exited).toEqual([0, null])
		agents.push(await start(round % 2 === 0 ? one : two))
	}
	expect(lab.origin.requests).toHaveLength(240)
})

test('a single agent that restarts within a few seconds loses nothing', async () => {
	const first = await lab.agent()
	const send = lab.sender()
	await bind(send)
	const drained = first.drain()
	const sent = outcome(send(post()))
	await drained
	await lab.standIn.journal.until('relay-error')
	await lab.agent()
	expect(await sent).toMatchObject({ status: 200 })
})

test('the sender closes an idle connection before the stopping agent must cut it', async () => {
	const agent = await lab.agent()
	const send = lab.sender()
	await bind(send)
	const before = clock.now()
	await agent.drain()
	expect(clock.now() - before).toBeLessThan(15_000)
	expect(lab.standIn.journal.entries.filter(({ event }) => event === 'rendezvous-left')).toMatchObject([{ code: 1001 }])
})

test('a request that one agent cannot forward goes to the other, even on bound connections', async () => {
	const otherOrigin = await startOrigin(certificate)
	otherOrigin.answer = (_, response) => setTimeout(() => json(response, 200, { noise }), 20)
	const { origin } = settings(lab.standIn, lab.origin)
	await lab.agent({ origin: { ...origin, url: `https://localhost:${otherOrigin.port}/scim` } })
	const send = lab.sender()
	await Promise.all(Array.from({ length: 4 }, () => outcome(send(request()))))
	await otherOrigin.stop()
	await lab.agent({ agentId: two })
	for (let at = 0; at < 4; at++) expect(await outcome(send(post()))).toMatchObject({ status: 200 })
	const ways = lab.standIn.journal.entries.filter(({ event, method }) => event === 'request' && method === 'POST')
	expect(ways.map(({ by }) => by)).toContain('kept')
})

test('a repeated delivery does not delay the stop of an agent', async () => {
	const agent = await lab.agent()
	lab.standIn.faults.duplicate = true
	expect(await outcome(lab.sender()(post()))).toMatchObject({ status: 200 })
	await lab.log.until('duplicate')
	const before = clock.now()
	await agent.drain()
	expect(clock.now() - before).toBeLessThan(5000)
})

test('reloaded settings also apply to connections that were bound before', async () => {
	const old = await lab.agent()
	const send = lab.sender()
	await bind(send)
	lab.write('new.token', 'new-secret')
	const { origin } = settings(lab.standIn, lab.origin)
	const successor = await lab.agent({
		origin: { ...origin, authorization: { type: 'bearer', tokenFile: 'new.token' } },
	})
	const retired = old.retire(successor)
	for (let at = 0; at < 3; at++) expect(await outcome(send(post()))).toMatchObject({ status: 200 })
	const authorizations = lab.origin.requests.slice(-3).map(({ headers }) => headers.authorization)
	expect(authorizations).toEqual(Array(3).fill('Bearer new-secret'))
	expect(lab.standIn.journal.entries.findLast(({ event }) => event === 'request')).toMatchObject({ by: 'kept' })
	await retired
})
