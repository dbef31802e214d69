import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../shared/relay/clock.ts'
import type { SendRelayed } from '../../shared/relay/sender.ts'
import { clock, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

// What breaks, breaks under load again and again. Longer: ROLLCALL_SOAK_SECONDS=600 npx vitest run test/relay/soak.test.ts

const { ROLLCALL_SOAK_SECONDS: asked } = process.env
const seconds = Number(asked ?? 15)
const workers = 8
const ids = ['aaaaaaaa-0000-4000-8000-000000000001', 'bbbbbbbb-0000-4000-8000-000000000002'] as const

let folder = ''
let lab: Lab
const agents = new Map<string, ChildProcess>()

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-soak-'))
	const banner =
		"import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);"
	await build({
		entryPoints: ['test/support/relay-stand-in/agent-process.ts'],
		outfile: join(folder, 'agent.mjs'),
		bundle: true,
		platform: 'node',
		format: 'esm',
		banner: { js: banner },
	})
	lab = await startLab()
})
afterAll(async () => {
	for (const agent of agents.values()) agent.kill('SIGKILL')
	await lab.stop()
	rmSync(folder, { recursive: true })
})

function start(id: string): void {
	const file = lab.write(`${id}.json`, JSON.stringify({ ...settings(lab.standIn, lab.origin), agentId: id }))
	agents.set(id, spawn(process.execPath, [join(folder, 'agent.mjs'), file, '20', String(clock.now())]))
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
]

type Write = { status: number; detail: string; executed: number }

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

async function write(send: SendRelayed, name: string): Promise<number> {
	const record = { status: 0, detail: '', executed: 0 }
	writes.set(name, record)
	const method = name.endsWith('0') ? 'PATCH' : 'POST'
	const answer = await outcome(send(request({ method, body: Buffer.from(JSON.stringify({ name })) })))
	record.status = answer.status
	record.detail = 'detail' in answer ? answer.detail : ''
	return answer.status
}

async function read(send: SendRelayed): Promise<number> {
	const { status } = await outcome(send(request({ path: '/Users/1' })))
	reads.set(status, (reads.get(status) ?? 0) + 1)
	return status
}

/** A client that goes on after each answer, and waits a little when it is told to come back. */
async function work(number: number, isOver: () => boolean): Promise<void> {
	const send = lab.sender()
	for (let turn = 0; !isOver(); turn++) {
		const status = turn % 4 === 3 ? await read(send) : await write(send, `${number}-${turn}`)
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
			const record = isWrite ? writes.get(JSON.parse(body.toString()).name) : undefined
			if (record !== undefined) record.executed++
			// Now and then it takes its time, so that there is always something under way.
			void pause(clock, heard.answered % 5 === 0 ? 1000 : 0).then(() => json(response, isWrite ? 201 : 200, {}))
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
		// Who is told that it did not arrive may rely on it as well.
		const isOpen = (detail: string) => detail.includes('outcome_unknown')
		expect(told(({ status, detail, executed }) => status === 503 && !isOpen(detail) && executed > 0)).toEqual([])
		expect([...reads.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([])
		expect(lab.standIn.journal.violations()).toEqual([])
		expect(told(({ status }) => status === 201).length).toBeGreaterThan(struck * 15)
		if (asked !== undefined) {
			const refused = told(({ status }) => status === 503)
			const counts = {
				struck,
				writes: all.length,
				refused: refused.length,
				unknown: refused.filter(({ detail }) => isOpen(detail)).length,
			}
			process.stderr.write(`${JSON.stringify({ ...counts, reads: Object.fromEntries(reads) })}\n`)
		}
	},
	(seconds + 120) * 1000,
)
