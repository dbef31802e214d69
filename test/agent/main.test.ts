import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { signalsOn } from '../../agent/run.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { json, noise } from '../support/relay-stand-in/origin.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
let folder = ''
let lab: Lab

/** The agent's one file is copied to a server, and nothing with it. */
beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-main-'))
	execFileSync(process.execPath, ['build.mjs', join(folder, 'dist')])
	mkdirSync(join(folder, 'server'))
	copyFileSync(join(folder, 'dist/relay/main.js'), join(folder, 'server/main.js'))
	lab = await startLab({ serviceClock: systemClock })
})
afterAll(async () => {
	await lab.stop()
	rmSync(folder, { recursive: true })
})

/** The command as an administrator starts it. */
function start(...args: string[]) {
	const child: ChildProcess = spawn(process.execPath, [join(folder, 'server/main.js'), ...args])
	const seen = { out: '', err: '' }
	const waiting = new Set<() => void>()
	child.stdout?.on('data', (text) => (seen.out += text))
	child.stderr?.on('data', (text) => {
		seen.err += text
		for (const look of waiting) look()
	})
	const exited = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
	const logged = (event: string, times = 1) =>
		new Promise<void>((resolve) => {
			const look = () => seen.err.split(`"event":"${event}"`).length > times && resolve()
			waiting.add(look)
			look()
		})
	return { child, exited, logged, seen }
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
	const server = createServer()
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address() as AddressInfo // sound: it listens on TCP
	await new Promise((resolve) => server.close(resolve))
	return port
}

const ready = (port: number) => fetch(`http://127.0.0.1:${port}/ready`).then(({ status }) => status)

