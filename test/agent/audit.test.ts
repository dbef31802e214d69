import { execFileSync } from 'node:child_process'
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AuditEntry, auditLog, templateOf } from '../../agent/audit.ts'
import { dispatcher } from '../../agent/dispatch.ts'
import { header } from '../../shared/relay/contract.ts'
import { journal } from '../support/relay-stand-in/journal.ts'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

test.each([
	['/Users', '/Users'],
	['/Users/', '/Users'],
	['/Users?filter=userName%20eq%20%22ada%22', '/Users'],
	['/Users/ada@example.com', '/Users/{id}'],
	['/Users/.search', '/Users/.search'],
	['/Users/1/ada', '/Users/{id}/{more}'],
	['/.search', '/.search'],
	['/ada@example.com', '/{endpoint}'],
	['', '/'],
	['?a', '/'],
])('the template of %s is %s', (target, template) => {
	expect(templateOf(target)).toBe(template)
})

let folder = ''
let file = ''
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-audit-'))
	file = join(folder, 'audit.log')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const linesOf = (name: string): readonly Readonly<Record<string, unknown>>[] =>
	readFileSync(name, 'utf8')
		.trimEnd()
		.split('\n')
		.map((line) => JSON.parse(line))

describe('the file', () => {
	const entry = (requestId: string): AuditEntry => ({
		at: Date.UTC(2026, 0, 2),
		method: 'GET',
		target: '/Users/1',
		status: 200,
		requestId,
	})
	const start = (keep = 2) => {
		const log = journal()
		return { log, audit: auditLog({ file, megabytes: 1, keep }, log.write) }
	}
	const idsIn = (name: string) => linesOf(name).map(({ requestId }) => requestId)

	test('is rotated by size, and only the newest files are kept', async () => {
		writeFileSync(`${file}.7`, 'older')
		writeFileSync(`${file}.md`, 'not ours')
		const { audit, log } = start()
		for (let round = 0; round < 5; round++) {
			for (let at = 0; at < 5000; at++) audit.record(entry(`${round * 5000 + at}`.padStart(100, '0')))
			await audit.written()
		}
		expect(readdirSync(folder).sort()).toEqual(['audit.log', 'audit.log.1', 'audit.log.2', 'audit.log.md'])
		const files = [`${file}.2`, `${file}.1`, file]
		for (const name of files) {
			expect(statSync(name).size).toBeLessThanOrEqual(2 ** 20)
			expect(statSync(name).mode & 0o777).toBe(0o600)
		}
		const ids = files.flatMap(idsIn).map(Number)
		expect(ids).toEqual(Array.from({ length: ids.length }, (_, at) => 25_000 - ids.length + at))
		expect(ids.length).toBeGreaterThan(9000)
		expect(log.entries).toEqual([])
	})

	test('of two agents in one process has every line of both, also across a rotation', async () => {
		const [one, other] = [start(100), start(100)]
		for (let at = 0; at < 9000; at++) for (const { audit } of [one, other]) audit.record(entry('x'.repeat(100)))
		await Promise.all([one.audit.written(), other.audit.written()])
		const names = readdirSync(folder).sort()
		expect(names.length).toBeGreaterThan(2)
		for (const name of names.slice(1)) expect(statSync(join(folder, name)).size).toBeGreaterThan(700_000)
		expect(names.flatMap((name) => linesOf(join(folder, name)))).toHaveLength(18_000)
	})

	test('is closed to other users, also if it was open to them', async () => {
		writeFileSync(file, '')
		chmodSync(file, 0o644)
		const { audit } = start()
		audit.record(entry('1'))
		await audit.written()
		expect([statSync(file).mode & 0o777, idsIn(file)]).toEqual([0o600, ['1']])
	})

	test('that cannot be written is reported once, and again after it could be written', async () => {
		rmSync(folder, { recursive: true })
		const { audit, log } = start()
		for (const id of ['1', '2', '3']) {
			audit.record(entry(id))
			await audit.written()
		}
		expect(log.entries).toEqual([{ event: 'audit_failed', detail: expect.stringMatching(/^ENOENT: /) }])
		mkdirSync(folder)
		audit.record(entry('4'))
		await audit.written()
		expect(log.entries.slice(1)).toEqual([{ event: 'audit_resumed', lost: 3 }])
		expect(idsIn(file)).toEqual(['4'])
		rmSync(folder, { recursive: true })
		audit.record(entry('5'))
		await audit.written()
		expect(log.count('audit_failed')).toBe(2)
	})

	test('is never a link, a pipe or a device', async () => {
		const target = join(folder, 'target')
		writeFileSync(target, '')
		symlinkSync(target, file)
		const { audit, log } = start()
		const record = async () => {
			audit.record(entry('1'))
			await audit.written()
		}
		await record()
		rmSync(file)
		execFileSync('sh', ['-c', 'mkfifo "$0"', file])
		await record()
		expect(log.entries).toEqual([{ event: 'audit_failed', detail: expect.stringMatching(/^ELOOP: /) }])
		expect(readFileSync(target, 'utf8')).toBe('')
		rmSync(file)
		await record()
		expect(log.entries.slice(1)).toEqual([{ event: 'audit_resumed', lost: 2 }])
	})

	test('gets at most 10,000 lines of one moment, so that a slow disk does not exhaust the memory', async () => {
		const { audit, log } = start()
		for (let at = 0; at < 10_500; at++) audit.record(entry('1'))
		await audit.written()
		expect(log.entries).toEqual([
			{ event: 'audit_failed', detail: '10000 lines are waiting for the disk' },
			{ event: 'audit_resumed', lost: 500 },
		])
	})
})

