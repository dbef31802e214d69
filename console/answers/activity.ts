// What the server answers about what happens in a tenant, and what the page reads.

/** A user or a group, as a line names it. */
export type NamedResource = {
	readonly id: string
	readonly type: 'User' | 'Group'
	/** The userName or displayName; the id if the name is not known. */
	readonly name: string
}

/** A change, or refusals that are alike. */
export type LiveLine = {
	/** Names the change, or the refusals. A line with the same id and another `version` takes its place. */
	readonly id: string
	readonly version: number
	/** RFC 3339. */
	readonly at: string
	readonly what: string
	/** The client, the credential and the request. */
	readonly by: string
	readonly about?: NamedResource
	/** The name in a refused request that names no resource. */
	readonly name?: string
	readonly isRefusal: boolean
}

export type LiveLines = {
	/** The oldest one first. Some of them may have been told before. */
	readonly lines: readonly LiveLine[]
	/** For the next request. */
	readonly cursor: string
	/** Whether more changes are there already. */
	readonly hasMore: boolean
	/** Whether refusals may be missing, because very many are kept. */
	readonly isPartial: boolean
}
