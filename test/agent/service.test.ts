import { execFileSync, spawnSync } from 'node:child_process'
import {
	chmodSync,
	chownSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readConfig, readSettings } from '../../agent/config.ts'
import { filesOf } from '../../agent/secret-file.ts'
import { managerOf, refuseShared, serviceWith, thisMachine, wrapperFolder } from '../../agent/service.ts'
import type { Machine, Service } from '../../agent/service-manager.ts'
import { serviceId } from '../../agent/service-name.ts'
import { settings } from '../support/relay-stand-in/lab.ts'
import { elementOf } from '../support/xml.ts'

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
let folder = ''
let bin = ''
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall service-'))
	bin = join(folder, 'bin')
	mkdirSync(bin)
	stub(
		'id',
		`case "$*" in -u) echo "\${UID_OF_CALLER-0}" ;; "-u rollcall") echo 990 ;; *) echo "no such user" >&2; exit 1 ;; esac`,
	)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A program of the machine. It records its arguments, then runs the script. */
function stub(name: string, script: string): string {
	const file = join(bin, name)
	writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$(basename "$0") $*" >>'${join(folder, 'calls')}'\n${script}\n`)
	chmodSync(file, 0o755)
	return file
}

/** The recorded calls, without those that only read. */
const calls = (): readonly string[] =>
	(existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8') : '')
		.split('\n')
		.filter((call) => call !== '' && !/^(id|whoami) |^systemctl show|\.exe status$/.test(call))

/** The real machine with the stub programs and a temporary folder. */
const machineOf = (platform: string, env: Readonly<Record<string, string>> = {}): Machine => ({
	platform,
	folder,
	run: (program, args) =>
		execFileSync(program, args, {
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'pipe'],
			env: { ...env, PATH: [bin, '/usr/bin', '/bin'].join(delimiter) },
		}),
})

const status = (machine: Machine, id?: string) => managerOf(machine).status(machine, id)

const failing = (work: () => unknown) => {
	try {
		work()
	} catch (error) {
		return { ...Object(error), message: (error as Error).message } // sound: only errors are thrown
	}
	throw new Error('no error was thrown')
}

