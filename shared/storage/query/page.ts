import type { Filter } from '../../scim/filter/ast.ts'
import type { StoredResource } from '../../scim/resource.ts'
import type { AttributePath } from '../../scim/resource-type.ts'
import type { Include } from '../resource/read.ts'

export type Query = {
	readonly filter?: Filter
	readonly sort?: Sort
	readonly page: Page
	readonly include?: Include
}

export type Sort = { readonly by: AttributePath; readonly descending: boolean }

/**
 * The part of the result that the caller wants. `startIndex` counts from 1 (RFC 7644 section 3.4.2.4). `after` is the
 * `next` of an earlier result, or '' for the beginning (RFC 9865). With a `count` of 0 the result is the total alone.
 */
export type Page =
	| { readonly startIndex: number; readonly count: number }
	| { readonly after: string; readonly count: number }

/** `next` is the `after` of the following page; absent on the last page and for a page by `startIndex`. */
export type QueryResult = {
	readonly resources: readonly StoredResource[]
	/** Absent in a walk: a page by cursor over more resources than one request reads. */
	readonly totalResults?: number
	readonly next?: string
}
