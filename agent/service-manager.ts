import type { ProgramFiles } from './program.ts'

/** The parts of the machine that the service commands use. */
export type Machine = {
	readonly platform: string
	/** Folder of the service definition: the units of systemd, or the folder of WinSW on Windows. */
	readonly folder: string
	/** Runs a program of the system and returns its output. Throws if it fails. */
	run(program: string, args: readonly string[]): string
}

export type Service = ProgramFiles & {
	readonly config: string
	/** Files that the configuration names: `secret` with a key or token, `open` the others. */
	readonly files: { readonly secret: readonly string[]; readonly open: readonly string[] }
	/** The folder of the audit log, to which the service writes. */
	readonly auditFolder?: string | undefined
	/** The Linux user that the service runs as. On Windows the service has its own account. */
	readonly user: string | undefined
	/** Path of the WinSW executable, on Windows. */
	readonly winsw: string | undefined
}

/** Manages the service by systemd or by WinSW. */
export type ServiceManager = {
	definition(service: Service, machine: Machine): string
	/** Installs and starts the service. Returns whether it existed before. */
	install(service: Service, machine: Machine): 'installed' | 'updated'
	uninstall(machine: Machine): void
	/** The status as the system reports it. */
	status(machine: Machine): string
	isRunning(status: string): boolean
}
