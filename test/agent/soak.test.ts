import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SendRelayed } from '../../functions/relay/sender.ts'
import { pause } from '../../shared/relay/clock.ts'
import { type Bundle, bundle } from '../support/bundle.ts'
import { ca, clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'
import { countAllTime } from '../support/relay-stand-in/scaled-clock.ts'

// Disrupts relay and agents under load. For a longer run: ROLLCALL_SOAK_SECONDS=600 npx vitest run test/agent/soak.test.ts

countAllTime()
const { ROLLCALL_SOAK_SECONDS: soakSeconds } = process.env
const seconds = Number(soakSeconds ?? 15)
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
	agents.set(id, spawn(process.execPath, [program.file, file, '20', String(clock.now()), 'all-time']))
}

/** Resolves when so many more agents have started to listen. */
const listening = (more: number) =>
	lab.standIn.journal.until('listening', lab.standIn.journal.count('listening') + more)

/** Kills the processes as a power failure would, and starts new ones. */
async function kill(...agentIds: readonly string[]): Promise<void> {
	const reconnected = listening(agentIds.length)
	for (const id of agentIds) {
		agents.get(id)?.kill('SIGKILL')
		start(id)
	}
	await reconnected
}

async function replace(id: string): Promise<void> {
	const old = agents.get(id)
	const reconnected = listening(1)
	start(id)
	await reconnected
	old?.kill('SIGTERM')
	if (old !== undefined) await once(old, 'exit')
}

async function freeze(): Promise<void> {
	const reconnected = listening(2)
	const thaw = lab.standIn.freeze()
	await reconnected
	thaw()
}

/** Stops the process of an agent until its writes are given up, as a suspended machine does, and continues it. */
async function pauseAgent(id: string): Promise<void> {
	agents.get(id)?.kill('SIGSTOP')
	await pause(clock, 60_000)
	agents.get(id)?.kill('SIGCONT')
}

/** Milliseconds that the SCIM server takes for each answer. */
let slowness = 0
let bursts = 0

/** Sends more writes at once than a slow SCIM server can answer in time. */
async function overload(): Promise<void> {
	slowness = 10_000
	const send = lab.sender({ agents: ids })
	const burst = bursts++
	await Promise.all(Array.from({ length: 120 }, (_, at) => write(send, `burst-${burst}-${at}`, 1)))
	slowness = 0
}

