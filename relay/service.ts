import { execFileSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'

/** The machine as `service` needs it. */
export type Machine = {
	readonly platform: string
	/** Folder for the definition: systemd's units, or a temporary one for schtasks. */
	readonly folder: string
	/** Runs a program of the system and returns what it prints; throws when it fails. */
	run(program: string, args: readonly string[]): string
}

export type Service = {
	/** The Node that runs it, and the file of the agent. */
	readonly node: string
	readonly program: string
	readonly config: string
	readonly user: string | undefined
}

const name = 'rollcall-relay'

export const thisMachine: Machine = {
	platform: process.platform,
	folder: process.platform === 'win32' ? (process.env.TEMP ?? '.') : '/etc/systemd/system',
	// What it says on stderr is in the error that is thrown.
	run: (program, args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
}

/** The definition that `install` writes. Throws a UsageError where no service can be made. */
export function definition(service: Service, { platform }: Machine): string {
	if (platform === 'linux') return unit(service)
	if (platform === 'win32') return task(service)
	throw new UsageError(`there is no service for ${platform}`, {
		hint: 'Start "rollcall-relay run" by what starts programs there.',
	})
}

/** Installs and starts the service, and has it started with the machine. */
export function install(service: Service, machine: Machine): void {
	const text = definition(service, machine)
	const file = fileOf(machine)
	if (machine.platform === 'linux') {
		writeFileSync(file, text)
		machine.run('systemctl', ['daemon-reload'])
		machine.run('systemctl', ['enable', '--now', name])
		return
	}
	// schtasks reads UTF-16 alone.
	writeFileSync(file, `\ufeff${text}`, 'utf16le')
	machine.run('schtasks', ['/Create', '/TN', name, '/XML', file, '/F'])
	machine.run('schtasks', ['/Run', '/TN', name])
	rmSync(file)
}

export function uninstall(machine: Machine): void {
	if (machine.platform !== 'linux') {
		machine.run('schtasks', ['/Delete', '/TN', name, '/F'])
		return
	}
	if (!existsSync(fileOf(machine)))
		throw new UsageError('the service is not installed', { hint: 'rollcall-relay service install' })
	machine.run('systemctl', ['disable', '--now', name])
	rmSync(fileOf(machine))
	machine.run('systemctl', ['daemon-reload'])
}

/** What the system knows of the service. */
export const status = (machine: Machine): string =>
	machine.platform === 'linux'
		? machine.run('systemctl', [
				'show',
				name,
				'--property=LoadState,ActiveState,SubState,NRestarts,ActiveEnterTimestamp',
			])
		: machine.run('schtasks', ['/Query', '/TN', name, '/V', '/FO', 'LIST'])

const fileOf = ({ platform, folder }: Machine): string =>
	join(folder, platform === 'linux' ? `${name}.service` : `${name}.xml`)

/** systemd takes a percent sign for a specifier, and a backslash and quotes for its own. */
const quoted = (text: string): string =>
	`"${text.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`

function unit({ node, program, config, user }: Service): string {
	if (user === undefined || !/^[a-z_][a-z0-9_-]*$/i.test(user))
		throw new UsageError('no user to run as', { hint: 'Name one that owns the configuration: --user NAME' })
	// MemoryDenyWriteExecute is left out: V8 compiles to memory. Exit code 2 is a wrong configuration, which no restart mends.
	return `[Unit]
Description=Rollcall on-premises relay
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User=${user}
ExecStart=${[node, program, 'run', '--config', resolve(config)].map(quoted).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=5s
RestartPreventExitStatus=2
TimeoutStopSec=40s
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectControlGroups=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes

[Install]
WantedBy=multi-user.target
`
}

const entity: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const xml = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => entity[character] ?? '')

/** A task at start-up, because Node is no service program. Ending a task kills it: what is under way is then not finished. */
function task({ node, program, config, user = 'S-1-5-19' }: Service): string {
	return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Rollcall on-premises relay</Description></RegistrationInfo>
  <Triggers><BootTrigger><Enabled>true</Enabled></BootTrigger></Triggers>
  <Principals><Principal id="Author"><UserId>${xml(user)}</UserId><RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author"><Exec><Command>${xml(node)}</Command><Arguments>${xml(`"${program}" run --config "${config}"`)}</Arguments></Exec></Actions>
</Task>
`
}
