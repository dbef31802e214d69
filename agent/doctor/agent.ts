import * as z from 'zod'
import { codeOf } from '../../shared/cli/usage-error.ts'
import { type Clock, pause } from '../../shared/relay/clock.ts'
import { startAgent } from '../agent.ts'
import type { Config } from '../config.ts'
import { briefly, type Log } from '../log.ts'
import { requestText } from '../request-text.ts'
import { type DoctorFinding, fail, pass, skip, warn } from './check.ts'

const status = z.object({
	state: z.enum(['connecting', 'online', 'degraded', 'draining', 'stopped', 'failed']),
	agent: z.string(),
	hybridConnection: z.string(),
	channels: z.int(),
	/** The version to upgrade to. */
	upgrade: z.string().optional(),
	trouble: z
		.object({
			kind: z.enum(['network', 'proxy_auth', 'auth_failed', 'entity_missing', 'quota', 'settings']),
			detail: z.string(),
		})
		.optional(),
	/** Why the agent does not use the newest settings. */
	refused: z.string().optional(),
})

/** Longer than the agent's health check of the SCIM server. */
const statusTimeout = 15_000
const listenLimit = 25_000

const silentRemedy = 'Restart the agent. If another program has this port, choose another one in admin.port.'

export type ListeningOptions = {
	/** The administrator wants an agent to listen for a moment if no agent runs. */
	readonly isListening: boolean
	/** The files of the settings are usable. */
	readonly canRun: boolean
}

/**
 * Asks the running agent whether it listens. If no agent runs and `isListening` is set, starts one for a moment.
 * That agent serves requests like any other.
 */
export async function agentFinding(
	config: Config,
	{ isListening, canRun }: ListeningOptions,
	clock: Clock,
): Promise<DoctorFinding> {
	const answer = await askAgent(config)
	if (answer.verdict !== 'SKIP' || !isListening) return answer
	return canRun ? listen(config, clock) : skip('A3', `${answer.seen}; did not listen: repair C2 first`)
}

async function listen(config: Config, clock: Clock): Promise<DoctorFinding> {
	const stopping = new AbortController()
	let report = (_: DoctorFinding) => {}
	const firstEvent = new Promise<DoctorFinding>((resolve) => {
		report = resolve
	})
	const log: Log = (event, { trouble, detail } = {}) => {
		if (event === 'online') report(pass('A3', `an agent listened for a moment as ${config.agentId}`))
		if (event === 'offline') report(fail('A3', `${trouble}: ${detail}`, remedyFor(trouble, config)))
	}
	// The doctor may run as root. The service could not write to a file of root.
	const agent = startAgent({ ...config, audit: undefined }, { clock, log, random: Math.random })
	const timeout = pause(clock, listenLimit, stopping.signal).then(() =>
		fail('A3', `the agent did not connect within ${listenLimit / 1000} s`, remedyFor(undefined, config)),
	)
	const finding = await Promise.race([firstEvent, timeout])
	stopping.abort()
	await agent.drain()
	return finding
}

async function askAgent(config: Config): Promise<DoctorFinding> {
	if (config.admin === undefined)
		return skip('A3', 'cannot ask the running agent: the settings have no "admin": { "port": 9110 }')
	const { port } = config.admin
	const query = config.name === undefined ? '' : `?server=${config.name}`
	try {
		const { text } = await requestText(`http://127.0.0.1:${port}/status${query}`, { timeout: statusTimeout })
		return findingOf(status.parse(JSON.parse(text)), config)
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof z.ZodError)
			return fail('A3', `another program answers on 127.0.0.1:${port}`, 'Choose another port in admin.port.')
		if (codeOf(error) === 'ECONNREFUSED') return skip('A3', `no running agent: ${briefly(error)}`)
		return fail('A3', `no answer from 127.0.0.1:${port}: ${briefly(error)}`, silentRemedy)
	}
}

function findingOf(
	{ state, agent, hybridConnection, channels, upgrade, trouble, refused }: z.infer<typeof status>,
	config: Config,
): DoctorFinding {
	const seen = `the agent ${agent} is ${state} on ${hybridConnection}, control channels: ${channels}`
	if (agent !== config.agentId || hybridConnection !== config.relay.hybridConnection)
		return warn('A3', `${seen}; the settings say ${config.agentId}`, 'The agent runs with other settings. Restart it.')
	if (refused !== undefined)
		return warn(
			'A3',
			`${seen}, with earlier settings: ${refused}`,
			'Repair what it names. The agent then takes over the settings.',
		)
	switch (state) {
		case 'online':
		case 'degraded':
			return upgrade === undefined
				? pass('A3', seen)
				: warn(
						'A3',
						`${seen}; version ${upgrade} is available`,
						'Copy it over the agent, then type: rollcall-relay restart',
					)
		case 'draining':
		case 'stopped':
			return warn('A3', seen, 'The agent is stopping. Start it again.')
		case 'connecting':
		case 'failed':
			return fail(
				'A3',
				trouble === undefined ? seen : `${seen}; ${trouble.kind}: ${trouble.detail}`,
				remedyFor(trouble?.kind, config),
			)
	}
}

function remedyFor(trouble: unknown, { relay, credentials }: Config): string {
	switch (trouble) {
		case 'auth_failed':
			return credentials.type === 'sas'
				? `Azure refuses the token. Check the clock (H2), and that "keyName": "${credentials.keyName}" has the right Listen on ${relay.hybridConnection}.`
				: `The identity needs the role Azure Relay Listener on ${relay.hybridConnection}. A new role takes up to 5 minutes to work. Check the clock, too (H2).`
		case 'proxy_auth':
			return 'Repair the access to the proxy (N2). The agent sends refused credentials again after an hour, after a restart, or after a change of relay.proxyPasswordFile.'
		case 'entity_missing':
			return `Create the hybrid connection ${relay.hybridConnection}, or correct relay.hybridConnection.`
		case 'settings':
			return 'Repair the settings, or the files that they name (C1 and C2).'
		case 'quota':
			return 'The hybrid connection already has 25 listeners. Stop those that are not needed.'
		default:
			return 'See the network checks above (N1 to N6).'
	}
}
