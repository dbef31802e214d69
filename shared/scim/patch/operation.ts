import type { Filter } from '../filter/ast.ts'
import type { ResolvedAttribute } from '../resource-type.ts'

/** Where an operation acts: `emails[type eq "work"].value`. `text` is the path as the client wrote it, for error details. */
export type PatchTarget = ResolvedAttribute & {
	readonly filter?: Filter
	readonly text: string
}

/**
 * One change to one attribute (RFC 7644 section 3.5.2). An operation without a path has been split into one per
 * attribute of its value, so there always is a target.
 */
export type PatchOperation =
	| { readonly op: 'add' | 'replace'; readonly target: PatchTarget; readonly value: unknown }
	| { readonly op: 'remove'; readonly target: PatchTarget; readonly value?: unknown }
