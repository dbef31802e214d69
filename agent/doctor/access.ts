import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { filesOf } from '../secret-file.ts'
import type { Machine } from '../service-manager.ts'
import { counted, type DoctorFinding, fail, pass, plainly, skip, warn } from './check.ts'
import type { LoadedConfig } from './remedy.ts'

/** A unit of systemd, as far as it decides what the service sees. */
type Unit = {
	readonly user: string
	readonly command: string
	/** FileChecks that systemd reads as root and hands over. */
	readonly handedOver: ReadonlySet<string>
	readonly hidden: readonly string[]
}

/** May the user that the service runs as read what it needs? Whoever runs the doctor may be another one. */
export function access(loaded: LoadedConfig, machine: Machine): readonly DoctorFinding[] {
	if (machine.platform !== 'linux')
		return [skip('C3', 'who may read a file here is in its access list, which is not looked at: icacls FILE')]
	const unit = installedUnit(machine)
	if (unit === undefined) return [skip('C3', 'no service is installed: C2 is about whoever runs this')]
	const file = resolve(loaded.file)
	if (!unit.command.includes(file))
		return [warn('C3', `the service does not run with ${file}: ${unit.command}`, installing(file, unit))]
	const identity = identityOf(unit.user, machine)
	if (identity === undefined)
		return [
			fail('C3', `the service runs as ${unit.user}, whom this machine does not know`, `useradd --system ${unit.user}`),
		]
	const { secret, open } = filesOf(loaded.config)
	// Systemd hands over what it did at its installation: a secret that was named since then is not among it.
	const isOlder = unit.handedOver.size > 0
	const remedyFor = (each: string) =>
		isOlder && secret.includes(each) ? installing(file, unit) : `chown ${unit.user} ${each}`
	const needed = [file, ...open, ...secret].filter((each) => !unit.handedOver.has(each))
	const barred = needed.flatMap((each) => barrier(each, remedyFor(each), unit, identity))
	if (barred.length > 0) return barred
	const given = unit.handedOver.size === 0 ? '' : `, and systemd hands over ${counted(unit.handedOver.size, 'file')}`
	return [pass('C3', `${unit.user}, whom the service runs as, may read ${counted(needed.length, 'file')}${given}`)]
}

const installing = (file: string, { user }: Unit) => `rollcall-relay service install --config ${file} --user ${user}`

function installedUnit({ run }: Machine): Unit | undefined {
	const text = textOf(() => run('systemctl', ['cat', 'rollcall-relay']))
	if (text === undefined || !/^\[Service\]$/m.test(text)) return undefined
	const values = (name: string) =>
		[...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value.replaceAll('%%', '%').trim())
	const isSet = (name: string, states: RegExp) => states.test(values(name).at(-1) ?? '')
	return {
		user: values('User').at(-1) || 'root',
		command: (values('ExecStart').at(-1) ?? '').replaceAll('$$', '$'),
		handedOver: new Set(canHandOver(run) ? values('LoadCredential').map((value) => value.replace(/^[^:]*:/, '')) : []),
		hidden: [
			...(isSet('PrivateTmp', /^(yes|true|on|1)$/) ? ['/tmp/', '/var/tmp/'] : []),
			...(isSet('ProtectHome', /^(yes|true|on|1|tmpfs)$/) ? ['/home/', '/root/', '/run/user/'] : []),
		],
	}
}

/** Systemd does so from 247 on; before, it takes no notice of the line. */
function canHandOver(run: Machine['run']): boolean {
	const [, release = '247'] = /^systemd (\d+)/.exec(textOf(() => run('systemctl', ['--version'])) ?? '') ?? []
	return Number(release) >= 247
}

/** What a program of the system says, where it says something. */
function textOf(ask: () => string): string | undefined {
	try {
		return ask()
	} catch (error) {
		if (error instanceof Error) return undefined
		throw error
	}
}

type Identity = { readonly user: number; readonly groups: readonly number[] }

function identityOf(name: string, { run }: Machine): Identity | undefined {
	const numbers = (option: string) =>
		textOf(() => run('id', [option, name]))
			?.trim()
			.split(/\s+/)
			.map(Number)
	const [user] = numbers('-u') ?? []
	return user === undefined ? undefined : { user, groups: numbers('-G') ?? [] }
}

const enter = 1
const read = 4

/** By owner, group and mode, root like any other, since the service has no privileges. Access lists are not looked at. */
function barrier(file: string, remedy: string, { user, hidden }: Unit, identity: Identity): readonly DoctorFinding[] {
	const cover = hidden.find((folder) => file.startsWith(folder))
	if (cover !== undefined)
		return [
			fail(
				'C3',
				`the service does not see ${file}: its unit hides ${cover}`,
				'Move it, to /etc/rollcall-relay for example.',
			),
		]
	try {
		const real = realpathSync(file)
		const closed = [...foldersOf(file), ...foldersOf(real)].find((folder) => !may(statSync(folder), identity, enter))
		if (closed !== undefined)
			return [fail('C3', `${user} may not enter ${closed}, where ${file} is`, `chmod o+x ${closed}`)]
		return may(statSync(real), identity, read) ? [] : [fail('C3', `${user} may not read ${file}`, remedy)]
	} catch (error) {
		// That it is missing is for C2 to say.
		return [skip('C3', `${file} cannot be looked at: ${plainly(error)}`)]
	}
}

function foldersOf(file: string): readonly string[] {
	const folder = dirname(file)
	return folder === dirname(folder) ? [folder] : [...foldersOf(folder), folder]
}

function may({ uid, gid, mode }: Stats, { user, groups }: Identity, what: number): boolean {
	const shift = uid === user ? 6 : groups.includes(gid) ? 3 : 0
	return ((mode >> shift) & what) !== 0
}
