import wsPackage from 'ws/package.json' with { type: 'json' }
import { version } from '../../shared/cli/version.ts'
import type { Config } from '../config.ts'
import { readsTrustStore } from '../origin-tls.ts'
import { managerOf } from '../service.ts'
import type { Machine } from '../service-manager.ts'
import { defaultService, logFolder } from '../service-name.ts'
import { type DoctorFinding, fail, pass, plainly, skip, warn } from './check.ts'

/** Checks the version of Node. */
export function runtime(
	{ origin }: Pick<Config, 'origin'>,
	{ node, openssl }: { readonly node: string; readonly openssl: string } = process.versions,
	seesMachine = readsTrustStore,
): DoctorFinding {
	const seen = `rollcall-relay ${version}, Node ${node} with OpenSSL ${openssl} on ${process.platform}, ws ${wsPackage.version}`
	if (!isAtLeast(node, [20, 19])) return fail('H1', seen, 'Install Node 20.19 or later, preferably 24.')
	if (seesMachine || origin.tls.mode !== 'system') return pass('H1', seen)
	return warn(
		'H1',
		seen,
		'This Node ignores the authorities that were added to the machine. Install Node 22.15 or later. Or: Name your authority: "tls": { "mode": "ca", "caFile": "ca.pem" } in origin. Or: Set NODE_EXTRA_CA_CERTS in the environment of the agent.',
	)
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
	const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
	return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** Checks whether the service is installed and running. */
export function service(machine: Machine, id = defaultService): DoctorFinding {
	try {
		const status = managerOf(machine).status(machine, id)
		return machine.platform === 'win32'
			? windowsService(status.trim(), id)
			: systemdService(status, { id, recentRestarts: countRecentRestarts(machine, id) })
	} catch (error) {
		return skip('H3', `cannot read the service: ${plainly(error)}`)
	}
}

type ServiceHistory = { readonly id: string; readonly recentRestarts: number | undefined }

function systemdService(properties: string, { id, recentRestarts }: ServiceHistory): DoctorFinding {
	const property = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(properties)?.[1] ?? ''
	if (property('LoadState') !== 'loaded') return skip('H3', 'no service is installed')
	const restarts = Number(property('NRestarts'))
	const period = recentRestarts === undefined ? '' : `, ${recentRestarts} of them within 24 h`
	const seen = `the service is ${property('ActiveState')} (${property('SubState')}) since ${property('ActiveEnterTimestamp') || 'never'}, restarted ${restarts} times${period}`
	const remedy = `See its log: journalctl -u ${id} -n 50`
	if (property('ActiveState') !== 'active') return fail('H3', seen, remedy)
	return (recentRestarts ?? restarts) > 0 ? warn('H3', seen, remedy) : pass('H3', seen)
}

/** Restarts in the last 24 h by systemd's journal, or undefined if the journal is unreadable. */
function countRecentRestarts({ run }: Machine, id: string): number | undefined {
	const journal = (...filter: readonly string[]) => run('journalctl', ['-u', id, ...filter, '-o', 'cat', '-q'])
	try {
		const restarts = journal('-t', 'systemd', '--since=-24h')
		// A user without the right to read the journal gets an empty one.
		if (restarts.trim() === '' && journal('-n', '1').trim() === '') return undefined
		return restarts.match(/Scheduled restart job/g)?.length ?? 0
	} catch (error) {
		if (error instanceof Error) return undefined
		throw error
	}
}

function windowsService(state: string, id: string): DoctorFinding {
	if (state === 'Started') return pass('H3', 'the service is running')
	if (state === 'NonExistent') return skip('H3', 'no service is installed')
	return fail(
		'H3',
		`the service is ${state}`,
		`Run Start-Service ${id}, and see ${logFolder(id)}\\${id}.err.log in the folder of the agent.`,
	)
}

/** A request needs one connection to the SCIM server and perhaps one to Azure. Node needs the rest. */
export function openFiles(
	limits: string | undefined,
	{ concurrency }: Pick<Config, 'concurrency'>,
	machine: Machine & { readonly id?: string },
): DoctorFinding {
	const ofService = serviceLimit(machine)
	const [, ofShell] = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? '') ?? []
	const limit = ofService ?? ofShell
	if (limit === undefined) return skip('H4', 'the limit of open files is unknown')
	const needed = 100 + 3 * concurrency
	const seen = `${limit} open files allowed ${ofService === undefined ? 'in this shell' : 'to the service'}, ${needed} needed`
	if (/^(unlimited|infinity)$/.test(limit) || Number(limit) >= needed) return pass('H4', seen)
	return fail('H4', seen, `Raise the limit to at least ${needed}: LimitNOFILE= in the unit, ulimit -n in a shell.`)
}

/** The limit in the unit of the service, or undefined without a service. The doctor's own limit is another one. */
function serviceLimit({ platform, run, id = defaultService }: Machine & { readonly id?: string }): string | undefined {
	if (platform === 'win32') return undefined
	try {
		const properties = run('systemctl', ['show', id, '--property=LoadState,LimitNOFILE'])
		if (!/^LoadState=loaded$/m.test(properties)) return undefined
		return /^LimitNOFILE=(\d+|infinity)$/m.exec(properties)?.[1]
	} catch (error) {
		if (error instanceof Error) return undefined
		throw error
	}
}
