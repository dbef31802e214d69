import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { definition, install, status, uninstall } from '../../relay/service.ts'

const service = {
	node: '/opt/node 24/bin/node',
	program: '/opt/rollcall/main.js',
	config: '/etc/rollcall/100%.json',
	user: 'rollcall',
}

let folder = ''
let calls: string[] = []
const machine = (platform: string) => ({
	platform,
	folder,
	run: (program: string, args: readonly string[]) => {
		calls.push([program, ...args].join(' '))
		return 'ActiveState=active\n'
	},
})

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-service-'))
	calls = []
})
afterEach(() => rmSync(folder, { recursive: true }))

test('on Linux a unit is written, started and taken away again', () => {
	const file = join(folder, 'rollcall-relay.service')
	install(service, machine('linux'))
	const text = readFileSync(file, 'utf8')
	expect(text).toContain(
		'ExecStart="/opt/node 24/bin/node" "/opt/rollcall/main.js" "run" "--config" "/etc/rollcall/100%%.json"\n',
	)
	expect(text).toContain('User=rollcall\n')
	expect(text).toContain('RestartPreventExitStatus=2\n')
	expect(status(machine('linux'))).toBe('ActiveState=active\n')
	uninstall(machine('linux'))
	expect(existsSync(file)).toBe(false)
	expect(calls).toEqual([
		'systemctl daemon-reload',
		'systemctl enable --now rollcall-relay',
		'systemctl show rollcall-relay --property=LoadState,ActiveState,SubState,NRestarts,ActiveEnterTimestamp',
		'systemctl disable --now rollcall-relay',
		'systemctl daemon-reload',
	])
	expect(() => uninstall(machine('linux'))).toThrow('the service is not installed')
})

test('on Windows a task is registered that starts with the machine and again when it fails', () => {
	const windows = { ...service, config: 'C:\\a & b\\relay.json', user: undefined }
	const text = definition(windows, machine('win32'))
	expect(text).toContain(
		'<Arguments>&quot;/opt/rollcall/main.js&quot; run --config &quot;C:\\a &amp; b\\relay.json&quot;</Arguments>',
	)
	expect(text).toContain('<UserId>S-1-5-19</UserId>')
	install(windows, machine('win32'))
	uninstall(machine('win32'))
	const file = join(folder, 'rollcall-relay.xml')
	expect(calls).toEqual([
		`schtasks /Create /TN rollcall-relay /XML ${file} /F`,
		'schtasks /Run /TN rollcall-relay',
		'schtasks /Delete /TN rollcall-relay /F',
	])
	expect(existsSync(file)).toBe(false)
})

test.each([
	['linux', undefined, 'no user to run as'],
	['linux', 'a\nExecStart=/bin/sh', 'no user to run as'],
	['darwin', 'me', 'there is no service for darwin'],
])('on %s as %j there is none', (platform, user, message) => {
	expect(() => definition({ ...service, user }, machine(platform))).toThrow(message)
})
