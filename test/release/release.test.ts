import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
	chmodSync,
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { nodePackages, nodeVersion } from '../../release/node-binaries.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { freePort } from '../support/free-port.ts'
import { type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { resource } from '../support/relay-stand-in/origin.ts'
import { areSectionsSound, rawResource } from './windows-resources.ts'

// What is tested here are the files that people download. Nothing in this test runs the executable for Windows or the
// binary for arm64, because the machine cannot.

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const nameOf = (ending: string): string => `rollcall-relay-${version}${ending}`
let folder = ''
/** Of the commit, in seconds since 1970. */
let committed = 0
const release = () => join(folder, 'release')
const read = (name: string): Buffer => readFileSync(join(release(), name))
const zipped = (ending: string) => unzipSync(read(nameOf(ending)))
const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex')

/** Makes a release in another folder, time zone and with another umask, from a copy of the sources. */
async function releaseElsewhere(): Promise<void> {
	const sources = join(folder, 'sources')
	const names = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
	for (const name of names.split('\n').filter((each) => each !== '' && existsSync(each)))
		cpSync(name, join(sources, name))
	symlinkSync(realpathSync('node_modules'), join(sources, 'node_modules'))
	const git = execFileSync('git', ['rev-parse', '--absolute-git-dir'], { encoding: 'utf8' }).trim()
	// A link is not ignored as the folder is.
	writeFileSync(join(folder, 'ignored'), '/node_modules\n')
	const config = {
		GIT_CONFIG_COUNT: '1',
		GIT_CONFIG_KEY_0: 'core.excludesFile',
		GIT_CONFIG_VALUE_0: join(folder, 'ignored'),
	}
	const place = { GIT_DIR: git, GIT_WORK_TREE: sources, GIT_OPTIONAL_LOCKS: '0' }
	const env = { ...process.env, TZ: 'America/New_York', ...config, ...place }
	const words = `umask 077 && "${process.execPath}" release/main.ts --allow-changes --out ../again`
	await promisify(execFile)('bash', ['-c', words], { cwd: sources, env })
}

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-release-test-'))
	committed = Number(execFileSync('git', ['log', '-1', '--format=%ct'], { encoding: 'utf8' }))
	await Promise.all([
		promisify(execFile)(process.execPath, ['release/main.ts', '--allow-changes', '--out', release()]),
		releaseElsewhere(),
	])
})
afterAll(() => rmSync(folder, { recursive: true }))

test('a release has these files, with their digests', () => {
	const names = [
		...['LICENSE', 'SHA256SUMS', 'THIRD_PARTY_NOTICES.txt', nameOf('.cdx.json')],
		...['-linux-arm64.zip', '-linux-x64', '-linux-x64.zip', '-win-x64.exe', '-win-x64.zip'].map(nameOf),
	]
	expect(readdirSync(release()).sort()).toEqual(names.sort())
	const check = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: release(), encoding: 'utf8' })
	expect([check.status, check.stdout.trim().split('\n').length]).toEqual([0, names.length - 1])
})

test('made again in another folder and time zone, a release has the same bytes', () => {
	expect(readFileSync(join(folder, 'again/SHA256SUMS'), 'utf8')).toBe(read('SHA256SUMS').toString())
})

test('the zip files hold the official binaries, the same program and a script that starts it', () => {
	const script = { linux: 'rollcall-relay', win: 'rollcall-relay.cmd' }
	const common = ['main.cjs', 'LICENSE', 'THIRD_PARTY_NOTICES.txt']
	const { 'main.cjs': program = Buffer.alloc(0) } = zipped('-linux-x64.zip')
	for (const platform of ['linux-x64', 'linux-arm64', 'win-x64'] as const) {
		const files = zipped(`-${platform}.zip`)
		const [node, start] = platform === 'win-x64' ? ['node.exe', script.win] : ['node', script.linux]
		expect(Object.keys(files).sort()).toEqual([node, start, ...common].sort())
		expect(sha256(files[node] ?? Buffer.alloc(0))).toBe(nodePackages[platform].sha256)
		expect(sha256(files['main.cjs'] ?? Buffer.alloc(0))).toBe(sha256(program))
	}
})

