import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SendRelayed } from '../../functions/relay/sender.ts'
import { pause } from '../../shared/relay/clock.ts'
import { type Bundle, bundle } from '../support/bundle.ts'
import { clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

// What breaks, breaks under load again and again. Longer: ROLLCALL_SOAK_SECONDS=600 npx vitest run test/agent/soak.test.ts

const { ROLLCALL_SOAK_SECONDS: asked } = process.env
const seconds = Number(asked ?? 15)
const workers = 8
const ids = ['aaaaaaaa-0000-4000-8000-000000000001', 'bbbbbbbb-0000-4000-8000-000000000002'] as const

let program: Bundle
let lab: Lab
const agents = new Map<string, ChildProcess>()

beforeAll(async () => {
	program = await bundle('test/support/relay-stand-in/agent-process.ts')
	lab = await startLab()
})
afterAll(async () => {
	for (const agent of agents.values()) agent.kill('SIGKILL')
	await lab.stop()
	program.remove()
})

function start(id: string): void {
	const file = lab.write(`${id}.json`, JSON.stringify({ ...settings(lab.standIn, lab.origin), agentId: id }))
	agents.set(id, spawn(process.execPath, [program.file, file, '20', String(clock.now())]))
}

/** Resolves when so many agents more have come to listen than at the time of the call. */
const listening = (more: number) =>
	lab.standIn.journal.until('listening', lab.standIn.journal.count('listening') + more)

/** Ends the process as a power cut would, and starts another one. */
async function kill(...which: readonly string[]): Promise<void> {
	const back = listening(which.length)
	for (const id of which) {
		agents.get(id)?.kill('SIGKILL')
		start(id)
	}
	await back
}

async function replace(id: string): Promise<void> {
	const old = agents.get(id)
	const back = listening(1)
	start(id)
	await back
	old?.kill('SIGTERM')
	if (old !== undefined) await once(old, 'exit')
}

async function freeze(): Promise<void> {
	const back = listening(2)
	const thaw = lab.standIn.freeze()
	await back
	thaw()
}

/** What is done to the relay and the agents, and how it is undone. */
const blows: readonly (() => Promise<void>)[] = [
	() => kill(ids[0]),
	async () => {
		const back = listening(2)
		lab.standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
		await back
	},
	() => kill(ids[1]),
	freeze,
	async () => {
		lab.standIn.faults.lostListener = 'fail'
		const back = listening(2)
		lab.standIn.reset()
		await back
		lab.standIn.faults.lostListener = 'rendezvous'
	},
	() => replace(ids[0]),
	async () => {
		lab.standIn.faults.nextSends = [504, 504, 502, 401, 503, 404]
	},
	() => kill(...ids),
	async () => {
		lab.standIn.faults.duplicate = !lab.standIn.faults.duplicate
		lab.standIn.faults.keepRendezvous = !lab.standIn.faults.keepRendezvous
	},
	async () => {
		lab.standIn.faults.rendezvous = 'refuse'
		await kill(ids[0])
		lab.standIn.faults.rendezvous = 'open'
	},
	async () => {
		lab.standIn.faults.lostListener = 'fail'
		await kill(ids[1])
		lab.standIn.faults.lostListener = 'rendezvous'
	},
	async () => {
		lab.standIn.faults.lostListener = 'wait'
		await kill(ids[0])
		lab.standIn.faults.lostListener = 'rendezvous'
	},
	() => replace(ids[1]),
	async () => {
		lab.standIn.faults.rendezvous = 'expire'
		await progress(10)
		lab.standIn.faults.rendezvous = 'open'
	},
]

/** Random text: nothing that packs it makes it small enough for the control channel. */
const noise = randomBytes(150_000).toString('base64')
const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const filler = (isLarge: boolean) => (isLarge ? noise.slice(Math.random() * 100_000) : '')

type Sent = { readonly name: string; readonly isToldMuch: boolean; readonly filler: string }

type Write = {
	readonly isLarge: boolean
	readonly isToldMuch: boolean
	/** Of its body, as it was sent. */
	readonly hash: string
	status: number
	detail: string
	executed: number
	/** The body arrived otherwise than it was sent, or the answer is that to another. */
	isMixedUp: boolean
}

/** Every write by what its body names it, with what its client was told and how often the SCIM server carried it out. */
const writes = new Map<string, Write>()
const reads = new Map<number, number>()
const heard = { answered: 0 }
const waiting = new Set<() => void>()

/** Resolves when so many more requests have been answered. */
function progress(more: number): Promise<void> {
	const goal = heard.answered + more
	return new Promise((resolve) => {
		const look = () => {
			if (heard.answered < goal) return
			waiting.delete(look)
			resolve()
		}
		waiting.add(look)
	})
}

async function write(send: SendRelayed, name: string, turn: number): Promise<number> {
	const isLarge = turn % 3 === 0
	const isToldMuch = turn % 5 < 2
	const sent: Sent = { name, isToldMuch, filler: filler(isLarge) }
	const body = Buffer.from(JSON.stringify(sent))
	const record: Write = { isLarge, isToldMuch, hash: hash(body), status: 0, detail: '', executed: 0, isMixedUp: false }
	writes.set(name, record)
	const method = name.endsWith('0') ? 'PATCH' : 'POST'
	const answer = await outcome(send(request({ method, body })))
	record.status = answer.status
	record.detail = 'detail' in answer ? answer.detail : ''
	if ('body' in answer && !isAnswerTo(name, isToldMuch, answer.body)) record.isMixedUp = true
	return answer.status
}

const isAnswerTo = (name: string, isToldMuch: boolean, body: Sent): boolean =>
	body.name === name && (isToldMuch ? noise.endsWith(body.filler) && body.filler !== '' : body.filler === '')

async function read(send: SendRelayed, turn: number): Promise<number> {
	const isToldMuch = turn % 8 === 3
	const answer = await outcome(send(request({ path: isToldMuch ? '/Users' : '/Users/1' })))
	reads.set(answer.status, (reads.get(answer.status) ?? 0) + 1)
	if ('body' in answer) expect(isAnswerTo('', isToldMuch, answer.body)).toBe(true)
	return answer.status
}

/** A client that goes on after each answer, and waits a little when it is told to come back. */
async function work(number: number, isOver: () => boolean): Promise<void> {
	const send = lab.sender()
	for (let turn = 0; !isOver(); turn++) {
		const status = turn % 4 === 3 ? await read(send, turn) : await write(send, `${number}-${turn}`, turn)
		if (status >= 500) {
			await pause(clock, 1000)
			continue
		}
		heard.answered++
		for (const look of waiting) look()
	}
}

test(
	'whatever breaks, no write that was acknowledged is lost and none is carried out twice',
	async () => {
		lab.origin.answer = (incoming, response, body) => {
			lab.origin.requests.length = 0
			const isWrite = incoming.method !== 'GET'
			const isToldMuch = incoming.url === '/scim/Users'
			const sent: Sent = isWrite ? JSON.parse(body.toString()) : { name: '', isToldMuch, filler: '' }
			const record = writes.get(sent.name)
			if (record !== undefined) record.executed++
			if (record !== undefined && record.hash !== hash(body)) record.isMixedUp = true
			const told: Sent = { ...sent, filler: filler(sent.isToldMuch) }
			// Now and then it takes its time, so that there is always something under way.
			void pause(clock, heard.answered % 5 === 0 ? 1000 : 0).then(() => json(response, isWrite ? 201 : 200, told))
		}
		const ends = performance.now() + seconds * 1000
		const back = listening(2)
		for (const id of ids) start(id)
		await back
		let isOver = false
		const load = Promise.all(Array.from({ length: workers }, (_, number) => work(number, () => isOver)))
		let struck = 0
		while (performance.now() < ends || struck < blows.length) {
			await progress(25)
			await blows[struck++ % blows.length]?.()
		}
		await progress(100)
		isOver = true
		await load

		const all = [...writes.values()]
		const told = (test: (write: Write) => boolean) => all.filter(test)
		expect(told(({ executed }) => executed > 1)).toEqual([])
		expect(told(({ status, executed }) => status === 201 && executed !== 1)).toEqual([])
		expect(told(({ status }) => status !== 201 && status !== 503)).toEqual([])
		expect(told(({ isMixedUp }) => isMixedUp)).toEqual([])
		// Who is told that it did not arrive may rely on it as well, and so may who is told that it did.
		const isOpen = ({ detail }: Write) => detail.includes('outcome_unknown')
		const isDone = ({ detail }: Write) => detail.includes('the request was carried out, but')
		const refused = told(({ status }) => status === 503)
		expect(refused.filter((one) => !isOpen(one) && !isDone(one) && one.executed > 0)).toEqual([])
		expect(refused.filter((one) => isDone(one) && one.executed !== 1)).toEqual([])
		expect([...reads.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([])
		expect(lab.standIn.journal.violations()).toEqual([])
		expect(told(({ status }) => status === 201).length).toBeGreaterThan(struck * 15)
		const byWay = [false, true].map((isLarge) =>
			[false, true].map(
				(isToldMuch) =>
					told((one) => one.status === 201 && one.isLarge === isLarge && one.isToldMuch === isToldMuch).length,
			),
		)
		for (const acknowledged of byWay.flat()) expect(acknowledged).toBeGreaterThan(struck)
		if (asked !== undefined) {
			const counts = {
				struck,
				writes: all.length,
				refused: refused.length,
				unknown: refused.filter(isOpen).length,
				done: refused.filter(isDone).length,
				byWay,
				rendezvous: lab.standIn.journal.count('rendezvous'),
			}
			process.stderr.write(`${JSON.stringify({ ...counts, reads: Object.fromEntries(reads) })}\n`)
		}
	},
	(seconds + 120) * 1000,
)
