import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Admin, startAdmin } from '../../agent/admin.ts'
import { readConfig, readSettings } from '../../agent/config.ts'
import { type Fleet, openFleet } from '../../agent/fleet.ts'
import { metricsOf } from '../../agent/metrics.ts'
import type { Machine } from '../../agent/service-manager.ts'
import { connectByKey } from '../../agent/setup/connection.ts'
import { type Prompt, terminalPrompt } from '../../agent/setup/prompt.ts'
import { type SetupOptions, setUp } from '../../agent/setup/setup.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { writeCode, writeOfflineCode } from '../../shared/relay/enrolment.ts'
import { copyBuilt } from '../support/built.ts'
import { useEnrolmentHost } from '../support/enrolment.ts'
import { selfSigned } from '../support/relay-stand-in/certificates.ts'
import { type Lab, outcome, request, startLab } from '../support/relay-stand-in/lab.ts'
import { json, type Origin, resource, startOrigin } from '../support/relay-stand-in/origin.ts'

const newHost = useEnrolmentHost()
const untrusted = selfSigned(['DNS:appsrv01'])
let folder = ''
let built = ''
let lab: Lab
let server: Origin
/** What a test has started in the place of the service. */
let fleet: Fleet | undefined
let admin: Admin | undefined
let calls: string[] = []

beforeAll(async () => {
	built = mkdtempSync(join(tmpdir(), 'rollcall-setup-built-'))
	await copyBuilt(built)
	lab = await startLab({ serviceClock: systemClock, factor: 1 })
})
afterAll(async () => {
	await lab.stop()
	rmSync(built, { recursive: true })
})
beforeEach(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-setup-test-'))
	server = await startOrigin(untrusted)
	server.answer = (incoming, response) => {
		if (!incoming.url?.startsWith('/scim/v2/')) return json(response, 404, {})
		const isAllowed = incoming.headers.authorization === 'Bearer origin-secret'
		return isAllowed ? resource(response, 200) : json(response, 401, {})
	}
	calls = []
})
afterEach(async () => {
	await admin?.close()
	await fleet?.drain()
	fleet = undefined
	await server.stop()
	rmSync(folder, { recursive: true })
})

/** Answers in order. What is asked and said is kept. */
function scripted(answers: readonly string[] | undefined) {
	const said: string[] = []
	const left = [...(answers ?? [])]
	const reply = async (question: string) => {
		said.push(question)
		return left.shift() ?? ''
	}
	const prompt: Prompt = { canAsk: answers !== undefined, ask: reply, askSecret: reply, say: (text) => said.push(text) }
	return { prompt, text: () => said.join('\n') }
}

const file = () => join(folder, 'etc', 'relay.json')

/** A machine whose systemd runs the agent in this process. */
const machine: Machine = {
	platform: 'linux',
	get folder() {
		return folder
	},
	run: (program, args) => {
		if (program === 'id') return args.length === 1 ? '0\n' : missingUser()
		calls.push([program, ...args].join(' '))
		if (args[0] === 'restart') void startService()
		return 'LoadState=not-found\n'
	},
}
const missingUser = () => {
	if (calls.some((call) => call.startsWith('useradd'))) return '990\n'
	throw new Error('no such user')
}

/** The calls, without those that only read. */
const writes = () => calls.filter((call) => !/^(journalctl|systemctl (show|cat|--version))/.test(call))

async function startService(): Promise<void> {
	fleet = openFleet({ clock: systemClock, log: () => undefined, random: () => 0.5 })
	const settings = readSettings(file())
	const sources = { servers: fleet.servers, reload: async () => [], metrics: metricsOf(() => undefined), version: '' }
	fleet.apply(settings, { isForced: true })
	admin = await startAdmin(settings.admin?.port ?? 0, sources)
}

const listenKey = () => ({
	namespace: lab.standIn.host,
	hybridConnection: 'demo',
	keyName: 'listen',
	keyFile: lab.write('listen.key', 'listenkey\n'),
})

const run = (answers: readonly string[] | undefined, more: Partial<SetupOptions> = {}, key = {}) => {
	const { prompt, text } = scripted(answers)
	const connect = connectByKey({ ...listenKey(), ...key }, { caFile: lab.write('ca.pem', lab.ca) })
	const options = { file: file(), isConfirmed: false, service: { id: 'rollcall-relay' }, ...more }
	const done = setUp(options, { prompt, connect, machine, clock: systemClock, port: server.port })
	return { done, text }
}

const sha256 = execFileSync('openssl', ['x509', '-noout', '-fingerprint', '-sha256'], {
	input: untrusted.cert,
	encoding: 'utf8',
})
	.trim()
	.replace(/^.*=/, '')

