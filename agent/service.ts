import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { UsageError } from '../shared/cli/usage-error.ts'
import { hasOwnNode, ownFiles, type ProgramFiles } from './program.ts'
import type { Machine, ServiceManager } from './service-manager.ts'
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

/** The status of the service as the system reports it. */
export const status = (machine: Machine): string => managerOf(machine).status(machine)