test('the executables hold the program where Node looks for it', () => {
	const program = Buffer.from(zipped('-linux-x64.zip')['main.cjs'] ?? [])
	const executable = read(nameOf('-win-x64.exe'))
	expect(rawResource(executable, 'NODE_SEA_BLOB')?.includes(program)).toBe(true)
	expect(areSectionsSound(executable)).toBe(true)
	for (const file of [executable, read(nameOf('-linux-x64'))])
		expect(file.includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1')).toBe(true)
	// The signature of the official binary would be invalid.
	const header = executable.readUInt32LE(0x3c) + 24
	expect([executable.readBigUInt64LE(header + 144), executable.readUInt32LE(header + 64)]).toEqual([0n, 0])
	expect(Buffer.from(zipped('-linux-arm64.zip').node ?? []).readUInt16LE(18)).toBe(183)
})

test('the notices and the bill of materials name the packages of the agent and Node', () => {
	const notices = read('THIRD_PARTY_NOTICES.txt').toString()
	for (const name of ['ws 8', 'zod 4', `Node.js ${nodeVersion}`, 'OpenSSL']) expect(notices).toContain(name)
	const bill = z
		.object({
			metadata: z.object({
				timestamp: z.iso.datetime(),
				component: z.object({ name: z.string(), version: z.string() }),
			}),
			components: z.array(z.object({ name: z.string(), purl: z.string() })),
		})
		.parse(JSON.parse(read(nameOf('.cdx.json')).toString()))
	expect(bill.metadata).toEqual({
		timestamp: new Date(committed * 1000).toISOString(),
		component: { name: 'rollcall-relay', version },
	})
	expect(bill.components.map(({ name }) => name)).toEqual(['ws', 'zod', 'node', 'node', 'node'])
})

/** A root that has the executable, the libraries that it needs, a shell, and stubs of the programs that it calls. */
function emptyRoot(): string {
	const root = join(folder, 'root')
	const program = join(root, 'opt/rollcall-relay/rollcall-relay')
	const put = (file: string, to = file) => {
		mkdirSync(dirname(join(root, to)), { recursive: true })
		cpSync(realpathSync(file), join(root, to))
	}
	put(join(release(), nameOf('-linux-x64')), 'opt/rollcall-relay/rollcall-relay')
	put('/bin/sh')
	for (const file of ['/bin/sh', program]) for (const library of librariesOf(file)) put(library)
	const write = (name: string, text: string) => {
		mkdirSync(dirname(join(root, name)), { recursive: true })
		writeFileSync(join(root, name), text)
		chmodSync(join(root, name), 0o755)
	}
	write('etc/hosts', '127.0.0.1 localhost\n')
	write('etc/nsswitch.conf', 'hosts: files\n')
	write('bin/id', '#!/bin/sh\ncase "$*" in -u) echo 0 ;; *) echo 990 ;; esac\n')
	write(
		'bin/systemctl',
		`#!/bin/sh
echo "$*" >>/calls
case $1 in
	show) printf 'LoadState=loaded\\nActiveState=active\\nNRestarts=0\\n' ;;
	cat) while read -r line; do printf '%s\\n' "$line"; done </etc/systemd/system/rollcall-relay.service ;;
esac
`,
	)
	// Node opens it for programs that it starts.
	write('dev/null', '')
	mkdirSync(join(root, 'etc/systemd/system'), { recursive: true })
	return root
}

const librariesOf = (file: string): readonly string[] =>
	[...execFileSync('ldd', [file], { encoding: 'utf8' }).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = '']) => path)

