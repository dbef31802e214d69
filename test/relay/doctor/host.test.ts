import { expect, test } from 'vitest'
import { openFiles, service } from '../../../relay/doctor/host.ts'

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
	const seen = 'no service is known here: spawnSync systemctl ENOENT'
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
