import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { signalsOn } from '../../agent/run.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { copyBuilt } from '../support/built.ts'
import { freePort } from '../support/free-port.ts'
import { ca, certificate, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json, noise, resource } from '../support/relay-stand-in/origin.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
let folder = ''
let lab: Lab

/** The agent is a single file, which is copied to a server without any other file. */
beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-main-'))
	await copyBuilt(join(folder, 'dist'))
	mkdirSync(join(folder, 'server'))
	copyFileSync(join(folder, 'dist/relay/main.js'), join(folder, 'server/main.js'))
	lab = await startLab({ serviceClock: systemClock })
})
afterAll(async () => {
	await lab.stop()
	rmSync(folder, { recursive: true })
})

/** Starts the command as an administrator does. */
function start(...args: string[]) {
	const child: ChildProcess = spawn(process.execPath, [join(folder, 'server/main.js'), ...args])
	const output = { out: '', err: '' }
	const waiting = new Set<() => void>()
	child.stdout?.on('data', (text) => (output.out += text))
	child.stderr?.on('data', (text) => {
		output.err += text
		for (const check of waiting) check()
	})
	const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
	const logged = (event: string, times = 1) =>
		new Promise<void>((resolve) => {
			const check = () => output.err.split(`"event":"${event}"`).length > times && resolve()
			waiting.add(check)
			check()
		})
	return { child, exited, logged, output }
}

const ready = (port: number) => fetch(`http://127.0.0.1:${port}/ready`).then(({ status }) => status)

