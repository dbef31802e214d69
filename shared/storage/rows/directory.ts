import type { IdGenerator } from '../../scim/id.ts'
import type { Pause } from '../table/retry.ts'
import type { Table } from '../table/tables.ts'

/** The directory of one tenant: its partition, and its sources of time, ids and chance. */
export type Directory = {
	readonly table: Table
	readonly pause: Pause
	/** The format in which rows are written. */
	readonly writtenFormat: number
	readonly ids: IdGenerator
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** A number from 0 up to 1. */
	readonly random: () => number
	/** How many resources one request may look at one by one. */
	readonly scanLimit: number
	/** Milliseconds for which the feed keeps its entries. */
	readonly keepFeedFor: number
}

/** The present time in RFC 3339. */
export const timestamp = ({ now }: Directory): string => new Date(now()).toISOString()
