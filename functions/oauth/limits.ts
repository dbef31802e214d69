import { type Allowance, allowance } from '../../shared/limits/allowance.ts'
import type { Rate } from '../../shared/limits/bucket.ts'
import type { Timer } from '../timer.ts'

/** Failures of a client that are answered at once: ten, and ten more a minute. */
const promptFailures: Rate = { perSecond: 10 / 60, burst: 10 }
/** Milliseconds by which later failures are answered later. */
const slowness = 1000
/** Failures that wait at a time. Beyond this number they are answered at once, so that they take no memory. */
const maxWaiting = 1000
/** Access tokens of one client. */
const tokens: Rate = { perSecond: 100, burst: 100 }

type Limiter = { readonly mayFailPromptly: Allowance; readonly mayGetToken: Allowance }

/** The limits of the token endpoint in one process. Failures never keep a right secret or assertion from a token. */
export type ClientLimits = {
	/** Whether the client, which has proved itself, may have another token now. */
	mayGetToken(client: string): boolean
	/** Waits before a failure is answered, if there were too many. `client` is undefined if there is no such client. */
	slowDown(client: string | undefined): Promise<void>
}

type ClientLimitsOptions = {
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly timer: Timer
}

export function openClientLimits({ now, timer }: ClientLimitsOptions): ClientLimits {
	const limiters = new Map<string, Limiter>()
	let waiting = 0

	const limiterOf = (client: string): Limiter => {
		const known = limiters.get(client)
		if (known !== undefined) return known
		const limiter = { mayFailPromptly: allowance(promptFailures, now), mayGetToken: allowance(tokens, now) }
		limiters.set(client, limiter)
		return limiter
	}

	return {
		mayGetToken: (client) => limiterOf(client).mayGetToken(),
		async slowDown(client = '') {
			if (limiterOf(client).mayFailPromptly() || waiting >= maxWaiting) return
			waiting++
			await new Promise<void>((resolve) => timer(slowness, resolve))
			waiting--
		},
	}
}
