import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { attempt } from './attempt.ts'
import type { Machine, Service, ServiceManager } from './service-manager.ts'

const name = 'rollcall-relay'
/** Windows makes this account with the service. It may do nothing, and has no password. */
const account = `NT SERVICE\\${name}`
const system = '*S-1-5-18'
const administrators = '*S-1-5-32-544'
const download = 'https://github.com/winsw/winsw/releases/tag/v2.12.0'

/**
 * A service of Windows by way of WinSW 2, since Node cannot speak to the service control manager itself.
 * https://github.com/winsw/winsw/blob/v2/doc/xmlConfigFile.md
 */
export const winsw: ServiceManager = {
	definition: (service, machine) =>
		`${settings(service)}\n${permissions(service, machine).map(commandLine).join('\n')}\n`,
	install: (service, machine) => {
		const text = settings(service)
		const { exe, xml, logs } = placesIn(machine)
		requireAdministrator(machine)
		requireWinsw(service.winsw, exe)
		const isKnown = existsSync(xml) && existsSync(exe) && state(machine) !== 'NonExistent'
		if (isKnown) remove(machine)
		attempt('WinSW cannot be put in place', 'Does another program use it?', () => {
			if (service.winsw !== undefined && resolve(service.winsw) !== resolve(exe)) copyFileSync(service.winsw, exe)
			writeFileSync(xml, text)
			mkdirSync(logs, { recursive: true })
		})
		attempt(
			'the service cannot be installed',
			'Close the window of services, and see rollcall-relay.wrapper.log.',
			() => machine.run(exe, ['install']),
		)
		requireAccount(machine)
		// The account exists from here on.
		for (const command of permissions(service, machine))
			attempt(`${account} is not let in`, commandLine(command), () => machine.run('icacls', command))
		attempt('the service does not start', `See ${join(logs, `${name}.err.log`)}.`, () => machine.run(exe, ['start']))
		return isKnown ? 'updated' : 'installed'
	},
	uninstall: (machine) => {
		const { exe, xml } = placesIn(machine)
		requireAdministrator(machine)
		if (!existsSync(exe) || !existsSync(xml) || state(machine) === 'NonExistent')
			throw new UsageError('the service is not installed', { hint: 'rollcall-relay service install' })
		remove(machine)
		rmSync(xml)
	},
	status: (machine) => {
		const { exe, xml } = placesIn(machine)
		return `${existsSync(exe) && existsSync(xml) ? state(machine) : 'NonExistent'}\n`
	},
	isRunning: (status) => status.trim() === 'Started',
}

const placesIn = ({ folder }: Machine) => ({
	exe: join(folder, `${name}.exe`),
	xml: join(folder, `${name}.xml`),
	logs: join(folder, 'logs'),
})

/** WinSW says it in a line of its own; before it there may be others for a log. */
function state(machine: Machine): string {
	const said = attempt('WinSW does not tell how the service is', 'See rollcall-relay.wrapper.log.', () =>
		machine.run(placesIn(machine).exe, ['status']),
	)
	return /^(NonExistent|Started|Stopped)\s*$/m.exec(said)?.[1] ?? said.trim()
}

/** What is under way is finished before. */
function remove(machine: Machine): void {
	const { exe } = placesIn(machine)
	attempt('the service cannot be taken away', 'See rollcall-relay.wrapper.log.', () => {
		machine.run(exe, ['stopwait'])
		machine.run(exe, ['uninstall'])
	})
}

/** An elevated process has the integrity level high, or that of the system; both are named alike in every language. */
function requireAdministrator({ run }: Machine): void {
	if (!/\bS-1-16-(12288|16384)\b/.test(run('whoami', ['/groups'])))
		throw new UsageError('only an administrator can do this', {
			hint: 'The same in a PowerShell that was started by "Run as administrator".',
		})
}

function requireWinsw(given: string | undefined, exe: string): void {
	if (given === undefined && !existsSync(exe))
		throw new UsageError('a service of Windows needs WinSW', {
			hint: `Download WinSW-x64.exe from ${download}, and name it: --winsw FILE`,
		})
	if (given !== undefined && !existsSync(given))
		throw new UsageError(`there is no ${given}`, { hint: `Download WinSW-x64.exe from ${download}` })
}

/** Version 3 does not know these settings and would take the account that may do everything. */
function requireAccount(machine: Machine): void {
	if (machine.run('sc.exe', ['qc', name]).toLowerCase().includes(account.toLowerCase())) return
	machine.run(placesIn(machine).exe, ['uninstall'])
	throw new UsageError(`the service would not run as ${account}, and was taken away`, {
		hint: `Is it WinSW 2.12.0? ${download}`,
	})
}

/** Arguments of icacls: the agent may read what it is and what it is told, and write logs alone. */
function permissions({ config, files }: Service, machine: Machine): readonly (readonly string[])[] {
	const may = (rights: string) => `${account}:${rights}`
	return [
		[machine.folder, '/grant', may('(OI)(CI)RX')],
		[placesIn(machine).logs, '/grant', may('(OI)(CI)M')],
		...[config, ...files.open].map((file) => [file, '/grant', may('R')]),
		...files.secret.map((file) => [
			...[file, '/inheritance:r', '/grant:r'],
			...[`${system}:F`, `${administrators}:F`, may('R')],
		]),
	]
}

const commandLine = (args: readonly string[]): string =>
	['icacls', ...args.map((arg) => (/[\s()*]/.test(arg) ? `"${arg}"` : arg))].join(' ')

const entity: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const xml = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => entity[character] ?? '')

/**
 * What WinSW reads. It stops the agent by Ctrl+C, which needs the console that Windows started as a child of Node, so
 * Node comes first. What failed is started again whatever the reason: a wrong configuration is tried once a minute.
 */
function settings({ node, program, config, user }: Service): string {
	if (user !== undefined)
		throw new UsageError('--user is for Linux', { hint: `On Windows the service runs as ${account}.` })
	for (const path of [node, program, config]) {
		if (path.includes('%'))
			throw new UsageError(`WinSW takes what is between percent signs for a variable: ${path}`, {
				hint: 'Choose a path without them.',
			})
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<service>
  <id>${name}</id>
  <name>Rollcall on-premises relay</name>
  <description>Connects a SCIM server of this network to Rollcall in Azure.</description>
  <executable>${xml(node)}</executable>
  <arguments>${xml(`"${program}" run --config "${config}"`)}</arguments>
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
