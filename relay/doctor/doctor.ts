import { readFileSync } from 'node:fs'
import { codeOf, UsageError } from '../../shared/cli/usage-error.ts'
import type { Clock } from '../../shared/relay/clock.ts'
import { type Config, readConfig } from '../config.ts'
import { briefly } from '../log.ts'
import { readSecret } from '../secret-file.ts'
import type { Machine } from '../service.ts'
import { agentFinding } from './agent.ts'
import { type Finding, fail, pass } from './check.ts'
import { type Cloud, cloudFinding } from './cloud.ts'
import { nodeVersion, openFiles, service } from './host.ts'
import { originFindings } from './origin.ts'
import { relayFindings } from './relay.ts'

export type Examination = {
	readonly clock: Clock
	readonly machine: Machine
	/** The way in from the cloud, when it is to be gone. */
	readonly cloud?: Cloud | undefined
	/** Listen for a moment where no agent can be asked. */
	readonly isListening?: boolean
}

/** Checks everything that the agent needs, each with what was seen and what to do about it. */
export async function diagnose(file: string, examination: Examination): Promise<readonly Finding[]> {
	const { clock, machine, cloud, isListening = false } = examination
	const config = read(file)
	if ('verdict' in config) return [config]
	const secrets = secretsOf(config).map(secret)
	const isComplete = !secrets.some(({ verdict }) => verdict === 'FAIL')
	const host = [nodeVersion(), service(machine), openFiles(limits(), config)]
	const start = [pass('C1', `${file} is understood`), ...secrets, ...host]
	const relay = [...(await relayFindings(config, clock)), await agentFinding(config, isListening && isComplete, clock)]
	const end = await cloudFinding(cloud, config)
	if (!isComplete) return [...start, ...relay, end]
	return [...start, ...relay, ...(await originFindings(config).catch(unreadable)), end]
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

function read(file: string): Config | Finding {
	try {
		return readConfig(file)
	} catch (error) {
		if (error instanceof UsageError) return fail('C1', error.message, error.hint)
		throw error
	}
}

/** A certificate file that is missing stops the origin's checks before the first. */
function unreadable(error: unknown): readonly Finding[] {
	return [fail('C2', briefly(error), error instanceof UsageError ? error.hint : 'Is it a PEM file?')]
}

function secretsOf({ credentials, origin }: Config): readonly string[] {
	return [
		...('keyFile' in credentials ? [credentials.keyFile] : []),
		...(origin.authorization.type === 'bearer' ? [origin.authorization.tokenFile] : []),
		...(origin.clientCertificate === undefined ? [] : [origin.clientCertificate.keyFile]),
	]
}

function secret(file: string): Finding {
	try {
		readSecret(file)
		return pass('C2', `${file} is readable, by its owner alone`)
	} catch (error) {
		if (error instanceof UsageError) return fail('C2', error.message, error.hint)
		throw error
	}
}

/** The findings for people: one line each, with the remedy below. */
export const report = (findings: readonly Finding[]): string =>
	findings
		.map(
			({ code, verdict, seen, remedy }) =>
				`${verdict} ${code}  ${seen}\n${remedy === undefined ? '' : `          ${remedy}\n`}`,
		)
		.join('')
