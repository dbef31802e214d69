import { expect, test } from 'vitest'
import { openFiles, runtime, service } from '../../../relay/doctor/host.ts'
import { readsTrustStore } from '../../../relay/origin-tls.ts'

const unit = (more: string) => `LoadState=loaded\n${more}\nActiveEnterTimestamp=Mon 2026-11-23 08:00:00 UTC\n`
const since = 'since Mon 2026-11-23 08:00:00 UTC'
const log = 'Its log says why: journalctl -u rollcall-relay -n 50'

test.each([
	['linux', 'LoadState=not-found\n', { verdict: 'SKIP', seen: 'no service is installed' }],
	[
		'linux',
		unit('ActiveState=active\nSubState=running\nNRestarts=0'),
		{ verdict: 'PASS', seen: `the service is active (running) ${since}, restarted 0 times` },
	],
	[
		'linux',
		unit('ActiveState=active\nSubState=running\nNRestarts=7'),
		{ verdict: 'WARN', seen: `the service is active (running) ${since}, restarted 7 times`, remedy: log },
	],
	[
		'linux',
		unit('ActiveState=failed\nSubState=failed\nNRestarts=0'),
		{ verdict: 'FAIL', seen: `the service is failed (failed) ${since}, restarted 0 times`, remedy: log },
	],
	['win32', 'Running\r\n', { verdict: 'PASS', seen: 'the task is running' }],
	[
		'win32',
		'Ready\r\n',
		{ verdict: 'FAIL', seen: 'the task is Ready', remedy: 'Start it: schtasks /Run /TN rollcall-relay' },
	],
])('on %s %j', (platform, text, finding) => {
	expect(service({ platform, folder: '', run: () => text })).toEqual({ code: 'H3', ...finding })
})

test('where services cannot be asked for, that is no fault', () => {
	const run = () => {
		throw new Error('spawnSync systemctl ENOENT\nmore')
	}
	const seen = 'no service is known here: spawnSync systemctl ENOENT more'
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
		seen: expect.stringMatching(/^Node \d+\.\d+\.\d+ with OpenSSL \S+ on \w+, ws \d+\.\d+\.\d+$/),
	})
	expect(runtime(origin('system')).verdict).toBe(readsTrustStore ? 'PASS' : 'WARN')
})

test('a Node that does not see whom the machine trusts, and one that is too old', () => {
	expect(runtime(origin('system'), { node: '20.19.0', openssl: '3.0.15' }, false)).toMatchObject({
		verdict: 'WARN',
		seen: expect.stringMatching(/^Node 20\.19\.0 /),
		remedy: expect.stringMatching(/Node 22\.15 or later\. Or: .*"mode": "ca".*NODE_EXTRA_CA_CERTS/),
	})
	expect(runtime(origin('pin'), { node: '20.19.0', openssl: '3.0.15' }, false).verdict).toBe('PASS')
	expect(runtime(origin('pin'), { node: '20.18.3', openssl: '3.0.15' }, false)).toMatchObject({
		verdict: 'FAIL',
		remedy: 'Install Node 20.19 or later, 24 best.',
	})
})
