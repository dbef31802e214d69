import { allowance } from '../shared/limits/allowance.ts'
import {
	type Bucket,
	fullBucket,
	millisecondsUntilAbove,
	type Rate,
	refilled,
	slowed,
	taken,
} from '../shared/limits/bucket.ts'
import { ScimError, tooManyRequests, unavailable } from '../shared/scim/error.ts'
import type { Timer } from './timer.ts'

/**
 * Decides when the requests of tenants begin. The limits hold for one process; processes share no state.
 *
 * - A request takes one unit of its tenant's bucket. It may begin while the bucket is above zero.
 * - A tenant with nothing under way begins. Otherwise it has fewer requests under way than the process has free places.
 * - While several tenants wait, the one with the fewest requests under way is next.
 * - A request that may not begin waits in turn, up to ten seconds.
 */
export type Turns = {
	/**
	 * Runs the work of a request of a tenant when it is the request's turn.
	 *
	 * @throws ScimError 429 if the tenant sends too much, 503 if the process is busy with other requests of the tenant
	 */
	run<T>(tenant: string, work: (turn: Turn) => Promise<T>): Promise<T>
	/** The answer to a request whose authentication has failed: the failure itself, or 429 if there are too many. */
	refusalOf(failure: unknown): unknown
	/** Halves the rate of a tenant, or of every tenant, for ten seconds. */
	slowDown(tenant: string | 'every tenant'): void
}

export type Turn = {
	/** Takes units beside the one that every request takes. The bucket may go below zero. */
	readonly charge: (units: number) => void
}

type TurnsOptions = {
	readonly rate: Rate
	readonly timer: Timer
	/** Milliseconds since 1970. */
	readonly now: () => number
}

/** The places for requests under way in a process. One tenant alone has half of them. */
const places = 32
/** The most requests of a tenant that wait for its rate. */
const maxWaiting = 200
const longestWait = 10_000
const slowFor = 10_000

type Waiting = { readonly until: number; readonly begin: () => void; readonly refuse: (error: ScimError) => void }

type TenantTurns = {
	bucket: Bucket
	underWay: number
	readonly waiting: Waiting[]
}

/** No limit: every request begins at once. */
export const noLimit: Turns = {
	run: (_, work) => work({ charge: () => {} }),
	refusalOf: (failure) => failure,
	slowDown: () => {},
}

export function openTurns({ rate, timer, now }: TurnsOptions): Turns {
	const tenants = new Map<string, TenantTurns>()
	/** The tenants whose requests wait. */
	const queue = new Set<TenantTurns>()
	const mayFail = allowance(rate, now)
	let free = places
	let everySlowUntil = Number.NEGATIVE_INFINITY
	let cancelWake = () => {}

	const turnsOf = (name: string): TenantTurns => {
		const known = tenants.get(name)
		if (known !== undefined) return known
		const bucket = { ...fullBucket(rate, now()), slowUntil: everySlowUntil }
		const created: TenantTurns = { bucket, underWay: 0, waiting: [] }
		tenants.set(name, created)
		return created
	}

	const refill = (tenant: TenantTurns): void => {
		tenant.bucket = refilled(tenant.bucket, rate, now())
	}

	const take = (tenant: TenantTurns, units: number): void => {
		tenant.bucket = taken(tenant.bucket, units)
	}

	/** Takes the first waiting request of a tenant out of the queue. */
	const shift = (tenant: TenantTurns): Waiting | undefined => {
		const first = tenant.waiting.shift()
		if (tenant.waiting.length === 0) queue.delete(tenant)
		return first
	}

	/** Refuses what has waited for too long, begins what may begin, and sets the timer for the next look. */
	const advance = (): void => {
		for (const tenant of queue) {
			refill(tenant)
			while ((tenant.waiting[0]?.until ?? Number.POSITIVE_INFINITY) <= now())
				shift(tenant)?.refuse(refusal(tenant, rate))
		}
		for (let next = nextOf(queue, free); next !== undefined; next = nextOf(queue, free)) {
			take(next, 1)
			next.underWay++
			free--
			shift(next)?.begin()
		}
		cancelWake()
		const wake = Math.min(...[...queue].map((tenant) => wakeIn(tenant, rate, now())))
		cancelWake = wake === Number.POSITIVE_INFINITY ? () => {} : timer(wake, advance)
	}

	const waitFor = (tenant: TenantTurns): Promise<void> => {
		refill(tenant)
		if (overRate(tenant) >= maxWaiting) return Promise.reject(refusal(tenant, rate))
		return new Promise((begin, refuse) => {
			tenant.waiting.push({ until: now() + longestWait, begin, refuse })
			queue.add(tenant)
			advance()
		})
	}

	const slow = (tenant: TenantTurns, slowUntil: number): void => {
		tenant.bucket = slowed(tenant.bucket, rate, { now: now(), slowUntil })
	}

	return {
		async run(name, work) {
			const tenant = turnsOf(name)
			await waitFor(tenant)
			try {
				return await work({ charge: (units) => take(tenant, units) })
			} finally {
				tenant.underWay--
				free++
				advance()
			}
		},
		refusalOf(failure) {
			const isFailed = failure instanceof ScimError && failure.status === 401
			return !isFailed || mayFail() ? failure : tooManyRequests('too many requests with a wrong token arrive', 1)
		},
		slowDown(name) {
			const slowUntil = now() + slowFor
			if (name === 'every tenant') everySlowUntil = slowUntil
			for (const tenant of name === 'every tenant' ? tenants.values() : [turnsOf(name)]) slow(tenant, slowUntil)
			advance()
		},
	}
}

/** The number of waiting requests that the bucket does not cover. The others wait for a place only. */
const overRate = ({ bucket, waiting }: TenantTurns): number => waiting.length - Math.max(0, Math.floor(bucket.level))

/** A tenant that has nothing under way needs no free place, so long requests of others do not keep it waiting. */
const mayBegin = ({ bucket, underWay }: TenantTurns, free: number): boolean =>
	bucket.level > 0 && (underWay === 0 || underWay < free)

/** The tenant whose request begins next: of those whose requests may begin, the one with the fewest under way. */
function nextOf(queue: Iterable<TenantTurns>, free: number): TenantTurns | undefined {
	let next: TenantTurns | undefined
	for (const tenant of queue) {
		if (mayBegin(tenant, free) && tenant.underWay < (next?.underWay ?? Number.POSITIVE_INFINITY)) next = tenant
	}
	return next
}

/** Milliseconds until the first waiting request of a tenant may begin for its rate, or has waited for too long. */
function wakeIn({ bucket, waiting }: TenantTurns, rate: Rate, now: number): number {
	const untilRefused = Math.max(0, (waiting[0]?.until ?? Number.POSITIVE_INFINITY) - now)
	// If the bucket is above zero, the request waits for a place, and the end of another request starts it.
	return bucket.level > 0 ? untilRefused : Math.min(untilRefused, millisecondsUntilAbove(bucket, rate))
}

/** The answer to a request that may not wait or has waited for too long. */
function refusal({ bucket, waiting }: TenantTurns, rate: Rate): ScimError {
	if (bucket.level > waiting.length) return unavailable('too many requests of the tenant are under way', 1)
	const seconds = Math.ceil(millisecondsUntilAbove(bucket, rate, waiting.length) / 1000)
	return tooManyRequests(
		`the tenant sends too many requests: ${rate.perSecond} a second are served, and a bulk request counts as one for each ten operations`,
		Math.max(1, seconds),
	)
}
