import type { Filter } from '../../scim/filter/ast.ts'
import type { StoredResource } from '../../scim/resource.ts'
import type { AttributePath } from '../../scim/resource-type.ts'
import type { Include } from '../resource/read.ts'

export type Query = {
	readonly filter?: Filter
	readonly sort?: { readonly by: AttributePath; readonly descending: boolean }
	readonly page: Page
	readonly include?: Include
}

/**
 * Which part of the result: `startIndex` counts from 1 (RFC 7644 section 3.4.2.4); `after` is the `next` of an earlier
 * result, or '' for the beginning (RFC 9865). `count` 0 asks for the total alone.
 */
export type Page =
	| { readonly startIndex: number; readonly count: number }
	| { readonly after: string; readonly count: number }

/** `next` is where the following page begins; absent at the end, and where the query was not by `after`. */
export type QueryResult = {
	readonly resources: readonly StoredResource[]
	/** Absent where a walk by cursor goes over more resources than are looked at for each of its pages. */
	readonly totalResults?: number
	readonly next?: string
}
