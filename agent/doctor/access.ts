import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { shellWord } from '../../shared/cli/shell-word.ts'
import { codeOf } from '../../shared/cli/usage-error.ts'
import { filesOf } from '../secret-file.ts'
import { serviceWith } from '../service.ts'
import type { Machine } from '../service-manager.ts'
import { nameArgument } from '../service-name.ts'
import { counted, type DoctorFinding, fail, pass, plainly, skip, warn } from './check.ts'
import type { LoadedConfig } from './remedy.ts'

/** The settings of a systemd unit that decide which files the service can read. */
type SystemdUnit = {
	readonly id: string
	readonly user: string
	readonly command: string
	/** Files that systemd reads as root and hands over. */
	readonly credentialFiles: ReadonlySet<string>
	/** Folders that the unit hides from the service. */
	readonly hidden: readonly string[]
}

/** Checks whether the user of the service can read its files. The doctor may run as another user. */
export function access(loaded: LoadedConfig, machine: Machine): readonly DoctorFinding[] {
	if (machine.platform !== 'linux') return [skip('C3', 'Windows access lists are not checked: see icacls FILE')]
	const id = serviceWith(loaded.file, machine)
	const unit = installedUnit(id, machine)
	if (unit === undefined) return [skip('C3', 'no service is installed; C2 checks access for the current user')]
	const file = resolve(loaded.file)
	if (!unit.command.includes(file))
		return [warn('C3', `the service does not use ${file}: ${unit.command}`, reinstallCommand(file, unit))]
	const account = identityOf(unit.user, machine)
	if (account === 'unknown') return [skip('C3', `cannot ask the machine for the user ${unit.user}`)]
	if (account === undefined)
		return [fail('C3', `the service runs as ${unit.user}, a user that does not exist`, `useradd --system ${unit.user}`)]
	const { secret, open } = filesOf(loaded.config)
	// The unit lists the secrets of the time of installation. A secret that the settings name since then is not in it.
	const hasCredentials = unit.credentialFiles.size > 0
	const remedyFor = (path: string) =>
		hasCredentials && secret.includes(path) ? reinstallCommand(file, unit) : `chown ${unit.user} ${shellWord(path)}`
	const needed = [file, ...open, ...secret].filter((path) => !unit.credentialFiles.has(path))
	const problems = needed.flatMap((path) => accessProblem(path, remedyFor(path), unit, account))
	if (problems.length > 0) return problems
	const note = unit.credentialFiles.size === 0 ? '' : `; systemd provides ${counted(unit.credentialFiles.size, 'file')}`
	return [pass('C3', `${unit.user}, the user of the service, can read ${counted(needed.length, 'file')}${note}`)]
}

const reinstallCommand = (file: string, { id, user }: SystemdUnit) =>
	`rollcall-relay service install${nameArgument(id)} --config ${shellWord(file)} --user ${user}`

function installedUnit(id: string, { run }: Machine): SystemdUnit | undefined {
	const text = textOf(() => run('systemctl', ['cat', id]))
	if (text === undefined || !/^\[Service\]$/m.test(text)) return undefined
	const values = (name: string) =>
		[...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value.replaceAll('%%', '%').trim())
	const isSet = (name: string, states: RegExp) => states.test(values(name).at(-1) ?? '')
	return {
		id,
		user: values('User').at(-1) || 'root',
		command: (values('ExecStart').at(-1) ?? '').replaceAll('$$', '$'),
		credentialFiles: new Set(
			supportsCredentials(run) ? values('LoadCredential').map((value) => value.replace(/^[^:]*:/, '')) : [],
		),
		hidden: [
			...(isSet('PrivateTmp', /^(yes|true|on|1)$/) ? ['/tmp/', '/var/tmp/'] : []),
			...(isSet('ProtectHome', /^(yes|true|on|1|tmpfs)$/) ? ['/home/', '/root/', '/run/user/'] : []),
		],
	}
}

/** systemd supports LoadCredential from 247 on. Earlier versions ignore the line. */
function supportsCredentials(run: Machine['run']): boolean {
	const [, release = '247'] = /^systemd (\d+)/.exec(textOf(() => run('systemctl', ['--version'])) ?? '') ?? []
	return Number(release) >= 247
}

/** The output of a system program, or undefined if it fails. */
function textOf(query: () => string): string | undefined {
	try {
		return query()
	} catch (error) {
		if (error instanceof Error) return undefined
		throw error
	}
}

type Identity = { readonly user: number; readonly groups: readonly number[] }

/** Undefined if the machine has no such user, and 'unknown' if the machine has no program that says so. */
function identityOf(name: string, { run }: Machine): Identity | 'unknown' | undefined {
	const numbers = (option: string) => (run('id', [option, name]).match(/\d+/g) ?? []).map(Number)
	try {
		const [user] = numbers('-u')
		return user === undefined ? 'unknown' : { user, groups: numbers('-G') }
	} catch (error) {
		if (!(error instanceof Error)) throw error
		return codeOf(error) === 'ENOENT' ? 'unknown' : undefined
	}
}

const search = 1
const read = 4

/** Checks owner, group and mode. root is checked, too, because the service has no privileges. Access lists are ignored. */
function accessProblem(
	file: string,
	remedy: string,
	{ user, hidden }: SystemdUnit,
	account: Identity,
): readonly DoctorFinding[] {
	const hiddenFolder = hidden.find((folder) => file.startsWith(folder))
	if (hiddenFolder !== undefined)
		return [
			fail(
				'C3',
				`the service cannot see ${file}: its unit hides ${hiddenFolder}`,
				'Move the file, for example to /etc/rollcall-relay.',
			),
		]
	try {
		const real = realpathSync(file)
		const closedFolder = [...foldersOf(file), ...foldersOf(real)].find(
			(folder) => !isAllowed(statSync(folder), account, search),
		)
		if (closedFolder !== undefined)
			return [
				fail(
					'C3',
					`${user} cannot enter ${closedFolder}, a folder above ${file}`,
					`chmod o+x ${shellWord(closedFolder)}`,
				),
			]
		return isAllowed(statSync(real), account, read) ? [] : [fail('C3', `${user} cannot read ${file}`, remedy)]
	} catch (error) {
		// C2 reports missing files.
		return [skip('C3', `cannot check ${file}: ${plainly(error)}`)]
	}
}

function foldersOf(file: string): readonly string[] {
	const folder = dirname(file)
	return folder === dirname(folder) ? [folder] : [...foldersOf(folder), folder]
}

function isAllowed({ uid, gid, mode }: Stats, { user, groups }: Identity, permission: number): boolean {
	const shift = uid === user ? 6 : groups.includes(gid) ? 3 : 0
	return ((mode >> shift) & permission) !== 0
}