describe('an agent', () => {
	let lab: Lab
	beforeEach(async () => {
		lab = await startLab()
	})
	afterEach(() => lab.stop())

	const send = (method: string, path: string) => {
		const headers = new Headers({ authorization: 'Bearer client-secret' })
		const body = method === 'GET' ? {} : { body: Buffer.from('{"userName":"ada"}') }
		return outcome(lab.sender()(request({ method, path, headers, requestId: `id-${method}`, ...body })))
	}

	test('writes each forwarded request before it stops, and no other', async () => {
		const agent = await lab.agent({ audit: { file }, allow: { Users: ['GET', 'POST'] } })
		await send('GET', '/Users/ada@example.com?attributes=userName')
		await send('POST', '/Users')
		expect(await send('DELETE', '/Users/ada')).toMatchObject({ status: 403 })
		await agent.drain()
		const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
		expect(linesOf(file)).toEqual([
			{ time, method: 'GET', path: '/Users/{id}', status: 200, requestId: 'id-GET' },
			{ time, method: 'POST', path: '/Users', status: 200, requestId: 'id-POST' },
		])
		expect(readFileSync(file, 'utf8')).not.toMatch(/ada|secret|userName/)
	})

	test('waits at its end until the disk has its lines', async () => {
		const agent = await lab.agent({ audit: { file } })
		const other = auditLog({ file, megabytes: 10, keep: 1 }, () => undefined)
		let isBusy = true
		const keepBusy = () => {
			other.record({ at: 0, method: 'GET', target: '/Groups', status: 200, requestId: 'other' })
			if (isBusy) setImmediate(keepBusy)
		}
		keepBusy()
		await send('GET', '/Users')
		const drained = agent.drain()
		await lab.standIn.journal.until('left')
		isBusy = false
		await drained
		expect(linesOf(file).at(-1)).toMatchObject({ requestId: 'id-GET' })
	})

	test('names why the SCIM server did not answer', async () => {
		const agent = await lab.agent({ audit: { file } })
		await lab.origin.stop()
		expect(await send('GET', '/Users')).toMatchObject({ status: 503 })
		await agent.drain()
		expect(linesOf(file)[0]).toMatchObject({ method: 'GET', path: '/Users', status: 503, error: 'origin_refused' })
	})

	test('serves requests while the file cannot be written', async () => {
		const agent = await lab.agent({ audit: { file: join(folder, 'absent', 'audit.log') } })
		expect(await send('POST', '/Users')).toMatchObject({ status: 200 })
		expect(await send('GET', '/Users')).toMatchObject({ status: 200 })
		await agent.drain()
		expect(lab.log.count('audit_failed')).toBe(1)
	})

	test('writes no file unless the settings name one', async () => {
		const agent = await lab.agent()
		await send('GET', '/Users')
		await agent.drain()
		expect(existsSync(file)).toBe(false)
		expect(readdirSync(folder)).toEqual([])
	})

	test('writes a second line for an answer that comes late', async () => {
		const entries: AuditEntry[] = []
		const requests = dispatcher({
			config: lab.config(),
			clock: { now: () => 5, after: () => () => undefined },
			log: () => undefined,
			forward: async ({ late }) => {
				setImmediate(() => late?.({ status: 201, headers: {}, body: Buffer.from('{}') }))
				return { fault: 'origin_timeout', detail: 'no answer' }
			},
			probe: async () => ({ status: 200 }),
			relayTime: async () => ({ date: 0, age: () => 0 }),
			audit: (entry) => entries.push(entry),
		})
		await requests.receive({
			request: {
				id: '1',
				requestTarget: '/demo/scim/Users',
				method: 'POST',
				requestHeaders: { [header.key]: 'key', [header.requestId]: 'r' },
				body: false,
			},
			body: Buffer.alloc(0),
			answer: async () => 'control',
		})
		await new Promise((resolve) => setImmediate(resolve))
		const sent = { at: 5, method: 'POST', target: '/Users', requestId: 'r' }
		expect(entries).toEqual([
			{ ...sent, status: 503, error: 'origin_timeout', isLate: false },
			{ ...sent, status: 201, error: undefined, isLate: true },
		])
	})
})
