import { readFileSync } from 'node:fs'
import { codeOf, UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { type Config, readConfig } from '../config.ts'
import type { Machine } from '../service-manager.ts'
import { access } from './access.ts'
import { agentFinding } from './agent.ts'
import { counted, type DoctorFinding, fail, hintOf, notReached, pass, plainly } from './check.ts'
import { type CloudTenant, cloudFinding } from './cloud.ts'
import { checkFiles } from './files.ts'
import { openFiles, runtime, service } from './host.ts'
import { originFindings } from './origin.ts'
import { relayFindings } from './relay.ts'
import { tokenFindings } from './token.ts'

export type DiagnosisOptions = {
	readonly clock: Clock
	readonly machine: Machine
	/** The way in from the cloud, when it is to be gone. */
	readonly cloud?: CloudTenant | undefined
	/** Listen for a moment where no agent can be asked. */
	readonly isListening?: boolean
}

/** Checks everything that the agent needs, each with what was seen and what to do about it. */
export async function diagnose(file: string, options: DiagnosisOptions): Promise<readonly DoctorFinding[]> {
	const { clock, machine, cloud, isListening = false } = options
	const config = read(file)
	if ('verdict' in config) return [config]
	const loaded = { config, file }
	const files = checkFiles(loaded)
	const canRun = files.canListen && files.canTrust && files.canConnect && files.canAuthorize
	// Entra is reached by the same way as the service.
	const canAsk = files.canListen && (files.canTrust || config.credentials.type !== 'certificate')
	return [
		pass('C1', `${file} is understood`),
		...files.findings,
		...access(loaded, machine),
		address(config),
		runtime(config),
		service(machine),
		openFiles(limits(), config),
		...(await relayFindings(config, files.canTrust, clock)),
		...(canAsk ? await tokenFindings(config, clock) : notReached(['A1', 'A2'], 'C2')),
		await agentFinding(config, isListening && canRun, clock),
		...(await originFindings(loaded, files)),
		await cloudFinding(cloud, config),
	]
}

/** What the system lets this process have. */
function limits(): string | undefined {
	try {
		return readFileSync('/proc/self/limits', 'utf8')
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
}

function read(file: string): Config | DoctorFinding {
	try {
		return readConfig(file)
	} catch (error) {
		if (error instanceof UsageError) return fail('C1', plainly(error), hintOf(error))
		throw error
	}
}

const endpoints = 'Users|Groups|Me|Bulk|Schemas|ResourceTypes|ServiceProviderConfig'

/** The one server that is asked; below its address are the endpoints, so none of them belongs into it. */
function address({ origin: { url } }: Config): DoctorFinding {
	const root = url.replace(new RegExp(`/(${endpoints})/?$`, 'i'), '')
	if (root === url) return pass('C4', `${url} is the one SCIM server that is asked`)
	return fail('C4', `${url} is an endpoint of a SCIM server`, `Name the address before it: "url": "${root}" in origin.`)
}

/** The findings for people: what was seen in one line, each way to put it right below, and what it comes to. */
export function report(findings: readonly DoctorFinding[]): string {
	const lines = findings.map(({ code, verdict, seen, remedy }) => {
		const ways = remedy === undefined ? '' : `          ${remedy.replaceAll(' Or: ', '\n          Or: ')}\n`
		return `${verdict} ${code}  ${seen}\n${ways}`
	})
	return `${lines.join('')}\n${summary(findings)}\n`
}

function summary(findings: readonly DoctorFinding[]): string {
	const [first, ...others] = findings.filter(({ verdict }) => verdict === 'FAIL')
	if (first === undefined) return 'Nothing is wrong.'
	return `${counted(others.length + 1, 'check')} failed. Begin with ${first.code}.`
}
