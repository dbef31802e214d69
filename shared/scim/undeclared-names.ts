/** What a tenant does with names that no schema declares: keeps them as they are, leaves them out, or refuses the request. */
export type UndeclaredRule = 'keep' | 'ignore' | 'reject'

/** The JSON type of a value, for those who look at what clients send. */
export type JsonType = 'string' | 'number' | 'boolean' | 'object' | 'array' | 'null'

/** The rule of a request, and the undeclared paths that the request has, with the JSON types of their values. */
export type UndeclaredNames = {
	readonly rule: UndeclaredRule
	/** What is read from an export was within the limits when it was stored. */
	readonly isUnlimited?: boolean
	readonly found: Map<string, JsonType>
}