describe('with an administrator at the terminal', () => {
	test('setup finds the server, asks for trust and token, and installs a service that is online', async () => {
		const { done, text } = run(['yes', 'wrong', 'origin-secret', 'yes'])
		expect(await done).toBe(0)
		expect(text()).toContain(`certificate for DNS:appsrv01 (CN=localhost), self-signed`)
		expect(text()).toContain(`SHA-256 ${sha256}`)
		expect(text()).toContain(`SCIM answers at https://localhost:${server.port}/scim/v2.`)
		expect(text()).toContain('error: the SCIM server refuses the token (401)')
		expect(text()).toMatch(
			/No check failed\.\n[\s\S]*the service rollcall-relay is installed and started\nthe agent is online$/,
		)
		expect(text()).not.toMatch(/origin-secret|listenkey/)
		const settings = readFileSync(file(), 'utf8')
		expect(JSON.parse(settings)).toEqual({
			relay: { namespace: lab.standIn.host, hybridConnection: 'demo', caFile: expect.stringMatching(/ca\.pem$/) },
			credentials: { type: 'sas', keyName: 'listen', keyFile: 'listen.key' },
			origin: {
				url: `https://localhost:${server.port}/scim/v2`,
				tls: { mode: 'pin', certificateFile: 'origin.pem' },
				authorization: { type: 'bearer', tokenFile: 'origin.token' },
			},
			admin: { port: expect.any(Number) },
		})
		expect(settings).not.toMatch(/origin-secret|listenkey/)
		const mode = (name: string) => statSync(join(folder, 'etc', name)).mode & 0o777
		expect([mode('origin.token'), mode('listen.key'), mode('origin.pem')]).toEqual([0o600, 0o600, 0o644])
		expect(writes()).toEqual([
			'useradd --system --no-create-home rollcall-relay',
			`chown rollcall-relay ${join(folder, 'etc', 'listen.key')} ${join(folder, 'etc', 'origin.token')}`,
			'systemctl daemon-reload',
			'systemctl enable rollcall-relay',
			'systemctl restart rollcall-relay',
		])
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
	})

	test.each([
		['no trust', ['no'], 'the certificate is not trusted'],
		['three wrong tokens', ['yes', 'a', 'b', 'two words'], 'a token is one word of printable ASCII'],
		['no confirmation', ['yes', 'origin-secret', 'no'], 'nothing was written'],
	])('after %s, nothing is written', async (_, answers, message) => {
		await expect(run(answers).done).rejects.toMatchObject({ name: 'UsageError', message })
		expect([existsSync(join(folder, 'etc')), writes()]).toEqual([false, []])
	})
})

describe('without a terminal', () => {
	const tokenFile = () => lab.write('given.token', 'origin-secret\n')
	const all = () => ({ fingerprint: sha256, tokenFile: tokenFile(), isConfirmed: true })

	test('options answer all questions', async () => {
		expect(await run(undefined, { ...all(), service: undefined }).done).toBe(0)
		expect(readConfig(file()).origin.tls).toEqual({ mode: 'pin', certificateFile: join(folder, 'etc', 'origin.pem') })
		expect(writes()).toEqual([])
	})

	test.each<[string, Partial<SetupOptions>, RegExp, RegExp]>([
		[
			'the fingerprint',
			{ fingerprint: undefined },
			/^this machine does not trust the certificate/,
			/--trust-fingerprint [0-9A-F:]{95}$/,
		],
		[
			'the right fingerprint',
			{ fingerprint: 'AB:CD' },
			/^the certificate has the SHA-256 [0-9A-F:]{95}, not AB:CD$/,
			/Another program may listen/,
		],
		['the token', { tokenFile: undefined }, /^the token of the SCIM server is missing$/, /--origin-token-file FILE$/],
		[
			'a confirmation',
			{ isConfirmed: false },
			/^setup needs a confirmation$/,
			/install the service rollcall-relay: --yes$/,
		],
		[
			'a server',
			{ origin: 'https://localhost:1/scim' },
			/^no SCIM server was found\. Tried https:\/\/localhost:1\/scim: nothing listens$/,
			/--origin https/,
		],
		[
			'a usable URL',
			{ origin: 'http://localhost/scim' },
			/^--origin http:\/\/localhost\/scim must be an https URL with \/scim in its path$/,
			/https:\/\/localhost:11015\/scim/,
		],
	])('without %s, nothing is written, and the hint names the option', async (_, more, message, hint) => {
		await expect(run(undefined, { ...all(), ...more }).done).rejects.toMatchObject({
			message: expect.stringMatching(message),
			hint: expect.stringMatching(hint),
		})
		expect(existsSync(join(folder, 'etc'))).toBe(false)
	})

	test('a fingerprint may be written in lower case without colons', async () => {
		const plain = `sha256:${sha256.toLowerCase().replaceAll(':', '')}`
		expect(await run(undefined, { ...all(), fingerprint: plain, service: undefined }).done).toBe(0)
	})

	test('a refused token and a server without SCIM are named', async () => {
		const wrong = { ...all(), tokenFile: lab.write('wrong.token', 'wrong\n') }
		await expect(run(undefined, wrong).done).rejects.toThrow('the SCIM server refuses the token (401)')
		server.answer = (_, response) => json(response, 404, {})
		await expect(run(undefined, all()).done).rejects.toThrow(
			/^no SCIM was found there\. Tried https:\S+\/scim: answers 404; https:\S+\/scim\/v2: answers 404$/,
		)
	})

	test('without a connection, what was written is removed', async () => {
		await expect(run(undefined, all(), { namespace: 'not a host' }).done).rejects.toThrow(/relay\.namespace/)
		expect(existsSync(join(folder, 'etc'))).toBe(false)
	})

	test('settings that are there, and files of another agent, stay as they are', async () => {
		mkdirSync(join(folder, 'etc'))
		writeFileSync(join(folder, 'etc', 'origin.token'), 'old')
		await expect(run(undefined, all()).done).rejects.toThrow(`${join(folder, 'etc')} has the files of another agent`)
		writeFileSync(file(), '{}')
		await expect(run(undefined, all()).done).rejects.toThrow(`${file()} exists already`)
		expect(readdirSync(join(folder, 'etc')).map((name) => readFileSync(join(folder, 'etc', name), 'utf8'))).toEqual([
			'old',
			'{}',
		])
	})

	test('a failed check keeps the settings, and the service is not installed', async () => {
		await expect(
			run(undefined, all(), { hybridConnection: 'demo', namespace: 'localhost:1' }).done,
		).rejects.toMatchObject({
			message: 'the service was not installed, because a check failed',
			hint: `Repair it, and go on with: rollcall-relay service install --config ${file()} --user rollcall-relay`,
		})
		expect([existsSync(file()), writes()]).toEqual([true, []])
	})
})

