// What the server answers about the safety of a tenant, and what the page reads.

export type TenantSafety = {
	/** Missing for a tenant of mode relay, whose people are in the SCIM server. */
	readonly guard?: GuardNumbers
	/** What the guard says, in some words. */
	readonly guardLine: string
	/** What administrators have done, in the last 90 days, newest first. */
	readonly administration: readonly AdministratorsDeed[]
	/** A name for the file of an export. */
	readonly exportFile: string
}

/** What was lost in the last hour, and what is allowed. */
export type GuardNumbers = {
	readonly setting: 'hold' | 'alert' | 'off'
	readonly isBeyond: boolean
	/** Whether deletions are held back now. */
	readonly isHolding?: boolean
	/** RFC 3339; while all deletions are allowed. */
	readonly allowedUntil?: string
	readonly deletedPeople: number
	readonly deletedGroups: number
	readonly deactivatedPeople: number
	readonly allowedPeople: number
	readonly allowedGroups: number
}

export type AdministratorsDeed = {
	readonly id: string
	/** RFC 3339. */
	readonly time: string
	/** The words of the command. */
	readonly command: string
	/** The object id in Entra; empty on a laptop. */
	readonly administrator: string
	readonly name: string
	/** `begun` if it was interrupted, or is still at work. */
	readonly outcome: 'begun' | 'done' | 'failed'
}
