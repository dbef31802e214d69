/** The machine as `service` needs it. */
export type Machine = {
	readonly platform: string
	/** Where the definition of the service lies: systemd's units, or on Windows beside the agent. */
	readonly folder: string
	/** Runs a program of the system and returns what it prints; throws when it fails. */
	run(program: string, args: readonly string[]): string
}

export type Service = {
	/** The Node that runs it, and the file of the agent. */
	readonly node: string
	readonly program: string
	readonly config: string
	/** Files that the configuration names: those with a secret, and the others. */
	readonly files: { readonly secret: readonly string[]; readonly open: readonly string[] }
	/** Whom it runs as; on Windows it has an account of its own. */
	readonly user: string | undefined
	/** Where WinSW was put, on Windows. */
	readonly winsw: string | undefined
}

/** How a system does it. */
export type ServiceManager = {
	definition(service: Service, machine: Machine): string
	/** What was done: the service was there before, or it was not. */
	install(service: Service, machine: Machine): 'installed' | 'updated'
	uninstall(machine: Machine): void
	/** In the words of the system. */
	status(machine: Machine): string
	isRunning(status: string): boolean
}
