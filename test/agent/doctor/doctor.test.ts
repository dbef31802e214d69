import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { writeBundle } from '../../../agent/doctor/bundle.ts'
import { diagnose, report } from '../../../agent/doctor/doctor.ts'
import { systemClock } from '../../../shared/relay/clock.ts'
import { machine, useRig, verdicts } from './rig.ts'

const { lab, writeSettings, diagnoseWith, defaultSettings, origin } = useRig()

test('without faults, no check fails, and no listener connects', async () => {
	const findings = await diagnoseWith()
	expect(verdicts(findings)).toEqual([
		'PASS C1',
		'PASS C2',
		'PASS C2',
		'PASS C2',
		'PASS C2',
		'SKIP C3',
		'PASS C4',
		'PASS H1',
		'SKIP H3',
		'PASS H4',
		'PASS N1',
		'PASS N2',
		'PASS N3',
		'PASS N4',
		'SKIP N5',
		'PASS H2',
		'WARN N6',
		'PASS A1',
		'SKIP A2',
		'SKIP A3',
		'PASS O1',
		'PASS O2',
		'WARN O3',
		'PASS O4',
		'PASS O5',
		'PASS O6',
		'SKIP O7',
		'SKIP E1',
	])
	expect(lab().standIn.journal.count('listening')).toBe(0)
	expect(findings.map(({ seen }) => seen).join('')).not.toContain('\n')
	expect(report(findings)).toMatch(/^PASS C1 {2}.*\n/)
	expect(report(findings)).not.toMatch(/listenkey|origin-secret/)
})

test('the report has one line for each remedy, and ends with the first failed check', () => {
	const o3 = { code: 'O3', verdict: 'FAIL', seen: 'this', remedy: 'Do one. Or: Do another.' } as const
	const e1 = { code: 'E1', verdict: 'FAIL', seen: 'that', remedy: 'See O3.' } as const
	const c1 = { code: 'C1', verdict: 'PASS', seen: 'well' } as const
	expect(report([c1, o3, e1])).toBe(
		'PASS C1  well\nFAIL O3  this\n          Do one.\n          Or: Do another.\nFAIL E1  that\n          See O3.\n\n2 checks failed. Start with O3.\n',
	)
	expect(report([o3])).toMatch(/\n\n1 check failed\. Start with O3\.\n$/)
	expect(report([c1])).toBe('PASS C1  well\n\nNo check failed.\n')
})

test('a misspelt setting is the only finding', async () => {
	expect(await diagnoseWith({ concurency: 1 })).toEqual([
		{
			code: 'C1',
			verdict: 'FAIL',
			seen: expect.stringMatching(/concurency is an unknown setting/),
			remedy: 'Did you mean concurrency?',
		},
	])
})

test.each([
	['https://localhost/scim/Users', 'https://localhost/scim'],
	['https://localhost/scim/v2/ServiceProviderConfig/', 'https://localhost/scim/v2'],
])('%s is an endpoint, not the root of a SCIM server', async (url, root) => {
	const findings = await diagnoseWith(origin({ url }))
	expect(findings.find(({ code }) => code === 'C4')).toEqual({
		code: 'C4',
		verdict: 'FAIL',
		seen: `${url} is an endpoint of a SCIM server`,
		remedy: `Name the root instead: "url": "${root}" in origin.`,
	})
})