/** Disruptions of relay and agents. Each one repairs what it breaks. */
const disruptions: readonly (() => Promise<void>)[] = [
	() => kill(ids[0]),
	async () => {
		const reconnected = listening(2)
		lab.standIn.drop(1011, 'InternalServerError: NameRenewalFailed.')
		await reconnected
	},
	() => kill(ids[1]),
	freeze,
	async () => {
		lab.standIn.faults.lostListener = 'fail'
		const reconnected = listening(2)
		lab.standIn.reset()
		await reconnected
		lab.standIn.faults.lostListener = 'rendezvous'
	},
	() => replace(ids[0]),
	async () => {
		lab.standIn.faults.nextSends = [504, 504, 502, 401, 503, 404]
	},
	() => kill(...ids),
	async () => {
		lab.standIn.faults.duplicate = !lab.standIn.faults.duplicate
		const { rendezvousAfterAnswer } = lab.standIn.faults
		lab.standIn.faults.rendezvousAfterAnswer = rendezvousAfterAnswer === 'kept' ? 'closed' : 'kept'
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
	() => pauseAgent(ids[0]),
	overload,
	async () => lab.origin.renew(ca.issue(['DNS:localhost', 'IP:127.0.0.1'])),
	() => pauseAgent(ids[1]),
	async () => {
		lab.standIn.faults.rendezvous = 'expire'
		await progress(10)
		lab.standIn.faults.rendezvous = 'open'
	},
]

/** Random text, which stays too large for the control channel when compressed. */
const noise = randomBytes(150_000).toString('base64')
const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const filler = (isLarge: boolean) => (isLarge ? noise.slice(Math.random() * 100_000) : '')

type Sent = { readonly name: string; readonly isAnswerLarge: boolean; readonly filler: string }

type Write = {
	readonly isLarge: boolean
	readonly isAnswerLarge: boolean
	/** Hash of the sent body. */
	readonly hash: string
	status: number
	detail: string
	/** When the SCIM server carried the write out, in milliseconds of the process. */
	readonly executions: number[]
	/** When the client was told that the write failed. */
	givenUpAt: number
	/** The client has sent the write a second time. */
	isRepeated: boolean
	/** The body arrived changed, or the answer belongs to another request. */
	isMixedUp: boolean
}

/** All writes by name, with the status of the client and the number of executions by the SCIM server. */
const writes = new Map<string, Write>()
const reads = new Map<number, number>()
const progressState = { answered: 0 }
const waiting = new Set<() => void>()

/** Resolves when so many more requests are answered. */
function progress(more: number): Promise<void> {
	const goal = progressState.answered + more
	return new Promise((resolve) => {
		const check = () => {
			if (progressState.answered < goal) return
			waiting.delete(check)
			resolve()
		}
		waiting.add(check)
	})
}

async function write(send: SendRelayed, name: string, turn: number): Promise<number> {
	const isLarge = turn % 3 === 0
	const isAnswerLarge = turn % 5 < 2
	const sent: Sent = { name, isAnswerLarge, filler: filler(isLarge) }
	const body = Buffer.from(JSON.stringify(sent))
	const record: Write = {
		isLarge,
		isAnswerLarge,
		hash: hash(body),
		status: 0,
		detail: '',
		executions: [],
		givenUpAt: 0,
		isRepeated: false,
		isMixedUp: false,
	}
	writes.set(name, record)
	const method = name.endsWith('0') ? 'PATCH' : 'POST'
	// Each write has its own resource: another write to it would make a late answer void.
	const sending = () => outcome(send(request({ method, path: `/Users/${name}`, body })))
	let answer = await sending()
	if ('detail' in answer && answer.detail.includes('outcome_unknown')) {
		record.isRepeated = true
		await pause(clock, 1000)
		answer = await sending()
	}
	record.givenUpAt = performance.now()
	record.status = answer.status
	record.detail = 'detail' in answer ? answer.detail : ''
	if ('body' in answer && !isAnswerTo(name, isAnswerLarge, answer.body)) record.isMixedUp = true
	return answer.status
}

const isAnswerTo = (name: string, isAnswerLarge: boolean, body: Sent): boolean =>
	body.name === name && (isAnswerLarge ? noise.endsWith(body.filler) && body.filler !== '' : body.filler === '')

async function read(send: SendRelayed, turn: number): Promise<number> {
	const isAnswerLarge = turn % 8 === 3
	const answer = await outcome(send(request({ path: isAnswerLarge ? '/Users' : '/Users/1' })))
	reads.set(answer.status, (reads.get(answer.status) ?? 0) + 1)
	if ('body' in answer) expect(isAnswerTo('', isAnswerLarge, answer.body)).toBe(true)
	return answer.status
}

/** A client that sends one request after the other, and pauses after a 5xx. */
async function work(number: number, isOver: () => boolean): Promise<void> {
	const send = lab.sender({ agents: ids })
	for (let turn = 0; !isOver(); turn++) {
		const status = turn % 4 === 3 ? await read(send, turn) : await write(send, `${number}-${turn}`, turn)
		if (status >= 500) {
			await pause(clock, 1000)
			continue
		}
		progressState.answered++
		for (const check of waiting) check()
	}
}

test(
	'under disruptions no acknowledged write is lost, none is carried out twice, and none after it was given up',
	async () => {
		lab.origin.answer = (incoming, response, body) => {
			lab.origin.requests.length = 0
			const isWrite = incoming.method !== 'GET'
			const isAnswerLarge = incoming.url === '/scim/Users'
			const sent: Sent = isWrite ? JSON.parse(body.toString()) : { name: '', isAnswerLarge, filler: '' }
			const record = writes.get(sent.name)
			record?.executions.push(performance.now())
			if (record !== undefined && record.hash !== hash(body)) record.isMixedUp = true
			const answer: Sent = { ...sent, filler: filler(sent.isAnswerLarge) }
			// Some answers are slow, so that there are always requests in progress.
			void pause(clock, slowness || (progressState.answered % 5 === 0 ? 1000 : 0)).then(() =>
				json(response, isWrite ? 201 : 200, answer),
			)
		}
		const ends = performance.now() + seconds * 1000
		const reconnected = listening(2)
		for (const id of ids) start(id)
		await reconnected
		let isOver = false
		const load = Promise.all(Array.from({ length: workers }, (_, number) => work(number, () => isOver)))
		let count = 0
		while (performance.now() < ends || count < disruptions.length) {
			await progress(25)
			await disruptions[count++ % disruptions.length]?.()
		}
		await progress(100)
		isOver = true
		await load

		const records = [...writes.values()]
		const select = (test: (write: Write) => boolean) => records.filter(test)
		expect(select(({ executions }) => executions.length > 1)).toEqual([])
		expect(select(({ status, executions }) => status === 201 && executions.length !== 1)).toEqual([])
		const isLate = ({ status, executions, givenUpAt }: Write) =>
			status === 503 && executions.some((at) => at > givenUpAt)
		expect(select(isLate)).toEqual([])
		expect(select(({ status }) => status !== 201 && status !== 503)).toEqual([])
		expect(select(({ isMixedUp }) => isMixedUp)).toEqual([])
		// "Not sent" means that the write was not carried out, and "carried out" means exactly once.
		const isUnknown = ({ detail }: Write) => detail.includes('outcome_unknown')
		const isCarriedOut = ({ detail }: Write) => detail.includes('the request was carried out, but')
		const refused = select(({ status }) => status === 503)
		expect(refused.filter((one) => !isUnknown(one) && !isCarriedOut(one) && one.executions.length > 0)).toEqual([])
		expect(refused.filter((one) => isCarriedOut(one) && one.executions.length !== 1)).toEqual([])
		expect([...reads.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([])
		expect(lab.standIn.journal.violations()).toEqual([])
		expect(select(({ status }) => status === 201).length).toBeGreaterThan(count * 15)
		const bySize = [false, true].map((isLarge) =>
			[false, true].map(
				(isAnswerLarge) =>
					select((one) => one.status === 201 && one.isLarge === isLarge && one.isAnswerLarge === isAnswerLarge).length,
			),
		)
		for (const acknowledged of bySize.flat()) expect(acknowledged).toBeGreaterThan(count)
		if (soakSeconds !== undefined) {
			const counts = {
				count,
				writes: records.length,
				refused: refused.length,
				unknown: refused.filter(isUnknown).length,
				repeated: select(({ isRepeated }) => isRepeated).length,
				repaired: select(({ isRepeated, status }) => isRepeated && status === 201).length,
				busy: select(({ detail }) => detail.includes('busy)')).length,
				done: refused.filter(isCarriedOut).length,
				bySize,
				rendezvous: lab.standIn.journal.count('rendezvous'),
			}
			process.stderr.write(`${JSON.stringify({ ...counts, reads: Object.fromEntries(reads) })}\n`)
		}
	},
	(seconds + 240) * 1000,
)
