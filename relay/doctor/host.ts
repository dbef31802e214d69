import type { Config } from '../config.ts'
import { briefly } from '../log.ts'
import { type Machine, status } from '../service.ts'
import { type Finding, fail, pass, skip, warn } from './check.ts'

export const nodeVersion = (): Finding => pass('H1', `Node ${process.versions.node} on ${process.platform}`)

/** Is it installed as a service, and does that run? */
export function service(machine: Machine): Finding {
	try {
		return machine.platform === 'win32' ? task(machine) : unit(status(machine))
	} catch (error) {
		return skip('H3', `no service is known here: ${briefly(error).split('\n')[0]}`)
	}
}

function unit(properties: string): Finding {
	const of = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(properties)?.[1] ?? ''
	if (of('LoadState') !== 'loaded') return skip('H3', 'no service is installed')
	const restarts = Number(of('NRestarts'))
	const seen = `the service is ${of('ActiveState')} (${of('SubState')}) since ${of('ActiveEnterTimestamp') || 'never'}, restarted ${restarts} times`
	const remedy = 'Its log says why: journalctl -u rollcall-relay -n 50'
	if (of('ActiveState') !== 'active') return fail('H3', seen, remedy)
	return restarts > 0 ? warn('H3', seen, remedy) : pass('H3', seen)
}

/** Asked by PowerShell, because schtasks answers in the language of the machine. */
function task({ run }: Machine): Finding {
	const state = run('powershell', ['-NoProfile', '-Command', '(Get-ScheduledTask rollcall-relay).State']).trim()
	if (state === 'Running') return pass('H3', 'the task is running')
	return fail('H3', `the task is ${state}`, 'Start it: schtasks /Run /TN rollcall-relay')
}

/** A request takes a connection to the SCIM server and perhaps one to the service; the rest is Node's. */
export function openFiles(limits: string | undefined, { concurrency }: Pick<Config, 'concurrency'>): Finding {
	const [, limit] = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? '') ?? []
	if (limit === undefined) return skip('H4', 'the limit of open files is not known here')
	const needed = 100 + 3 * concurrency
	const seen = `${limit} files may be open, ${needed} are enough`
	if (limit === 'unlimited' || Number(limit) >= needed) return pass('H4', seen)
	return fail('H4', seen, `Raise it to ${needed} or more: LimitNOFILE= in the unit, ulimit -n in a shell.`)
}
