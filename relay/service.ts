import { execFileSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../shared/cli/usage-error.ts'
import { systemd } from './systemd.ts'
import { winsw } from './winsw.ts'

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

export const thisMachine: Machine = {
	platform: process.platform,
	folder: process.platform === 'win32' ? dirname(fileURLToPath(import.meta.url)) : '/etc/systemd/system',
	// What it says on stderr is in the error that is thrown.
	run: (program, args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
}

/** Throws a UsageError where no service can be made. */
export function managerOf({ platform }: Machine): ServiceManager {
	if (platform === 'linux') return systemd
	if (platform === 'win32') return winsw
	throw new UsageError(`there is no service for ${platform}`, {
		hint: 'Start "rollcall-relay run" by what starts programs there.',
	})
}

/** What the system knows of the service. */
export const status = (machine: Machine): string => managerOf(machine).status(machine)