describe('rollcall-relay', () => {
	test.each([
		[['--help'], 0, /run --config FILE/, /^$/],
		[['help'], 0, /run --config FILE/, /^$/],
		[['run', '--help'], 0, /^rollcall-relay run --config FILE\n\nListens until SIGTERM/, /^$/],
		[['doctor', '--help'], 0, /^rollcall-relay doctor --config FILE\n[\s\S]*--save-certificate PEM/, /^$/],
		[['service', '--help'], 0, /^rollcall-relay service install [\s\S]*--winsw FILE[\s\S]*--dry-run/, /^$/],
		[['service', 'install', '--help'], 0, /^rollcall-relay service install /, /^$/],
		[['version', '--help'], 0, /^rollcall-relay version\n/, /^$/],
		[['version'], 0, new RegExp(`^${version.replaceAll('.', '\\.')}\n$`), /^$/],
		[[], 2, /^$/, /^error: no command\nhint: node \S*main\.js --help\n$/],
		[['dance'], 2, /^$/, /^error: unknown command dance\nhint: node \S*main\.js --help\n$/],
		[['doktor'], 2, /^$/, /^error: unknown command doktor\nhint: Did you mean doctor\?\n$/],
		[['run'], 2, /^$/, /^error: no configuration\nhint: Name it: --config FILE\n$/],
		[
			['service'],
			2,
			/^$/,
			/^error: service does install, uninstall or status\nhint: node \S*main\.js service --help\n$/,
		],
		[['service', 'install'], 2, /^$/, /^error: no configuration\n/],
		[['run', '--listen'], 2, /^$/, /^error: run knows no --listen\nhint: node \S*main\.js run --help\n$/],
		[['version', 'x'], 2, /^$/, /^error: version knows no x\n/],
		[['service', 'status', 'x'], 2, /^$/, /^error: service knows no x\n/],
		[['doctor', '--config', '/absent.json'], 1, /^FAIL C1 {2}\/absent.json cannot be read/, /^$/],
		[
			['doctor', '--config', 'x', '--cloud', 'https://host/scim/demo'],
			2,
			/^$/,
			/^error: --cloud and --token-file belong together\n/,
		],
		[
			['doctor', '--config', 'x', '--cloud', 'http://host/scim/demo', '--token-file', 'x'],
			2,
			/^$/,
			/^error: --cloud http:\/\/host\/scim\/demo is not the address of a tenant\nhint: https:\/\/HOST/,
		],
		[['run', '--konfig', 'x'], 2, /^$/, /^error: unknown option --konfig\nhint: Did you mean --config\?\n$/],
		[['run', '-x'], 2, /^$/, /^error: unknown option -x\nhint: node \S*main\.js --help\n$/],
		[['run', '--config'], 2, /^$/, /^error: .*--config.* argument missing\nhint: node \S*main\.js --help\n$/],
		[['run', '--config', '/absent.json'], 2, /^$/, /^error: \/absent.json cannot be read: .*\nhint: /],
	])('%j exits with %i', async (args, code, out, err) => {
		const { exited, seen } = start(...args)
		expect(await exited).toBe(code)
		expect(seen.out).toMatch(out)
		expect(seen.err).toMatch(err)
	})

	test('service install shows what it would do', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { exited, seen } = start('service', 'install', '--config', file, '--user', 'rollcall', '--dry-run')
		expect([await exited, seen.err]).toEqual([0, ''])
		const command = [process.execPath, join(folder, 'server/main.js'), 'run', '--config', file]
		expect(seen.out).toContain(`\nExecStart=${command.map((part) => `"${part}"`).join(' ')}\n`)
		const token = file.replace('relay.json', 'origin.token')
		expect(seen.out).toContain(`\nLoadCredential=${token.replaceAll('/', '%%2F')}:${token}\n`)
	})

	test('what systemd hands over is read in place of the file, which may be for root alone', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const credentials = join(folder, 'credentials')
		mkdirSync(credentials)
		for (const name of ['listen.key', 'origin.token']) {
			const secret = file.replace('relay.json', name)
			writeFileSync(join(credentials, encodeURIComponent(secret)), readFileSync(secret), { mode: 0o440 })
			writeFileSync(secret, 'not this one')
		}
		vi.stubEnv('CREDENTIALS_DIRECTORY', credentials)
		const { child, exited, logged } = start('run', '--config', file)
		vi.unstubAllEnvs()
		await logged('online')
		expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
		expect(lab.origin.requests.at(-1)?.headers.authorization).toBe('Bearer origin-secret')
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
		lab.write('listen.key', 'listenkey\n')
		lab.write('origin.token', 'origin-secret\n')
	})

	test('doctor exits with 0 when nothing is wrong, says it to programs too and writes it into a file', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const bundle = join(folder, 'bundle.json')
		const { exited, seen } = start('doctor', '--config', file, '--json', '--bundle', bundle)
		expect(await exited).toBe(0)
		const findings: { readonly verdict: string }[] = JSON.parse(seen.out)
		expect(findings.map(({ verdict }) => verdict)).toContain('WARN')
		expect(JSON.parse(readFileSync(bundle, 'utf8')).findings).toEqual(findings)
	})

	test('doctor prints a command as it was started itself', async () => {
		const good = settings(lab.standIn, lab.origin)
		const tls = { mode: 'pin', certificateFile: join(folder, 'pin.pem') }
		const file = lab.write('relay.json', JSON.stringify({ ...good, origin: { ...good.origin, tls } }))
		const { exited, seen } = start('doctor', '--config', file)
		expect(await exited).toBe(1)
		const [, program = '', pem] = /^ +node (\S+) doctor --config \S+ --save-certificate (\S+),/m.exec(seen.out) ?? []
		expect(resolve(program)).toBe(join(folder, 'server/main.js'))
		expect(pem).toBe(join(folder, 'pin.pem'))
	})

	test('doctor says where it has written the certificate, and which file it cannot write', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const pem = join(folder, 'shown.pem')
		const saved = start('doctor', '--config', file, '--save-certificate', pem)
		expect(await saved.exited).toBe(0)
		expect(saved.seen.out).toMatch(new RegExp(`SHA-256 \\S+\nwritten to ${pem}\n$`))
		expect(readFileSync(pem, 'utf8')).toMatch(/^-----BEGIN CERTIFICATE-----/)
		const absent = start('doctor', '--config', file, '--save-certificate', '/absent/shown.pem')
		expect(await absent.exited).toBe(2)
		expect(absent.seen.err).toMatch(
			/^error: \/absent\/shown\.pem cannot be written: ENOENT.*\nhint: Name another file: --save-certificate PEM\n$/,
		)
	})

	test('run listens, keeps its configuration when the new one is broken, takes a good one, and ends on SIGTERM', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged, seen } = start('run', '--config', file)
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
		const events = seen.err
			.trim()
			.split('\n')
			.map((line) => JSON.parse(line).event)
		expect(events.slice(-2)).toEqual(['draining', 'stopped'])
		expect(seen.err).not.toMatch(/listenkey|origin-secret|SharedAccessSignature|sb-hc-id/)
	})

	test.each(['SIGTERM', 'SIGINT'] as const)(
		'on %s run finishes what is under way, and reads nothing again',
		async (signal) => {
			const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
			const { child, exited, logged, seen } = start('run', '--config', file)
			await logged('online')
			const { answer } = lab.origin
			let letGo = () => {}
			const isHeld = new Promise<void>((resolve) => {
				lab.origin.answer = (_, response) => {
					letGo = () => json(response, 201, {})
					resolve()
				}
			})
			const sent = outcome(lab.sender({ clock: systemClock })(request({ method: 'POST', body: Buffer.from('{}') })))
			await isHeld
			child.kill(signal)
			await logged('draining')
			child.kill('SIGHUP')
			// By the time that a request was turned away, the signal has long arrived.
			expect((await outcome(lab.sender()(request()))).status).toBe(503)
			letGo()
			expect(await sent).toMatchObject({ status: 201 })
			expect(await exited).toBe(0)
			expect(seen.err).not.toContain('config_reloaded')
			lab.origin.answer = answer
		},
	)

	test('settings that were read twice while a connection was bound to the first agent leave the last one in charge', async () => {
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
		const isHeld = new Promise<() => void>((resolve) => {
			lab.origin.answer = (_, response) => resolve(() => json(response, 201, {}))
		})
		const sent = outcome(lab.sender({ clock: systemClock })(request({ method: 'POST', body: Buffer.from('{}') })))
		const letGo = await isHeld
		child.kill('SIGTERM')
		await logged('draining')
		letGo()
		expect(await sent).toMatchObject({ status: 201 })
		expect(await exited).toBe(0)
		lab.origin.answer = answer
	})

	test('whoever reads its log may go away, and come no more', async () => {
		const file = lab.write('relay.json', JSON.stringify(settings(lab.standIn, lab.origin)))
		const { child, exited, logged } = start('run', '--config', file)
		await logged('online')
		child.stderr?.destroy()
		for (let at = 0; at < 3; at++) expect(await outcome(lab.sender()(request()))).toMatchObject({ status: 200 })
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
	})

	test('Windows tells by other signals that a console or a service ends, and none has settings read again', () => {
		expect(signalsOn('win32')).toEqual({ stop: ['SIGTERM', 'SIGINT', 'SIGBREAK', 'SIGHUP'], reload: [] })
		expect(signalsOn('linux')).toEqual({ stop: ['SIGTERM', 'SIGINT'], reload: ['SIGHUP'] })
	})

	test('run tells on its port how it does, moves to another one and goes from it as its settings say', async () => {
		const [one, other] = [await freePort(), await freePort()]
		const use = (more: object) =>
			lab.write('relay.json', JSON.stringify({ ...settings(lab.standIn, lab.origin), ...more }))
		const { child, exited, logged } = start('run', '--config', use({ admin: { port: one } }))
		await logged('online')
		expect(await ready(one)).toBe(200)

		const taken = start('run', '--config', use({ admin: { port: one } }))
		expect(await taken.exited).toBe(2)
		expect(taken.seen.err).toMatch(/^error: admin\.port \d+ cannot be listened on: EADDRINUSE\nhint: Choose another/)

		use({ admin: { port: other } })
		child.kill('SIGHUP')
		await logged('online', 2)
		expect(await ready(other)).toBe(200)
		await expect(ready(one)).rejects.toThrow('fetch failed')

		use({ admin: { port: one }, credentials: { type: 'sas', keyName: 'listen', keyFile: 'absent.key' } })
		child.kill('SIGHUP')
		await logged('offline')
		expect(await ready(one)).toBe(503)

		use({})
		child.kill('SIGHUP')
		await logged('online', 3)
		await expect(ready(one)).rejects.toThrow('fetch failed')
		child.kill('SIGTERM')
		expect(await exited).toBe(0)
	})
})
