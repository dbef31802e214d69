import type { Clock } from '../shared/relay/clock.ts'
import type { AgentErrorCode } from '../shared/relay/contract.ts'
import type { Config } from './config.ts'
import { type Forward, originOf } from './forward.ts'

/** The status that the SCIM server answered, or why there is no answer. */
export type OriginHealth = { readonly status: number } | { readonly fault: AgentErrorCode; readonly detail: string }

export type Probe = () => Promise<OriginHealth>

const cacheTime = 5000
const deadline = 10_000

/** Requests the SCIM server's ServiceProviderConfig. Callers within 5 s share one request. */
export function probeOf(forward: Forward, config: Config, clock: Clock): Probe {
	const path = `${originOf(config).basePath}/ServiceProviderConfig`
	const headers = { accept: 'application/scim+json' }
	let last: { readonly state: Promise<OriginHealth>; readonly at: number } | undefined
	const ask = async (): Promise<OriginHealth> => {
		const answer = await forward({ method: 'GET', path, headers, body: Buffer.alloc(0), deadline })
		if ('fault' in answer) return { fault: answer.fault, detail: answer.detail }
		return refusesAgent(config, answer.status) ? credentialsRefused : { status: answer.status }
	}
	return () => {
		if (last === undefined || clock.now() - last.at >= cacheTime) last = { state: ask(), at: clock.now() }
		return last.state
	}
}

/** Whether a status is the answer to the agent's own credentials, not to those of a client. */
export const refusesAgent = ({ origin }: Config, status: number): boolean =>
	status === 401 && origin.authorization.type !== 'passThrough'

export const credentialsRefused = {
	fault: 'origin_auth',
	detail: 'the SCIM server refuses the credentials of the agent',
} as const

/** Whether the SCIM server works. A 404 counts as working, and a 401 if clients send their own credentials. */
export const isAnswering = (state: OriginHealth): boolean => 'status' in state && state.status < 500
