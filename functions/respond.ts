import type { HttpResponseInit } from '@azure/functions'
import { parseBearer } from '../shared/auth/bearer.ts'
import { readJson } from '../shared/http/body.ts'
import type { ScimRequest } from '../shared/http/request.ts'
import type { Quirk } from '../shared/scim/dialect.ts'
import { methodNotAllowed, notFound, ScimError, unauthorized } from '../shared/scim/error.ts'
import { requireKnownFormat } from '../shared/tenants/format.ts'
import { parseTenantName } from '../shared/tenants/tenants.ts'
import type { Call, Handler, Reply } from './call.ts'
import { type Handlers, handlers, type Method } from './handlers.ts'
import { alive } from './health.ts'
import { type Match, matchPath } from './match.ts'
import { relay } from './relay/relay.ts'
import type { Services } from './services.ts'
import { counting, type Usage } from './usage.ts'

/** What one request came to. No token, no name, no value of a resource is ever in it. */
export type RequestEvent = {
	readonly requestId: string
	readonly method: string
	readonly status: number
	readonly milliseconds: number
	readonly tenant?: string
	/** The template of the path below the tenant, `/Users/{id}`. */
	readonly path?: string
	/** Requests to the table service that it took. */
	readonly storageRequests?: number
	/** What of it RFC 7643 and RFC 7644 do not allow and was understood all the same. */
	readonly quirks?: readonly Quirk[]
	readonly scimType?: string
	/** The fault behind a 5xx. */
	readonly error?: unknown
}

/** Answers one request and tells `log` what came of it. */
export type Respond = (
	request: ScimRequest,
	requestId: string,
	log: (event: RequestEvent) => void,
) => Promise<HttpResponseInit>

/** Answers requests. The only place where a thrown error becomes a response; nothing is ever thrown out of it. */
export const respondWith =
	(services: Services): Respond =>
	async (request, requestId, log) => {
		const started = services.now()
		const seen: Seen = {}
		const used: Usage = { storageRequests: 0, quirks: new Set() }
		const outcome = await counting(used, () => answer(request, { services, requestId, seen })).catch((error: unknown) =>
			refuse(error, { requestId, method: request.method }),
		)
		log({
			requestId,
			method: request.method,
			status: outcome.response.status,
			milliseconds: services.now() - started,
			storageRequests: used.storageRequests,
			...(used.quirks.size > 0 && { quirks: [...used.quirks] }),
			...seen,
			...outcome.cause,
		})
		return outcome.response
	}

type Response = HttpResponseInit & { readonly status: number }

type Outcome = { readonly response: Response; readonly cause?: Pick<RequestEvent, 'scimType' | 'error'> }

type Answering = {
	readonly services: Services
	readonly requestId: string
	readonly seen: Seen
}

/** What of a request is known so far, for the log. */
type Seen = { tenant?: string; path?: string }