describe('on Linux', () => {
	const service: Service = {
		id: 'rollcall-relay',
		node: '/opt/node 24/bin/node',
		program: '/opt/rollcall/main.js',
		config: '/etc/rollcall/100%.json',
		files: { secret: ['/etc/rollcall/my %.key'], open: ['/etc/rollcall/ca.pem'] },
		auditFolders: [],
		user: 'rollcall',
		winsw: undefined,
	}
	const file = () => join(folder, 'rollcall-relay.service')
	const linux = (env = {}) => machineOf('linux', env)
	const active = 'LoadState=loaded\nActiveState=active\n'
	beforeEach(() => stub('systemctl', `[ "$1" != show ] || printf '${active}'`))

	test('a unit is installed, started and uninstalled', () => {
		const { install, uninstall, isRunning } = managerOf(linux())
		expect(install(service, linux())).toBe('installed')
		expect(statSync(file()).mode & 0o777).toBe(0o644)
		expect(readFileSync(file(), 'utf8')).toBe(managerOf(linux()).definition(service, linux()))
		expect(calls()).toEqual([
			'systemctl daemon-reload',
			'systemctl enable rollcall-relay',
			'systemctl restart rollcall-relay',
		])
		expect(status(linux())).toBe(active)
		expect(isRunning(active)).toBe(true)
		expect(isRunning('LoadState=loaded\nActiveState=activating\n')).toBe(false)
		rmSync(join(folder, 'calls'))
		uninstall(linux())
		expect(existsSync(file())).toBe(false)
		expect(calls()).toEqual(['systemctl disable --now rollcall-relay', 'systemctl daemon-reload'])
		expect(failing(() => uninstall(linux()))).toMatchObject({
			message: 'the service is not installed',
			hint: 'rollcall-relay service install',
		})
	})

	test('a named service has a unit of its own, and the default one is left alone', () => {
		const { install, restart, uninstall, installed } = managerOf(linux())
		install(service, linux())
		const unit = readFileSync(file(), 'utf8')
		rmSync(join(folder, 'calls'))
		const config = '/etc/rollcall/$HR "100%" \\.json'
		expect(install({ ...service, id: 'rollcall-relay-hr', config }, linux())).toBe('installed')
		restart(linux(), 'rollcall-relay-hr')
		expect(calls()).toEqual([
			'systemctl daemon-reload',
			'systemctl enable rollcall-relay-hr',
			'systemctl restart rollcall-relay-hr',
			'systemctl restart rollcall-relay-hr',
		])
		expect(readFileSync(join(folder, 'rollcall-relay-hr.service'), 'utf8')).toContain(
			'\nDescription=Rollcall on-premises relay (hr)\n',
		)
		expect(installed(linux()).toSorted((one, other) => one.id.localeCompare(other.id))).toEqual([
			{ id: 'rollcall-relay', config: service.config },
			{ id: 'rollcall-relay-hr', config },
		])
		expect(serviceWith(config, linux())).toBe('rollcall-relay-hr')
		expect(serviceWith('/etc/other.json', linux())).toBe('rollcall-relay')
		rmSync(join(folder, 'calls'))
		uninstall(linux(), 'rollcall-relay-hr')
		expect(calls()).toEqual(['systemctl disable --now rollcall-relay-hr', 'systemctl daemon-reload'])
		expect(readFileSync(file(), 'utf8')).toBe(unit)
		for (const work of [uninstall, restart])
			expect(failing(() => work(linux(), 'rollcall-relay-hr'))).toMatchObject({
				message: 'the service rollcall-relay-hr is not installed',
				hint: 'rollcall-relay service install --name hr',
			})
	})

	test('only root can restart, and the reason of a failure is reported', () => {
		const { install, restart } = managerOf(linux())
		install(service, linux())
		expect(failing(() => restart(linux({ UID_OF_CALLER: '1000' }))).message).toBe('this command needs root')
		stub('systemctl', '[ "$1" != restart ] || { echo "Job failed." >&2; exit 1; }')
		expect(failing(() => restart(linux()))).toMatchObject({
			message: 'cannot restart the service: Job failed.',
			hint: 'journalctl --unit rollcall-relay --lines 20',
		})
	})

	test('uninstall resets a failed unit', () => {
		managerOf(linux()).install(service, linux())
		rmSync(join(folder, 'calls'))
		stub('systemctl', `[ "$1" != show ] || printf 'LoadState=loaded\nActiveState=failed\n'`)
		managerOf(linux()).uninstall(linux())
		expect(calls()).toEqual([
			'systemctl disable --now rollcall-relay',
			'systemctl reset-failed rollcall-relay',
			'systemctl daemon-reload',
		])
	})

	test('a repeated install updates and restarts the unit', () => {
		const { install } = managerOf(linux())
		install(service, linux())
		expect(install({ ...service, program: '/opt/new/main.js' }, linux())).toBe('updated')
		expect(readFileSync(file(), 'utf8')).toContain('"/opt/new/main.js"')
		expect(calls().at(-1)).toBe('systemctl restart rollcall-relay')
	})

	test('special characters of systemd are escaped in paths', () => {
		const text = managerOf(linux()).definition(service, linux())
		expect(text).toContain(
			'\nExecStart="/opt/node 24/bin/node" "/opt/rollcall/main.js" "run" "--config" "/etc/rollcall/100%%.json"\n',
		)
		expect(text).toContain('\nLoadCredential=%%2Fetc%%2Frollcall%%2Fmy%%20%%25.key:/etc/rollcall/my %%.key\n')
		expect(text).toContain('\nUser=rollcall\n')
	})

	test('a secret of the user of the service is read in place, and systemd copies the others', () => {
		const [own, other] = [join(folder, 'own.token'), join(folder, 'other.token')]
		writeFileSync(own, 'secret')
		const { uid } = statSync(own)
		// As root, the test gives the file to another user. Otherwise it takes itself for the user of the service.
		if (uid === 0) chownSync(own, 990, 990)
		stub('id', `case "$*" in -u) echo 0 ;; "-u rollcall") echo ${uid === 0 ? 990 : uid} ;; *) exit 1 ;; esac`)
		const files = { secret: [own, other], open: [] }
		const text = managerOf(linux()).definition({ ...service, files }, linux())
		expect(text.match(/^LoadCredential=.*:(.*)$/gm)).toHaveLength(1)
		expect(text).toContain(`:${other.replaceAll('%', '%%')}\n`)
		const absent = managerOf(linux()).definition({ ...service, user: 'absent', files }, linux())
		expect(absent.match(/^LoadCredential=/gm)).toHaveLength(2)
	})

	test('the unit starts a single executable without a file', () => {
		const executable = { ...service, node: '/opt/rollcall/rollcall-relay', program: undefined }
		expect(managerOf(linux()).definition(executable, linux())).toContain(
			'\nExecStart="/opt/rollcall/rollcall-relay" "run" "--config" "/etc/rollcall/100%%.json"\n',
		)
	})

	test.each([
		['/usr/bin/node', '/etc/rollcall/ca.pem', 'yes'],
		['/home/me/node', '/etc/rollcall/ca.pem', 'read-only'],
		['/usr/bin/node', '/root/ca.pem', 'read-only'],
	])('with node %s and file %s, ProtectHome is %s', (node, open, protectHome) => {
		const files = { secret: ['/home/me/secret'], open: [open] }
		expect(managerOf(linux()).definition({ ...service, node, files }, linux())).toContain(
			`\nProtectHome=${protectHome}\n`,
		)
	})

	test('the unit may write to the folder of the audit log alone', () => {
		const text = managerOf(linux()).definition({ ...service, auditFolders: ['/var/log/my "50%" log'] }, linux())
		expect(text).toContain('\nProtectSystem=strict\nReadWritePaths="-/var/log/my \\"50%%\\" log"\nProtectHome=yes\n')
		expect(managerOf(linux()).definition({ ...service, auditFolders: ['/root'] }, linux())).toContain(
			'\nReadWritePaths="-/root"\nProtectHome=read-only\n',
		)
		expect(managerOf(linux()).definition(service, linux())).toContain('\nProtectSystem=strict\nProtectHome=yes\n')
	})

	// .ci/run installs systemd-analyze. Machines without systemd skip the test.
	test.skipIf(!hasSystemd)('systemd-analyze accepts the unit, and its exposure is low', () => {
		const unit = {
			...service,
			node: process.execPath,
			program: process.execPath,
			config: process.execPath,
			auditFolders: ['/var/log/a b'],
		}
		writeFileSync(file(), managerOf(linux()).definition({ ...unit, user: 'root' }, linux()))
		const analyze = (...args: string[]) => {
			const { stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
			return stdout + stderr
		}
		expect(analyze('verify', '--man=no', file())).not.toContain('rollcall-relay')
		const security = analyze('security', '--offline=yes', '--threshold=25', file())
		expect(security).toMatch(/Overall exposure level/)
		expect(security).not.toMatch(/UNSAFE|EXPOSED/)
	})

	test.each<[string, Partial<Service>, Readonly<Record<string, string>>, string, RegExp]>([
		['no user', { user: undefined }, {}, '--user is missing', /--user NAME$/],
		['an invalid user', { user: 'a\nExecStart=/bin/sh' }, {}, '--user is missing', /--user NAME$/],
		[
			'an unknown user',
			{ user: 'nobody2' },
			{},
			'the user nobody2 does not exist: no such user',
			/^useradd .* nobody2$/,
		],
		[
			'a path with a line break',
			{ config: '/etc/a\nUser=root' },
			{},
			'a unit cannot contain this path: "/etc/a\\nUser=root"',
			/line/,
		],
		['a user other than root', {}, { UID_OF_CALLER: '1000' }, 'this command needs root', /sudo/],
	])('%s is refused without changes', (_, more, env, message, hint) => {
		expect(failing(() => managerOf(linux()).install({ ...service, ...more }, linux(env)))).toMatchObject({
			name: 'UsageError',
			message,
			hint: expect.stringMatching(hint),
		})
		expect(existsSync(file())).toBe(false)
		expect(calls()).toEqual([])
	})

	test('a user other than root cannot uninstall', () => {
		const { install, uninstall } = managerOf(linux())
		install(service, linux())
		expect(failing(() => uninstall(linux({ UID_OF_CALLER: '1000' }))).message).toBe('this command needs root')
		expect(existsSync(file())).toBe(true)
	})

	test.each([
		['no systemctl', () => rmSync(join(bin, 'systemctl'))],
		[
			'a systemd that is not running',
			() => stub('systemctl', 'echo "System has not been booted with systemd as init system (PID 1)." >&2; exit 1'),
		],
	])('with %s every command fails without changes', (_, prepare) => {
		prepare()
		const machine = { ...linux(), run: withoutSystem(linux()) }
		const { install, uninstall } = managerOf(machine)
		for (const work of [() => install(service, machine), () => uninstall(machine), () => status(machine)])
			expect(failing(work)).toMatchObject({
				message: 'systemd is not running on this machine',
				hint: expect.stringMatching(
					/^Use the service manager of this machine: start "rollcall-relay run --config FILE"/,
				),
			})
		expect(existsSync(file())).toBe(false)
	})

	/** Runs only the stub systemctl, even if this machine has its own. */
	const withoutSystem =
		({ run }: Machine): Machine['run'] =>
		(program, args) =>
			run(program === 'systemctl' ? join(bin, program) : program, args)

	test('the reason of a failed start is reported', () => {
		stub('systemctl', '[ "$1" != restart ] || { echo "Job for rollcall-relay.service failed." >&2; exit 1; }')
		expect(failing(() => managerOf(linux()).install(service, linux()))).toMatchObject({
			message: 'cannot start the service: Job for rollcall-relay.service failed.',
			hint: 'journalctl --unit rollcall-relay --lines 20',
		})
	})

	test('an unwritable folder for units is reported', () => {
		const machine = { ...linux(), folder: join(folder, 'absent') }
		expect(failing(() => managerOf(machine).install(service, machine))).toMatchObject({
			message: expect.stringMatching(/^cannot write the unit: ENOENT/),
			hint: 'Check that this is the folder for units.',
		})
	})
})

describe('on Windows', () => {
	const windows = (env = {}) => machineOf('win32', { LEVEL: '12288', ...env })
	const service: Service = {
		id: 'rollcall-relay',
		node: 'C:\\Program Files\\nodejs\\node.exe',
		program: 'C:\\rollcall-relay\\main.js',
		config: 'C:\\a & b\\relay.json',
		files: { secret: ['C:\\a & b\\origin.token'], open: ['C:\\a & b\\ca.pem'] },
		auditFolders: [],
		user: undefined,
		winsw: undefined,
	}
	const exe = () => join(folder, 'rollcall-relay.exe')
	const xml = () => join(folder, 'rollcall-relay.xml')
	const account = 'NT SERVICE\\rollcall-relay'
	let downloaded: Service = service
	beforeEach(() => {
		stub('whoami', 'echo "Mandatory Label: S-1-16-$LEVEL"')
		stub('icacls', 'echo "processed file: $1"')
		stub('sc.exe', `printf '%s\\n' '        SERVICE_START_NAME : ${account}'`)
		// Behaves like WinSW: it reads settings in its own folder, and follows the state of the service manager.
		const winsw = stub(
			'WinSW-x64.exe',
			`state='${join(folder, 'state')}'
case $1 in
	status) echo "2026-01-01 00:00:00,000 INFO  - Starting WinSW in console mode"; cat "$state" 2>/dev/null || echo NonExistent ;;
	install) [ ! -e "$state" ] || { echo "FATAL - A service with ID 'rollcall-relay' already exists."; exit 1; }; echo Stopped >"$state" ;;
	start) [ -z "$BROKEN" ] || { echo "FATAL - Access is denied."; exit 5; }; echo Started >"$state" ;;
	stopwait) echo Stopped >"$state" ;;
	uninstall) rm "$state" ;;
esac`,
		)
		downloaded = { ...service, winsw }
	})

	test('install copies WinSW, writes its settings and grants access before the start', () => {
		const { install, isRunning } = managerOf(windows())
		expect(status(windows())).toBe('NonExistent\n')
		expect(install(downloaded, windows())).toBe('installed')
		expect(calls()).toEqual([
			'rollcall-relay.exe install',
			'sc.exe qc rollcall-relay',
			`icacls ${folder} /grant ${account}:(OI)(CI)RX`,
			`icacls ${join(folder, 'logs')} /grant ${account}:(OI)(CI)M`,
			`icacls C:\\a & b\\relay.json /grant ${account}:R`,
			`icacls C:\\a & b\\ca.pem /grant ${account}:R`,
			`icacls C:\\a & b\\origin.token /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F ${account}:R`,
			'rollcall-relay.exe start',
		])
		expect(existsSync(join(folder, 'logs'))).toBe(true)
		expect(status(windows())).toBe('Started\n')
		expect(isRunning('Started\n')).toBe(true)
		expect(isRunning('Stopped\n')).toBe(false)
	})

	test('WinSW has its own folder beside a single executable, and starts the executable', () => {
		expect(wrapperFolder(service)).toBe(dirname(service.program ?? ''))
		const node = join(folder, 'rollcall-relay.exe')
		const machine = { ...windows(), folder: wrapperFolder({ node, program: undefined }) }
		expect(machine.folder).toBe(join(folder, 'service'))
		writeFileSync(node, 'the agent')
		const own = { ...downloaded, node, program: undefined }
		expect(managerOf(machine).install(own, machine)).toBe('installed')
		expect(readFileSync(node, 'utf8')).toBe('the agent')
		expect(
			calls()
				.filter((call) => call.startsWith('icacls'))
				.slice(0, 2),
		).toEqual([
			`icacls ${folder} /grant ${account}:(OI)(CI)RX`,
			`icacls ${machine.folder} /grant ${account}:(OI)(CI)RX`,
		])
		const text = readFileSync(join(machine.folder, 'rollcall-relay.xml'), 'utf8')
		expect(text).toContain(`<executable>${node}</executable>`)
		expect(text).toContain('<arguments>run --config &quot;C:\\a &amp; b\\relay.json&quot;</arguments>')
	})

	test('install grants access to the folder of the audit log, unless the agent is in it', () => {
		const auditFolder = join(folder, 'audit')
		managerOf(windows()).install({ ...downloaded, auditFolders: [auditFolder] }, windows())
		expect(calls()).toContain(`icacls ${auditFolder} /grant ${account}:(OI)(CI)M`)
		expect(existsSync(auditFolder)).toBe(true)
		const cases = [folder, join(folder, '..')].flatMap((auditFolder) => [
			() => managerOf(windows()).install({ ...downloaded, auditFolders: [auditFolder] }, windows()),
			() => managerOf(windows()).definition({ ...downloaded, auditFolders: [auditFolder] }, windows()),
		])
		for (const attempt of cases)
			expect(failing(attempt)).toMatchObject({
				name: 'UsageError',
				message: 'audit.file must be in a folder of its own, not beside the agent',
				hint: expect.stringMatching(/C:\\\\rollcall-relay\\\\logs\\\\audit\.log\.$/),
			})
	})

	test('a repeated install first removes the old service, and needs no --winsw', () => {
		const { install } = managerOf(windows())
		install(downloaded, windows())
		rmSync(join(folder, 'calls'))
		expect(install({ ...service, config: 'C:\\new.json' }, windows())).toBe('updated')
		expect(calls().slice(0, 3)).toEqual([
			'rollcall-relay.exe stopwait',
			'rollcall-relay.exe uninstall',
			'rollcall-relay.exe install',
		])
		expect(readFileSync(xml(), 'utf8')).toContain('C:\\new.json')
	})

	test('uninstall waits until the service has stopped', () => {
		const { install, uninstall } = managerOf(windows())
		install(downloaded, windows())
		rmSync(join(folder, 'calls'))
		uninstall(windows())
		expect(calls()).toEqual(['rollcall-relay.exe stopwait', 'rollcall-relay.exe uninstall'])
		expect(status(windows())).toBe('NonExistent\n')
		expect(failing(() => uninstall(windows())).message).toBe('the service is not installed')
	})

	test('a named service has files, an account and logs of its own, and the default one is left alone', () => {
		const { install, restart, uninstall, installed } = managerOf(windows())
		install(downloaded, windows())
		const before = readFileSync(xml(), 'utf8')
		rmSync(join(folder, 'calls'))
		rmSync(join(folder, 'state'))
		const id = 'rollcall-relay-hr'
		stub('sc.exe', `printf '%s\\n' '        SERVICE_START_NAME : NT SERVICE\\${id}'`)
		const own = { ...downloaded, id, config: 'C:\\hr & "it"\\relay.json' }
		expect(install(own, windows())).toBe('installed')
		restart(windows(), id)
		expect(calls()).toEqual([
			`${id}.exe install`,
			`sc.exe qc ${id}`,
			`icacls ${folder} /grant NT SERVICE\\${id}:(OI)(CI)RX`,
			`icacls ${join(folder, 'logs-hr')} /grant NT SERVICE\\${id}:(OI)(CI)M`,
			`icacls ${own.config} /grant NT SERVICE\\${id}:R`,
			`icacls C:\\a & b\\ca.pem /grant NT SERVICE\\${id}:R`,
			`icacls C:\\a & b\\origin.token /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F NT SERVICE\\${id}:R`,
			`${id}.exe start`,
			`${id}.exe stopwait`,
			`${id}.exe start`,
		])
		const settings = readFileSync(join(folder, `${id}.xml`), 'utf8')
		expect(settings).toContain(`<id>${id}</id>\n  <name>Rollcall on-premises relay (hr)</name>`)
		expect(settings).toContain('<logpath>%BASE%\\logs-hr</logpath>')
		expect(installed(windows()).map(({ config }) => config)).toContain(own.config)
		expect(serviceWith(service.config.toUpperCase(), windows())).toBe('rollcall-relay')
		uninstall(windows(), id)
		expect(existsSync(join(folder, `${id}.xml`))).toBe(false)
		expect(readFileSync(xml(), 'utf8')).toBe(before)
		expect(failing(() => restart(windows(), id))).toMatchObject({
			message: `the service ${id} is not installed`,
			hint: 'rollcall-relay service install --name hr',
		})
	})

	test('the settings match the documents of WinSW 2', () => {
		managerOf(windows()).install(downloaded, windows())
		expect(elementOf(readFileSync(xml(), 'utf8'))).toEqual({
			name: 'service',
			attributes: {},
			content: [
				leaf('id', 'rollcall-relay'),
				leaf('name', 'Rollcall on-premises relay'),
				leaf('description', 'Connects a SCIM server of this network to Rollcall in Azure.'),
				leaf('executable', 'C:\\Program Files\\nodejs\\node.exe'),
				leaf('arguments', '"C:\\rollcall-relay\\main.js" run --config "C:\\a & b\\relay.json"'),
				leaf('workingdirectory', '%BASE%'),
				{
					name: 'serviceaccount',
					attributes: {},
					content: [leaf('domain', 'NT SERVICE'), leaf('user', 'rollcall-relay')],
				},
				leaf('startmode', 'Automatic'),
				leaf('stoptimeout', '40 sec'),
				leaf('stopparentprocessfirst', 'true'),
				{ name: 'onfailure', attributes: { action: 'restart', delay: '5 sec' }, content: [] },
				{ name: 'onfailure', attributes: { action: 'restart', delay: '5 sec' }, content: [] },
				{ name: 'onfailure', attributes: { action: 'restart', delay: '1 min' }, content: [] },
				leaf('resetfailure', '1 hour'),
				leaf('logpath', '%BASE%\\logs'),
				{
					name: 'log',
					attributes: { mode: 'roll-by-size' },
					content: [leaf('sizeThreshold', '10240'), leaf('keepFiles', '8')],
				},
			],
		})
	})

	const leaf = (name: string, text: string) => ({ name, attributes: {}, content: [text] })

	test('the definition contains the commands, ready to paste', () => {
		const text = managerOf(windows()).definition(service, windows())
		expect(text).toMatch(/^<\?xml /)
		expect(text.split('\n')).toContain(
			`icacls "C:\\a & b\\origin.token" /inheritance:r /grant:r "*S-1-5-18:F" "*S-1-5-32-544:F" "${account}:R"`,
		)
		expect(existsSync(xml())).toBe(false)
	})

	test.each<[string, Partial<Service>, Readonly<Record<string, string>>, string, RegExp]>([
		['no WinSW', { winsw: undefined }, {}, 'a Windows service needs WinSW', /v2\.12\.0, and pass it: --winsw FILE$/],
		['a missing WinSW', { winsw: '/absent.exe' }, {}, '/absent.exe does not exist', /Download WinSW-x64\.exe/],
		['a user', { user: 'me' }, {}, '--user is only for Linux', /NT SERVICE\\rollcall-relay/],
		[
			'a variable in a path',
			{ config: 'C:\\%TEMP%\\relay.json' },
			{},
			'WinSW reads text between percent signs',
			/without percent signs/,
		],
		[
			'a user other than an administrator',
			{},
			{ LEVEL: '8192' },
			'this command needs an administrator',
			/Run as admin/,
		],
	])('%s is refused without changes', (_, more, env, message, hint) => {
		expect(failing(() => managerOf(windows()).install({ ...downloaded, ...more }, windows(env)))).toMatchObject({
			name: 'UsageError',
			message: expect.stringContaining(message),
			hint: expect.stringMatching(hint),
		})
		expect([existsSync(exe()), existsSync(xml())]).toEqual([false, false])
	})

	test('a WinSW that would run the service as LocalSystem is refused', () => {
		stub('sc.exe', 'echo "        SERVICE_START_NAME : LocalSystem"')
		expect(failing(() => managerOf(windows()).install(downloaded, windows()))).toMatchObject({
			message: `the service would not run as ${account}, so it was uninstalled`,
			hint: expect.stringMatching(/^Use WinSW 2\.12\.0:/),
		})
		expect(status(windows())).toBe('NonExistent\n')
		expect(failing(() => managerOf(windows()).uninstall(windows())).message).toBe('the service is not installed')
		stub('sc.exe', `printf '%s\\n' '        SERVICE_START_NAME : ${account}'`)
		expect(managerOf(windows()).install(downloaded, windows())).toBe('installed')
	})

	test.each<[string, () => unknown, Readonly<Record<string, string>>, RegExp, RegExp]>([
		[
			'the service',
			() => undefined,
			{ BROKEN: '1' },
			/^cannot start the service: FATAL - Access is denied\.$/,
			/err\.log/,
		],
		[
			'icacls',
			() => stub('icacls', 'echo "No mapping between account names" >&2; exit 1'),
			{},
			/^cannot give NT SERVICE\\rollcall-relay access: No mapping/,
			/^icacls ".*rollcall service-.*" \/grant "NT SERVICE/,
		],
		['a copy', () => mkdirSync(exe()), {}, /^cannot copy WinSW: /, /Close programs/],
	])('the reason why %s failed is reported', (_, prepare, env, message, hint) => {
		prepare()
		expect(failing(() => managerOf(windows()).install(downloaded, windows(env)))).toMatchObject({
			message: expect.stringMatching(message),
			hint: expect.stringMatching(hint),
		})
	})

	test('an existing service without settings is reported', () => {
		writeFileSync(join(folder, 'state'), 'Stopped')
		copyFileSync(downloaded.winsw ?? '', exe())
		expect(failing(() => managerOf(windows()).install(service, windows())).message).toBe(
			"cannot install the service: FATAL - A service with ID 'rollcall-relay' already exists.",
		)
	})
})

test('other platforms have no service', () => {
	expect(failing(() => managerOf(machineOf('darwin')))).toMatchObject({
		message: 'services are not supported on darwin',
	})
	expect(thisMachine.run(process.execPath, ['-p', '1'])).toBe('1\n')
})

test('the files of the settings are divided into secret and open ones', () => {
	const defaultSettings = settings({ host: 'contoso.servicebus.windows.net' }, { port: 11015 })
	const clientCertificate = { certificateFile: 'own.pem', keyFile: '/elsewhere/own.key' }
	writeFileSync(
		join(folder, 'relay.json'),
		JSON.stringify({ ...defaultSettings, origin: { ...defaultSettings.origin, clientCertificate } }),
	)
	expect(filesOf(readConfig(join(folder, 'relay.json')))).toEqual({
		secret: [join(folder, 'listen.key'), '/elsewhere/own.key', join(folder, 'origin.token')],
		open: [join(folder, 'ca.pem'), join(folder, 'own.pem')],
	})
})

test.each([
	[undefined, 'rollcall-relay'],
	['hr', 'rollcall-relay-hr'],
	['hr-2', 'rollcall-relay-hr-2'],
	['4', 'rollcall-relay-4'],
])('the service named %s is %s', (name, id) => {
	expect(serviceId(name)).toBe(id)
})

test.each(['', 'HR', 'a b', '../a', '-a', 'a-', 'a--b', 'a'.repeat(33), 'rollcall-relay', 'rollcall-relay-hr'])(
	'the name %j is refused',
	(name) => {
		expect(failing(() => serviceId(name))).toMatchObject({
			name: 'UsageError',
			message: `--name ${name} is not a name for a service`,
			hint: expect.stringMatching(/lowercase letters and digits/),
		})
	},
)

describe('a second service on one machine', () => {
	const good = settings({ host: 'contoso.servicebus.windows.net' }, { port: 11015 })
	const write = (name: string, value: object) => {
		writeFileSync(join(folder, name), JSON.stringify(value))
		return join(folder, name)
	}
	/** Installs the unit of a first service, and compares a second one with it. */
	function compare(first: object, second: object, secondFile = 'second.json') {
		stub('systemctl', 'true')
		const machine = machineOf('linux')
		const config = write('first.json', { ...good, ...first })
		const files = { secret: [], open: [] }
		const service = {
			id: 'rollcall-relay',
			node: '/n',
			program: '/m',
			config,
			files,
			auditFolders: [],
			user: 'rollcall',
			winsw: undefined,
		}
		managerOf(machine).install(service, machine)
		const file = write(secondFile, { ...good, ...second })
		return () => refuseShared({ id: 'rollcall-relay-hr', config: file }, readSettings(file), machine)
	}
	const other = { agentId: '22222222-2222-4222-8222-222222222222' }
	const audit = { file: '/var/log/rollcall-relay/audit.log' }

	test.each<[string, object, object, string, RegExp]>([
		['admin port', { admin: { port: 9110 } }, { ...other, admin: { port: 9110 } }, 'admin.port, 9110', /another port/],
		['audit file', { audit }, { ...other, audit }, `audit.file, ${audit.file}`, /another file/],
		['agent id', {}, {}, 'agentId on demo', /"agentId": "[0-9a-f-]{36}"/],
	])('must not have the %s of the first', (_, first, second, shared, hint) => {
		expect(failing(compare(first, second))).toMatchObject({
			name: 'UsageError',
			message: `the service rollcall-relay has the same ${shared}`,
			hint: expect.stringMatching(hint),
		})
	})

	test('must not have the settings file of the first', () => {
		expect(failing(compare({}, other, 'first.json')).message).toBe(
			`the service rollcall-relay already runs with ${join(folder, 'first.json')}`,
		)
	})

	test('may have everything else in common, also if the settings of the first are unreadable', () => {
		expect(compare({ admin: { port: 9110 }, audit }, { ...other, admin: { port: 9111 } })).not.toThrow()
		const relay = { ...good.relay, hybridConnection: 'hr' }
		expect(compare({}, { relay })).not.toThrow()
		const work = compare({}, {})
		writeFileSync(join(folder, 'first.json'), '{')
		expect(work).not.toThrow()
	})

	test('may be the first one, installed again', () => {
		compare({}, {})
		const file = join(folder, 'first.json')
		expect(() =>
			refuseShared({ id: 'rollcall-relay', config: file }, readSettings(file), machineOf('linux')),
		).not.toThrow()
	})
})