describe('rollcall-relay', () => {
	test.each([
		[['--help'], 0, /run --config FILE/, /^$/],
		[['help'], 0, /run --config FILE/, /^$/],
		[['run', '--help'], 0, /^rollcall-relay run --config FILE\n\nRuns the agent until SIGTERM/, /^$/],
		[['doctor', '--help'], 0, /^rollcall-relay doctor --config FILE\n[\s\S]*--save-certificate PEM/, /^$/],
		[['service', '--help'], 0, /^rollcall-relay service install [\s\S]*--winsw FILE[\s\S]*--dry-run/, /^$/],
		[['service', 'install', '--help'], 0, /^rollcall-relay service install /, /^$/],
		[['version', '--help'], 0, /^rollcall-relay version\n/, /^$/],
		[['version'], 0, new RegExp(`^${version.replaceAll('.', '\\.')}\n$`), /^$/],
		[[], 2, /^$/, /^error: no command\nhint: node \S*main\.js --help\n$/],
		[['dance'], 2, /^$/, /^error: unknown command dance\nhint: node \S*main\.js --help\n$/],
		[['doktor'], 2, /^$/, /^error: unknown command doktor\nhint: Did you mean doctor\?\n$/],
		[['reload', '--help'], 0, /^rollcall-relay reload --config FILE\n/, /^$/],
		[['reload'], 2, /^$/, /^error: --config is missing\n/],
		[['run'], 2, /^$/, /^error: --config is missing\nhint: Name the settings file: --config FILE\n$/],
		[
			['service'],
			2,
			/^$/,
			/^error: service needs one of install, uninstall, status, restart\nhint: node \S*main\.js service --help\n$/,
		],
		[['service', 'install'], 2, /^$/, /^error: --config is missing\n/],
		[['install', '--name', 'hr'], 2, /^$/, /^error: --config is missing\n/],
		[['service', 'install', '--name', 'HR'], 2, /^$/, /^error: --name HR is not a name for a service\nhint: /],
		[['restat'], 2, /^$/, /^error: unknown command restat\nhint: Did you mean restart\?\n$/],
		[['run', '--listen'], 2, /^$/, /^error: run: unknown option --listen\nhint: node \S*main\.js run --help\n$/],
		[['version', 'x'], 2, /^$/, /^error: version: unexpected argument x\n/],
		[['service', 'status', 'x'], 2, /^$/, /^error: service: unexpected argument x\n/],
		[['doctor', '--config', '/absent.json'], 1, /^FAIL C1 {2}cannot read \/absent.json/, /^$/],
		[
			['doctor', '--config', 'x', '--cloud', 'https://host/scim/demo'],
			2,
			/^$/,
			/^error: --cloud and --token-file must be used together\n/,
		],
		[
			['doctor', '--config', 'x', '--cloud', 'http://host/scim/demo', '--token-file', 'x'],
			2,
			/^$/,
			/^error: --cloud http:\/\/host\/scim\/demo is not the URL of a tenant\nhint: Write it as https:\/\/HOST/,
		],
		[['run', '--konfig', 'x'], 2, /^$/, /^error: unknown option --konfig\nhint: Did you mean --config\?\n$/],
		[['run', '-x'], 2, /^$/, /^error: unknown option -x\nhint: node \S*main\.js --help\n$/],
		[['run', '--config'], 2, /^$/, /^error: .*--config.* argument missing\nhint: node \S*main\.js --help\n$/],
		[['run', '--config', '/absent.json'], 2, /^$/, /^error: cannot read \/absent.json: .*\nhint: /],
	])('%j exits with %i', async (args, code, out, err) => {
		const { exited, output } = start(...args)
		expect(await exited).toBe(code)
		expect(output.out).toMatch(out)
		expect(output.err).toMatch(err)
	})

	test('service install --dry-run prints the unit', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { exited, output } = start('service', 'install', '--config', file, '--user', 'rollcall', '--dry-run')
		expect([await exited, output.err]).toEqual([0, ''])
		const command = [process.execPath, join(folder, 'server/main.js'), 'run', '--config', file]
		expect(output.out).toContain(`\nExecStart=${command.map((part) => `"${part}"`).join(' ')}\n`)
		const token = file.replace('relay.json', 'origin.token')
		expect(output.out).toContain(`\nLoadCredential=${token.replaceAll('/', '%%2F')}:${token}\n`)
	})

	test('a copy of a secret from systemd is read instead of the file', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const credentials = join(folder, 'credentials')
		mkdirSync(credentials)
		for (const name of ['listen.key', 'origin.token']) {
			const secret = file.replace('relay.json', name)
			writeFileSync(join(credentials, encodeURIComponent(secret)), readFileSync(secret), { mode: 0o440 })
			utimesSync(join(credentials, encodeURIComponent(secret)), 1, 1)
			writeFileSync(secret, 'not this one')
		}
		vi.stubEnv('CREDENTIALS_DIRECTORY', credentials)
		const { child, exited, logged, output } = start('run', '--config', file)
		vi.unstubAllEnvs()
		await logged('online')
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
		expect(lab.origin.requests.at(-1)?.headers.authorization).toBe('Bearer origin-secret')
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
		// The originals are newer than the copies, which only a restart of the service renews.
		expect(output.err).toMatch(/"event":"restart_needed","file":"\S+origin\.token"/)
		lab.write('listen.key', 'listenkey\n')
		lab.write('origin.token', 'origin-secret\n')
	})

	test('doctor exits with 0 if no check failed, prints JSON and writes a bundle', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { answer } = lab.origin
		lab.origin.answer = (_, response) => resource(response, 200)
		const bundle = join(folder, 'bundle.json')
		const { exited, output } = start('doctor', '--config', file, '--json', '--bundle', bundle)
		expect(await exited).toBe(0)
		const findings: { readonly verdict: string }[] = JSON.parse(output.out)
		expect(findings.map(({ verdict }) => verdict)).toContain('WARN')
		expect(JSON.parse(readFileSync(bundle, 'utf8')).findings).toEqual(findings)
		lab.origin.answer = answer
	})

	test('doctor prints commands in the way in which it was started', async () => {
		const good = settings(lab.standIn, lab.origin)
		const tls = { mode: 'pin', certificateFile: join(folder, 'pin.pem') }
		const file = lab.write('relay.json', JSON.stringify({ ...good, origin: { ...good.origin, tls } }))
		const { exited, output } = start('doctor', '--config', file)
		expect(await exited).toBe(1)
		const [, program = '', pem] = /^ +node (\S+) doctor --config \S+ --save-certificate (\S+),/m.exec(output.out) ?? []
		expect(resolve(program)).toBe(join(folder, 'server/main.js'))
		expect(pem).toBe(join(folder, 'pin.pem'))
	})

	test('doctor saves the certificate, or names the file that it cannot write', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const pem = join(folder, 'shown.pem')
		const success = start('doctor', '--config', file, '--save-certificate', pem)
		expect(await success.exited).toBe(0)
		expect(success.output.out).toMatch(new RegExp(`SHA-256 \\S+\nwritten to ${pem}\n$`))
		expect(readFileSync(pem, 'utf8')).toMatch(/^-----BEGIN CERTIFICATE-----/)
		const failure = start('doctor', '--config', file, '--save-certificate', '/absent/shown.pem')
		expect(await failure.exited).toBe(2)
		expect(failure.output.err).toMatch(
			/^error: cannot write \/absent\/shown\.pem: ENOENT.*\nhint: Name another file: --save-certificate PEM\n$/,
		)
	})

	test('certificate prints what the SCIM server has, and whether it is pinned', async () => {
		const good = settings(lab.standIn, lab.origin)
		const write = (pem: string) => {
			lab.write('pin.pem', pem)
			const tls = { mode: 'pin', pins: ['ca.pem', 'pin.pem'] }
			return lab.write('relay.json', JSON.stringify({ ...good, origin: { ...good.origin, tls } }))
		}
		const print = async (pem: string) => {
			const { exited, output } = start('certificate', '--config', write(pem))
			return [await exited, output.out]
		}
		expect(await print(certificate.cert)).toEqual([
			0,
			expect.stringMatching(/^certificate for DNS:localhost .*SHA-256 [\w:]{95}\nIt is pinned by \S+pin\.pem\.\n$/),
		])
		expect(await print(ca.cert)).toEqual([
			0,
			expect.stringMatching(/\nIt is not the pin in \S+ca\.pem, [\w:]{95}\.\nIt is not the pin in \S+pin\.pem, /),
		])
	})

	test('run listens, refuses invalid settings, accepts valid ones, and ends on SIGTERM', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged, output } = start('run', '--config', file)
		await logged('online')
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })

		lab.write('relay.json', '{"relay":')
		child.kill('SIGHUP')
		await logged('config_refused')
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })

		lab.write('relay.json', JSON.stringify({ ...settings(lab.standIn, lab.origin), concurrency: 4 }))
		child.kill('SIGHUP')
		await logged('online', 2)
		await lab.standIn.journal.until('left')
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })

		child.kill('SIGTERM')
		expect(await exited).toBe(0)
		const events = output.err
			.trim()
			.split('\n')
			.map((line) => JSON.parse(line).event)
		expect(events.slice(-2)).toEqual(['draining', 'stopped'])
		expect(output.err).not.toMatch(/listenkey|origin-secret|SharedAccessSignature|sb-hc-id/)
	})

	test.each(['SIGTERM', 'SIGINT'] as const)('on %s run finishes its requests and ignores a reload', async (signal) => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged, output } = start('run', '--config', file)
		await logged('online')
		const { answer } = lab.origin
		let answerNow = () => {}
		const held = new Promise<void>((resolve) => {
			lab.origin.answer = (_, response) => {
				answerNow = () => json(response, 201, {})
				resolve()
			}
		})
		const sent = outcome(lab.sender({ clock: systemClock })(request({ method: 'POST', body: Buffer.from('{}') })))
		await held
		child.kill(signal)
		await logged('draining')
		child.kill('SIGHUP')
		// The signal has arrived before the agent turns a request away.
		expect((await outcome(lab.sender()(request()))).status).toBe(503)
		answerNow()
		expect(await sent).toMatchObject({ status: 201 })
		expect(await exited).toBe(0)
		expect(output.err).not.toContain('config_reloaded')
		lab.origin.answer = answer
	})

	test('after two reloads with a connection bound to the first agent, the last agent serves', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged } = start('run', '--config', file)
		await logged('online')
		const { answer } = lab.origin
		const send = lab.sender()
		lab.origin.answer = (_, response) => json(response, 200, { noise })
		await outcome(send(request()))
		const left = lab.standIn.journal.until('rendezvous-left', lab.standIn.journal.count('rendezvous-left') + 1)
		for (const time of [2, 3]) {
			child.kill('SIGHUP')
			await logged('online', time)
		}
		await left
		const held = new Promise<() => void>((resolve) => {
			lab.origin.answer = (_, response) => resolve(() => json(response, 201, {}))
		})
		const sent = outcome(lab.sender({ clock: systemClock })(request({ method: 'POST', body: Buffer.from('{}') })))
		const answerNow = await held
		child.kill('SIGTERM')
		await logged('draining')
		answerNow()
		expect(await sent).toMatchObject({ status: 201 })
		expect(await exited).toBe(0)
		lab.origin.answer = answer
	})

	test('the agent keeps running after the reader of its log has ended', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged } = start('run', '--config', file)
		await logged('online')
		child.stderr?.destroy()
		for (let at = 0; at < 3; at++) expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
	})

	test('on Windows other signals stop the agent, and no signal reloads', () => {
		expect(signalsOn('win32')).toEqual({ stop: ['SIGTERM', 'SIGINT', 'SIGBREAK', 'SIGHUP'], reload: [] })
		expect(signalsOn('linux')).toEqual({ stop: ['SIGTERM', 'SIGINT'], reload: ['SIGHUP'] })
	})

	test('reload takes over changed settings, names what is wrong, and lets requests finish', async () => {
		const port = await freePort()
		const good = { ...settings(lab.standIn, lab.origin), admin: { port } }
		const file = lab.write('relay.json', JSON.stringify(good))
		const reload = async () => {
			const { exited, output } = start('reload', '--config', file)
			return [await exited, output.out, output.err]
		}
		expect(await reload()).toEqual([
			2,
			'',
			expect.stringMatching(
				/^error: no agent answers on 127\.0\.0\.1:\d+: .*\nhint: Check that it runs: node \S+ status\./,
			),
		])
		const { child, exited, logged, output } = start('run', '--config', file)
		await logged('online')
		const { answer } = lab.origin
		const held = new Promise<() => void>((resolve) => {
			lab.origin.answer = (_, response) => resolve(() => json(response, 201, {}))
		})
		const sent = outcome(lab.sender({ clock: systemClock })(request({ method: 'POST', body: Buffer.from('{}') })))
		const answerNow = await held
		lab.origin.answer = answer

		lab.write('origin.token', 'new-secret\n')
		expect(await reload()).toEqual([0, 'reloaded\n', ''])
		await logged('online', 2)
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
		expect(lab.origin.requests.at(-1)?.headers.authorization).toBe('Bearer new-secret')
		answerNow()
		expect(await sent).toMatchObject({ status: 201 })

		lab.write('origin.token', '')
		expect(await reload()).toEqual([
			2,
			'',
			expect.stringMatching(/^error: .*origin\.token is empty\nhint: Write only the secret into it\.\n$/),
		])
		lab.write('relay.json', '{')
		expect(await reload()).toEqual([2, '', expect.stringMatching(/relay\.json.* is not JSON/)])
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
		lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		expect(await reload()).toEqual([2, '', expect.stringMatching(/^error: a reload needs "admin"/)])
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
		expect(output.err).not.toMatch(/new-secret/)
		lab.write('origin.token', 'origin-secret\n')
	})

	test('a running agent takes over a changed token by itself', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged } = start('run', '--config', file)
		await logged('online')
		lab.write('origin.token', 'rotated\n')
		await logged('config_reloaded')
		await logged('online', 2)
		await outcome(lab.sender()(request()))
		expect(lab.origin.requests.at(-1)?.headers.authorization).toBe('Bearer rotated')
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
		lab.write('origin.token', 'origin-secret\n')
	})

	test('a reload that moves the admin port answers by the old one', async () => {
		const [oldPort, newPort] = [await freePort(), await freePort()]
		const write = (port: number) =>
			lab.write('relay.json', JSON.stringify({ ...settings(lab.standIn, lab.origin), admin: { port } }))
		const { child, exited, logged } = start('run', '--config', write(oldPort))
		await logged('online')
		write(newPort)
		const headers = { 'rollcall-relay-command': 'reload' }
		const response = await fetch(`http://127.0.0.1:${oldPort}/reload`, { method: 'POST', headers })
		expect([response.status, await response.json()]).toEqual([200, { refused: [] }])
		await logged('online', 2)
		expect(await ready(newPort)).toBe(200)
		await expect(ready(oldPort)).rejects.toThrow('fetch failed')
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
	})

	test('the admin port opens, moves and closes with the settings', async () => {
		const [firstPort, secondPort] = [await freePort(), await freePort()]
		const writeSettings = (more: object) =>
			lab.write('relay.json', JSON.stringify({ ...settings(lab.standIn, lab.origin), ...more }))
		const { child, exited, logged } = start('run', '--config', writeSettings({ admin: { port: firstPort } }))
		await logged('online')
		expect(await ready(firstPort)).toBe(200)

		const second = start('run', '--config', writeSettings({ admin: { port: firstPort } }))
		expect(await second.exited).toBe(2)
		expect(second.output.err).toMatch(/^error: cannot listen on admin\.port \d+: EADDRINUSE\nhint: Choose another/)

		writeSettings({ admin: { port: secondPort } })
		child.kill('SIGHUP')
		await logged('online', 2)
		expect(await ready(secondPort)).toBe(200)
		await expect(ready(firstPort)).rejects.toThrow('fetch failed')

		writeSettings({
			admin: { port: firstPort },
			credentials: { type: 'sas', keyName: 'listen', keyFile: 'absent.key' },
		})
		child.kill('SIGHUP')
		await logged('offline')
		expect(await ready(firstPort)).toBe(503)

		writeSettings({})
		child.kill('SIGHUP')
		await logged('online', 3)
		await expect(ready(firstPort)).rejects.toThrow('fetch failed')
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
	})
})
