import type { ProgramFiles } from './program.ts'

/** The parts of the machine that the service commands use. */
export type Machine = {
	readonly platform: string
	/** Folder of the service definition: the units of systemd, or the folder of WinSW on Windows. */
	readonly folder: string
	/** Runs a program of the system and returns its output. Throws if it fails. */
	run(program: string, args: readonly string[]): string
}

/** A service that is installed on the machine, by its name for the operating system, and its settings file. */
export type InstalledService = { readonly id: string; readonly config: string }

export type Service = ProgramFiles & {
	/** The name for the operating system: see `serviceId`. */
	readonly id: string
	readonly config: string
	/** Files that the configuration names: `secret` with a key or token, `open` the others. */
	readonly files: { readonly secret: readonly string[]; readonly open: readonly string[] }
	/** The folders of the audit logs, to which the service writes. */
	readonly auditFolders: readonly string[]
	/** The Linux user that the service runs as. On Windows the service has its own account. */
	readonly user: string | undefined
	/** Path of the WinSW executable, on Windows. */
	readonly winsw: string | undefined
}

/** Manages services by systemd or by WinSW. A service without an id is the default one. */
export type ServiceManager = {
	definition(service: Service, machine: Machine): string
	/** Installs and starts the service. Returns whether it existed before. */
	install(service: Service, machine: Machine): 'installed' | 'updated'
	uninstall(machine: Machine, id?: string): void
	/** Stops and starts the service. The agent first finishes the requests in progress. */
	restart(machine: Machine, id?: string): void
	/** The status as the system reports it. */
	status(machine: Machine, id?: string): string
	isRunning(status: string): boolean
	/** The services of this program. A definition that the caller cannot read is left out. */
	installed(machine: Machine): readonly InstalledService[]
}