describe('the executable for Linux x64, with nothing else in its root and its environment', () => {
	let lab: Lab
	let root = ''
	beforeAll(async () => {
		root = emptyRoot()
		lab = await startLab({ serviceClock: systemClock })
		const all = { ...settings(lab.standIn, lab.origin), admin: { port: await freePort() } }
		const file = lab.write('relay.json', JSON.stringify(all))
		cpSync(dirname(file), join(root, 'etc/rollcall-relay'), { recursive: true })
		// The user of the service reads these. systemd hands over the secrets.
		for (const name of ['', 'relay.json', 'ca.pem']) chmodSync(join(root, 'etc/rollcall-relay', name), 0o755)
		lab.origin.answer = (_, response) => resource(response, 200)
	})
	afterAll(() => lab.stop())

	/** Enters the root: an administrator may, another user does so in a namespace of its own. */
	const enter = (): readonly string[] =>
		process.getuid?.() === 0 ? ['chroot', root] : ['unshare', '--map-root-user', '--root', root]

	const program = '/opt/rollcall-relay/rollcall-relay'
	const config = ['--config', '/etc/rollcall-relay/relay.json']

	function start(...words: readonly string[]) {
		const [command = '', ...args] = [...enter(), ...words]
		const path = resolve('/usr/sbin', command)
		const child: ChildProcess = spawn(existsSync(path) ? path : join('/usr/bin', command), args, {
			env: { PATH: '/bin' },
			cwd: root,
		})
		const output = { out: '', err: '' }
		child.stdout?.on('data', (text) => (output.out += text))
		const logged = new Promise<void>((resolve) =>
			child.stderr?.on('data', (text) => {
				output.err += text
				if (output.err.includes('"event":"online"')) resolve()
			}),
		)
		const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
		return { child, output, logged, exited }
	}

	async function run(...words: readonly string[]) {
		const { output, exited } = start(...words)
		return { code: await exited, ...output }
	}

	test('prints its version, and hints that can be typed', async () => {
		expect(await run(program, 'version')).toEqual({ code: 0, out: `${version}\n`, err: '' })
		const err = `error: no command\nhint: .${program} --help\n`
		expect(await run(program)).toEqual({ code: 2, out: '', err })
	})

	test('installs its service, listens, passes a request on, and its doctor finds no failure', async () => {
		const installed = await run(program, 'service', 'install', ...config, '--user', 'rollcall-relay')
		expect(installed).toEqual({ code: 0, out: 'installed and started\n', err: '' })
		expect(readFileSync(join(root, 'calls'), 'utf8')).toMatch(/^enable rollcall-relay\nrestart rollcall-relay$/m)
		const unit = readFileSync(join(root, 'etc/systemd/system/rollcall-relay.service'), 'utf8')
		const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
		expect(command).toBe(`"${program}" "run" "--config" "/etc/rollcall-relay/relay.json"`)

		const { child, logged, output, exited } = start(...command.split(' ').map((word) => word.replaceAll('"', '')))
		await Promise.race([logged, exited.then((code) => expect.fail(`exit code ${code}: ${output.err}`))])
		expect(await outcome(lab.sender({ version: '98.7.6' })(request()))).toMatchObject({ status: 200 })
		const status = await run(program, 'status')
		expect([status.code, status.err]).toEqual([0, ''])
		const versions = `AgentVersion=${version}\nRollcallVersion=98.7.6\nUpgrade=98.7.6\n`
		expect(status.out).toBe(`LoadState=loaded\nActiveState=active\nNRestarts=0\n${versions}`)
		const doctor = await run(program, 'doctor', ...config, '--json')
		const findings: readonly { readonly verdict: string }[] = JSON.parse(doctor.out)
		expect(findings.filter(({ verdict }) => verdict === 'FAIL')).toEqual([])
		expect([doctor.code, doctor.err]).toEqual([0, ''])
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
	})
})

test('the executable ignores NODE_OPTIONS, and reads its own arguments alone', () => {
	const env = { NODE_OPTIONS: '--require /absent.js' }
	const run = (...args: readonly string[]) =>
		spawnSync(join(release(), nameOf('-linux-x64')), args, { env, cwd: folder, encoding: 'utf8' })
	expect(run('version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' })
	expect(run('--inspect-brk')).toMatchObject({ status: 2, stderr: expect.stringMatching(/^error: unknown option/) })
})

test('the zip file for Linux x64 runs with its own Node, also by a link', () => {
	const unpacked = join(folder, 'unpacked')
	mkdirSync(unpacked)
	for (const [name, content] of Object.entries(zipped('-linux-x64.zip'))) writeFileSync(join(unpacked, name), content)
	for (const name of ['node', 'rollcall-relay']) chmodSync(join(unpacked, name), 0o755)
	symlinkSync(join(unpacked, 'rollcall-relay'), join(folder, 'link'))
	const run = (program: string, ...args: readonly string[]) =>
		spawnSync(program, args, { env: { PATH: '/usr/bin:/bin' }, cwd: unpacked, encoding: 'utf8' })
	expect(run(join(folder, 'link'), 'version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' })
	expect(run('./rollcall-relay')).toMatchObject({
		status: 2,
		stderr: 'error: no command\nhint: ./rollcall-relay --help\n',
	})
	const text = JSON.stringify(settings({ host: 'contoso.servicebus.windows.net' }, { port: 11015 }))
	writeFileSync(join(unpacked, 'relay.json'), text)
	const { stdout } = run(
		'./rollcall-relay',
		'service',
		'install',
		'--config',
		'relay.json',
		'--user',
		'me',
		'--dry-run',
	)
	const words = [join(unpacked, 'node'), join(unpacked, 'main.cjs'), 'run', '--config', join(unpacked, 'relay.json')]
	expect(stdout).toContain(`\nExecStart=${words.map((word) => `"${word}"`).join(' ')}\n`)
})
