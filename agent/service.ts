import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { type AgentSettings, type Config, isSameConnection, readSettings } from './config.ts'
import { hasOwnNode, ownFiles, type ProgramFiles } from './program.ts'
import { filesOf } from './secret-file.ts'
import type { InstalledService, Machine, Service, ServiceManager } from './service-manager.ts'
import { defaultService } from './service-name.ts'
import { systemd } from './systemd.ts'
import { winsw } from './winsw.ts'

export const thisMachine: Machine = {
	platform: process.platform,
	folder: process.platform === 'win32' ? wrapperFolder(ownFiles) : '/etc/systemd/system',
	// If the program fails, its stderr is in the error.
	run: (program, args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
}

/**
 * The folder of WinSW. WinSW is named `rollcall-relay.exe`, so it has its own folder if the agent may have that name, too.
 */
export function wrapperFolder(files: ProgramFiles): string {
	const folder = dirname(files.program ?? files.node)
	return hasOwnNode(files) ? join(folder, 'service') : folder
}

/** Throws a UsageError on a platform other than Linux and Windows. */
export function managerOf({ platform }: Machine): ServiceManager {
	if (platform === 'linux') return systemd
	if (platform === 'win32') return winsw
	throw new UsageError(`services are not supported on ${platform}`, {
		hint: 'Start "rollcall-relay run" with the service manager of this system.',
	})
}

type ServiceChoices = Pick<Service, 'config' | 'user' | 'winsw'>

/** The service to install for a settings file. Throws a UsageError if the settings are wrong, or are not for this service. */
export function serviceFrom(id: string, { config, user, winsw }: ServiceChoices, machine: Machine): Service {
	const file = resolve(config)
	const settings = readSettings(file)
	refuseShared({ id, config: file }, settings, machine)
	const auditFolders = [...new Set(settings.servers.flatMap(({ audit }) => (audit ? [dirname(audit.file)] : [])))]
	return { ...ownFiles, id, config: file, files: filesOf(settings), auditFolders, user, winsw }
}

/** The service that runs with a settings file, or the default one. */
export function serviceWith(config: string, machine: Machine): string {
	const isSame = (other: string) => isSameFile(other, resolve(config), machine)
	return servicesOn(machine).find((service) => isSame(service.config))?.id ?? defaultService
}

/** The services of this program. None on a platform without services. */
const servicesOn = (machine: Machine): readonly InstalledService[] =>
	['linux', 'win32'].includes(machine.platform) ? managerOf(machine).installed(machine) : []

/** Names of files on Windows ignore case. */
const isSameFile = (one: string, other: string, { platform }: Machine): boolean =>
	platform === 'win32' ? one.toLowerCase() === other.toLowerCase() : one === other

/**
 * Refuses a service that would share with another service of this machine what two agents must not share. Throws a
 * UsageError. The settings of the other service may be unreadable, and then are not compared.
 */
export function refuseShared(own: InstalledService, settings: AgentSettings, machine: Machine): void {
	for (const other of servicesOn(machine).filter(({ id }) => id !== own.id)) {
		if (isSameFile(own.config, other.config, machine))
			throw new UsageError(`the service ${other.id} already runs with ${own.config}`, {
				hint: 'Give each service a settings file of its own.',
			})
		const theirs = settingsOf(other)
		const shared = theirs && sharedSetting(settings, theirs, machine)
		if (shared !== undefined)
			throw new UsageError(`the service ${other.id} has the same ${shared.name}`, { hint: shared.hint })
	}
}

function settingsOf({ config }: InstalledService): AgentSettings | undefined {
	try {
		return readSettings(config)
	} catch (error) {
		if (error instanceof UsageError) return undefined
		throw error
	}
}

type SharedSetting = { readonly name: string; readonly hint: string }

function sharedSetting(own: AgentSettings, other: AgentSettings, machine: Machine): SharedSetting | undefined {
	if (own.admin !== undefined && own.admin.port === other.admin?.port)
		return { name: `admin.port, ${own.admin.port}`, hint: 'Choose another port in admin.port.' }
	for (const one of own.servers)
		for (const theirs of other.servers) {
			const shared = sharedByServers(one, theirs, machine)
			if (shared !== undefined) return shared
		}
	return undefined
}

function sharedByServers(own: Config, other: Config, machine: Machine): SharedSetting | undefined {
	if (own.audit !== undefined && other.audit !== undefined && isSameFile(own.audit.file, other.audit.file, machine))
		return { name: `audit.file, ${own.audit.file}`, hint: 'Name another file in audit.file.' }
	if (isSameConnection(own, other) && own.agentId === other.agentId)
		return {
			name: `agentId on ${own.relay.hybridConnection}`,
			hint: `Set another one: "agentId": "${randomUUID()}".`,
		}
	return undefined
}
