import type { IdGenerator } from '../../scim/id.ts'
import type { Pause } from '../table/retry.ts'
import type { Table } from '../table/tables.ts'

/** The directory of one tenant: its partition, and what time, identity and chance are to it. */
export type Directory = {
	readonly table: Table
	readonly pause: Pause
	readonly ids: IdGenerator
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** A number from 0 up to 1. */
	readonly random: () => number
	/** The most resources that may be looked at one by one for one request. */
	readonly scanLimit: number
	/** Milliseconds for which entries of the feed of changes are kept. */
	readonly keepFeedFor: number
}

/** The present in RFC 3339. */
export const timestamp = ({ now }: Directory): string => new Date(now()).toISOString()
