import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFiles, runtime, service } from '../../../agent/doctor/host.ts'
import { readsTrustStore } from '../../../agent/origin-tls.ts'

const unit = (more: string) => `LoadState=loaded\n${more}\nActiveEnterTimestamp=Mon 2026-11-23 08:00:00 UTC\n`
const since = 'since Mon 2026-11-23 08:00:00 UTC'
const log = 'See its log: journalctl -u rollcall-relay -n 50'

/** A machine with this status of the service and this journal of the last day. */
const machineWith = (platform: string, status: string, journal?: string, older = '') => ({
	platform,
	folder: mkdtempSync(join(tmpdir(), 'rollcall-host-')),
	run: (program: string, args: readonly string[]) => {
		if (program !== 'journalctl') return status
		if (journal === undefined) throw new Error('No permission')
		return args.includes('--since=-24h') ? journal : older
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
])('on Linux %j, %j', (status, journal, finding) => {
	expect(service(machineWith('linux', status, journal))).toEqual({ code: 'H3', ...finding })
})

test('an empty journal of the last day counts only if the journal can be read', () => {
	const finding = (older: string) => service(machineWith('linux', active(7), '', older))
	expect(finding('Started rollcall-relay.service.\n')).toMatchObject({
		verdict: 'PASS',
		seen: expect.stringMatching(/restarted 7 times, 0 of them within 24 h$/),
	})
	expect(finding('')).toMatchObject({ verdict: 'WARN', seen: expect.stringMatching(/restarted 7 times$/) })
})

test.each([
	['Started', { verdict: 'PASS', seen: 'the service is running' }],
	[
		'Stopped',
		{
			verdict: 'FAIL',
			seen: 'the service is Stopped',
			remedy: 'Run Start-Service rollcall-relay, and see logs\\rollcall-relay.err.log in the folder of the agent.',
		},
	],
	['NonExistent', { verdict: 'SKIP', seen: 'no service is installed' }],
])('on Windows %s', (status, finding) => {
	const machine = machineWith('win32', `${status}\r\n`)
	for (const name of ['rollcall-relay.exe', 'rollcall-relay.xml']) writeFileSync(join(machine.folder, name), '')
	expect(service(machine)).toEqual({ code: 'H3', ...finding })
	expect(service({ ...machine, folder: '/absent' })).toMatchObject({ verdict: 'SKIP' })
})

test('without systemd the check is skipped', () => {
	const run = () => {
		throw Object.assign(new Error('spawnSync systemctl ENOENT\nmore'), { code: 'ENOENT' })
	}
	const seen = 'cannot read the service: systemd is not running on this machine'
	expect(service({ platform: 'linux', folder: '', run })).toEqual({ code: 'H3', verdict: 'SKIP', seen })
})

const limit = (soft: string) =>
	`Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft}      4096                 files\n`

test.each([
	[limit('1024'), 16, { verdict: 'PASS', seen: '1024 open files allowed in this shell, 148 needed' }],
	[limit('unlimited'), 256, { verdict: 'PASS', seen: 'unlimited open files allowed in this shell, 868 needed' }],
	[
		limit('256'),
		64,
		{
			verdict: 'FAIL',
			seen: '256 open files allowed in this shell, 292 needed',
			remedy: 'Raise the limit to at least 292: LimitNOFILE= in the unit, ulimit -n in a shell.',
		},
	],
	[undefined, 16, { verdict: 'SKIP', seen: 'the limit of open files is unknown' }],
])('the limit of open files, case %#', (limits, concurrency, finding) => {
	expect(openFiles(limits, { concurrency }, machineWith('linux', 'LoadState=not-found\n'))).toEqual({
		code: 'H4',
		...finding,
	})
})

test.each([
	['524288', 'PASS', '524288 open files allowed to the service, 148 needed'],
	['infinity', 'PASS', 'infinity open files allowed to the service, 148 needed'],
	['64', 'FAIL', '64 open files allowed to the service, 148 needed'],
])('the limit of an installed service counts, not the one of the shell: %s', (ofService, verdict, seen) => {
	const machine = machineWith('linux', `LoadState=loaded\nLimitNOFILE=${ofService}\n`)
	expect(openFiles(limit('256'), { concurrency: 16 }, machine)).toMatchObject({ code: 'H4', verdict, seen })
})

const origin = (mode: 'system' | 'pin') => ({
	origin: {
		url: 'https://localhost/scim',
		tls: mode === 'pin' ? { mode, certificateFile: 'origin.pem' } : { mode },
		authorization: { type: 'passThrough' as const },
	},
})

test('the runtime is named, with the version of the WebSocket library', () => {
	expect(runtime(origin('pin'))).toEqual({
		code: 'H1',
		verdict: 'PASS',
		seen: expect.stringMatching(
			/^rollcall-relay [\w. ]+, Node \d+\.\d+\.\d+ with OpenSSL \S+ on \w+, ws \d+\.\d+\.\d+$/,
		),
	})
	expect(runtime(origin('system')).verdict).toBe(readsTrustStore ? 'PASS' : 'WARN')
})

test('a Node that ignores the authorities of the machine, and a Node that is too old', () => {
	expect(runtime(origin('system'), { node: '20.19.0', openssl: '3.0.15' }, false)).toMatchObject({
		verdict: 'WARN',
		seen: expect.stringMatching(/, Node 20\.19\.0 /),
		remedy: expect.stringMatching(/Node 22\.15 or later\. Or: .*"mode": "ca".* Or: .*NODE_EXTRA_CA_CERTS/),
	})
	expect(runtime(origin('pin'), { node: '20.19.0', openssl: '3.0.15' }, false).verdict).toBe('PASS')
	expect(runtime(origin('pin'), { node: '20.18.3', openssl: '3.0.15' }, false)).toMatchObject({
		verdict: 'FAIL',
		remedy: 'Install Node 20.19 or later, preferably 24.',
	})
})
