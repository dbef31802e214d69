import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve, win32 } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { attempt } from './attempt.ts'
import { isWithin } from './config.ts'
import { commandOf, hasOwnNode } from './program.ts'
import { definitionsIn, type ServiceDefinition } from './service-definitions.ts'
import type { InstalledService, Machine, Service, ServiceManager } from './service-manager.ts'
import { defaultService, logFolder, nameArgument, titleOf } from './service-name.ts'

/** Windows creates this account with the service. It has no rights and no password. */
const accountOf = (id: string): string => `NT SERVICE\\${id}`
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
		const { id } = service
		const { exe, xml, logs } = pathsIn(machine, id)
		requireAdministrator(machine)
		requireWinsw(service.winsw, exe)
		const isUpdate = existsSync(xml) && existsSync(exe) && state(machine, id) !== 'NonExistent'
		if (isUpdate) remove(machine, id)
		attempt('cannot copy WinSW', `Close programs that use ${id}.exe.`, () => {
			mkdirSync(logs, { recursive: true })
			if (service.winsw !== undefined && resolve(service.winsw) !== resolve(exe)) copyFileSync(service.winsw, exe)
			writeFileSync(xml, text)
			for (const folder of service.auditFolders) mkdirSync(folder, { recursive: true })
		})
		attempt('cannot install the service', `Close the Services window, and see ${id}.wrapper.log.`, () =>
			machine.run(exe, ['install']),
		)
		requireAccount(machine, id)
		// Windows created the account with the service, so access can be granted only now.
		for (const command of permissions(service, machine))
			attempt(`cannot give ${accountOf(id)} access`, commandLine(command), () => machine.run('icacls', command))
		attempt('cannot start the service', logHint(machine, id), () => machine.run(exe, ['start']))
		return isUpdate ? 'updated' : 'installed'
	},
	uninstall: (machine, id = defaultService) => {
		requireAdministrator(machine)
		requireInstalled(machine, id)
		remove(machine, id)
		rmSync(pathsIn(machine, id).xml)
	},
	restart: (machine, id = defaultService) => {
		const { exe } = pathsIn(machine, id)
		requireAdministrator(machine)
		requireInstalled(machine, id)
		attempt('cannot restart the service', logHint(machine, id), () => {
			machine.run(exe, ['stopwait'])
			machine.run(exe, ['start'])
		})
	},
	status: (machine, id = defaultService) => `${isInstalled(machine, id) ? state(machine, id) : 'NonExistent'}\n`,
	isRunning: (status) => status.trim() === 'Started',
	installed: ({ folder }) => definitionsIn(folder, '.xml').flatMap(serviceIn),
}

const pathsIn = ({ folder }: Pick<Machine, 'folder'>, id: string) => ({
	exe: join(folder, `${id}.exe`),
	xml: join(folder, `${id}.xml`),
	logs: join(folder, logFolder(id)),
})

const logHint = (machine: Machine, id: string): string => `See ${join(pathsIn(machine, id).logs, `${id}.err.log`)}.`

function isInstalled(machine: Machine, id: string): boolean {
	const { exe, xml } = pathsIn(machine, id)
	return existsSync(exe) && existsSync(xml)
}

function requireInstalled(machine: Machine, id: string): void {
	if (isInstalled(machine, id) && state(machine, id) !== 'NonExistent') return
	throw new UsageError(`the service${id === defaultService ? '' : ` ${id}`} is not installed`, {
		hint: `rollcall-relay service install${nameArgument(id)}`,
	})
}

/** The settings file is the last argument of the command line that `settings` writes. */
function serviceIn({ id, text }: ServiceDefinition): readonly InstalledService[] {
	const [, argument] = /<arguments>.* --config &quot;(.*)&quot;<\/arguments>/.exec(text) ?? []
	return argument === undefined ? [] : [{ id, config: fromXml(argument) }]
}

