import type { Filter } from '../filter/ast.ts'
import type { ResolvedAttribute } from '../resource-type.ts'

/** The target of an operation: `emails[type eq "work"].value`. `text` is the client's own path, for error details. */
export type PatchTarget = ResolvedAttribute & {
	readonly filter?: Filter
	readonly text: string
	/** Set if no schema declares the path, and its value is kept as it is. Then `text` alone says where, and `attribute` is none. */
	readonly isUndeclared?: true
}

/**
 * One change to one attribute (RFC 7644 section 3.5.2). It always has a target: an operation without a path has already
 * become one operation for each attribute of its value.
 */
export type PatchOperation = PatchEffect & {
	/** The place of the operation in the request, such as `Operations[3]`. */
	readonly at: string
}

type PatchEffect =
	| { readonly op: 'add' | 'replace'; readonly target: PatchTarget; readonly value: unknown }
	| { readonly op: 'remove'; readonly target: PatchTarget; readonly value?: unknown }
