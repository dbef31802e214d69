import type { ClientKind } from '../../scim/client-kind.ts'
import type { IdGenerator } from '../../scim/id.ts'
import type { Pause } from '../table/retry.ts'
import type { Table } from '../table/tables.ts'

/**
 * What the ledger keeps of a change. `full`: the actor, and the values that were there before. `names`: the actor, and the
 * names of what changed. `off`: what the feed of changes shows.
 */
export type History = 'full' | 'names' | 'off'

/** The request that makes a change, as the ledger names it. */
export type Actor = {
	/** With what the request was authenticated; never its value. */
	readonly credential?: { readonly id: string; readonly label?: string }
	/** The id that the answer and the log have too. */
	readonly requestId?: string
	readonly client?: ClientKind
}

/** The directory of one tenant: its partition, and its sources of time, ids and chance. */
export type Directory = {
	readonly table: Table
	readonly pause: Pause
	readonly ids: IdGenerator
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** A number from 0 up to 1. */
	readonly random: () => number
	/** How many resources one request may look at one by one. */
	readonly scanLimit: number
	/** Milliseconds for which the feed keeps its entries. */
	readonly keepFeedFor: number
	readonly history: History
	/** The request that the directory was opened for. */
	readonly actor?: Actor
}

/** The present time in RFC 3339. */
export const timestamp = ({ now }: Directory): string => new Date(now()).toISOString()
