import type { HttpResponseInit } from '@azure/functions'
import { parseBearer } from '../shared/auth/bearer.ts'
import type { Credential } from '../shared/auth/credential.ts'
import type { TokenRefusal } from '../shared/auth/refusal.ts'
import { loggable } from '../shared/fault.ts'
import { readJson } from '../shared/http/body.ts'
import type { ScimRequest } from '../shared/http/request.ts'
import type { Quirk, Quirks } from '../shared/scim/dialect.ts'
import { methodNotAllowed, notFound, ScimError, unauthorized } from '../shared/scim/error.ts'
import { following } from '../shared/scim/strict.ts'
import { withoutValues } from '../shared/scim/without-values.ts'
import type { Actor } from '../shared/storage/rows/directory.ts'
import { requireKnownFormat } from '../shared/tenants/format.ts'
import { requireKnownIndexes } from '../shared/tenants/index-definition.ts'
import { typesOf } from '../shared/tenants/resource-types.ts'
import { requireKnownSettings, settingsOf } from '../shared/tenants/settings.ts'
import { parseTenantName } from '../shared/tenants/tenants.ts'
import { withTurns } from '../shared/turn.ts'
import type { Call, Handler, ScimReply } from './call.ts'
import { type Handlers, handlers } from './handlers.ts'
import { alive } from './health.ts'
import type { HttpReply } from './http-reply.ts'
import { matchPath, type PathMatch } from './match.ts'
import { answerMetadataRequest, answerTokenRequest, tenantOfMetadata } from './oauth/answer.ts'
import { jsonOfBody, keepingBody, messageIn, noteRefused, type RequestFacts, refusedPart } from './refused-request.ts'
import { answerEnrolment, type EnrolmentRoute, isEnrolmentRoute } from './relay/enrolment-answer.ts'
import { relay } from './relay/relay.ts'
import type { Method } from './routes.ts'
import { requireScope } from './scope.ts'
import type { Services } from './services.ts'
import type { Turn } from './turns.ts'
import { type Usage, withUsage } from './usage.ts'

/** The log event of one request. It never contains a token, a name or a value of a resource. */
export type RequestEvent = {
	readonly requestId: string
	readonly method: string
	readonly status: number
	readonly milliseconds: number
	readonly tenant?: string
	/** The template of the path below the tenant, `/Users/{id}`. */
	readonly path?: string
	/** The number of requests to the table service. */
	readonly storageRequests?: number
	/** The tolerated deviations from RFC 7643 and RFC 7644. */
	readonly quirks?: readonly Quirk[]
	/** Why a token of OAuth, an assertion or a client was refused. */
	readonly refusal?: TokenRefusal
	readonly scimType?: string
	/** The sentence of a refusal, without values. Only `npm start` prints it. */
	readonly detail?: string
	/** The cause of a 5xx, or of the first 500 among the operations of a bulk request. It is without its text. */
	readonly error?: unknown
}

/** Answers one request and passes its event to `log`. */
export type Respond = (
	request: ScimRequest,
	requestId: string,
	log: (event: RequestEvent) => void,
) => Promise<HttpResponseInit>

/** Answers requests. This is the only place where a thrown error becomes a response. Never throws. */
export const respondWith =
	(services: Services): Respond =>
	async (request, requestId, log) => {
		const started = services.now()
		const labels: RequestLabels = {}
		const used: Usage = { storageRequests: 0 }
		const seen: RequestFacts = {}
		const quirks: Quirks = new Set()
		const outcome = await withUsage(used, () =>
			withTurns(() => answer(keepingBody(request, seen), { services, requestId, labels, seen, quirks, used })),
		).catch((error: unknown) => refuse(error, { requestId, method: request.method }))
		const { status } = outcome.response
		const part = status < 400 ? undefined : refusedPart(seen, request.method)
		if (part !== undefined) {
			const actor = actorOf(request, { services, seen, requestId })
			noteRefused(services.refusals, seen, { ...actor, ...part, status, ...toldIn(outcome) })
		}
		if (seen.credential !== undefined) services.clients.remember(seen.credential.id, quirks)
		log({
			requestId,
			method: request.method,
			status: outcome.response.status,
			milliseconds: services.now() - started,
			storageRequests: used.storageRequests,
			...(quirks.size > 0 && { quirks: [...quirks] }),
			...(used.refusal !== undefined && outcome.response.status === 401 && { refusal: used.refusal }),
			...labels,
			...outcome.cause,
		})
		return identified(outcome.response, requestId)
	}

/** Adds the id that the log has, so that a client can name its request. */
export const identified = (reply: HttpReply, requestId: string): HttpReply => ({
	...reply,
	headers: { ...reply.headers, 'x-request-id': requestId },
})

