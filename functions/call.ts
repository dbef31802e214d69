import type { Credential } from '../shared/auth/credential.ts'
import type { Quirks } from '../shared/scim/dialect.ts'
import type { ScimError } from '../shared/scim/error.ts'
import type { IdGenerator } from '../shared/scim/id.ts'
import type { ResourceId } from '../shared/scim/resource.ts'
import type { ResourceTypes, TypeName } from '../shared/scim/resource-type.ts'
import type { JsonType } from '../shared/scim/undeclared-names.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { RefusedPart } from './refused-request.ts'

/** The current health of one service that the requests of a tenant need. */
export type HealthCheck = {
	readonly name: 'tables' | 'tokens' | 'scimServer'
	readonly status: 'ok' | 'failing'
	readonly milliseconds: number
	/** The problem, if the check fails. */
	readonly detail?: string
}

/** An authenticated request to one tenant, independent of the transport. */
export type Call = {
	readonly tenant: Tenant
	/** With what the request was authenticated. */
	readonly credential: Credential
	/** The resource types of the tenant, with the tenant's own schemas. */
	readonly types: ResourceTypes
	readonly store: ResourceStore
	readonly ids: IdGenerator
	/** Takes the deviations from RFC 7643 and RFC 7644 that were tolerated in the request, for the log. */
	readonly quirks: Quirks
	/** Checks the services that the requests of the tenant need, at most once in ten seconds. Never rejects. */
	readonly checks: () => Promise<readonly HealthCheck[]>
	/** `https://<host>/scim/<tenant>`, without a trailing slash. */
	readonly baseUrl: string
	/** The decoded variable segments of the path. */
	readonly params: Readonly<Record<string, string>>
	readonly query: URLSearchParams
	/** The id for the resource of a POST in a bulk request. It is set in advance so that other operations can use it. */
	readonly newId?: ResourceId
	/** Reads the JSON body; rejects with a ScimError 400, 411, 413 or 415. */
	readonly body: () => Promise<unknown>
	readonly ifMatch?: string
	readonly ifNoneMatch?: string
	/** Milliseconds since 1970. */
	readonly now: number
	/** Milliseconds since `now`. */
	readonly elapsed: () => number
	/** Takes more of the tenant's rate than the one unit that every request takes. */
	readonly charge: (units: number) => void
	/** Counts the paths of a write that no schema declares. */
	readonly observe: (resourceType: TypeName, found: ReadonlyMap<string, JsonType>) => void
	/** Logs an error that is ours, and answers what to tell the client. */
	readonly fault: (error: unknown) => ScimError
	/** Notes that an operation of a bulk request was refused. */
	readonly refused: (part: RefusedPart) => void
}

/** The answer to a call. `body` is a value to write as JSON, or bytes that are JSON already; absent without a body. */
export type ScimReply = {
	readonly status: number
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: unknown
}

/** Answers a call. Throws a ScimError to refuse it. */
export type Handler = (call: Call) => Promise<ScimReply>
