import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve, win32 } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { attempt } from './attempt.ts'
import { isWithin } from './config.ts'
import { commandOf, hasOwnNode } from './program.ts'
import type { Machine, Service, ServiceManager } from './service-manager.ts'

const name = 'rollcall-relay'
/** Windows creates this account with the service. It has no rights and no password. */
const account = `NT SERVICE\\${name}`
const system = '*S-1-5-18'
const administrators = '*S-1-5-32-544'
const download = 'https://github.com/winsw/winsw/releases/tag/v2.12.0'

/**
 * A Windows service by WinSW 2, because Node cannot speak to the service control manager.
 * https://github.com/winsw/winsw/blob/v2/doc/xmlConfigFile.md
 */
export const winsw: ServiceManager = {
	definition: (service, machine) => {
		refuseOwnFolder(service, machine)
		return `${settings(service)}\n${permissions(service, machine).map(commandLine).join('\n')}\n`
	},
	install: (service, machine) => {
		const text = settings(service)
		refuseOwnFolder(service, machine)
		const { exe, xml, logs } = pathsIn(machine)
		requireAdministrator(machine)
		requireWinsw(service.winsw, exe)
		const isUpdate = existsSync(xml) && existsSync(exe) && state(machine) !== 'NonExistent'
		if (isUpdate) remove(machine)
		attempt('cannot copy WinSW', 'Close programs that use rollcall-relay.exe.', () => {
			mkdirSync(logs, { recursive: true })
			if (service.winsw !== undefined && resolve(service.winsw) !== resolve(exe)) copyFileSync(service.winsw, exe)
			writeFileSync(xml, text)
			if (service.auditFolder !== undefined) mkdirSync(service.auditFolder, { recursive: true })
		})
		attempt('cannot install the service', 'Close the Services window, and see rollcall-relay.wrapper.log.', () =>
			machine.run(exe, ['install']),
		)
		requireAccount(machine)
		// Windows created the account with the service, so access can be granted only now.
		for (const command of permissions(service, machine))
			attempt(`cannot give ${account} access`, commandLine(command), () => machine.run('icacls', command))
		attempt('cannot start the service', `See ${join(logs, `${name}.err.log`)}.`, () => machine.run(exe, ['start']))
		return isUpdate ? 'updated' : 'installed'
	},
	uninstall: (machine) => {
		const { exe, xml } = pathsIn(machine)
		requireAdministrator(machine)
		if (!existsSync(exe) || !existsSync(xml) || state(machine) === 'NonExistent')
			throw new UsageError('the service is not installed', { hint: 'rollcall-relay service install' })
		remove(machine)
		rmSync(xml)
	},
	status: (machine) => {
		const { exe, xml } = pathsIn(machine)
		return `${existsSync(exe) && existsSync(xml) ? state(machine) : 'NonExistent'}\n`
	},
	isRunning: (status) => status.trim() === 'Started',
}

const pathsIn = ({ folder }: Machine) => ({
	exe: join(folder, `${name}.exe`),
	xml: join(folder, `${name}.xml`),
	logs: join(folder, 'logs'),
})

/** WinSW prints the state on its own line. Log lines may precede it. */
function state(machine: Machine): string {
	const output = attempt('cannot read the state of the service', 'See rollcall-relay.wrapper.log.', () =>
		machine.run(pathsIn(machine).exe, ['status']),
	)
	return /^(NonExistent|Started|Stopped)\s*$/m.exec(output)?.[1] ?? output.trim()
}

/** Stops and removes the service. The agent first finishes the requests in progress. */
function remove(machine: Machine): void {
	const { exe } = pathsIn(machine)
	attempt('cannot uninstall the service', 'See rollcall-relay.wrapper.log.', () => {
		machine.run(exe, ['stopwait'])
		machine.run(exe, ['uninstall'])
	})
}

/** The SIDs of the integrity levels high and system are the same in every language of Windows. */
function requireAdministrator({ run }: Machine): void {
	if (!/\bS-1-16-(12288|16384)\b/.test(run('whoami', ['/groups'])))
		throw new UsageError('this command needs an administrator', {
			hint: 'Repeat it in a PowerShell that was started with "Run as administrator".',
		})
}