async function answer(request: ScimRequest, { services, requestId, seen }: Answering): Promise<Outcome> {
	const url = new URL(request.url)
	if (/^\/+scim\/+health\/*$/i.test(url.pathname))
		return { response: responseOf(liveness(request.method), request.method) }
	const match = matchPath(url.pathname)
	const name = match && parseTenantName(match.tenant)
	if (match === undefined || name === undefined)
		throw notFound(`the address is not /scim/<tenant>/…: ${url.pathname.slice(0, 200)}`)
	const tenant = await authenticate(request, services, name)
	seen.tenant = name
	if (match.route !== undefined) seen.path = `/${match.route.path}`
	requireKnownFormat(tenant.format)
	// The only endpoint that is ours also where the others are those of a SCIM server behind a relay.
	if (tenant.mode === 'relay' && match.route?.name !== 'health') {
		return { response: await relay(request, { send: services.senderOf(tenant), requestId, tenant: name }) }
	}
	const handler = handlerOf(match, request.method, url.pathname)
	const reply = await handler(callOf(request, { url, tenant, services, match, requestId }))
	return { response: responseOf(reply, request.method) }
}

/** An unknown tenant and a wrong token are one and the same to whoever asks. */
async function authenticate(request: ScimRequest, services: Services, name: string) {
	const token = parseBearer(request.headers.get('authorization'))
	const [tenant, isAccepted] = await Promise.all([services.tenants.getTenant(name), services.accepts(name, token)])
	if (tenant === undefined || !isAccepted) {
		throw unauthorized('the token is not one of this tenant', 'Bearer realm="scim", error="invalid_token"')
	}
	return tenant
}

function handlerOf({ route }: Match, method: string, pathname: string): Handler {
	if (route === undefined) throw notFound(`there is no endpoint ${pathname.slice(0, 200)}`)
	const here = handlers[route.name]
	const handler = (here as Readonly<Record<string, Handler | undefined>>)[method === 'HEAD' ? 'GET' : method] // sound: a method that is no key of it is answered 405
	if (handler === undefined) throw methodNotAllowed(`${method} is not supported here`, allowed(here))
	return handler
}

const allowed = (here: Handlers): readonly string[] => [
	...(Object.keys(here) as Method[]), // sound: the keys of a record of methods
	...(here.GET === undefined ? [] : ['HEAD']),
]

type Context = {
	readonly url: URL
	readonly tenant: Call['tenant']
	readonly services: Services
	readonly match: Match
	readonly requestId: string
}

function liveness(method: string): Reply {
	if (method === 'GET' || method === 'HEAD') return alive
	throw methodNotAllowed(`${method} is not supported here`, ['GET', 'HEAD'])
}

function callOf(request: ScimRequest, { url, tenant, services, match, requestId }: Context): Call {
	const ifMatch = request.headers.get('if-match')
	const ifNoneMatch = request.headers.get('if-none-match')
	const baseUrl = `${url.origin}/scim/${tenant.name}`
	const { headers } = request
	return {
		tenant,
		store: services.open(tenant),
		ids: services.ids,
		checks: () =>
			services.checks(tenant, {
				method: 'GET',
				path: '/ServiceProviderConfig',
				headers,
				requestId,
				publicBase: baseUrl,
			}),
		baseUrl,
		params: match.params,
		query: url.searchParams,
		body: () => readJson(request),
		...(ifMatch !== null && { ifMatch }),
		...(ifNoneMatch !== null && { ifNoneMatch }),
		now: services.now(),
	}
}

function refuse(error: unknown, { requestId, method }: { requestId: string; method: string }): Outcome {
	if (!(error instanceof ScimError)) {
		return { response: responseOf(refusal(fault(requestId)), method), cause: { error } }
	}
	const cause = {
		...(error.scimType !== undefined && { scimType: error.scimType }),
		// 501 says what is not offered; nothing has failed.
		...(error.status >= 500 && error.status !== 501 && { error: error.cause ?? error }),
	}
	return { response: responseOf(refusal(error), method), cause }
}

/** What a client is told of an error that is not its own. */
export const fault = (requestId: string): ScimError =>
	new ScimError(500, `Something failed on our side. It is logged as request ${requestId}.`)

/** The reply that tells a client of an error (RFC 7644 section 3.12). */
export const refusal = (error: ScimError): Reply => ({
	status: error.status,
	headers: error.headers,
	body: error.toMessage(),
})

/** A reply as it goes over the wire. Errors and lists are nobody's to cache. */
export function responseOf({ status, headers, body }: Reply, method = 'GET'): Response {
	const type = { 'Content-Type': 'application/scim+json; charset=utf-8', 'Cache-Control': 'no-store' }
	if (body === undefined || method === 'HEAD') return { status, headers: { ...type, ...headers } }
	return { status, headers: { ...type, ...headers }, body: body instanceof Uint8Array ? body : JSON.stringify(body) }
}
