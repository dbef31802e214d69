import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import { tokenSource } from '../../agent/credentials.ts'
import { enrolAgent } from '../../agent/enrol.ts'
import { parseAgents } from '../../shared/relay/agent-list.ts'
import { type EnrolmentCode, writeCode, writeOfflineCode } from '../../shared/relay/enrolment.ts'
import { type EnrolmentHost, useEnrolmentHost } from '../support/enrolment.ts'
import { verify } from '../support/relay-stand-in/tokens.ts'

const newHost = useEnrolmentHost()
const minute = 60_000

let folder = ''
let file = ''
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-enrol-'))
	file = join(folder, 'relay.json')
})
afterEach(() => rmSync(folder, { recursive: true }))

/** The clock of a machine, which may differ from that of the host. */
const clockOf = (host: EnrolmentHost, ahead = 0) => ({
	now: () => host.clock.now() + ahead,
	after: (milliseconds: number, run: () => void) => host.clock.timer(milliseconds, run),
})

const enrolOn = (host: EnrolmentHost, code: EnrolmentCode, more: Partial<Parameters<typeof enrolAgent>[0]> = {}) =>
	enrolAgent({ text: writeCode(code), file, host: 'dc01', clock: clockOf(host), ...more })

const settings = () => JSON.parse(readFileSync(file, 'utf8'))
const keyFiles = () => readdirSync(folder).filter((name) => name.endsWith('.key'))