test('if a file is missing, the checks that do not need it still run', async () => {
	const without = async (more: object) => verdicts(await diagnoseWith(more)).filter((each) => /[NAO]\d$/.test(each))
	const fine = {
		n: ['PASS N1', 'PASS N2', 'PASS N3', 'PASS N4', 'SKIP N5'],
		a: ['PASS A1', 'SKIP A2', 'SKIP A3'],
		o: ['PASS O1', 'PASS O2', 'WARN O3', 'PASS O4', 'PASS O5', 'PASS O6', 'SKIP O7'],
	}
	const relay = { ...defaultSettings().relay, caFile: 'absent.pem' }
	expect(await without({ relay })).toEqual([
		'PASS N1',
		'PASS N2',
		'SKIP N3',
		'SKIP N4',
		'SKIP N5',
		'WARN N6',
		...fine.a,
		...fine.o,
	])
	const credentials = { type: 'sas', keyName: 'listen', keyFile: 'absent.key' }
	expect(await without({ credentials })).toEqual([...fine.n, 'WARN N6', 'SKIP A1', 'SKIP A2', 'SKIP A3', ...fine.o])
	expect(await without(origin({ tls: { mode: 'ca', caFile: 'absent.pem' } }))).toEqual([
		...fine.n,
		'WARN N6',
		...fine.a,
		'PASS O1',
		'PASS O2',
		'SKIP O3',
		'SKIP O4',
		'SKIP O5',
		'SKIP O6',
		'SKIP O7',
	])
	expect(await without(origin({ authorization: { type: 'bearer', tokenFile: 'absent.token' } }))).toEqual([
		...fine.n,
		'WARN N6',
		...fine.a,
		'PASS O1',
		'PASS O2',
		'WARN O3',
		'PASS O4',
		'SKIP O5',
		'PASS O6',
		'SKIP O7',
	])
})

describe('a bundle for support', () => {
	const bundle = async (more: object, run: () => string) => {
		const config = writeSettings(more)
		const file = join(dirname(config), 'bundle.json')
		const findings = await diagnose(config, { clock: systemClock, machine })
		writeBundle(file, { config, findings, machine: { ...machine, run }, version: '1.2.3' })
		expect(statSync(file).mode & 0o777).toBe(0o600)
		const text = readFileSync(file, 'utf8')
		expect(text).not.toMatch(/listenkey|origin-secret|word@/)
		return { ...JSON.parse(text), all: findings }
	}

	test('contains settings, findings, versions and the log, and no secret', async () => {
		const { relay } = defaultSettings()
		const proxy = 'http://user:pass@word@127.0.0.1:1'
		const { versions, config, findings, log, all } = await bundle({ relay: { ...relay, proxy } }, () => 'one\ntwo')
		expect(versions).toMatchObject({ 'rollcall-relay': '1.2.3', node: process.versions.node, ws: expect.any(String) })
		expect(config.relay.proxy).toBe('http://…@127.0.0.1:1')
		expect(config.origin.authorization.tokenFile).toMatch(/origin\.token$/)
		expect(findings).toEqual(all)
		expect(log).toEqual(['one', 'two'])
	})

	test('contains no part of unreadable settings', async () => {
		const config = lab().write('relay.json', '["word@",x]')
		const file = join(dirname(config), 'bundle.json')
		const findings = await diagnose(config, { clock: systemClock, machine })
		expect(JSON.stringify(findings)).toContain('word@')
		writeBundle(file, { config, findings, machine, version: '1.2.3' })
		expect(readFileSync(file, 'utf8')).not.toContain('word@')
		expect(JSON.parse(readFileSync(file, 'utf8')).config.missing).toMatch(/is not valid JSON$/)
	})

	test('contains the end of the log of WinSW on Windows', async () => {
		const config = writeSettings()
		const folder = dirname(config)
		mkdirSync(join(folder, 'logs'))
		const lines = Array.from({ length: 300 }, (_, at) => `line ${at}`)
		writeFileSync(join(folder, 'logs', 'rollcall-relay.err.log'), lines.join('\r\n'))
		const file = join(folder, 'bundle.json')
		writeBundle(file, { config, findings: [], machine: { ...machine, platform: 'win32', folder }, version: '1.2.3' })
		expect(JSON.parse(readFileSync(file, 'utf8')).log).toEqual(lines.slice(-200))
	})

	test('names the missing parts', async () => {
		const { config, log, findings } = await bundle({ concurency: 1 }, () => {
			throw new Error('no journalctl')
		})
		expect(config).toEqual({ missing: expect.stringContaining('concurency is an unknown setting') })
		expect(log).toEqual({ missing: 'no journalctl' })
		expect(findings).toMatchObject([{ code: 'C1', verdict: 'FAIL' }])
	})
})
