import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../shared/relay/clock.ts'
import { writeCode } from '../../shared/relay/enrolment.ts'
import { copyBuilt } from '../support/built.ts'
import { useEnrolmentHost } from '../support/enrolment.ts'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'

const newHost = useEnrolmentHost()
let folder = ''
let lab: Lab

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-enrol-main-'))
	await copyBuilt(join(folder, 'dist'))
	const rules = {
		'rollcall-agents': { key: 'primary-1', rights: ['listen'] },
		send: { key: 'sendkey', rights: ['send'] },
	} as const
	lab = await startLab({ serviceClock: systemClock, factor: 1, rules })
})
afterAll(async () => {
	await lab.stop()
	rmSync(folder, { recursive: true })
})

/** Starts the program as an administrator does. */
function start(args: readonly string[], input = '') {
	const child = spawn(process.execPath, [join(folder, 'dist/relay/main.js'), ...args], { cwd: folder })
	const output = { out: '', err: '' }
	const waiting = new Set<() => void>()
	child.stdout.on('data', (text) => {
		output.out += text
	})
	child.stderr.on('data', (text) => {
		output.err += text
		for (const check of waiting) check()
	})
	child.stdin.end(input)
	const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
	const logged = (event: string) =>
		new Promise<void>((resolve) => {
			const check = () => output.err.includes(`"event":"${event}"`) && resolve()
			waiting.add(check)
			check()
		})
	return { child, exited, logged, output }
}

test('a code on standard input becomes an agent that serves requests and ends when it is removed', async () => {
	const host = await newHost({ namespace: lab.standIn.host, now: Date.now, settings: { hybridConnection: 'demo' } })
	const code = await host.add()
	const file = join(folder, 'relay.json')
	const origin = {
		url: `https://localhost:${lab.origin.port}/scim`,
		tls: { mode: 'ca', caFile: lab.write('ca.pem', lab.ca) },
		authorization: { type: 'bearer', tokenFile: lab.write('origin.token', 'origin-secret\n') },
	}
	writeFileSync(file, JSON.stringify({ relay: { caFile: lab.write('ca.pem', lab.ca) }, origin }))
	const enrolling = start(['enrol', '--config', file], `${writeCode(code)}\n`)
	expect([await enrolling.exited, enrolling.output.err]).toEqual([0, ''])
	const keyFile = readdirSync(folder).find((name) => name.endsWith('.key')) ?? ''
	expect(enrolling.output.out).toMatch(
		new RegExp(
			`^enrolled as agent ${code.agent} on ${lab.standIn.host}/demo\nthe key is in ${join(folder, keyFile)}, with the fingerprint SHA256:\\S{43}\ncompare it with: rollcall agent list ${host.name}\nthe settings are in ${file}\n$`,
		),
	)

	const doctor = start(['doctor', '--config', file])
	await doctor.exited
	expect(doctor.output.out).toMatch(
		/PASS C2 {2}credentials\.keyFile: \S+ is a private key, readable, only by its owner\n/,
	)
	expect(doctor.output.out).toMatch(/PASS A1 {2}a token of type enrolled, valid for 90 minutes\nSKIP A2 /)

	const running = start(['run', '--config', file])
	await running.logged('online')
	expect((await outcome(lab.sender()(request()))).status).toBe(200)
	const argv = readFileSync(`/proc/${running.child.pid}/cmdline`, 'utf8')
	const environment = readFileSync(`/proc/${running.child.pid}/environ`, 'utf8')

	await host.remove(code.agent)
	// The next token is due in a quarter of an hour. A restart asks for one at once.
	running.child.kill('SIGTERM')
	expect(await running.exited).toBe(0)
	const again = start(['run', '--config', file])
	expect(await again.exited).toBe(2)
	expect(again.output.err).toMatch(
		/"event":"removed","detail":"127\.0\.0\.1:\d+ answers: an administrator has removed this agent"/,
	)

	const key = readFileSync(join(folder, keyFile), 'utf8').split('\n')[1] ?? 'no key'
	const seen = [argv, environment, running.output.err, again.output.err, readFileSync(file, 'utf8')].join('\n')
	for (const secret of [code.secret, writeCode(code), key, 'sig=', 'primary-1']) expect(seen).not.toContain(secret)
})

test('a code in an argument is refused, and so is no code at all', async () => {
	const file = join(folder, 'other.json')
	const named = start(['enrol', 'rc1.abc', '--config', file])
	expect([await named.exited, named.output.err]).toEqual([
		2,
		expect.stringMatching(/^error: enrol: unexpected argument rc1\.abc\nhint: .*enrol --help\n$/),
	])
	const none = start(['enrol', '--config', file])
	expect([await none.exited, none.output.err]).toEqual([
		2,
		'error: standard input has no code\nhint: Give it the word that rollcall agent add has printed: it begins with rc1. and is used once.\n',
	])
})