describe('enrol', () => {
	test('writes new settings and a key that only its owner can read, and the agent gets tokens', async () => {
		const host = await newHost()
		const code = await host.add()
		const result = await enrolOn(host, code, { text: `\n ${writeCode(code)}\r\n` })
		const [keyFile = ''] = keyFiles()
		expect(keyFile).toBe(`agent-${host.name}.key`)
		expect(settings()).toEqual({
			origin: {
				url: 'https://localhost:11015/scim',
				authorization: { type: 'bearer', tokenFile: 'origin.token' },
			},
			relay: { namespace: 'contoso.servicebus.windows.net', hybridConnection: host.name },
			credentials: { type: 'enrolled', url: host.url, keyFile },
			agentId: code.agent,
		})
		expect(statSync(join(folder, keyFile)).mode & 0o777).toBe(0o600)
		expect(result).toMatchObject({ enrolled: { tenant: host.name }, agent: code.agent, keyFile: join(folder, keyFile) })
		const [agent] = parseAgents(await host.stored()).agents
		expect(agent).toMatchObject({ host: 'dc01', version: 'not built' })
		const token = await tokenSource(readConfig(file), clockOf(host))()
		const now = host.clock.now()
		expect(token).toEqual({
			token: expect.stringContaining('skn=rollcall-agents'),
			expiresOnTimestamp: now + 90 * minute,
			renewOnTimestamp: now + 15 * minute,
		})
		const written = readFileSync(file, 'utf8')
		for (const secret of [code.secret, token.token, 'primary-1']) expect(written).not.toContain(secret)
	})

	test('keeps what the settings have besides, and replaces the key of an earlier enrolment', async () => {
		const host = await newHost()
		const tls = { mode: 'pin', certificateFile: 'origin.pem' }
		const own = {
			relay: { namespace: 'old', hybridConnection: 'old' },
			origin: { url: 'https://s/scim', tls, authorization: { type: 'passThrough' } },
			admin: { port: 1 },
		}
		writeFileSync(file, `\ufeff${JSON.stringify({ ...own, credentials: { type: 'arc' } })}`)
		chmodSync(file, 0o640)
		const code = await host.add()
		await enrolOn(host, code)
		expect(statSync(file).mode & 0o777).toBe(0o640)
		const first = settings()
		expect(first).toMatchObject({ origin: own.origin, admin: own.admin, relay: { hybridConnection: host.name } })
		const firstKey = readFileSync(join(folder, first.credentials.keyFile), 'utf8')
		await enrolOn(host, await host.addCode(code.agent))
		// The unit of a service names the file.
		expect(settings()).toEqual(first)
		expect(keyFiles()).toEqual([first.credentials.keyFile])
		expect(readFileSync(join(folder, first.credentials.keyFile), 'utf8')).not.toBe(firstKey)
		await expect(tokenSource(readConfig(file), clockOf(host))()).resolves.toBeDefined()
	})

	test('gets in with the same code again if the answer was lost, and not from another folder', async () => {
		const host = await newHost()
		const code = await host.add()
		host.faults.losesAnswer = true
		await expect(enrolOn(host, code)).rejects.toThrow()
		expect(parseAgents(await host.stored()).agents).toMatchObject([{ id: code.agent, host: 'dc01' }])
		expect(readdirSync(folder)).toEqual([expect.stringMatching(/^enrol-[0-9a-f]{12}\.key$/)])
		host.faults.losesAnswer = false
		const elsewhere = mkdtempSync(join(tmpdir(), 'rollcall-enrol-'))
		await expect(enrolOn(host, code, { file: join(elsewhere, 'relay.json') })).rejects.toThrow(
			/^127\.0\.0\.1:\d+ answers: the code was used before, with another key\. /,
		)
		expect(readdirSync(elsewhere)).toEqual([])
		rmSync(elsewhere, { recursive: true })
		await enrolOn(host, code)
		expect(keyFiles()).toEqual([`agent-${host.name}.key`])
		await expect(tokenSource(readConfig(file), clockOf(host))()).resolves.toBeDefined()
	})

	test('works if the clock of the machine is an hour off, and so do tokens', async () => {
		const host = await newHost()
		for (const ahead of [-60 * minute, 60 * minute]) {
			const code = await host.add()
			const clock = clockOf(host, ahead)
			await enrolOn(host, code, { clock })
			const token = await tokenSource(readConfig(file), clock)()
			expect(token.expiresOnTimestamp).toBe(clock.now() + 90 * minute)
			rmSync(file)
		}
	})

	test('writes a key of Azure Relay for a machine that cannot reach the app, and asks nothing', async () => {
		const host = await newHost()
		const offline = {
			...{ agent: '0b7e6a52-2d0f-4a57-9c66-6f1f4f1f8c11', namespace: 'contoso.servicebus.windows.net' },
			...{ hybridConnection: 'demo', keyName: 'offline-0b7e6a52', key: 'a-key' },
		}
		const options = { text: writeOfflineCode(offline), file, host: 'dc01', clock: clockOf(host) }
		await expect(enrolAgent(options)).rejects.toThrow('the code is for a machine that cannot reach Rollcall')
		expect(readdirSync(folder)).toEqual([])
		const result = await enrolAgent({ ...options, isOffline: true })
		expect(result).toEqual({
			agent: offline.agent,
			relay: { namespace: 'contoso.servicebus.windows.net', hybridConnection: 'demo' },
			keyFile: join(folder, 'agent-demo.key'),
		})
		expect(statSync(result.keyFile).mode & 0o777).toBe(0o600)
		expect(readFileSync(file, 'utf8')).not.toContain('a-key')
		const { token } = await tokenSource(readConfig(file), clockOf(host))()
		const check = {
			token,
			right: 'listen',
			entity: 'demo',
			host: 'contoso.servicebus.windows.net',
			now: host.clock.now(),
		} as const
		expect(verify({ ...check, rules: { 'offline-0b7e6a52': { key: 'a-key', rights: ['listen'] } } })).toEqual({
			expires: expect.any(Number),
		})
		expect(host.events).toEqual([])
		await expect(enrolAgent({ ...options, text: writeCode(await host.add()), isOffline: true })).rejects.toThrow(
			'standard input has no code for --offline',
		)
	})

	test.each(['../../x', '..\\..\\x', '/etc/x', 'C:x'])(
		'writes the key of the hybrid connection %s beside the settings',
		async (hybridConnection) => {
			const host = await newHost()
			const text = writeOfflineCode({
				...{ agent: '0b7e6a52-2d0f-4a57-9c66-6f1f4f1f8c11', namespace: 'contoso.servicebus.windows.net' },
				...{ hybridConnection, keyName: 'offline-0b7e6a52', key: 'a-key' },
			})
			const { keyFile } = await enrolAgent({ text, file, host: 'dc01', clock: clockOf(host), isOffline: true })
			expect(keyFile.slice(folder.length + 1)).toMatch(/^agent-[\w.-]+\.key$/)
			expect(keyFiles()).toEqual([keyFile.slice(folder.length + 1)])
		},
	)

	test.each([
		['nothing', '', 'standard input has no code'],
		['another word', 'secret', 'standard input has no code'],
		[
			'a code without TLS',
			writeCode({
				url: 'http://example.com/scim/acme',
				agent: '0b7e6a52-2d0f-4a57-9c66-6f1f4f1f8c11',
				secret: 's'.repeat(43),
			}),
			'the code is for http://example.com, which is not https',
		],
	])('refuses %s, and writes nothing', async (_, text, message) => {
		const host = await newHost()
		await expect(enrolOn(host, await host.add(), { text })).rejects.toThrow(message)
		expect(readdirSync(folder)).toEqual([])
	})

	test('changes the one server that is named, of several', async () => {
		const host = await newHost()
		const code = await host.add()
		const origin = { url: 'https://s/scim', authorization: { type: 'passThrough' } }
		const server = (name: string) => ({
			name,
			relay: { namespace: 'n', hybridConnection: name },
			credentials: { type: 'arc' },
			origin,
		})
		const whole = { servers: [server('one'), server('two')], admin: { port: 9110 } }
		writeFileSync(file, JSON.stringify(whole))
		await expect(enrolOn(host, code)).rejects.toThrow(`${file} has several servers`)
		await expect(enrolOn(host, code, { server: 'three' })).rejects.toThrow(`${file} has no server named three`)
		await enrolOn(host, code, { server: 'two' })
		expect(settings()).toEqual({
			...whole,
			servers: [
				server('one'),
				{
					...{ name: 'two', origin, agentId: code.agent },
					relay: { namespace: 'contoso.servicebus.windows.net', hybridConnection: host.name },
					credentials: { type: 'enrolled', url: host.url, keyFile: expect.any(String) },
				},
			],
		})
		expect(readConfig(file, 'two')).toMatchObject({ agentId: code.agent })
	})

	test.each([
		['no JSON', '{'],
		['no server', '{"servers": []}'],
		['no list of servers', '{"servers": {}}'],
	])('refuses a file with %s before the code is used', async (_, text) => {
		const host = await newHost()
		const code = await host.add()
		writeFileSync(file, text)
		await expect(enrolOn(host, code)).rejects.toThrow(file)
		expect(readFileSync(file, 'utf8')).toBe(text)
		expect(await host.stored()).toContain('"code"')
	})

	test.each([
		['expired', 'the code has expired: ask for another one with rollcall agent add'],
		['removed', 'an administrator has removed this agent'],
		['unknown', 'the code is not one of this tenant'],
	])('says what is wrong with a code that is %s, and leaves the settings', async (kind, sentence) => {
		const host = await newHost()
		const code = await host.add()
		if (kind === 'expired') host.clock.pass(31 * minute)
		if (kind === 'removed') await host.remove(code.agent)
		const given = kind === 'unknown' ? { ...code, secret: 'g'.repeat(43) } : code
		await expect(enrolOn(host, given)).rejects.toThrow(sentence)
		expect(readdirSync(folder)).toEqual([])
	})
})

