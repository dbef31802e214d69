import type { ClientKind } from '../../scim/client-kind.ts'
import type { IdGenerator } from '../../scim/id.ts'
import type { Hold, LossMemory } from '../losses.ts'
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

/**
 * How the feed of changes is written.
 * - `operations`: entries `c|<operation>`, in the order of clocks.
 * - `closing`: the same, and each requires that epochs have not begun. Once they have, as in `epochs`.
 * - `epochs`: entries `f|<epoch>|<operation>`, each of which requires that the epoch is open.
 */
export type FeedStage = 'operations' | 'closing' | 'epochs'

/** What the row `e|!` says. */
export type Epoch = { readonly number: number; readonly lanes: number; readonly first: number }

/** What a process remembers of the epochs of a directory. Times are those of `elapsed`. */
export type EpochMemory = {
	/** The epoch that was open when the process last looked. */
	open?: Epoch | undefined
	/** A read of the open epoch that is under way. */
	reading?: Promise<Epoch> | undefined
	/** How many changes the process has made in the open epoch. */
	commits: number
	/** When the process last tried to close an epoch. */
	triedAt: number
	/** When it last wrote a row `z|<epoch>`. */
	endedAt: number
	/** How long the last read of `e|!` took. */
	latency: number
}

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
	readonly history: History
	/** The request that the directory was opened for. */
	readonly actor?: Actor
	/** Whether deletions are held back if there are very many. */
	readonly hold?: Hold
	readonly losses: LossMemory
	readonly feed: FeedStage
	readonly epochs: EpochMemory
	/** Milliseconds of a clock that never goes back. */
	readonly elapsed: () => number
}

/** The present time in RFC 3339. */
export const timestamp = ({ now }: Directory): string => new Date(now()).toISOString()

/** What a process remembers at first. */
export const noEpochKnown = (): EpochMemory => ({
	commits: 0,
	triedAt: Number.NEGATIVE_INFINITY,
	endedAt: Number.NEGATIVE_INFINITY,
	latency: 0,
})
