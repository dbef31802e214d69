import { type Allowance, allowance } from '../../shared/limits/allowance.ts'
import type { Rate } from '../../shared/limits/bucket.ts'
import type { Timer } from '../timer.ts'

/** Failures for one tenant that are answered at once: ten, and ten more a minute. */
const promptFailures: Rate = { perSecond: 10 / 60, burst: 10 }
/** Reads of the agents of one tenant. */
const reads: Rate = { perSecond: 1, burst: 60 }
/** Milliseconds by which later failures are answered later. */
const slowness = 1000
/** Failures that wait at a time. Beyond this number they are answered at once, so that they take no memory. */
const maxWaiting = 1000
/** Names that are remembered. The oldest one is forgotten first. */
const maxNames = 1000

type StrangerLimiter = { readonly mayFailPromptly: Allowance; readonly mayRead: Allowance }

/** What callers who prove nothing may cost. It is counted by the name in the path, whether there is such a tenant or not. */
export type StrangerLimits = {
	/** Whether the agents of the tenant may be read from storage now. */
	mayRead(tenant: string): boolean
	/** Waits before a failure is answered, if there were too many. It never delays what succeeds. */
	slowDown(tenant: string): Promise<void>
}

type StrangerLimitsOptions = {
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly timer: Timer
}

export function openStrangerLimits({ now, timer }: StrangerLimitsOptions): StrangerLimits {
	const limiters = new Map<string, StrangerLimiter>()
	let waiting = 0

	const limiterOf = (tenant: string): StrangerLimiter => {
		const limiter = limiters.get(tenant) ?? {
			mayFailPromptly: allowance(promptFailures, now),
			mayRead: allowance(reads, now),
		}
		limiters.delete(tenant)
		const [oldest] = limiters.keys()
		if (limiters.size >= maxNames && oldest !== undefined) limiters.delete(oldest)
		limiters.set(tenant, limiter)
		return limiter
	}

	return {
		mayRead: (tenant) => limiterOf(tenant).mayRead(),
		async slowDown(tenant) {
			if (limiterOf(tenant).mayFailPromptly() || waiting >= maxWaiting) return
			waiting++
			await new Promise<void>((resolve) => timer(slowness, resolve))
			waiting--
		},
	}
}