describe('the token source of an enrolled agent', () => {
	const enrolled = async () => {
		const host = await newHost()
		const code = await host.add()
		await enrolOn(host, code)
		const refused = { is: false }
		const told: unknown[] = []
		const source = tokenSource(readConfig(file), clockOf(host), {
			isRefused: () => refused.is,
			noteVersions: (versions) => told.push(versions),
		})
		return { host, id: code.agent, source, refused, told }
	}

	test('tells the versions of the app and of the newest agent', async () => {
		const { source, told } = await enrolled()
		await source()
		expect(told).toEqual([{ version: 'not built', newestAgent: 'not built' }])
	})

	test('takes an answer of a gateway for an outage, and never for a removal', async () => {
		const { host, source } = await enrolled()
		host.faults.isAway = true
		await expect(source()).rejects.toThrow(
			expect.objectContaining({
				name: 'Error',
				message: expect.stringMatching(/answered 403, and not as Rollcall does$/),
			}),
		)
	})

	test('knows a removal from a refusal', async () => {
		const { host, id, source } = await enrolled()
		await host.remove(id)
		await expect(source()).rejects.toThrow(expect.objectContaining({ name: 'AgentRemovedError' }))
		const other = await newHost()
		const config = readConfig(file)
		const credentials = { ...config.credentials, url: other.url } as typeof config.credentials // sound: another address
		await expect(tokenSource({ ...config, credentials }, clockOf(other))()).rejects.toThrow(
			expect.objectContaining({ name: 'TokenRefusedError' }),
		)
	})
})

describe('two enrolments in one folder', () => {
	test.each([
		['one code', true],
		['two codes', false],
	])(
		'at once, with %s: the second is refused in a sentence, and the agent of the first gets tokens',
		async (_, isSame) => {
			const host = await newHost()
			const code = await host.add()
			const other = isSame ? code : await host.add()
			const first = enrolOn(host, code)
			await expect(enrolOn(host, other)).rejects.toMatchObject({
				message: `another rollcall-relay enrol is running in ${folder}`,
				hint: `Wait until it has ended. If there is none, delete ${join(folder, 'enrol.lock')}.`,
			})
			await first
			expect(settings().agentId).toBe(code.agent)
			expect((await tokenSource(readConfig(file), clockOf(host))()).token).toContain('skn=rollcall-agents')
			expect(readdirSync(folder).sort()).toEqual([`agent-${host.name}.key`, 'relay.json'])
		},
	)

	test('the second enrols if the first was killed', async () => {
		const host = await newHost()
		const killed = spawnSync(process.execPath, ['--version'])
		writeFileSync(join(folder, 'enrol.lock'), String(killed.pid))
		await enrolOn(host, await host.add())
		expect(readdirSync(folder).sort()).toEqual([`agent-${host.name}.key`, 'relay.json'])
	})
})
