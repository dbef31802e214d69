import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFiles, runtime, service } from '../../../agent/doctor/host.ts'
import { readsTrustStore } from '../../../agent/origin-tls.ts'

const unit = (more: string) => `LoadState=loaded\n${more}\nActiveEnterTimestamp=Mon 2026-11-23 08:00:00 UTC\n`
const since = 'since Mon 2026-11-23 08:00:00 UTC'
const log = 'Its log says why: journalctl -u rollcall-relay -n 50'

/** A machine that says this of its service, and this of what happened to it within a day. */
const machineThat = (platform: string, says: string, happened?: string) => ({
	platform,
	folder: mkdtempSync(join(tmpdir(), 'rollcall-host-')),
	run: (program: string) => {
		if (program !== 'journalctl') return says
		if (happened === undefined) throw new Error('No permission')
		return happened
	},
})

const active = (restarts: number) => unit(`ActiveState=active\nSubState=running\nNRestarts=${restarts}`)
const restarted = 'rollcall-relay.service: Scheduled restart job, restart counter is at 7.\n'

test.each([
	['LoadState=not-found\n', '', { verdict: 'SKIP', seen: 'no service is installed' }],
	[
		active(0),
		'Started rollcall-relay.service.\n',
		{ verdict: 'PASS', seen: `the service is active (running) ${since}, restarted 0 times, 0 of them within 24 h` },
	],
	[
		active(7),
		'Started rollcall-relay.service.\n',
		{ verdict: 'PASS', seen: `the service is active (running) ${since}, restarted 7 times, 0 of them within 24 h` },
	],
	[
		active(7),
		restarted,
		{
			verdict: 'WARN',
			seen: `the service is active (running) ${since}, restarted 7 times, 1 of them within 24 h`,
			remedy: log,
		},
	],
	[
		active(7),
		undefined,
		{ verdict: 'WARN', seen: `the service is active (running) ${since}, restarted 7 times`, remedy: log },
	],
	[
		unit('ActiveState=failed\nSubState=failed\nNRestarts=0'),
		undefined,
		{ verdict: 'FAIL', seen: `the service is failed (failed) ${since}, restarted 0 times`, remedy: log },
	],
])('on Linux %j, %j', (says, happened, finding) => {
	expect(service(machineThat('linux', says, happened))).toEqual({ code: 'H3', ...finding })
})

test.each([
	['Started', { verdict: 'PASS', seen: 'the service is started' }],
	[
		'Stopped',
		{
			verdict: 'FAIL',
			seen: 'the service is Stopped',
			remedy: 'Start-Service rollcall-relay, and see logs\\rollcall-relay.err.log beside the agent.',
		},
	],
	['NonExistent', { verdict: 'SKIP', seen: 'no service is installed' }],
])('on Windows %s', (says, finding) => {
	const machine = machineThat('win32', `${says}\r\n`)
	for (const name of ['rollcall-relay.exe', 'rollcall-relay.xml']) writeFileSync(join(machine.folder, name), '')
	expect(service(machine)).toEqual({ code: 'H3', ...finding })
	expect(service({ ...machine, folder: '/absent' })).toMatchObject({ verdict: 'SKIP' })
})

test('where services cannot be asked for, that is no fault', () => {
	const run = () => {
		throw Object.assign(new Error('spawnSync systemctl ENOENT\nmore'), { code: 'ENOENT' })
	}
	const seen = 'no service is known here: systemd does not run here'
	expect(service({ platform: 'linux', folder: '', run })).toEqual({ code: 'H3', verdict: 'SKIP', seen })
})

const limit = (soft: string) =>
	`Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft}      4096                 files\n`

test.each([
	[limit('1024'), 16, { verdict: 'PASS', seen: '1024 files may be open, 148 are enough' }],
	[limit('unlimited'), 256, { verdict: 'PASS', seen: 'unlimited files may be open, 868 are enough' }],
	[
		limit('256'),
		64,
		{
			verdict: 'FAIL',
			seen: '256 files may be open, 292 are enough',
			remedy: 'Raise it to 292 or more: LimitNOFILE= in the unit, ulimit -n in a shell.',
		},
	],
	[undefined, 16, { verdict: 'SKIP', seen: 'the limit of open files is not known here' }],
])('of open files %#', (limits, concurrency, finding) => {
	expect(openFiles(limits, { concurrency })).toEqual({ code: 'H4', ...finding })
})

const origin = (mode: 'system' | 'pin') => ({
	origin: {
		url: 'https://localhost/scim',
		tls: mode === 'pin' ? { mode, certificateFile: 'origin.pem' } : { mode },
		authorization: { type: 'passThrough' as const },
	},
})

test('what it runs on, with the version of the library for WebSockets', () => {
	expect(runtime(origin('pin'))).toEqual({
		code: 'H1',
		verdict: 'PASS',
		seen: expect.stringMatching(
			/^rollcall-relay [\w. ]+, Node \d+\.\d+\.\d+ with OpenSSL \S+ on \w+, ws \d+\.\d+\.\d+$/,
		),
	})
	expect(runtime(origin('system')).verdict).toBe(readsTrustStore ? 'PASS' : 'WARN')
})

test('a Node that does not see whom the machine trusts, and one that is too old', () => {
	expect(runtime(origin('system'), { node: '20.19.0', openssl: '3.0.15' }, false)).toMatchObject({
		verdict: 'WARN',
		seen: expect.stringMatching(/, Node 20\.19\.0 /),
		remedy: expect.stringMatching(/Node 22\.15 or later\. Or: .*"mode": "ca".*NODE_EXTRA_CA_CERTS/),
	})
	expect(runtime(origin('pin'), { node: '20.19.0', openssl: '3.0.15' }, false).verdict).toBe('PASS')
	expect(runtime(origin('pin'), { node: '20.18.3', openssl: '3.0.15' }, false)).toMatchObject({
		verdict: 'FAIL',
		remedy: 'Install Node 20.19 or later, 24 best.',
	})
})
