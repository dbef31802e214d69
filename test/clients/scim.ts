import { expect } from 'vitest'

/** The URNs that the client tests share. */
export const urn = {
	user: 'urn:ietf:params:scim:schemas:core:2.0:User',
	group: 'urn:ietf:params:scim:schemas:core:2.0:Group',
	enterprise: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User',
	patchOp: 'urn:ietf:params:scim:api:messages:2.0:PatchOp',
	list: 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
	error: 'urn:ietf:params:scim:api:messages:2.0:Error',
} as const

export const patchOf = (...Operations: readonly unknown[]) => ({ schemas: [urn.patchOp], Operations })

export const aUser = (userName: string, attributes: Readonly<Record<string, unknown>> = {}) => ({
	schemas: [urn.user],
	userName,
	...attributes,
})

export const aGroup = (displayName: string, attributes: Readonly<Record<string, unknown>> = {}) => ({
	schemas: [urn.group],
	displayName,
	...attributes,
})

/** A list with all results on one page. */
export const listOf = (...Resources: readonly unknown[]) => ({
	schemas: [urn.list],
	totalResults: Resources.length,
	startIndex: 1,
	itemsPerPage: Resources.length,
	Resources,
})

export const errorOf = (status: number, detail: string, scimType?: string) => ({
	schemas: [urn.error],
	status: String(status),
	...(scimType !== undefined && { scimType }),
	detail,
})

/** The headers of every answer, including errors. */
export const headersOfEveryAnswer = {
	'content-type': 'application/scim+json; charset=utf-8',
	'cache-control': 'no-store',
	'x-content-type-options': 'nosniff',
}

/** Equals an answer with this body and at least these headers. */
export const answer = (status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}) => ({
	status,
	headers: expect.objectContaining({ ...headersOfEveryAnswer, ...headers }),
	...(body !== undefined && { body }),
})
