import type { Credential } from '../shared/auth/credential.ts'
import type { ScimRequest } from '../shared/http/request.ts'
import { jsonIn } from '../shared/json-in.ts'
import { isObject } from '../shared/scim/value.ts'
import type { Refusal } from '../shared/storage/refusals.ts'
import type { Actor } from '../shared/storage/rows/directory.ts'
import { formatProblem } from '../shared/tenants/format.ts'
import { settingsProblem } from '../shared/tenants/settings.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { PathMatch } from './match.ts'
import type { Refusals } from './refusals.ts'

/** What is known about a request so far that no log has. */
export type RequestFacts = {
	tenant?: Tenant
	credential?: Credential
	match?: PathMatch
	body?: ArrayBuffer
}

/** The request, whose body is kept for the case that it is refused. */
export const keepingBody = (request: ScimRequest, seen: RequestFacts): ScimRequest => ({
	method: request.method,
	url: request.url,
	headers: request.headers,
	arrayBuffer: async () => {
		const body = await request.arrayBuffer()
		seen.body = body
		return body
	},
})

/** What is refused: a request, or an operation of a bulk request. */
export type RefusedPart = Omit<Refusal, keyof Actor>

/** The request that is refused; undefined if it only reads, or if its tenant is not known. */
export function refusedPart(
	{ match, body }: RequestFacts,
	method: string,
): Pick<RefusedPart, 'method' | 'path' | 'resourceId' | 'name'> | undefined {
	if (match === undefined || !isWriting(method, match)) return undefined
	const { route, params } = match
	return {
		method,
		path: route === undefined ? '' : `/${route.path}`,
		...(params.id !== undefined && { resourceId: params.id }),
		...nameIn(jsonOfBody(body)),
	}
}

/** Notes a refusal for the ledger, if the ledger of the tenant can be written. */
export function noteRefused(refusals: Refusals, { tenant }: RequestFacts, refusal: Refusal): void {
	if (tenant === undefined || refusal.status === 401) return
	if (formatProblem(tenant.format) === undefined && settingsProblem(tenant) === undefined)
		refusals.note(tenant, refusal)
}

const writing: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE']

const isWriting = (method: string, { route }: PathMatch): boolean =>
	writing.includes(method) && !route?.reads.some((each) => each === method)

/** Bytes of a body that is looked into. The name of a resource is near its beginning, and nothing else is needed. */
const maxBytes = 64 * 1024

/** The JSON of a body; undefined if it is none, or long. */
export function jsonOfBody(body: ArrayBuffer | Uint8Array | undefined): unknown {
	if (body === undefined || body.byteLength > maxBytes) return undefined
	return jsonIn(new TextDecoder().decode(body))
}

const names = ['username', 'displayname', 'externalid'] as const
const maxName = 200

/** The name of the resource in a body. */
export function nameIn(body: unknown): Pick<Refusal, 'name'> {
	if (!isObject(body)) return {}
	const values = new Map(Object.entries(body).map(([name, value]) => [name.toLowerCase(), value]))
	const value = names.map((name) => values.get(name)).find((each) => typeof each === 'string' && each !== '')
	return typeof value === 'string' ? { name: value.slice(0, maxName) } : {}
}

/** The sentence and the scimType that an error message of a SCIM server has (RFC 7644 section 3.12). */
export function messageIn(body: unknown): Pick<Refusal, 'scimType' | 'sentence'> {
	if (!isObject(body)) return { sentence: '' }
	const { detail, scimType } = body
	return {
		sentence: typeof detail === 'string' ? detail : '',
		...(typeof scimType === 'string' && scimType !== '' && { scimType: scimType.slice(0, 50) }),
	}
}
