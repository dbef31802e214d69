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

/** An agent in a process of its own that listens, on a slower clock: it waits for its turn on a busy machine. */
async function start(id: string): Promise<ChildProcess> {
	const file = lab.write(`${id}.json`, JSON.stringify({ ...settings(lab.standIn, lab.origin), agentId: id }))
	const listening = lab.standIn.journal.until('listening', lab.standIn.journal.count('listening') + 1)
	const child = spawn(process.execPath, [program.file, file, '5', String(clock.now())])
	children.push(child)
	await listening
	return child
}

/** Has the service bind the sender's connection to the agent that listens. */
async function bind(send: ReturnType<Lab['sender']>) {
	const { answer } = lab.origin
	lab.origin.answer = (_, response) => json(response, 200, { noise })
	expect((await outcome(send(request()))).status).toBe(200)
	lab.origin.answer = answer
}

test('an agent that leaves takes no request along that comes by a connection bound to it', async () => {
	const first = await start(one)
	const send = lab.sender()
	await bind(send)
	await start(two)
	const exited = once(first, 'exit')
	first.kill('SIGTERM')
	const seen: unknown[] = []
	for (let at = 0; at < 40; at++) seen.push(await outcome(send(post())))
	expect(await exited).toEqual([0, null])
	for (let at = 0; at < 5; at++) seen.push(await outcome(send(post())))
	expect(seen.filter((answer) => (answer as { status: number }).status !== 200)).toEqual([])
	expect(lab.origin.requests.filter(({ method }) => method === 'POST')).toHaveLength(45)
})

test('agents that are exchanged one after the other under load lose nothing', async () => {
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
}, 60_000)

test('of a single agent that is restarted nothing is lost as long as it is back within a few seconds', async () => {
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

test('an idle connection is left before the agent that it is bound to has to cut it off', async () => {
	const agent = await lab.agent()
	const send = lab.sender()
	await bind(send)
	const before = clock.now()
	await agent.drain()
	expect(clock.now() - before).toBeLessThan(15_000)
	expect(lab.standIn.journal.entries.filter(({ event }) => event === 'rendezvous-left')).toMatchObject([{ code: 1001 }])
})

test('what one cannot pass on goes to the other, though the connections are bound to the first', async () => {
	const own = await startOrigin(certificate)
	own.answer = (_, response) => setTimeout(() => json(response, 200, { noise }), 20)
	const { origin } = settings(lab.standIn, lab.origin)
	await lab.agent({ origin: { ...origin, url: `https://localhost:${own.port}/scim` } })
	const send = lab.sender()
	await Promise.all(Array.from({ length: 4 }, () => outcome(send(request()))))
	await own.stop()
	await lab.agent({ agentId: two })
	for (let at = 0; at < 4; at++) expect(await outcome(send(post()))).toMatchObject({ status: 200 })
	const ways = lab.standIn.journal.entries.filter(({ event, method }) => event === 'request' && method === 'POST')
	expect(ways.map(({ by }) => by)).toContain('kept')
})

test('after a duplicate an agent leaves as quickly as otherwise', async () => {
	const agent = await lab.agent()
	lab.standIn.faults.duplicate = true
	expect(await outcome(lab.sender()(post()))).toMatchObject({ status: 200 })
	await lab.log.until('duplicate')
	const before = clock.now()
	await agent.drain()
	expect(clock.now() - before).toBeLessThan(5000)
})

test('settings that were read again count for connections bound before', async () => {
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
