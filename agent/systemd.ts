import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, UsageError } from '../shared/cli/usage-error.ts'
import { attempt, saidIn } from './attempt.ts'
import { credentialName } from './secret-file.ts'
import type { Machine, Service, ServiceManager } from './service-manager.ts'

const name = 'rollcall-relay'
const why = `journalctl --unit ${name} --lines 20`
const known = 'LoadState,ActiveState,SubState,NRestarts,ActiveEnterTimestamp'

/** A unit of systemd. */
export const systemd: ServiceManager = {
	definition: unit,
	install: (service, machine) => {
		const text = unit(service)
		requireRoot(machine)
		status(machine)
		requireUser(service.user, machine)
		const isKnown = existsSync(fileOf(machine))
		attempt('the unit cannot be written', 'Is that where the units of this machine are?', () =>
			writeFileSync(fileOf(machine), text, { mode: 0o644 }),
		)
		attempt('the service does not start', why, () => {
			machine.run('systemctl', ['daemon-reload'])
			machine.run('systemctl', ['enable', name])
			// Unlike `enable --now`, this starts what runs anew: it may be another agent, or another unit.
			machine.run('systemctl', ['restart', name])
		})
		return isKnown ? 'updated' : 'installed'
	},
	uninstall: (machine) => {
		requireRoot(machine)
		const hasFailed = /^ActiveState=failed$/m.test(status(machine))
		if (!existsSync(fileOf(machine)))
			throw new UsageError('the service is not installed', { hint: 'rollcall-relay service install' })
		attempt('the service cannot be taken away', why, () => {
			machine.run('systemctl', ['disable', '--now', name])
			// It would be remembered as one that failed. One that did not may be forgotten already, which systemd calls an error.
			if (hasFailed) machine.run('systemctl', ['reset-failed', name])
			rmSync(fileOf(machine))
			machine.run('systemctl', ['daemon-reload'])
		})
	},
	status,
	isRunning: (text) => /^ActiveState=(active|reloading)$/m.test(text),
}

/** Its properties, one in each line. Throws a UsageError where systemd does not run. */
function status({ run }: Machine): string {
	try {
		return run('systemctl', ['show', name, `--property=${known}`])
	} catch (error) {
		const isAbsent = codeOf(error) === 'ENOENT' || /not been booted with systemd|connect to bus/i.test(saidIn(error))
		if (!isAbsent) throw error
		throw new UsageError('systemd does not run here', {
			hint: 'Let what starts programs here start "rollcall-relay run --config FILE", and end it by SIGTERM.',
			cause: error,
		})
	}
}

const fileOf = ({ folder }: Machine): string => join(folder, `${name}.service`)

function requireRoot({ run }: Machine): void {
	if (run('id', ['-u']).trim() !== '0')
		throw new UsageError('only root can do this', { hint: 'The same with sudo; --dry-run shows what would be done.' })
}

function requireUser(user = '', { run }: Machine): void {
	attempt(`there is no user ${user}`, `useradd --system --no-create-home ${user}`, () => run('id', ['-u', user]))
}

/** systemd takes a percent sign for a specifier. */
const unspecified = (text: string): string => text.replaceAll('%', '%%')

/** In a command line it takes a backslash, quotes and a dollar sign for its own as well. */
const quoted = (text: string): string =>
	`"${unspecified(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`

const isAtHome = (file: string): boolean => /^\/(home|root|run\/user)\//.test(file)

function unit({ node, program, config, files, user }: Service): string {
	if (user === undefined || !/^[a-z_][a-z0-9_-]*$/i.test(user))
		throw new UsageError('no user to run as', { hint: 'Name one that may read the configuration: --user NAME' })
	for (const file of [node, program, config, ...files.secret]) {
		if (/[\n\r]/.test(file))
			throw new UsageError(`a unit cannot name ${JSON.stringify(file)}`, { hint: 'Give it another name.' })
	}
	const needed = [node, program, config, ...files.open]
	// Exit code 2 is a wrong configuration, which no restart mends. Stopping takes the agent up to half a minute.
	// MemoryDenyWriteExecute is left out, since V8 compiles to memory. A call of the system that is not among those of a
	// service fails as one that is forbidden, and ends nothing: Node tries some that it can do without.
	return `[Unit]
Description=Rollcall on-premises relay
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User=${user}
${files.secret.map((file) => `LoadCredential=${unspecified(credentialName(file))}:${unspecified(file)}\n`).join('')}\
ExecStart=${[node, program, 'run', '--config', config].map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=5s
RestartPreventExitStatus=2
TimeoutStopSec=40s
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=${needed.some(isAtHome) ? 'read-only' : 'yes'}
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