/** WinSW prints the state on its own line. Log lines may precede it. */
function state(machine: Machine, id: string): string {
	const output = attempt('cannot read the state of the service', `See ${id}.wrapper.log.`, () =>
		machine.run(pathsIn(machine, id).exe, ['status']),
	)
	return /^(NonExistent|Started|Stopped)\s*$/m.exec(output)?.[1] ?? output.trim()
}

/** Stops and removes the service. The agent first finishes the requests in progress. */
function remove(machine: Machine, id: string): void {
	const { exe } = pathsIn(machine, id)
	attempt('cannot uninstall the service', `See ${id}.wrapper.log.`, () => {
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
function refuseOwnFolder({ auditFolders, node, program }: Service, { folder }: Machine): void {
	const isOwn = (auditFolder: string) => [folder, dirname(program ?? node)].some((own) => isWithin(own, auditFolder))
	if (!auditFolders.some(isOwn)) return
	throw new UsageError('audit.file must be in a folder of its own, not beside the agent', {
		hint: 'Name a file in the folder logs of the agent, such as C:\\\\rollcall-relay\\\\logs\\\\audit.log.',
	})
}

/** WinSW 3 ignores the account in these settings and would run the agent as LocalSystem. */
function requireAccount(machine: Machine, id: string): void {
	const lines = machine.run('sc.exe', ['qc', id]).toLowerCase().split('\n')
	if (lines.some((line) => line.trim().endsWith(accountOf(id).toLowerCase()))) return
	machine.run(pathsIn(machine, id).exe, ['uninstall'])
	throw new UsageError(`the service would not run as ${accountOf(id)}, so it was uninstalled`, {
		hint: `Use WinSW 2.12.0: ${download}`,
	})
}

/** Arguments of icacls. The agent may read its own folder and its files, and write only logs. */
function permissions(service: Service, machine: Machine): readonly (readonly string[])[] {
	const { id, config, files, auditFolders } = service
	const may = (rights: string) => `${accountOf(id)}:${rights}`
	return [
		...(hasOwnNode(service) ? [[win32.dirname(service.node), '/grant', may('(OI)(CI)RX')]] : []),
		[machine.folder, '/grant', may('(OI)(CI)RX')],
		[pathsIn(machine, id).logs, '/grant', may('(OI)(CI)M')],
		...auditFolders.map((folder) => [folder, '/grant', may('(OI)(CI)M')]),
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
const fromXml = (text: string): string =>
	text.replaceAll(/&\w+;/g, (name) => Object.keys(entity).find((character) => entity[character] === name) ?? name)

/**
 * The settings file of WinSW. `stopparentprocessfirst`: WinSW sends Ctrl+C to Node before its child, the console, because
 * the signal needs the console. WinSW restarts after every failure, so wrong settings are tried again once a minute.
 */
function settings({ id, node, program, config, user }: Service): string {
	if (user !== undefined)
		throw new UsageError('--user is only for Linux', { hint: `On Windows the service runs as ${accountOf(id)}.` })
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
  <id>${id}</id>
  <name>Rollcall on-premises relay${titleOf(id)}</name>
  <description>Connects a SCIM server of this network to Rollcall in Azure.</description>
  <executable>${xml(executable)}</executable>
  <arguments>${xml(words.join(' '))}</arguments>
  <workingdirectory>%BASE%</workingdirectory>
  <serviceaccount>
    <domain>NT SERVICE</domain>
    <user>${id}</user>
  </serviceaccount>
  <startmode>Automatic</startmode>
  <stoptimeout>40 sec</stoptimeout>
  <stopparentprocessfirst>true</stopparentprocessfirst>
  <onfailure action="restart" delay="5 sec"/>
  <onfailure action="restart" delay="5 sec"/>
  <onfailure action="restart" delay="1 min"/>
  <resetfailure>1 hour</resetfailure>
  <logpath>%BASE%\\${logFolder(id)}</logpath>
  <log mode="roll-by-size">
    <sizeThreshold>10240</sizeThreshold>
    <keepFiles>8</keepFiles>
  </log>
</service>
`
}
