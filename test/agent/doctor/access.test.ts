import { chmodSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../agent/config.ts'
import { access } from '../../../agent/doctor/access.ts'
import { useRig } from './rig.ts'

const { lab, configured, origin } = useRig()

type Installed = {
	readonly user?: number
	readonly groups?: readonly number[]
	readonly more?: string
	readonly config?: string
	readonly release?: number
}

const own = process.getuid?.() ?? 0
const stranger = 54_321

/** A machine whose service runs as `relay`. */
const machineWith = (
	file: string,
	{ user = stranger, groups = [user], more = '', config = file, release = 252 }: Installed,
) => ({
	platform: 'linux',
	folder: '/absent',
	run: (program: string, [option]: readonly string[]) => {
		if (program === 'id') return option === '-u' ? `${user}\n` : `${groups.join(' ')}\n`
		if (option === '--version') return `systemd ${release} (${release}.1)\n+PAM\n`
		return `# /etc/systemd/system/rollcall-relay.service\n[Service]\nUser=relay\nExecStart="/usr/bin/node" "run" "--config" "${config}"\n${more}\n`
	},
})

function found(installed: Installed, settings = {}, prepare = (_folder: string) => {}) {
	const file = configured(settings)
	prepare(dirname(file))
	return access({ config: readConfig(file), file }, machineWith(file, installed))
}

const open = (folder: string) => chmodSync(folder, 0o755)

test('the user of the service may read everything as its owner', () => {
	expect(found({ user: own })).toEqual([
		{ code: 'C3', verdict: 'PASS', seen: 'relay, whom the service runs as, may read 4 files' },
	])
})

test('root is no exception: the service has no privileges', () => {
	const findings = found({ user: 0 })
	expect(findings[0]?.verdict).toBe(own === 0 ? 'PASS' : 'FAIL')
})

test('each file that it may not read is named', () => {
	expect(found({}, {}, open)).toEqual(
		['relay.json', 'ca.pem', 'listen.key', 'origin.token'].map((name) => ({
			code: 'C3',
			verdict: 'FAIL',
			seen: expect.stringMatching(new RegExp(`^relay may not read \\S+${name}$`)),
			remedy: expect.stringMatching(new RegExp(`^chown relay \\S+${name}$`)),
		})),
	)
})

test('a group or everybody may be who reads', () => {
	const letRead = (folder: string) => {
		open(folder)
		chmodSync(join(folder, 'relay.json'), 0o644)
		chmodSync(join(folder, 'ca.pem'), 0o640)
	}
	const names = (groups: readonly number[]) =>
		found({ groups }, {}, letRead).map(({ seen }) => /([\w.]+)$/.exec(seen)?.[1])
	expect(names([stranger])).toEqual(['ca.pem', 'listen.key', 'origin.token'])
	expect(names([stranger, process.getgid?.() ?? 0])).toEqual(['listen.key', 'origin.token'])
})

test('a folder on the way that it may not enter is named, also behind a link', () => {
	const [finding] = found({})
	expect(finding).toEqual({
		code: 'C3',
		verdict: 'FAIL',
		seen: expect.stringMatching(/^relay may not enter \S+, where \S+relay\.json is$/),
		remedy: expect.stringMatching(/^chmod o\+x \//),
	})
	const token = lab().write('real.token', 'origin-secret')
	const link = join(dirname(token), 'link.token')
	symlinkSync(token, link)
	const linked = origin({ authorization: { type: 'bearer', tokenFile: link } })
	expect(found({ user: own }, linked)).toMatchObject([{ verdict: 'PASS' }])
})

describe('what systemd hands over', () => {
	const handedOver = (...names: readonly string[]) => {
		const folder = dirname(configured())
		return names.map((name) => `LoadCredential=x:${join(folder, name)}`).join('\n')
	}
	const letRead = (folder: string) => {
		open(folder)
		for (const name of ['relay.json', 'ca.pem']) chmodSync(join(folder, name), 0o644)
	}

	test('the user need not be able to read', () => {
		expect(found({ more: handedOver('listen.key', 'origin.token') }, {}, letRead)).toEqual([
			{
				code: 'C3',
				verdict: 'PASS',
				seen: 'relay, whom the service runs as, may read 2 files, and systemd hands over 2 files',
			},
		])
	})

	test('lacks a secret that was named after the installation', () => {
		expect(found({ more: handedOver('listen.key') }, {}, letRead)).toEqual([
			{
				code: 'C3',
				verdict: 'FAIL',
				seen: expect.stringMatching(/^relay may not read \S+origin\.token$/),
				remedy: expect.stringMatching(/^rollcall-relay service install --config \S+relay\.json --user relay$/),
			},
		])
	})

	test('is nothing before systemd 247', () => {
		const more = handedOver('listen.key', 'origin.token')
		expect(found({ more, release: 246 }, {}, letRead).map(({ remedy }) => remedy)).toEqual([
			expect.stringMatching(/^chown relay \S+listen\.key$/),
			expect.stringMatching(/^chown relay \S+origin\.token$/),
		])
	})
})

test.each([
	['PrivateTmp=yes', '/tmp/'],
	['PrivateTmp=no\nProtectHome=yes', '/home/'],
])('what %s hides the service does not see', (more, hidden) => {
	const tokenFile = `${hidden}relay/origin.token`
	expect(found({ user: own, more }, origin({ authorization: { type: 'bearer', tokenFile } }))).toContainEqual({
		code: 'C3',
		verdict: 'FAIL',
		seen: `the service does not see ${tokenFile}: its unit hides ${hidden}`,
		remedy: 'Move it, to /etc/rollcall-relay for example.',
	})
})

test('a file that is missing is left to others', () => {
	const findings = found({ user: own }, origin({ authorization: { type: 'bearer', tokenFile: 'absent.token' } }))
	expect(findings).toEqual([
		{ code: 'C3', verdict: 'SKIP', seen: expect.stringMatching(/absent\.token cannot be looked at: ENOENT/) },
	])
})

test('a service of other settings, and one of a user who is gone', () => {
	expect(found({ config: '/etc/other.json' })).toEqual([
		{
			code: 'C3',
			verdict: 'WARN',
			seen: expect.stringMatching(/^the service does not run with \S+relay\.json: .*\/etc\/other\.json/),
			remedy: expect.stringMatching(/^rollcall-relay service install --config \S+relay\.json --user relay$/),
		},
	])
	const file = configured()
	const { run, ...machine } = machineWith(file, {})
	const forgetful = (program: string, args: readonly string[]) => {
		if (program === 'id') throw new Error('id: relay: no such user')
		return run(program, args)
	}
	expect(access({ config: readConfig(file), file }, { ...machine, run: forgetful })).toMatchObject([
		{
			verdict: 'FAIL',
			seen: 'the service runs as relay, whom this machine does not know',
			remedy: 'useradd --system relay',
		},
	])
})

test('without a service, and on Windows, nothing is said', () => {
	const file = configured()
	const examined = { config: readConfig(file), file }
	const run = () => {
		throw new Error('No files found for rollcall-relay.service.')
	}
	expect(access(examined, { platform: 'linux', folder: '', run })).toMatchObject([{ verdict: 'SKIP' }])
	expect(access(examined, { platform: 'win32', folder: '', run })).toMatchObject([
		{ verdict: 'SKIP', seen: expect.stringContaining('icacls') },
	])
})
