import type { AgentStatus } from './agent.ts'
import type { ServerState } from './fleet.ts'
import { isAnswering, type OriginHealth } from './probe.ts'

/** The state of the agent of one server, and of the SCIM server if it was asked. */
export type ServerStatus = Omit<AgentStatus, 'state' | 'trouble'> & {
	/** `degraded`: the agent listens, and the SCIM server does not work. `failed`: the settings cannot be used. */
	readonly state: AgentStatus['state'] | 'degraded' | 'failed'
	/** The name of the server, if the settings have names. */
	readonly server?: string
	readonly trouble?: AgentStatus['trouble'] | { readonly kind: 'settings'; readonly detail: string }
	/** Why the newest settings are not in use. */
	readonly refused?: string
	readonly origin?: OriginHealth
}

/** What the agent says of itself, without asking the SCIM server. */
export function agentStatus({ config, agent, refusal }: ServerState): ServerStatus {
	const server = config.name === undefined ? {} : { server: config.name }
	if (agent !== undefined)
		return { ...server, ...agent.status(), ...(refusal !== undefined && { refused: refusal.detail }) }
	const { namespace, hybridConnection } = config.relay
	const trouble = { kind: 'settings', detail: refusal?.detail ?? 'the agent is starting' } as const
	const identity = { agent: config.agentId, namespace, hybridConnection }
	return { ...server, state: 'failed', ...identity, channels: 0, underway: 0, trouble }
}

/** The same, with the answer of the SCIM server to the health check. */
export async function serverStatus(server: ServerState): Promise<ServerStatus> {
	const status = agentStatus(server)
	if (server.agent === undefined) return status
	const origin = await server.agent.probe()
	const state = status.state === 'online' && !isAnswering(origin) ? 'degraded' : status.state
	return { ...status, state, origin }
}