/** Runs `rollcall-relay setup` as a process, with a code on standard input. What it prints has no secret. */
async function setUpByCode(code: string, secrets: readonly string[], options: readonly string[] = []) {
	const args = [
		...['setup', '--no-service', '--yes', '--config', file(), '--origin', `https://localhost:${server.port}/scim/v2`],
		...['--trust-fingerprint', sha256, '--origin-token-file', lab.write('given.token', 'origin-secret\n')],
		...['--ca-file', lab.write('ca.pem', lab.ca), ...options],
	]
	const child = spawn(process.execPath, [join(built, 'relay/main.js'), ...args])
	child.stdin.end(`${code}\n`)
	let text = ''
	for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part))
	const exit = await new Promise((resolve) => child.once('close', resolve))
	const settings = readFileSync(file(), 'utf8')
	for (const secret of [...secrets, 'origin-secret']) expect(text + settings).not.toContain(secret)
	return { exit, text, credentials: JSON.parse(settings).credentials }
}

test('a code on standard input makes settings without a key of Azure Relay', async () => {
	const host = await newHost({ namespace: lab.standIn.host, now: Date.now, settings: { hybridConnection: 'demo' } })
	const code = await host.add()
	const { exit, text, credentials } = await setUpByCode(writeCode(code), [code.secret])
	expect(text).toContain(`enrolled as agent ${code.agent} on ${lab.standIn.host}/demo\n`)
	expect(text).toContain('No check failed.')
	expect(exit).toBe(0)
	expect(credentials).toEqual({ type: 'enrolled', url: code.url, keyFile: expect.stringMatching(/^agent-/) })
})

test('with --offline, a code on standard input makes settings with a key that may only listen', async () => {
	const code = writeOfflineCode({
		...{ agent: '0b7e6a52-5f0a-4b8e-9d0c-1d1f6f3f5a11', tenant: 'acme', namespace: lab.standIn.host },
		...{ hybridConnection: 'demo', keyName: 'listen', key: 'listenkey' },
	})
	const { exit, text, credentials } = await setUpByCode(code, [code, 'listenkey'], ['--offline'])
	expect(text).toContain(`on ${lab.standIn.host}/demo\n`)
	expect(text).toContain('No check failed.')
	expect(exit).toBe(0)
	expect(credentials).toEqual({ type: 'sas', keyName: 'listen', keyFile: expect.any(String) })
	expect(readFileSync(join(folder, 'etc', credentials.keyFile), 'utf8').trim()).toBe('listenkey')
})

test('a secret is not shown at the terminal', async () => {
	const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined })
	const output = Object.assign(new PassThrough(), { isTTY: true })
	let shown = ''
	output.on('data', (part) => (shown += part))
	const streams = { input, output } as unknown as Parameters<typeof terminalPrompt>[0] // sound: the parts that are used
	const prompt = terminalPrompt(streams)
	const secret = prompt.askSecret('The token: ')
	input.write('very-secret\r')
	expect(await secret).toBe('very-secret')
	const answer = prompt.ask('Sure? ')
	input.write(' yes \r')
	expect(await answer).toBe('yes')
	expect(shown).toMatch(/^The token: \nSure\? /)
	expect(shown).not.toContain('very-secret')
})
