import type { Quirks } from '../shared/scim/dialect.ts'
import type { IdGenerator } from '../shared/scim/id.ts'
import type { ResourceId } from '../shared/scim/resource.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'

/** One thing that a tenant's requests need, looked at just now. */
export type HealthCheck = {
	readonly name: 'tables' | 'tokens' | 'scimServer'
	readonly status: 'ok' | 'failing'
	readonly milliseconds: number
	/** What is wrong with it. */
	readonly detail?: string
}

/** An authenticated request of one tenant, without the transport it came by. */
export type Call = {
	readonly tenant: Tenant
	readonly store: ResourceStore
	readonly ids: IdGenerator
	/** Takes what of the request RFC 7643 and RFC 7644 do not allow and we understand all the same, for the log. */
	readonly quirks: Quirks
	/** Looks at what the tenant's requests need. Never rejects. */
	readonly checks: () => Promise<readonly HealthCheck[]>
	/** `https://<host>/scim/<tenant>`, without a slash at the end. */
	readonly baseUrl: string
	/** The variable segments of the path, decoded. */
	readonly params: Readonly<Record<string, string>>
	readonly query: URLSearchParams
	/** The id of the resource that a POST in a bulk request creates, given beforehand so that others can refer to it. */
	readonly newId?: ResourceId
	/** Reads the JSON body; rejects with a ScimError 400, 411, 413 or 415. */
	readonly body: () => Promise<unknown>
	readonly ifMatch?: string
	readonly ifNoneMatch?: string
	/** Milliseconds since 1970. */
	readonly now: number
}

/** `body` is JSON to be, or JSON in UTF-8 already; absent where the response has none. */
export type ScimReply = {
	readonly status: number
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: unknown
}

/** Answers a call, or throws a ScimError. */
export type Handler = (call: Call) => Promise<ScimReply>
