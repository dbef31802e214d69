import type { TypeName } from '../scim/resource-type.ts'

/** How many people or groups a tenant may lose within an hour. What is left out follows from the size of the tenant. */
export type GuardLimits = {
	readonly people?: number
	readonly groups?: number
	/** Of a group with at least so many members, one request may not take more than half. */
	readonly members?: number
	/** Whether deletions beyond these numbers are held back. */
	readonly isHeld?: boolean
}

/** What a directory needs to hold back deletions. */
export type Hold = {
	/** The name of the tenant, for the command in the refusal. */
	readonly tenant: string
	readonly limits: GuardLimits
	/** Until when an administrator allows all deletions, in milliseconds since 1970; 0 if there is no such time. */
	readonly allowedUntil: number
}

/** What a process knows of the deletions of a tenant. Times are those of `elapsed`. */
export type LossMemory = {
	/** The last count of the rows. */
	counted?: LossCount | undefined
	/** A count that is under way. */
	counting?: Promise<LossCount> | undefined
	/** Deletions of this process that the last count may not hold. */
	readonly own: Map<string, OwnLoss>
}

/** `endedAt`: a deletion that was done before a count began is in that count. */
export type OwnLoss = { readonly type: TypeName; endedAt?: number }

/** `lost`: the rows of the last hour; `allowed`: how many there may be, for types of which that had to be read. */
export type LossCount = {
	readonly beganAt: number
	readonly lost: Readonly<Record<TypeName, number>>
	readonly allowed: Map<TypeName, Promise<number>>
}

/** What a process knows at first. */
export const noLossKnown = (): LossMemory => ({ own: new Map() })
