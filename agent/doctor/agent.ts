import * as z from 'zod'
import { type Clock, pause } from '../../shared/relay/clock.ts'
import { startAgent } from '../agent.ts'
import type { Config } from '../config.ts'
import { briefly, type Log } from '../log.ts'
import { requestText } from '../request-text.ts'
import { type DoctorFinding, fail, pass, skip, warn } from './check.ts'

const status = z.object({
	state: z.enum(['connecting', 'online', 'degraded', 'draining', 'stopped']),
	agent: z.string(),
	hybridConnection: z.string(),
	channels: z.int(),
	trouble: z
		.object({ kind: z.enum(['network', 'auth_failed', 'entity_missing', 'quota']), detail: z.string() })
		.optional(),
})

/** More than the agent takes to ask the SCIM server. */
const statusTimeout = 15_000
const listenLimit = 25_000

/**
 * Does the agent of this machine listen? It is asked. Only where none answers, and where that is wanted, one listens for
 * a moment: it may get requests, and serves them as any other.
 */
export async function agentFinding(config: Config, isListening: boolean, clock: Clock): Promise<DoctorFinding> {
	const asked = await askAgent(config)
	return asked.verdict === 'SKIP' && isListening ? listen(config, clock) : asked
}

async function listen(config: Config, clock: Clock): Promise<DoctorFinding> {
	const stopping = new AbortController()
	let tell = (_: DoctorFinding) => {}
	const heard = new Promise<DoctorFinding>((resolve) => {
		tell = resolve
	})
	const log: Log = (event, { trouble, detail } = {}) => {
		if (event === 'online') tell(pass('A3', `an agent listened for a moment as ${config.agentId}`))
		if (event === 'offline') tell(fail('A3', `${trouble}: ${detail}`, remedyFor(trouble, config)))
	}
	const agent = startAgent(config, { clock, log, random: Math.random })
	const late = pause(clock, listenLimit, stopping.signal).then(() =>
		fail('A3', `no agent came to listen within ${listenLimit / 1000} s`, remedyFor(undefined, config)),
	)
	const finding = await Promise.race([heard, late])
	stopping.abort()
	await agent.drain()
	return finding
}

async function askAgent(config: Config): Promise<DoctorFinding> {
	if (config.admin === undefined)
		return skip('A3', 'the running agent cannot be asked: there is no "admin": { "port": 9110 } in the settings')
	const { port } = config.admin
	try {
		const { text } = await requestText(`http://127.0.0.1:${port}/status`, { timeout: statusTimeout })
		return judge(status.parse(JSON.parse(text)), config)
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof z.ZodError)
			return fail('A3', `what answers on 127.0.0.1:${port} is no agent`, 'Choose another port in admin.port.')
		return skip('A3', `no agent runs here: ${briefly(error)}`)
	}
}

function judge(
	{ state, agent, hybridConnection, channels, trouble }: z.infer<typeof status>,
	config: Config,
): DoctorFinding {
	const seen = `the agent ${agent} is ${state} on ${hybridConnection}, control channels: ${channels}`
	if (agent !== config.agentId || hybridConnection !== config.relay.hybridConnection)
		return warn('A3', `${seen}; the settings name ${config.agentId}`, 'It runs with other settings: restart it.')
	switch (state) {
		case 'online':
		case 'degraded':
			return pass('A3', seen)
		case 'draining':
		case 'stopped':
			return warn('A3', seen, 'It is being stopped: start it again.')
		case 'connecting':
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
				? `The service refuses the key, or the times in the token if the clock is wrong (H2): "keyName": "${credentials.keyName}" must have the right Listen on ${relay.hybridConnection}.`
				: `The identity needs the role Azure Relay Listener on ${relay.hybridConnection}; a new one takes up to 5 minutes to work. A wrong clock (H2) is refused likewise.`
		case 'entity_missing':
			return `Create the hybrid connection ${relay.hybridConnection}, or correct relay.hybridConnection.`
		case 'quota':
			return 'There are 25 listeners already: stop those that are not needed.'
		default:
			return 'The checks of the network above say where it ends.'
	}
}
