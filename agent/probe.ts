import type { Clock } from '../shared/relay/clock.ts'
import type { AgentErrorCode } from '../shared/relay/contract.ts'
import type { Config } from './config.ts'
import { type Forward, originOf } from './forward.ts'

/** How the SCIM server was found: what it answered, or why it did not. */
export type OriginHealth = { readonly status: number } | { readonly fault: AgentErrorCode; readonly detail: string }

export type Probe = () => Promise<OriginHealth>

const goodFor = 5000
const deadline = 10_000

/** Asks the SCIM server for its ServiceProviderConfig, at most every 5 s however many want to know. */
export function probeOf(forward: Forward, config: Config, clock: Clock): Probe {
	const path = `${originOf(config).basePath}/ServiceProviderConfig`
	const headers = { accept: 'application/scim+json' }
	let last: { readonly state: Promise<OriginHealth>; readonly at: number } | undefined
	const ask = async (): Promise<OriginHealth> => {
		const answer = await forward({ method: 'GET', path, headers, body: Buffer.alloc(0), deadline })
		return 'fault' in answer ? { fault: answer.fault, detail: answer.detail } : { status: answer.status }
	}
	return () => {
		if (last === undefined || clock.now() - last.at >= goodFor) last = { state: ask(), at: clock.now() }
		return last.state
	}
}

/** Whether it is there and well; that it refuses a token or lacks an endpoint is an answer. */
export const isAnswering = (state: OriginHealth): boolean => 'status' in state && state.status < 500
