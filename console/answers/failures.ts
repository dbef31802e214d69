// What the server answers about refused requests, and what the page reads.

/** Refusals of one sentence. Times are RFC 3339. */
export type FailedSentence = {
	readonly status: number
	readonly scimType?: string
	readonly sentence: string
	readonly requests: readonly string[]
	readonly count: number
	/** How many people and groups it concerns. */
	readonly subjects: number
	/** Some of them. */
	readonly examples: readonly { readonly name?: string; readonly id?: string; readonly type?: 'User' | 'Group' }[]
	readonly first: string
	readonly last: string
	readonly remedy: string
	/** The page that says more. */
	readonly page: string
}

export type FailuresAnswer = {
	readonly groups: readonly FailedSentence[]
	/** Requests that were only counted. */
	readonly others: number
	/** Whether there are more refusals than one answer looks at. */
	readonly isPartial: boolean
}
