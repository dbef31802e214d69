import { type ScimError, unavailable } from '../../scim/error.ts'

/** Waits before the next attempt; `attempt` counts from 1. */
export type Pause = (attempt: number) => Promise<void>

/** How often a step is tried: if another request's change made it fail, and if the service is away. */
export const attempts = { conflict: 8, outage: 4 } as const

/**
 * Exponential backoff with full jitter: up to 50 ms before the second attempt, up to 1.6 s before the seventh and later.
 *
 * @param sleep waits for milliseconds
 * @param random a number from 0 up to 1
 */
export const backoff =
	(sleep: (milliseconds: number) => Promise<void>, random: () => number): Pause =>
	(attempt) =>
		sleep(random() * Math.min(50 * 2 ** (attempt - 1), 1600))

const retryAfterSeconds = 5

/** The table service is away or too busy: 503 with Retry-After. */
export const tableUnavailable = (cause: unknown): ScimError =>
	unavailable('the directory is not available at the moment', retryAfterSeconds, cause)

/** Other requests changed the same resource again and again: 503 with Retry-After. */
export const tooContended = (): ScimError =>
	unavailable('the resource is being changed by too many requests at once', retryAfterSeconds)

/**
 * Repeats a step until it answers something other than undefined.
 *
 * @throws ScimError 503 after 8 attempts
 */
export async function untilAnswered<T>(pause: Pause, step: () => Promise<T | undefined>): Promise<T> {
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		const answer = await step()
		if (answer !== undefined) return answer
		if (attempt < attempts.conflict) await pause(attempt)
	}
	throw tooContended()
}
