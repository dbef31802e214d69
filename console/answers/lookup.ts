// What the server answers about people and groups, and what the page reads.

/** A person or a group that a search has found. */
export type SearchHit = {
	readonly id: string
	readonly type: 'User' | 'Group'
	readonly name: string
	readonly displayName?: string
	/** The value that begins with the text of the search. */
	readonly value: string
	readonly isInactive: boolean
}

/** What has a value of one attribute that begins with the text. */
export type SearchHits = {
	readonly type: 'User' | 'Group'
	/** Such as `userName`. */
	readonly by: string
	readonly hits: readonly SearchHit[]
	/** The place of the next page; undefined on the last one. */
	readonly next?: string
}

export type SearchAnswer = {
	readonly byId?: SearchHit
	readonly pages: readonly SearchHits[]
	/** The ids of what had the text as its name and was renamed or deleted. */
	readonly former: readonly { readonly id: string; readonly type: 'User' | 'Group' }[]
}

/** A value of a person or group, such as `name.familyName`, as people read it. */
export type ShownValue = { readonly path: string; readonly value: string }

export type ResourceAnswer = {
	readonly id: string
	readonly type: 'User' | 'Group'
	readonly name: string
	/** Missing if the resource is deleted. Times are RFC 3339. */
	readonly present?: {
		readonly values: readonly ShownValue[]
		readonly isInactive: boolean
		readonly created: string
		readonly lastModified: string
		readonly version: string
	}
}

/** What a change did to one value. `is` is missing if it is not known. */
export type ValueChange = { readonly path: string; readonly was: string; readonly is?: string }

/** A change of a person or group, or refusals that are alike. */
export type TimelineLine = {
	/** Names the line on its page. */
	readonly id: string
	/** RFC 3339; empty for a change that version 0.1.0 made. */
	readonly at: string
	readonly what: string
	readonly by: string
	readonly values: readonly ValueChange[]
	readonly isRefusal: boolean
	/** Of refusals: when the last one was, if there were several. */
	readonly until?: string
	/** The group or person that was joined or left. */
	readonly other?: { readonly id: string; readonly type: 'User' | 'Group'; readonly name: string }
	/** Whom a change of a group has added and removed. */
	readonly members?: ShownMembers
	/** How undo names the change; missing if it cannot be taken back. */
	readonly undo?: { readonly operation: string; readonly epoch: string }
}

/** Some of the people whom a change has added to a group, or removed from it. */
export type ShownMembers = {
	/** Names the change in the path of all its members: `<epoch>/<operation>`. */
	readonly change: string
	readonly some: readonly ShownMember[]
	/** Whether there are more. */
	readonly hasMore: boolean
}

/** A person whom a change has added or removed. The name is the id if it is not known. */
export type ShownMember = { readonly id: string; readonly name: string; readonly isAdded: boolean }

export type ChangedMembersAnswer = {
	readonly members: readonly ShownMember[]
	/** The place of the next page; undefined on the last one. */
	readonly next?: string
}

export type TimelineAnswer = {
	readonly name?: string
	readonly isDeleted: boolean
	/** The newest one first. */
	readonly lines: readonly TimelineLine[]
	/** The place of the page of older lines; undefined if there are none. */
	readonly older?: string
	/** Whether the newest changes may be missing. */
	readonly isBehind: boolean
}

export type GroupsAnswer = {
	readonly groups: readonly { readonly id: string; readonly name: string }[]
	readonly total: number
	readonly next?: string
}

export type MembersAnswer = {
	/** A member whose user was deleted just now has the id as its name. */
	readonly members: readonly { readonly id: string; readonly name: string; readonly displayName?: string }[]
	readonly hasEarlier: boolean
	readonly hasLater: boolean
}
