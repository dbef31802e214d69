import { readFileSync } from 'node:fs'
import { codeOf, UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { type AgentSettings, type Config, readConfig, readSettings } from '../config.ts'
import { serviceWith } from '../service.ts'
import type { Machine } from '../service-manager.ts'
import { access } from './access.ts'
import { agentFinding } from './agent.ts'
import { counted, type DoctorFinding, fail, hintOf, notReached, pass, plainly, skip } from './check.ts'
import { type CloudTenant, cloudFinding } from './cloud.ts'
import { checkFiles } from './files.ts'
import { openFiles, runtime, service } from './host.ts'
import { originFindings } from './origin.ts'
import { relayFindings } from './relay.ts'
import type { LoadedConfig } from './remedy.ts'
import { tokenFindings } from './token.ts'

export type DiagnosisOptions = {
	readonly clock: Clock
	readonly machine: Machine
	/** Sends a request through this tenant, too. */
	readonly cloud?: CloudTenant | undefined
	/** Listens for a moment if no running agent answers. */
	readonly isListening?: boolean
	/** Checks this server alone. */
	readonly server?: string | undefined
}

/** Checks everything that the agent needs, for each server of the settings. */
export async function diagnose(file: string, options: DiagnosisOptions): Promise<readonly DoctorFinding[]> {
	const settings = selectedSettings(file, options.server)
	if ('verdict' in settings) return [settings]
	const { servers } = settings
	const cloud = servers.length === 1 ? options.cloud : undefined
	const concurrency = servers.reduce((sum, server) => sum + server.concurrency, 0)
	const checks: DoctorFinding[] = [pass('C1', `${file} is valid`)]
	for (const [index, config] of servers.entries()) {
		const findings = await serverFindings({ config, file }, concurrency, { ...options, cloud })
		const own = findings
			.filter(({ code }) => index === 0 || !machineChecks.has(code))
			.map((finding) => (finding.code === 'E1' && cloud !== options.cloud ? oneServer : finding))
		checks.push(...own.map((finding) => ({ ...(config.name !== undefined && { server: config.name }), ...finding })))
	}
	return checks
}

/** A tenant of Rollcall has one server. */
const oneServer = skip('E1', 'not requested: choose the server of the tenant with --server NAME')

/** Checks of the machine and its service, which all servers share. */
const machineChecks: ReadonlySet<string> = new Set(['H3', 'H4'])

async function serverFindings(
	loaded: LoadedConfig,
	concurrency: number,
	options: DiagnosisOptions,
): Promise<readonly DoctorFinding[]> {
	const { clock, machine, cloud, isListening = false } = options
	const { config, file } = loaded
	const id = serviceWith(file, machine)
	const files = checkFiles(loaded)
	const canRun = files.canListen && files.canTrust && files.canConnect && files.canAuthorize
	// Entra and the app may need the same authority file as Azure Relay.
	const isLocal = ['sas', 'arc'].includes(config.credentials.type)
	const canAsk = files.canListen && (files.canTrust || isLocal)
	return [
		...files.findings,
		...access(loaded, machine),
		addressFinding(config),
		runtime(config),
		service(machine, id),
		openFiles(limits(), { concurrency }, { ...machine, id }),
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

/** All servers of the file, or the one with this name. */
function selectedSettings(file: string, server: string | undefined): Pick<AgentSettings, 'servers'> | DoctorFinding {
	try {
		return server === undefined ? readSettings(file) : { servers: [readConfig(file, server)] }
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

/** The findings as text: one line each, the remedies below, and a summary. The name of a server is above its findings. */
export function report(findings: readonly DoctorFinding[]): string {
	const lines = findings.map(({ code, verdict, seen, remedy, server }, index) => {
		const isNew = server !== undefined && server !== findings[index - 1]?.server
		const ways = remedy === undefined ? '' : `          ${remedy.replaceAll(' Or: ', '\n          Or: ')}\n`
		return `${isNew ? `\n${server}\n` : ''}${verdict} ${code}  ${seen}\n${ways}`
	})
	return `${lines.join('')}\n${summary(findings)}\n`
}

function summary(findings: readonly DoctorFinding[]): string {
	const [first, ...others] = findings.filter(({ verdict }) => verdict === 'FAIL')
	if (first === undefined) return 'No check failed.'
	const place = first.server === undefined ? '' : ` of ${first.server}`
	return `${counted(others.length + 1, 'check')} failed. Start with ${first.code}${place}.`
}
