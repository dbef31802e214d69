import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'
import { attempt, outputOf } from './attempt.ts'
import { commandOf } from './program.ts'
import { credentialName } from './secret-file.ts'
import { definitionsIn } from './service-definitions.ts'
import type { InstalledService, Machine, Service, ServiceManager } from './service-manager.ts'
import { defaultService, nameArgument, titleOf } from './service-name.ts'

const logCommand = (id: string): string => `journalctl --unit ${id} --lines 20`
const properties = 'LoadState,ActiveState,SubState,NRestarts,ActiveEnterTimestamp'

/** A unit of systemd. */
export const systemd: ServiceManager = {
	definition: (service, machine) => unit(withOwnSecrets(service, machine)),
	install: (service, machine) => {
		const text = unit(withOwnSecrets(service, machine))
		const { id } = service
		const file = fileOf(machine, id)
		requireRoot(machine)
		status(machine, id)
		requireUser(service.user, machine)
		const isUpdate = existsSync(file)
		attempt('cannot write the unit', 'Check that this is the folder for units.', () =>
			writeFileSync(file, text, { mode: 0o644 }),
		)
		attempt('cannot start the service', logCommand(id), () => {
			machine.run('systemctl', ['daemon-reload'])
			machine.run('systemctl', ['enable', id])
			// Unlike `enable --now`, this also restarts a running service, whose agent or unit may have changed.
			machine.run('systemctl', ['restart', id])
		})
		return isUpdate ? 'updated' : 'installed'
	},
	uninstall: (machine, id = defaultService) => {
		requireRoot(machine)
		const hasFailed = /^ActiveState=failed$/m.test(status(machine, id))
		requireInstalled(machine, id)
		attempt('cannot uninstall the service', logCommand(id), () => {
			machine.run('systemctl', ['disable', '--now', id])
			// systemd remembers a failed unit. For a unit that it has already forgotten, reset-failed is an error.
			if (hasFailed) machine.run('systemctl', ['reset-failed', id])
			rmSync(fileOf(machine, id))
			machine.run('systemctl', ['daemon-reload'])
		})
	},
	restart: (machine, id = defaultService) => {
		requireRoot(machine)
		status(machine, id)
		requireInstalled(machine, id)
		attempt('cannot restart the service', logCommand(id), () => machine.run('systemctl', ['restart', id]))
	},
	status,
	isRunning: (text) => /^ActiveState=(active|reloading)$/m.test(text),
	installed: ({ folder }) => definitionsIn(folder, '.service').flatMap(serviceIn),
}

function requireInstalled(machine: Machine, id: string): void {
	if (existsSync(fileOf(machine, id))) return
	throw new UsageError(`the service${id === defaultService ? '' : ` ${id}`} is not installed`, {
		hint: `rollcall-relay service install${nameArgument(id)}`,
	})
}

/** The settings file is the last argument of the command line that `unit` writes. */
function serviceIn({ id, text }: { readonly id: string; readonly text: string }): readonly InstalledService[] {
	const [, argument] = /^ExecStart=.* "--config" "((?:[^"\\]|\\.)*)"$/m.exec(text) ?? []
	return argument === undefined ? [] : [{ id, config: unquoted(argument) }]
}

/** The properties of the unit, one a line. Throws a UsageError if systemd is not running. */
function status({ run }: Machine, id = defaultService): string {
	try {
		return run('systemctl', ['show', id, `--property=${properties}`])
	} catch (error) {
		const isAbsent = codeOf(error) === 'ENOENT' || /not been booted with systemd|connect to bus/i.test(outputOf(error))
		if (!isAbsent) throw error
		throw new UsageError('systemd is not running on this machine', {
			hint: 'Use the service manager of this machine: start "rollcall-relay run --config FILE", stop it with SIGTERM.',
			cause: error,
		})
	}
}

const fileOf = ({ folder }: Machine, id: string): string => join(folder, `${id}.service`)

function requireRoot({ run }: Machine): void {
	if (run('id', ['-u']).trim() !== '0')
		throw new UsageError('this command needs root', { hint: 'Repeat it with sudo. --dry-run shows the unit.' })
}

function requireUser(user = '', { run }: Machine): void {
	attempt(`the user ${user} does not exist`, `useradd --system --no-create-home ${user}`, () => run('id', ['-u', user]))
}

/**
 * The user of the service reads its own secrets in place, so that a change reaches the running agent. systemd copies the
 * others at the start of the service.
 */
function withOwnSecrets(service: Service, machine: Machine): Service {
	const owner = userIdOf(service.user, machine)
	const isOwn = (file: string) => owner !== undefined && statSync(file, { throwIfNoEntry: false })?.uid === owner
	const { secret, open } = service.files
	return {
		...service,
		files: { secret: secret.filter((file) => !isOwn(file)), open: [...open, ...secret.filter(isOwn)] },
	}
}

const isUser = (user: string | undefined): user is string => user !== undefined && /^[a-z_][a-z0-9_-]*$/i.test(user)

/** Undefined for root, which has no rights of its own in the unit, and for a user that does not exist. */
function userIdOf(user: string | undefined, { run }: Machine): number | undefined {
	try {
		return isUser(user) ? Number(run('id', ['-u', user])) || undefined : undefined
	} catch (error) {
		if (error instanceof Error) return undefined
		throw error
	}
}

/** Escapes percent signs, which systemd reads as specifiers. */
const unspecified = (text: string): string => text.replaceAll('%', '%%')

/** Quotes an argument of a command line, in which backslash, quotes and dollar sign are special, too. */
const quoted = (text: string): string =>
	`"${unspecified(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`

const unquoted = (argument: string): string =>
	argument.replaceAll('$$', '$').replaceAll(/\\(.)/g, '$1').replaceAll('%%', '%')

/** Quotes a folder. After the minus, the service also starts if the folder is missing. */
const writable = (folder: string): string => `"-${unspecified(folder).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

const isAtHome = (file: string): boolean => /^\/(home|root|run\/user)\//.test(file)

function unit({ id, node, program, config, files, auditFolders: folders, user }: Service): string {
	if (!isUser(user))
		throw new UsageError('--user is missing', { hint: 'Name a user that can read the configuration: --user NAME' })
	const command = commandOf({ node, program })
	for (const file of [...command, config, ...files.secret, ...folders]) {
		if (/[\n\r]/.test(file))
			throw new UsageError(`a unit cannot contain this path: ${JSON.stringify(file)}`, {
				hint: 'Use a path without line breaks.',
			})
	}
	const visibleFiles = [...command, config, ...files.open, ...folders.map((folder) => `${folder}/`)]
	// Exit code 2 means wrong settings, which a restart does not repair. The agent takes up to half a minute to stop.
	// MemoryDenyWriteExecute is left out because V8 compiles to memory. A forbidden system call returns EPERM instead of
	// killing the process, because Node tries some calls that it does not need.
	return `[Unit]
Description=Rollcall on-premises relay${titleOf(id)}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User=${user}
${files.secret.map((file) => `LoadCredential=${unspecified(credentialName(file))}:${unspecified(file)}\n`).join('')}\
ExecStart=${[...command, 'run', '--config', config].map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=5s
RestartPreventExitStatus=2
TimeoutStopSec=40s
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
${folders.map((folder) => `ReadWritePaths=${writable(folder)}\n`).join('')}\
ProtectHome=${visibleFiles.some(isAtHome) ? 'read-only' : 'yes'}
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateTmp=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
}
