import { execFileSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../shared/cli/usage-error.ts'
import type { Machine, ServiceManager } from './service-manager.ts'
import { systemd } from './systemd.ts'
import { winsw } from './winsw.ts'

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
