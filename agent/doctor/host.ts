import wsPackage from 'ws/package.json' with { type: 'json' }
import type { Config } from '../config.ts'
import { readsTrustStore } from '../origin-tls.ts'
import { managerOf } from '../service.ts'
import type { Machine } from '../service-manager.ts'
import { version } from '../version.ts'
import { type DoctorFinding, fail, pass, plainly, skip, warn } from './check.ts'

/** What the agent runs on. */
export function runtime(
	{ origin }: Pick<Config, 'origin'>,
	{ node, openssl }: { readonly node: string; readonly openssl: string } = process.versions,
	seesMachine = readsTrustStore,
): DoctorFinding {
	const seen = `rollcall-relay ${version}, Node ${node} with OpenSSL ${openssl} on ${process.platform}, ws ${wsPackage.version}`
	if (!isAtLeast(node, [20, 19])) return fail('H1', seen, 'Install Node 20.19 or later, 24 best.')
	if (seesMachine || origin.tls.mode !== 'system') return pass('H1', seen)
	return warn(
		'H1',
		seen,
		'It does not see the authorities that were added to this machine: install Node 22.15 or later. Or: name your authority, "tls": { "mode": "ca", "caFile": "ca.pem" } in origin, or NODE_EXTRA_CA_CERTS in the environment of the agent.',
	)
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
	const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
	return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** Is it installed as a service, and does that run? */
export function service(machine: Machine): DoctorFinding {
	try {
		const status = managerOf(machine).status(machine)
		return machine.platform === 'win32' ? ofWindows(status.trim()) : unit(status, restartsOfLate(machine))
	} catch (error) {
		return skip('H3', `no service is known here: ${plainly(error)}`)
	}
}

function unit(properties: string, ofLate: number | undefined): DoctorFinding {
	const of = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(properties)?.[1] ?? ''
	if (of('LoadState') !== 'loaded') return skip('H3', 'no service is installed')
	const restarts = Number(of('NRestarts'))
	const when = ofLate === undefined ? '' : `, ${ofLate} of them within 24 h`
	const seen = `the service is ${of('ActiveState')} (${of('SubState')}) since ${of('ActiveEnterTimestamp') || 'never'}, restarted ${restarts} times${when}`
	const remedy = 'Its log says why: journalctl -u rollcall-relay -n 50'
	if (of('ActiveState') !== 'active') return fail('H3', seen, remedy)
	return (ofLate ?? restarts) > 0 ? warn('H3', seen, remedy) : pass('H3', seen)
}

/** What systemd itself wrote into the log of the service, where that may be read. */
function restartsOfLate({ run }: Machine): number | undefined {
	try {
		const said = run('journalctl', ['-u', 'rollcall-relay', '-t', 'systemd', '--since=-24h', '-o', 'cat', '-q'])
		return said.match(/Scheduled restart job/g)?.length ?? 0
	} catch (error) {
		if (error instanceof Error) return undefined
		throw error
	}
}

function ofWindows(state: string): DoctorFinding {
	if (state === 'Started') return pass('H3', 'the service is started')
	if (state === 'NonExistent') return skip('H3', 'no service is installed')
	return fail(
		'H3',
		`the service is ${state}`,
		'Start-Service rollcall-relay, and see logs\\rollcall-relay.err.log beside the agent.',
	)
}

/** A request takes a connection to the SCIM server and perhaps one to the service; the rest is Node's. */
export function openFiles(limits: string | undefined, { concurrency }: Pick<Config, 'concurrency'>): DoctorFinding {
	const [, limit] = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? '') ?? []
	if (limit === undefined) return skip('H4', 'the limit of open files is not known here')
	const needed = 100 + 3 * concurrency
	const seen = `${limit} files may be open, ${needed} are enough`
	if (limit === 'unlimited' || Number(limit) >= needed) return pass('H4', seen)
	return fail('H4', seen, `Raise it to ${needed} or more: LimitNOFILE= in the unit, ulimit -n in a shell.`)
}
