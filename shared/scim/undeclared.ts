import { type Quirks, unknownLeftOut } from './dialect.ts'
import type { ScimError } from './error.ts'
import type { JsonType, UndeclaredRule } from './undeclared-names.ts'

// Names that no schema of the tenant declares. One rule holds for POST, PUT and both forms of PATCH.

/** What is left of a value that may be kept. */
type KeptPart = { readonly value: unknown }

/** Makes the quirks of one request that follows a rule. */
export const quirksWith = (rule: UndeclaredRule, isUnlimited = false): Quirks =>
	Object.assign(new Set<never>(), { undeclared: { rule, isUnlimited, found: new Map() } })

const jsonTypeOf = (value: unknown): JsonType => {
	if (value === null || value === undefined) return 'null'
	if (Array.isArray(value)) return 'array'
	const type = typeof value
	return type === 'string' || type === 'number' || type === 'boolean' ? type : 'object'
}

type Undeclared = {
	/** The name with its URN: `urn:…:User:badge`, `name.nick`. */
	readonly path: string
	/** Undefined for a removal. */
	readonly value: unknown
	readonly quirks: Quirks
	/** Whether storage has a place for it: members of groups are stored without unknown parts. */
	readonly hasPlace?: boolean
	/** Makes the refusal for the rule `reject`. */
	readonly refuse: (detail: string) => ScimError
}

/**
 * Decides on one undeclared name. Answers the value to keep, without passwords; undefined if the name is left out.
 *
 * @throws what `refuse` makes, if the tenant's rule is `reject`
 */
export function meetUndeclared({ path, value, quirks, hasPlace = true, refuse }: Undeclared): KeptPart | undefined {
	const { rule = 'ignore', found } = quirks.undeclared ?? {}
	// A client that sends a password must be able to do the rest: Okta sends one with each new user.
	if (isPassword(path)) return unknownLeftOut(quirks)
	if (value !== undefined && value !== null) found?.set(path, jsonTypeOf(value))
	if (rule === 'reject') throw refuse(`no schema of this tenant declares ${path.slice(0, 200)}`)
	if (rule === 'ignore' || !hasPlace || !isName(path) || !isStorable(value)) return unknownLeftOut(quirks)
	quirks.add('unknownKept')
	return { value: withoutPasswords(value) }
}

/** Says whether any part of a path is `password`, in any letter case. */
const isPassword = (path: string): boolean => path.split(/[:.]/).some((part) => part.toLowerCase() === 'password')

const longestName = 300
const plainName = /^\$?[a-z][\w$-]*(?:\.\$?[a-z][\w$-]*)?$/i
const nameWithUrn = /^urn:[^\s"'()[\],\\]+$/i

/** Says whether a text may be the name of what is kept. `@odata.type`, which some clients send, is none. */
const isName = (path: string): boolean =>
	path.length <= longestName && (plainName.test(path) || nameWithUrn.test(path)) && !/^__proto__$/.test(path)

function withoutPasswords(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(withoutPasswords)
	if (typeof value !== 'object' || value === null) return value
	return Object.fromEntries(
		Object.entries(value)
			.filter(([name]) => name.toLowerCase() !== 'password')
			.map(([name, inner]) => [name, withoutPasswords(inner)]),
	)
}

/** Table Storage cannot hold NUL, and UTF-8 cannot hold half of a surrogate pair. */
function isStorable(value: unknown): boolean {
	if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed()
	if (typeof value !== 'object' || value === null) return true
	return Object.entries(value).every(([name, inner]) => isStorable(name) && isStorable(inner))
}
