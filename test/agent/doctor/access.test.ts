import { chmodSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../agent/config.ts'
import { access } from '../../../agent/doctor/access.ts'
import { useRig } from './rig.ts'

const { lab, writeSettings, origin } = useRig()

type ServiceSetup = {
	readonly user?: number
	readonly groups?: readonly number[]
	readonly more?: string
	readonly config?: string
	readonly release?: number
}

const owner = process.getuid?.() ?? 0
const stranger = 54_321

/** A machine whose service runs as the user `relay`. */
const machineWith = (
	file: string,
	{ user = stranger, groups = [user], more = '', config = file, release = 252 }: ServiceSetup,
) => ({
	platform: 'linux',
	folder: '/absent',
	run: (program: string, [option]: readonly string[]) => {
		if (program === 'id') return option === '-u' ? `${user}\n` : `${groups.join(' ')}\n`
		if (option === '--version') return `systemd ${release} (${release}.1)\n+PAM\n`
		return `# /etc/systemd/system/rollcall-relay.service\n[Service]\nUser=relay\nExecStart="/usr/bin/node" "run" "--config" "${config}"\n${more}\n`
	},
})

function findingsFor(setup: ServiceSetup, settings = {}, prepare = (_folder: string) => {}) {
	const file = writeSettings(settings)
	prepare(dirname(file))
	return access({ config: readConfig(file), file }, machineWith(file, setup))
}

const enterable = (folder: string) => chmodSync(folder, 0o755)

test('the user of the service owns the files and can read them', () => {
	expect(findingsFor({ user: owner })).toEqual([
		{ code: 'C3', verdict: 'PASS', seen: 'relay, the user of the service, can read 4 files' },
	])
})

test('a service that runs as root has no privileges either', () => {
	const findings = findingsFor({ user: 0 })
	expect(findings[0]?.verdict).toBe(owner === 0 ? 'PASS' : 'FAIL')
})

test('every unreadable file has a finding', () => {
	expect(findingsFor({}, {}, enterable)).toEqual(
		['relay.json', 'ca.pem', 'listen.key', 'origin.token'].map((name) => ({
			code: 'C3',
			verdict: 'FAIL',
			seen: expect.stringMatching(new RegExp(`^relay cannot read \\S+${name}$`)),
			remedy: expect.stringMatching(new RegExp(`^chown relay \\S+${name}$`)),
		})),
	)
})

test('read permission of the group or of all users is enough', () => {
	const makeReadable = (folder: string) => {
		enterable(folder)
		chmodSync(join(folder, 'relay.json'), 0o644)
		chmodSync(join(folder, 'ca.pem'), 0o640)
	}
	const names = (groups: readonly number[]) =>
		findingsFor({ groups }, {}, makeReadable).map(({ seen }) => /([\w.]+)$/.exec(seen)?.[1])
	expect(names([stranger])).toEqual(['ca.pem', 'listen.key', 'origin.token'])
	expect(names([stranger, process.getgid?.() ?? 0])).toEqual(['listen.key', 'origin.token'])
})

test('a folder that the user cannot enter is named; symbolic links are followed', () => {
	const [finding] = findingsFor({})
	expect(finding).toEqual({
		code: 'C3',
		verdict: 'FAIL',
		seen: expect.stringMatching(/^relay cannot enter \S+, a folder above \S+relay\.json$/),
		remedy: expect.stringMatching(/^chmod o\+x \//),
	})
	const token = lab().write('real.token', 'origin-secret')
	const link = join(dirname(token), 'link.token')
	symlinkSync(token, link)
	const linked = origin({ authorization: { type: 'bearer', tokenFile: link } })
	expect(findingsFor({ user: owner }, linked)).toMatchObject([{ verdict: 'PASS' }])
})

describe('credentials that systemd provides', () => {
	const loadCredentials = (...names: readonly string[]) => {
		const folder = dirname(writeSettings())
		return names.map((name) => `LoadCredential=x:${join(folder, name)}`).join('\n')
	}
	const makeReadable = (folder: string) => {
		enterable(folder)
		for (const name of ['relay.json', 'ca.pem']) chmodSync(join(folder, name), 0o644)
	}

	test('need not be readable for the user', () => {
		expect(findingsFor({ more: loadCredentials('listen.key', 'origin.token') }, {}, makeReadable)).toEqual([
			{
				code: 'C3',
				verdict: 'PASS',
				seen: 'relay, the user of the service, can read 2 files; systemd provides 2 files',
			},
		])
	})

	test('exclude a secret that the settings name since the installation', () => {
		expect(findingsFor({ more: loadCredentials('listen.key') }, {}, makeReadable)).toEqual([
			{
				code: 'C3',
				verdict: 'FAIL',
				seen: expect.stringMatching(/^relay cannot read \S+origin\.token$/),
				remedy: expect.stringMatching(/^rollcall-relay service install --config \S+relay\.json --user relay$/),
			},
		])
	})

	test('do not exist before systemd 247', () => {
		const more = loadCredentials('listen.key', 'origin.token')
		expect(findingsFor({ more, release: 246 }, {}, makeReadable).map(({ remedy }) => remedy)).toEqual([
			expect.stringMatching(/^chown relay \S+listen\.key$/),
			expect.stringMatching(/^chown relay \S+origin\.token$/),
		])
	})
})

test.each([
	['PrivateTmp=yes', '/tmp/'],
	['PrivateTmp=no\nProtectHome=yes', '/home/'],
])('%s hides a file from the service', (more, hidden) => {
	const tokenFile = `${hidden}relay/origin.token`
	expect(findingsFor({ user: owner, more }, origin({ authorization: { type: 'bearer', tokenFile } }))).toContainEqual({
		code: 'C3',
		verdict: 'FAIL',
		seen: `the service cannot see ${tokenFile}: its unit hides ${hidden}`,
		remedy: 'Move the file, for example to /etc/rollcall-relay.',
	})
})

test('a missing file is skipped', () => {
	const findings = findingsFor(
		{ user: owner },
		origin({ authorization: { type: 'bearer', tokenFile: 'absent.token' } }),
	)
	expect(findings).toEqual([
		{ code: 'C3', verdict: 'SKIP', seen: expect.stringMatching(/^cannot check \S+absent\.token: ENOENT/) },
	])
})

test('a service with other settings, and a service of a deleted user', () => {
	expect(findingsFor({ config: '/etc/other.json' })).toEqual([
		{
			code: 'C3',
			verdict: 'WARN',
			seen: expect.stringMatching(/^the service does not use \S+relay\.json: .*\/etc\/other\.json/),
			remedy: expect.stringMatching(/^rollcall-relay service install --config \S+relay\.json --user relay$/),
		},
	])
	const file = writeSettings()
	const { run, ...machine } = machineWith(file, {})
	const forgetful = (program: string, args: readonly string[]) => {
		if (program === 'id') throw new Error('id: relay: no such user')
		return run(program, args)
	}
	const withoutId = (program: string, args: readonly string[]) => {
		if (program === 'id') throw Object.assign(new Error('spawnSync id ENOENT'), { code: 'ENOENT' })
		return run(program, args)
	}
	expect(access({ config: readConfig(file), file }, { ...machine, run: withoutId })).toEqual([
		{ code: 'C3', verdict: 'SKIP', seen: 'cannot ask the machine for the user relay' },
	])
	expect(access({ config: readConfig(file), file }, { ...machine, run: forgetful })).toMatchObject([
		{
			verdict: 'FAIL',
			seen: 'the service runs as relay, a user that does not exist',
			remedy: 'useradd --system relay',
		},
	])
})

test('without a service and on Windows the check is skipped', () => {
	const file = writeSettings()
	const loaded = { config: readConfig(file), file }
	const run = () => {
		throw new Error('No files found for rollcall-relay.service.')
	}
	expect(access(loaded, { platform: 'linux', folder: '', run })).toMatchObject([{ verdict: 'SKIP' }])
	expect(access(loaded, { platform: 'win32', folder: '', run })).toMatchObject([
		{ verdict: 'SKIP', seen: expect.stringContaining('icacls') },
	])
})
