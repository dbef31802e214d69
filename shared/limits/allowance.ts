import { type Bucket, fullBucket, type Rate, refilled, taken } from './bucket.ts'

/** Says whether one more may pass now. If so, the one is counted. */
export type Allowance = () => boolean

/** Lets pass what the rate allows. */
export function allowance(rate: Rate, now: () => number): Allowance {
	let bucket: Bucket = fullBucket(rate, now())
	return () => {
		bucket = refilled(bucket, rate, now())
		if (bucket.level <= 0) return false
		bucket = taken(bucket, 1)
		return true
	}
}

/** Any caller can make up names of tenants. So many of them are looked up one by one: 60 at once, 60 a minute. */
const unknownNames: Rate = { perSecond: 1, burst: 60 }

export const unknownNameAllowance = (now: () => number): Allowance => allowance(unknownNames, now)
