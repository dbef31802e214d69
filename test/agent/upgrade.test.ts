import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../shared/relay/clock.ts'
import { copyBuilt } from '../support/built.ts'
import { askThroughRelay } from '../support/relay-stand-in/ask.ts'
import { type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json } from '../support/relay-stand-in/origin.ts'

// Upgrades two agents as docs/relay-linux.md says, one after the other: copy the file, restart the service, wait until the
// agent listens. Clients send requests all the time.

const ids = ['aaaaaaaa-0000-4000-8000-000000000001', 'bbbbbbbb-0000-4000-8000-000000000002'] as const
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const nextVersion = '9.8.7'
const workers = 6

let folder = ''
let lab: Lab
const agents = new Map<string, ChildProcess>()

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-upgrade-'))
	await copyBuilt(join(folder, 'dist'))
	lab = await startLab({ serviceClock: systemClock })
	for (const id of ids) copyProgram(id, (text) => text)
})
afterAll(async () => {
	for (const agent of agents.values()) agent.kill('SIGKILL')
	await lab.stop()
	rmSync(folder, { recursive: true })
})

/** Puts a version of the program into the place of the agent at once, as `install` does. */
function copyProgram(id: string, change: (text: string) => string): void {
	const place = join(folder, id)
	mkdirSync(place, { recursive: true })
	writeFileSync(join(place, 'new.js'), change(readFileSync(join(folder, 'dist/relay/main.js'), 'utf8')))
	renameSync(join(place, 'new.js'), join(place, 'main.mjs'))
}

/** Starts an agent, and resolves when it listens. */
async function start(id: string): Promise<void> {
	const file = lab.write(`${id}.json`, JSON.stringify({ ...settings(lab.standIn, lab.origin), agentId: id }))
	const child = spawn(process.execPath, [join(folder, id, 'main.mjs'), 'run', '--config', file])
	agents.set(id, child)
	let log = ''
	await new Promise<void>((resolve) => {
		child.stderr.on('data', (text) => {
			log += text
			if (log.includes('"event":"online"')) resolve()
		})
	})
}

/** Does what the service manager does. Returns the exit code of the agent that was stopped. */
async function restart(id: string): Promise<unknown> {
	const child = agents.get(id)
	if (child === undefined) throw new Error(`the agent ${id} was not started`)
	child.kill('SIGTERM')
	const [code] = await once(child, 'exit')
	await start(id)
	return code
}

/** The versions of both agents, as each tells it through the relay. */
async function versions(): Promise<readonly unknown[]> {
	const ask = (id: string) =>
		askThroughRelay(lab, {
			method: 'GET',
			path: '/demo/.scim-relay/info',
			headers: { 'microsoft-relay-allowedlisteners': id },
		})
	const answers = await Promise.all(ids.map(ask))
	return answers.map(({ body }) => JSON.parse(body.toString()).version)
}

test('two agents are upgraded under load: each request is answered, and each write is carried out once', async () => {
	const executions = new Map<string, number>()
	lab.origin.answer = (incoming, response, body) => {
		lab.origin.requests.length = 0
		const isWrite = incoming.method !== 'GET'
		const sent = isWrite ? JSON.parse(body.toString()) : { name: incoming.url }
		executions.set(sent.name, (executions.get(sent.name) ?? 0) + 1)
		// A part of the requests is in progress when an agent stops.
		setTimeout(() => json(response, isWrite ? 201 : 200, sent), executions.size % 5 === 0 ? 300 : 0)
	}
	const answers: { readonly name: string; readonly status: number; readonly body: unknown }[] = []
	let isOver = false
	let answered = () => {}
	async function work(worker: number): Promise<void> {
		const send = lab.sender({ agents: ids, clock: systemClock })
		for (let turn = 0; !isOver; turn++) {
			const isRead = turn % 4 === 3
			const path = `/Users/${worker}-${turn}`
			const name = isRead ? `/scim${path}` : `${worker}-${turn}`
			const body = isRead ? {} : { body: Buffer.from(JSON.stringify({ name })) }
			const method = isRead ? 'GET' : ['POST', 'PATCH', 'PUT'][turn % 4]
			const answer = await outcome(send(request({ method: method ?? 'GET', path, ...body })))
			answers.push({ name, body: undefined, ...answer })
			answered()
		}
	}
	const progress = (more: number) => {
		const goal = answers.length + more
		return new Promise<void>((resolve) => {
			answered = () => answers.length >= goal && resolve()
		})
	}

	await Promise.all(ids.map(start))
	expect(await versions()).toEqual([version, version])
	const load = Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
	const codes: unknown[] = []
	for (const id of ids) {
		await progress(100)
		copyProgram(id, (text) => text.replaceAll(`"${version}"`, `"${nextVersion}"`))
		codes.push(await restart(id))
	}
	await progress(100)
	isOver = true
	await load

	expect(codes).toEqual([0, 0])
	expect(await versions()).toEqual([nextVersion, nextVersion])
	expect(answers.filter(({ status }) => status !== 200 && status !== 201)).toEqual([])
	expect(answers.filter(({ name, body }) => JSON.stringify(body) !== JSON.stringify({ name }))).toEqual([])
	expect(executions.size).toBe(answers.length)
	// A read may be sent again, because it changes nothing.
	expect([...executions].filter(([name, count]) => count !== 1 && !name.startsWith('/scim'))).toEqual([])
	expect(lab.standIn.journal.violations()).toEqual([])
})
