/** How many units a second a bucket takes in, and how many it holds. */
export type Rate = { readonly perSecond: number; readonly burst: number }

/**
 * A token bucket. It has `level` units at the time `at`, and fewer than none if the last request took more than there were.
 * Until `slowUntil` it takes in half of its rate. Times are milliseconds since 1970.
 */
export type Bucket = { readonly level: number; readonly at: number; readonly slowUntil: number }

export const fullBucket = ({ burst }: Rate, now: number): Bucket => ({
	level: burst,
	at: now,
	slowUntil: Number.NEGATIVE_INFINITY,
})

/** The bucket with what has come in until now. If the clock has gone back, nothing comes in, and the new time counts. */
export function refilled(bucket: Bucket, { perSecond, burst }: Rate, now: number): Bucket {
	const elapsed = Math.max(0, now - bucket.at)
	const slow = Math.min(elapsed, Math.max(0, bucket.slowUntil - bucket.at))
	const gain = ((elapsed - slow / 2) * perSecond) / 1000
	return { ...bucket, level: Math.min(burst, bucket.level + gain), at: now }
}

/** Takes units out of a bucket, also if it holds fewer. */
export const taken = (bucket: Bucket, units: number): Bucket => ({ ...bucket, level: bucket.level - units })

/** Halves what comes in from now until `slowUntil`. */
export const slowed = (bucket: Bucket, rate: Rate, { now, slowUntil }: { now: number; slowUntil: number }): Bucket => ({
	...refilled(bucket, rate, now),
	slowUntil,
})

/** Whole milliseconds from the bucket's own time until it holds more than `units`: 0 if it does so now. */
export function millisecondsUntilAbove(bucket: Bucket, { perSecond }: Rate, units = 0): number {
	const need = units - bucket.level
	if (need < 0) return 0
	const slow = Math.max(0, bucket.slowUntil - bucket.at)
	const perMillisecond = perSecond / 1000
	const slowGain = (slow * perMillisecond) / 2
	const exact = need < slowGain ? (2 * need) / perMillisecond : slow + (need - slowGain) / perMillisecond
	return Math.floor(exact) + 1
}