type LoggedResponse = {
	readonly response: HttpReply
	readonly cause?: Pick<RequestEvent, 'scimType' | 'detail' | 'error'>
	/** The sentence of a refusal of ours, with its values. */
	readonly sentence?: string
}

/** What a refusal says: our own, or that of the SCIM server behind a relay. */
function toldIn({ response, cause, sentence }: LoggedResponse) {
	if (sentence === undefined)
		return messageIn(response.body instanceof Uint8Array ? jsonOfBody(response.body) : undefined)
	return { sentence, ...(cause?.scimType !== undefined && { scimType: cause.scimType }) }
}

type AnswerContext = {
	readonly services: Services
	readonly requestId: string
	readonly labels: RequestLabels
	readonly seen: RequestFacts
	readonly quirks: Quirks
	readonly used: Usage
}

/** What is known about a request so far, for the log. */
type RequestLabels = { tenant?: string; path?: string; error?: unknown }

async function answer(request: ScimRequest, context: AnswerContext): Promise<LoggedResponse> {
	const { services, labels, used } = context
	const url = new URL(request.url)
	if (/^\/+scim\/+health\/*$/i.test(url.pathname))
		return { response: responseOf(liveness(request.method), request.method) }
	const described = parseTenantName(tenantOfMetadata(url.pathname) ?? '')
	if (described !== undefined) {
		return { response: answerMetadataRequest(request.method, tenantUrl(services, url, described)) }
	}
	const match = matchPath(url.pathname)
	const name = match && parseTenantName(match.tenant)
	if (match === undefined || name === undefined)
		throw notFound(`the address is not /scim/<tenant>/…: ${url.pathname.slice(0, 200)}`)
	if (match.route?.name === 'token') return answerToken(request, context, name)
	if (isEnrolmentRoute(match.route?.name)) return answerAgent(request, context, { name, route: match.route.name })
	const { tenant, credential } = await authenticate(request, services, name).catch((error: unknown) => {
		throw services.turns.refusalOf(error)
	})
	labels.tenant = name
	Object.assign(context.seen, { tenant, credential, match })
	used.tenant = name
	if (match.route !== undefined) labels.path = `/${match.route.path}`
	return services.turns.run(name, (turn) => answerTenant(request, { ...context, url, tenant, credential, match, turn }))
}

const tenantUrl = ({ publicOrigin }: Services, url: URL, tenant: string): string =>
	`${publicOrigin ?? url.origin}/scim/${tenant}`

/** The token endpoint asks for no token. An unknown tenant has the same answer as an unknown client. */
async function answerToken(
	request: ScimRequest,
	{ services, labels }: AnswerContext,
	name: string,
): Promise<LoggedResponse> {
	const named = async () => ({ name, tenant: await services.tenants.getTenant(name) })
	labels.path = '/oauth2/token'
	const { reply, cause } = await answerTokenRequest(request, { oauth: services.oauth, named })
	if (reply.status === 200) labels.tenant = name
	return { response: reply, ...(cause !== undefined && { cause: { error: loggable(cause) } }) }
}

/** An agent has no token of the tenant either. An unknown tenant has the same answer as an unknown agent. */
async function answerAgent(
	request: ScimRequest,
	{ services, labels }: AnswerContext,
	{ name, route }: { readonly name: string; readonly route: EnrolmentRoute },
): Promise<LoggedResponse> {
	const { enrolment, tenants } = services
	const named = async () => ({ name, tenant: await tenants.getTenant(name) })
	labels.path = route === 'agentEnrol' ? '/agent/enrol' : '/agent/token'
	const { reply, cause } = await answerEnrolment(request, { route, enrolment, named })
	if (reply.status === 200) labels.tenant = name
	return { response: reply, ...(cause !== undefined && { cause: { error: loggable(cause) } }) }
}

async function answerTenant(request: ScimRequest, context: CallContext): Promise<LoggedResponse> {
	const { services, requestId, url, tenant, credential, match } = context
	const { method } = request
	requireKnownFormat(tenant.format)
	requireKnownSettings(tenant)
	requireKnownIndexes(tenant.indexes)
	services.lastUses.note(tenant, credential)
	const baseUrl = tenantUrl(services, url, tenant.name)
	// Behind a relay, all endpoints except this one belong to the tenant's SCIM server.
	if (tenant.mode === 'relay' && match.route?.name !== 'health') {
		requireScope(credential, { route: match.route, method })
		return { response: await relay(request, { send: services.senderOf(tenant), requestId, publicBase: baseUrl }) }
	}
	const handler = handlerOf(match, method, url.pathname)
	requireScope(credential, { route: match.route, method })
	const reply = await handler(callOf(request, { ...context, baseUrl }))
	return { response: responseOf(reply, method) }
}

/** The answer to an unknown tenant is the same as to a wrong token, so that a caller cannot find out names of tenants. */
async function authenticate(request: ScimRequest, services: Services, name: string) {
	const token = parseBearer(request.headers.get('authorization'))
	const [tenant, credential] = await Promise.all([services.tenants.getTenant(name), services.authenticate(name, token)])
	if (tenant === undefined || credential === undefined) {
		throw unauthorized('the token is not one of this tenant', 'Bearer realm="scim", error="invalid_token"')
	}
	return { tenant, credential }
}

function handlerOf({ route }: PathMatch, method: string, pathname: string): Handler {
	if (route === undefined) throw notFound(`there is no endpoint ${pathname.slice(0, 200)}`)
	const here = handlers[route.name]
	const handler = (here as Readonly<Record<string, Handler | undefined>>)[method === 'HEAD' ? 'GET' : method] // sound: a method without a handler is answered 405
	if (handler === undefined) throw notAllowed(method, allowed(here))
	return handler
}

const allowed = (here: Handlers): readonly string[] => [
	...(Object.keys(here) as Method[]), // sound: the keys of a record of methods
	...(here.GET === undefined ? [] : ['HEAD']),
]

const notAllowed = (method: string, methods: readonly string[]) =>
	methodNotAllowed(`${method} is not supported here: use ${methods.join(', ')}`, methods)

type CallContext = AnswerContext & {
	readonly url: URL
	readonly tenant: Call['tenant']
	readonly credential: Credential
	readonly match: PathMatch
	readonly turn: Turn
}

function liveness(method: string): ScimReply {
	if (method === 'GET' || method === 'HEAD') return alive
	throw notAllowed(method, ['GET', 'HEAD'])
}

function callOf(request: ScimRequest, context: CallContext & { readonly baseUrl: string }): Call {
	const { url, baseUrl, tenant, credential, services, match, requestId, labels, seen, quirks, turn } = context
	const now = services.now()
	const ifMatch = request.headers.get('if-match')
	const ifNoneMatch = request.headers.get('if-none-match')
	const { headers } = request
	return {
		tenant,
		credential,
		types: typesOf(tenant),
		store: services.open(tenant, actorOf(request, context)),
		ids: services.ids,
		quirks: following(settingsOf(tenant).dialect, quirks),
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
		now,
		elapsed: () => services.now() - now,
		charge: turn.charge,
		observe: (resourceType, found) => services.observations.note(tenant, resourceType, found),
		fault: (error) => {
			labels.error ??= loggable(error)
			return fault(requestId)
		},
		refused: (part) => noteRefused(services.refusals, seen, { ...actorOf(request, context), ...part }),
	}
}

/** The request as the ledger names it. */
function actorOf(
	{ headers }: ScimRequest,
	{ services, seen, requestId }: Pick<AnswerContext, 'services' | 'seen' | 'requestId'>,
): Actor {
	if (seen.credential === undefined) return { requestId }
	const { id, label } = seen.credential
	const client = services.clients.kindOf(id, headers.get('user-agent'))
	return {
		credential: { id, ...(label !== undefined && { label }) },
		requestId,
		...(client !== undefined && { client }),
	}
}

function refuse(error: unknown, { requestId, method }: { requestId: string; method: string }): LoggedResponse {
	if (!(error instanceof ScimError)) {
		const response = responseOf(refusal(fault(requestId)), method)
		return { response, cause: { error: loggable(error) }, sentence: 'Something failed on our side.' }
	}
	const cause = {
		...(error.scimType !== undefined && { scimType: error.scimType }),
		detail: withoutValues(error.message),
		// 501 means that a feature is not offered. It is not a failure.
		...(error.status >= 500 && error.status !== 501 && { error: loggable(error.cause ?? error) }),
	}
	return { response: responseOf(refusal(error), method), cause, sentence: error.message }
}

/** The answer to a client if the error is ours. */
export const fault = (requestId: string): ScimError =>
	new ScimError(500, `Something failed on our side. It is logged as request ${requestId}.`)

/** The reply for an error (RFC 7644 section 3.12). */
export const refusal = (error: ScimError): ScimReply => ({
	status: error.status,
	headers: error.headers,
	body: error.toMessage(),
})

/** Writes a reply as an HTTP response. No response may be cached, errors and lists included. */
export function responseOf({ status, headers, body }: ScimReply, method = 'GET'): HttpReply {
	const type = {
		'Content-Type': 'application/scim+json; charset=utf-8',
		'Cache-Control': 'no-store',
		'X-Content-Type-Options': 'nosniff',
	}
	if (body === undefined || method === 'HEAD') return { status, headers: { ...type, ...headers } }
	return { status, headers: { ...type, ...headers }, body: body instanceof Uint8Array ? body : JSON.stringify(body) }
}
