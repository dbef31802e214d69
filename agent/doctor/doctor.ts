import { readFileSync } from 'node:fs'
import { codeOf, UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { type Config, readConfig } from '../config.ts'
import { serviceWith } from '../service.ts'
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
	/** Sends a request through this tenant, too. */
	readonly cloud?: CloudTenant | undefined
	/** Listens for a moment if no running agent answers. */
	readonly isListening?: boolean
}

/** Checks everything that the agent needs. */
export async function diagnose(file: string, options: DiagnosisOptions): Promise<readonly DoctorFinding[]> {
	const { clock, machine, cloud, isListening = false } = options
	const config = readSettings(file)
	if ('verdict' in config) return [config]
	const loaded = { config, file }
	const id = serviceWith(file, machine)
	const files = checkFiles(loaded)
	const canRun = files.canListen && files.canTrust && files.canConnect && files.canAuthorize
	// Entra may need the same authority file as Azure Relay.
	const canAsk = files.canListen && (files.canTrust || config.credentials.type !== 'certificate')
	return [
		pass('C1', `${file} is valid`),
		...files.findings,
		...access(loaded, machine),
		addressFinding(config),
		runtime(config),
		service(machine, id),
		openFiles(limits(), config, machine, id),
		...(await relayFindings(config, files.canTrust, clock)),
		...(canAsk ? await tokenFindings(config, clock) : notReached(['A1', 'A2'], 'C2')),
		await agentFinding(config, { isListening, canRun }, clock),
		...(await originFindings(loaded, files)),
		await cloudFinding(cloud, config),
	]
}

/** The resource limits of this process, on Linux. */
function limits(): string | undefined {
	try {
		return readFileSync('/proc/self/limits', 'utf8')
	} catch (error) {
		if (codeOf(error) === 'ENOENT') return undefined
		throw error
	}
}

function readSettings(file: string): Config | DoctorFinding {
	try {
		return readConfig(file)
	} catch (error) {
		if (error instanceof UsageError) return fail('C1', plainly(error), hintOf(error))
		throw error
	}
}

const endpoints = 'Users|Groups|Me|Bulk|Schemas|ResourceTypes|ServiceProviderConfig'

/** Checks that `origin.url` is the root of a SCIM server, not one of its endpoints. */
function addressFinding({ origin: { url } }: Config): DoctorFinding {
	const root = url.replace(new RegExp(`/(${endpoints})/?$`, 'i'), '')
	if (root === url) return pass('C4', `the SCIM server is ${url}`)
	return fail('C4', `${url} is an endpoint of a SCIM server`, `Name the root instead: "url": "${root}" in origin.`)
}

/** The findings as text: one line each, the remedies below, and a summary. */
export function report(findings: readonly DoctorFinding[]): string {
	const lines = findings.map(({ code, verdict, seen, remedy }) => {
		const ways = remedy === undefined ? '' : `          ${remedy.replaceAll(' Or: ', '\n          Or: ')}\n`
		return `${verdict} ${code}  ${seen}\n${ways}`
	})
	return `${lines.join('')}\n${summary(findings)}\n`
}

function summary(findings: readonly DoctorFinding[]): string {
	const [first, ...others] = findings.filter(({ verdict }) => verdict === 'FAIL')
	if (first === undefined) return 'No check failed.'
	return `${counted(others.length + 1, 'check')} failed. Start with ${first.code}.`
}
