// What the server answers about schemas, indexes and settings, and what the page reads.

export type TenantSchema = {
	readonly schemas: readonly DeclaredSchema[]
	readonly observed: readonly ShownPath[]
	readonly indexes: readonly ShownIndex[]
}

export type DeclaredSchema = {
	/** The URN. */
	readonly id: string
	readonly resourceType: 'User' | 'Group'
	readonly attributes: readonly ShownAttribute[]
}

export type ShownAttribute = {
	readonly name: string
	/** `string` if it is missing. */
	readonly type?: string | undefined
	readonly multiValued?: boolean | undefined
	readonly required?: boolean | undefined
	readonly subAttributes?: readonly { readonly name: string }[] | undefined
}

/** A path that clients send and no schema declares. Times are RFC 3339. */
export type ShownPath = {
	readonly path: string
	readonly resourceType: 'User' | 'Group'
	/** The JSON types that clients have sent. */
	readonly types: readonly string[]
	readonly count: number
	readonly first: string
	readonly last: string
	/** A name of RFC 7643 that is one slip away. */
	readonly didYouMean?: string
}

/** An index that was added to the tenant. */
export type ShownIndex = {
	readonly path: string
	readonly isUnique: boolean
	/** In words, such as `filling: 10 of 20 users`. */
	readonly state: string
	/** The part of the users that is in it, from 0 to 1, while it is filled. */
	readonly filled?: number
	/** How many values of a unique index belong to several users. */
	readonly shared: number
}

/** A setting that a tenant of this mode has. */
export type ShownSetting = {
	/** The option of `rollcall tenant set`. */
	readonly option: string
	/** What is stored; missing if the default holds. */
	readonly value?: string
	readonly byDefault?: string
	readonly help: string
	/** The values that it may have; empty if they are not a few words. */
	readonly choices: readonly string[]
	/** The values as the help of the command line shows them. */
	readonly placeholder: string
}

export type ShownSettings = { readonly settings: readonly ShownSetting[] }
