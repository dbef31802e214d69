import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readSettings } from '../../agent/config.ts'
import { filesOf } from '../../agent/secret-file.ts'
import { managerOf, refuseShared } from '../../agent/service.ts'
import type { Machine } from '../../agent/service-manager.ts'
import { systemClock } from '../../shared/relay/clock.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import { copyBuilt } from '../support/built.ts'
import { freePort } from '../support/free-port.ts'
import { certificate, type Lab, outcome, request, settings, startLab } from '../support/relay-stand-in/lab.ts'
import { type Origin, startOrigin } from '../support/relay-stand-in/origin.ts'

let folder = ''
let lab: Lab
let branchOrigin: Origin

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), 'rollcall-two-'))
	await copyBuilt(join(folder, 'dist'))
	mkdirSync(join(folder, 'units'))
	lab = await startLab({ serviceClock: systemClock, factor: 1 })
	branchOrigin = await startOrigin(certificate)
})
afterAll(async () => {
	for (const id of [...running.keys()]) await stop(id)
	await branchOrigin.stop()
	await lab.stop()
	rmSync(folder, { recursive: true })
})

/** The processes of the services, by their ids. */
const running = new Map<string, { readonly child: ChildProcess; readonly log: string[] }>()

/** A machine whose systemd starts what ExecStart of a unit says. */
const machine: Machine = {
	platform: 'linux',
	get folder() {
		return join(folder, 'units')
	},
	run: (program, [action = '', ...args]) => {
		if (program === 'id') return '0\n'
		const id = args.at(-1) ?? ''
		if (action === 'restart') starting.push(stop(id).then(() => launch(id)))
		if (action === 'disable') starting.push(stop(id))
		return `LoadState=loaded\nActiveState=${running.has(action === 'show' ? (args[0] ?? '') : '') ? 'active' : 'inactive'}\n`
	},
}
const starting: Promise<unknown>[] = []
const settled = () => Promise.all(starting.splice(0))

function launch(id: string): Promise<void> {
	const unit = readFileSync(join(machine.folder, `${id}.service`), 'utf8')
	const [, line = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
	const [program = '', ...args] = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word)
	const child = spawn(program, args)
	const log: string[] = []
	running.set(id, { child, log })
	return new Promise((resolve) =>
		child.stderr.on('data', (text) => {
			log.push(String(text))
			if (log.join('').includes('"event":"online"')) resolve()
		}),
	)
}

async function stop(id: string): Promise<void> {
	const { child } = running.get(id) ?? {}
	running.delete(id)
	if (child === undefined || child.exitCode !== null) return
	const ended = new Promise((resolve) => child.once('exit', resolve))
	child.kill('SIGTERM')
	await ended
}

/** Writes settings, and installs the service as the command does. */
async function install(id: string, hybridConnection: string, origin: Origin) {
	const good = settings(lab.standIn, origin)
	const audit = { file: join(folder, id, 'audit.log') }
	mkdirSync(join(folder, id))
	const port = await freePort()
	const { agentId: _, ...server } = good
	const own = { ...server, relay: { ...good.relay, hybridConnection }, audit, admin: { port } }
	const config = lab.write(`${id}.json`, JSON.stringify(own))
	const read = readSettings(config)
	refuseShared({ id, config }, read, machine)
	const program = { node: process.execPath, program: join(folder, 'dist/relay/main.js') }
	const service = { ...program, id, config, files: filesOf(read), auditFolders: [join(folder, id)] }
	managerOf(machine).install({ ...service, user: 'rollcall', winsw: undefined }, machine)
	await settled()
	return { audit, port }
}

const send = (hybridConnection: string) => {
	const uri = `http://localhost/${hybridConnection}`
	const token = async () => sasToken({ uri, keyName: 'send', key: 'sendkey', expires: Date.now() + 3_600_000 })
	return outcome(lab.sender({ hybridConnection, token, clock: systemClock })(request()))
}
const state = (port: number) =>
	fetch(`http://127.0.0.1:${port}/ready`).then(
		({ status }) => status,
		() => 'away',
	)
const lines = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').length : 0)

test('two named services of one machine serve two tenants, and no command for one touches the other', async () => {
	const hq = await install('rollcall-relay-hq', 'demo', lab.origin)
	const branch = await install('rollcall-relay-branch', 'deep/name', branchOrigin)
	expect([await send('demo'), await send('deep/name'), await send('deep/name')]).toMatchObject([
		{ status: 200 },
		{ status: 200 },
		{ status: 200 },
	])
	expect([lab.origin.requests.length, branchOrigin.requests.length]).toEqual([1, 2])
	expect([await state(hq.port), await state(branch.port)]).toEqual([200, 200])

	const processOfHq = running.get('rollcall-relay-hq')?.child.pid
	managerOf(machine).restart(machine, 'rollcall-relay-branch')
	expect(await send('demo')).toMatchObject({ status: 200 })
	await settled()
	expect(await send('deep/name')).toMatchObject({ status: 200 })

	managerOf(machine).uninstall(machine, 'rollcall-relay-branch')
	await settled()
	expect([await state(hq.port), await state(branch.port)]).toEqual([200, 'away'])
	expect(await send('demo')).toMatchObject({ status: 200 })
	expect(running.get('rollcall-relay-hq')?.child.pid).toBe(processOfHq)
	expect(
		managerOf(machine)
			.installed(machine)
			.map(({ id }) => id),
	).toEqual(['rollcall-relay-hq'])

	await stop('rollcall-relay-hq')
	expect([lines(hq.audit.file), lines(branch.audit.file)]).toEqual([3, 3])
})
