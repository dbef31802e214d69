import { limits } from './service-provider-config.ts'
import { urn } from './urn.ts'

/** The message of RFC 7644 section 3.4.2; `nextCursor` is that of RFC 9865 section 2. */
export type ListResponse = {
	readonly schemas: readonly [typeof urn.listResponse]
	/** Absent on a page by cursor if a full scan would be needed to count the total, as RFC 9865 section 2 allows. */
	readonly totalResults?: number
	readonly startIndex?: number
	readonly itemsPerPage: number
	readonly nextCursor?: string
	readonly Resources: readonly unknown[]
}

/** One page of a result. */
export type ListResult = Pick<ListResponse, 'itemsPerPage'> & {
	readonly totalResults: number | undefined
	readonly resources: readonly unknown[]
	readonly startIndex?: number | undefined
	readonly nextCursor?: string | undefined
}

/** Writes one page of a result. An empty page has `Resources` too: Entra reads its length. */
export const listResponse = ({
	resources,
	totalResults,
	startIndex,
	itemsPerPage,
	nextCursor,
}: ListResult): ListResponse => ({
	schemas: [urn.listResponse],
	...(totalResults !== undefined && { totalResults }),
	...(startIndex !== undefined && { startIndex }),
	itemsPerPage,
	...(nextCursor !== undefined && { nextCursor }),
	Resources: resources,
})

/**
 * The resources that a client asks for by `startIndex` and `count` (RFC 7644 section 3.4.2.4). Of `startIndex`: "A value
 * less than 1 SHALL be interpreted as 1." Of `count`: "A negative value SHALL be interpreted as 0." A page never exceeds
 * our limit.
 */
export const pageByIndex = ({
	startIndex = 1,
	count,
}: PageParameters): { readonly startIndex: number; readonly count: number } => ({
	startIndex: Math.max(startIndex, 1),
	count: pageSize(count),
})

type PageParameters = { readonly startIndex?: number | undefined; readonly count?: number | undefined }

/** The largest number of resources on a page for a client that asks for `count`. */
export const pageSize = (count: number = limits.defaultCount): number => Math.min(Math.max(count, 0), limits.maxResults)
