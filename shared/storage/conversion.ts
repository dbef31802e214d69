import type { Fault } from '../fault.ts'
import type { Pause } from './table/retry.ts'
import type { Table } from './table/tables.ts'

/** One round of the conversion of a tenant's rows to a newer format. */
export type Conversion = {
	/** The tenant's directory. */
	readonly table: Table
	readonly pause: Pause
	/** Empty, or what an earlier call has answered. */
	readonly position: string
	/** Milliseconds since 1970. */
	readonly now: () => number
	readonly until: number
	/** Tells administrators of something that they must mend. Logs have it, so it has no ids and no names. */
	readonly report: (problem: Fault) => void
}