function requireWinsw(file: string | undefined, exe: string): void {
	if (file === undefined && !existsSync(exe))
		throw new UsageError('a Windows service needs WinSW', {
			hint: `Download WinSW-x64.exe from ${download}, and pass it: --winsw FILE`,
		})
	if (file !== undefined && !existsSync(file))
		throw new UsageError(`${file} does not exist`, { hint: `Download WinSW-x64.exe from ${download}` })
}

/** The service may write to the folder of its audit log, and must not be able to replace its own program. */
function refuseOwnFolder({ auditFolder, node, program }: Service, { folder }: Machine): void {
	if (auditFolder === undefined || ![folder, dirname(program ?? node)].some((own) => isWithin(own, auditFolder))) return
	throw new UsageError('audit.file must be in a folder of its own, not beside the agent', {
		hint: 'Name a file in the folder logs of the agent, such as C:\\\\rollcall-relay\\\\logs\\\\audit.log.',
	})
}

/** WinSW 3 ignores the account in these settings and would run the agent as LocalSystem. */
function requireAccount(machine: Machine): void {
	if (machine.run('sc.exe', ['qc', name]).toLowerCase().includes(account.toLowerCase())) return
	machine.run(pathsIn(machine).exe, ['uninstall'])
	throw new UsageError(`the service would not run as ${account}, so it was uninstalled`, {
		hint: `Use WinSW 2.12.0: ${download}`,
	})
}

/** Arguments of icacls. The agent may read its own folder and its files, and write only logs. */
function permissions(service: Service, machine: Machine): readonly (readonly string[])[] {
	const { config, files, auditFolder } = service
	const may = (rights: string) => `${account}:${rights}`
	return [
		...(hasOwnNode(service) ? [[win32.dirname(service.node), '/grant', may('(OI)(CI)RX')]] : []),
		[machine.folder, '/grant', may('(OI)(CI)RX')],
		[pathsIn(machine).logs, '/grant', may('(OI)(CI)M')],
		...(auditFolder === undefined ? [] : [[auditFolder, '/grant', may('(OI)(CI)M')]]),
		...[config, ...files.open].map((file) => [file, '/grant', may('R')]),
		...files.secret.map((file) => {
			const grants = [`${system}:F`, `${administrators}:F`, may('R')]
			return [file, '/inheritance:r', '/grant:r', ...grants]
		}),
	]
}

const commandLine = (args: readonly string[]): string =>
	['icacls', ...args.map((arg) => (/[\s()*]/.test(arg) ? `"${arg}"` : arg))].join(' ')

const windowsQuoted = (path: string): string => `"${path}"`

const entity: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const xml = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => entity[character] ?? '')

/**
 * The settings file of WinSW. `stopparentprocessfirst`: WinSW sends Ctrl+C to Node before its child, the console, because
 * the signal needs the console. WinSW restarts after every failure, so wrong settings are tried again once a minute.
 */
function settings({ node, program, config, user }: Service): string {
	if (user !== undefined)
		throw new UsageError('--user is only for Linux', { hint: `On Windows the service runs as ${account}.` })
	const [executable = '', ...command] = commandOf({ node, program })
	const words = [...command.map(windowsQuoted), 'run', '--config', windowsQuoted(config)]
	for (const path of [executable, ...command, config]) {
		if (path.includes('%'))
			throw new UsageError(`WinSW reads text between percent signs as a variable: ${path}`, {
				hint: 'Use a path without percent signs.',
			})
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<service>
  <id>${name}</id>
  <name>Rollcall on-premises relay</name>
  <description>Connects a SCIM server of this network to Rollcall in Azure.</description>
  <executable>${xml(executable)}</executable>
  <arguments>${xml(words.join(' '))}</arguments>
  <workingdirectory>%BASE%</workingdirectory>
  <serviceaccount>
    <domain>NT SERVICE</domain>
    <user>${name}</user>
  </serviceaccount>
  <startmode>Automatic</startmode>
  <stoptimeout>40 sec</stoptimeout>
  <stopparentprocessfirst>true</stopparentprocessfirst>
  <onfailure action="restart" delay="5 sec"/>
  <onfailure action="restart" delay="5 sec"/>
  <onfailure action="restart" delay="1 min"/>
  <resetfailure>1 hour</resetfailure>
  <logpath>%BASE%\\logs</logpath>
  <log mode="roll-by-size">
    <sizeThreshold>10240</sizeThreshold>
    <keepFiles>8</keepFiles>
  </log>
</service>
`
}
