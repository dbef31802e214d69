import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { type Clock, pause, systemClock, within } from '../../shared/relay/clock.ts'
import {
	agentErrors,
	answerHeaders,
	bodyLimit,
	contractVersion,
	header,
	isSound,
	type Outcome,
	requestHeaders,
	reserved,
} from '../../shared/relay/contract.ts'
import { type Exchange, exchangeWith, type Received } from '../../shared/relay/exchange.ts'
import { cached, type TokenSource } from '../../shared/relay/token-cache.ts'
import { payloadTooLarge, ScimError, unavailable } from '../../shared/scim/error.ts'
import { publicLocation, withPublicLocations } from './locations.ts'

export type RelaySetting = {
	/** `contoso.servicebus.windows.net` */
	readonly namespace: string
	readonly hybridConnection: string
	/** Gets tokens that may send: `() => credential.getToken('https://relay.azure.net/.default')`, or one of `sasToken`. */
	readonly token: TokenSource
	/** Ids of the agents that are trusted; any agent when left out. */
	readonly agents?: readonly string[]
	/** The agent lets the client's own Authorization through to the SCIM server. */
	readonly isAuthorizationPassed?: boolean
	/** PATCH travels as POST, for a service that does not let it pass. */
	readonly isPatchSentAsPost?: boolean
	readonly clock?: Clock
	readonly ca?: string
}

export type RelayedRequest = {
	readonly method: string
	/** Path and query below the tenant, `/Users?count=1`. */
	readonly path: string
	readonly headers: { get(name: string): string | null }
	readonly body?: Uint8Array
	readonly requestId: string
	/** `https://host/scim/demo`, for the locations in the answer. */
	readonly publicBase: string
}

export type RelayedAnswer = {
	readonly status: number
	readonly headers: Readonly<Record<string, string>>
	readonly body: Buffer
}

/** Sends a request to the SCIM server behind a hybrid connection. Throws a ScimError for whatever is not that server's answer. */
export type SendRelayed = (request: RelayedRequest) => Promise<RelayedAnswer>

type Agent = {
	readonly id: string
	readonly outcome: Outcome
	readonly error: string | undefined
	readonly base: string
}

/** How one attempt ended. */
type Seen =
	| { readonly as: 'answered'; readonly agent: Agent; readonly received: Whole }
	| { readonly as: 'unauthorized'; readonly why: string }
	| { readonly as: 'unrouted'; readonly code: 'no_agent' | 'relay_unreachable'; readonly why: string }
	/** Of no use to repeat. Not thrown at once: what an attempt before it may have done is still to be told. */
	| { readonly as: 'refused'; readonly error: ScimError }
	| { readonly as: 'not-sent' | 'unknown'; readonly why: string; readonly agent?: Agent; readonly received?: Whole }

type Failed = Extract<Seen, { as: 'not-sent' | 'unknown' }>
type Unrouted = Extract<Seen, { as: 'unrouted' }>

type Whole = Exclude<Received, { lost: string }>

const scimError = z.object({ detail: z.string() })

const patience = 50_000
const resendAfter = [250, 1000, 2000]
const breakAfter = 5
const breakFor = 5000
const retryAfterSeconds = 30

export function relaySender(setting: RelaySetting): SendRelayed {
	const { clock = systemClock } = setting
	const exchange = exchangeWith(setting.namespace, { ca: setting.ca, clock })
	const token = cached(setting.token, clock)
	let failures = 0
	/** What is answered while it is not worth asking again. */
	let open: { readonly seen: Unrouted; readonly until: number } | undefined
	return async (request) => {
		if ((request.body?.length ?? 0) > bodyLimit) throw payloadTooLarge(`the body is longer than ${bodyLimit} bytes`)
		if (open !== undefined && clock.now() < open.until) throw unrouted(open.seen, ' (asked a moment ago)')
		const seen = await settle({ request, setting, exchange, token, clock, key: randomUUID() })
		failures = seen.as === 'unrouted' ? failures + 1 : 0
		if (seen.as === 'unrouted' && failures >= breakAfter) open = { seen, until: clock.now() + breakFor }
		return answerTo(request, seen)
	}
}

type Attempts = {
	readonly request: RelayedRequest
	readonly setting: RelaySetting
	readonly exchange: Exchange
	readonly token: (fresh?: boolean) => Promise<{ readonly token: string }>
	readonly clock: Clock
	readonly key: string
}

/** Repeats what may be repeated: what never reached the SCIM server always, a write that may have reached it never blindly. */
async function settle(attempts: Attempts): Promise<Seen> {
	const ends = attempts.clock.now() + patience
	let seen = await route(attempts, { ends })
	if (seen.as === 'not-sent' && seen.agent !== undefined) seen = await elsewhere(attempts, seen, ends)
	if (seen.as !== 'unknown') return seen
	const { method } = attempts.request
	if (method === 'POST' || method === 'PATCH') return (await lookUp(attempts, seen, ends)) ?? seen
	const again = await route(attempts, { ends })
	// How a repetition fails tells nothing of the write before it.
	if (method !== 'GET' && again.as !== 'answered') return seen
	const isDeleted = method === 'DELETE' && again.as === 'answered' && again.received.status === 404
	return isDeleted ? { ...again, received: { ...again.received, status: 204, body: Buffer.alloc(0) } } : again
}

/** Sends what one agent did not pass on to another; if there is none, one that is stopping may be about to come back. */
async function elsewhere(attempts: Attempts, refused: Failed, ends: number): Promise<Seen> {
	if (refused.agent === undefined) return refused
	const other = await send(attempts, { ends, headers: ruledOut(refused.agent) })
	if (!isUnrouted(other)) return other
	return isDraining(refused) ? insist(attempts, { ends }, { seen: refused, whether: isAway }) : refused
}

/** Sends until the relay takes it to an agent: a token it refuses is replaced once, an agent may be about to come back. */
async function route(attempts: Attempts, more: Limited): Promise<Seen> {
	let seen = await send(attempts, more)
	if (seen.as === 'unauthorized') seen = await send(attempts, { ...more, isTokenFresh: true })
	return insist(attempts, more, { seen, whether: isUnrouted })
}

type Insisting = { readonly seen: Seen; readonly whether: (seen: Seen) => boolean }

async function insist(attempts: Attempts, more: Limited, { seen: first, whether }: Insisting): Promise<Seen> {
	const { clock } = attempts
	let seen = first
	for (const delay of resendAfter) {
		if (!whether(seen) || clock.now() + delay > more.ends) break
		await pause(clock, delay)
		seen = await send(attempts, more)
	}
	return seen
}

const isUnrouted = (seen: Seen): boolean => seen.as === 'unrouted'
const isDraining = (seen: Seen): boolean => seen.as === 'not-sent' && seen.agent?.error === 'draining'
const isAway = (seen: Seen): boolean => isUnrouted(seen) || isDraining(seen)

const ruledOut = ({ id }: Agent) => ({ 'Microsoft-Relay-DisallowedListeners': id })

/** Asks the agents whether the write was answered after all; with two of them, the first asked may not be the one that acted. */
async function lookUp(attempts: Attempts, { agent }: Failed, ends: number): Promise<Seen | undefined> {
	const question = { ends, path: `${reserved.outcome}${attempts.key}`, method: 'GET' }
	const allowed = agent === undefined ? {} : { 'Microsoft-Relay-AllowedListeners': agent.id }
	const first = await route(attempts, { ...question, headers: allowed })
	if (first.as !== 'unknown') return first.as === 'answered' ? first : undefined
	if (agent !== undefined || first.agent === undefined) return undefined
	const second = await send(attempts, { ...question, headers: ruledOut(first.agent) })
	return second.as === 'answered' ? second : undefined
}

type More = {
	readonly isTokenFresh?: boolean
	readonly headers?: Readonly<Record<string, string>>
	readonly path?: string
	readonly method?: string
}

/** What is sent other than the client's request as it is, and when it is given up. */
type Limited = More & { readonly ends: number }

async function send(attempts: Attempts, more: Limited): Promise<Seen> {
	const { setting, request, exchange, clock } = attempts
	const held = await tokenFor(attempts, more)
	if ('as' in held) return held
	const remaining = more.ends - clock.now()
	if (remaining <= 0) return { as: 'unknown', why: `no answer within ${patience / 1000} s` }
	const isOwn = more.path !== undefined
	const path = more.path ?? `/scim${escaped(request.path)}`
	const target = `/${setting.hybridConnection}${path}`
	const body = isOwn ? undefined : request.body
	const method = more.method ?? request.method
	const isTunnelled = method === 'PATCH' && setting.isPatchSentAsPost === true
	const received = await exchange({
		method: isTunnelled ? 'POST' : method,
		path: target,
		headers: {
			...passed(request, setting),
			...(body !== undefined && { 'content-length': String(body.length) }),
			'accept-encoding': 'gzip',
			servicebusauthorization: held.token,
			[header.version]: contractVersion,
			[header.requestId]: request.requestId,
			[header.deadline]: String(Math.max(1, Math.round(remaining - 1000))),
			[header.key]: attempts.key,
			[header.target]: Buffer.from(target).toString('base64url'),
			...(isTunnelled && { [header.method]: method }),
			...more.headers,
		},
		body,
		limit: remaining,
		isApart: more.headers !== undefined,
	})
	return judge(received, method, setting)
}

async function tokenFor({ token, clock }: Attempts, { ends, isTokenFresh }: Limited) {
	try {
		return await within(clock, Math.max(0, ends - clock.now()), token(isTokenFresh))
	} catch (cause) {
		const error = refused('relay_token', 'no token for the relay could be had', { cause })
		return { as: 'refused', error } as const
	}
}

/** The client's headers that concern the SCIM server. The relay itself understands some; none of those is let through. */
function passed({ headers }: RelayedRequest, { isAuthorizationPassed = false }: RelaySetting): Record<string, string> {
	const names = [...requestHeaders].filter((name) => name !== 'authorization' || isAuthorizationPassed)
	return Object.fromEntries(
		names.flatMap((name) => {
			const value = headers.get(name)
			return value === null || !isSound(value) ? [] : [[name, value]]
		}),
	)
}

/** The service rewrites what is not strictly escaped. */
const escaped = (path: string): string =>
	path
		.replaceAll(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase())
		.replaceAll(/[^\w.~!$&'()*+,;=:@/?%-]/gu, (character) => encodeURIComponent(character))

/** Only what carries an agent's mark and came through the relay is an answer of the SCIM server. */
function judge(received: Received, method: string, setting: RelaySetting): Seen {
	if ('lost' in received) {
		const { lost, isSent } = received
		return isSent
			? { as: 'unknown', why: `the connection to the relay broke: ${lost}` }
			: { as: 'unrouted', code: 'relay_unreachable', why: lost }
	}
	const agent = agentOf(received)
	if (agent === undefined) return judgeRelay(received, method)
	const trust = distrust(received.headers[header.agent] ?? '', agent.id, setting)
	if (trust !== undefined) return { as: 'refused', error: refused('unknown_agent', trust) }
	const why = agent.error ?? agent.outcome
	if (agent.error === 'rendezvous_failed') return { as: 'unknown', why, agent, received }
	return agent.outcome === 'completed'
		? { as: 'answered', agent, received }
		: { as: agent.outcome, why, agent, received }
}

/**
 * What the relay itself answers. That nobody listens is 404, 502 or 503, whichever document is asked; a gateway that has
 * lost the listener in the middle says 502 as well, so that a write is not repeated after one.
 */
function judgeRelay({ status, reason, headers }: Whole, method: string): Seen {
	const why = `the relay answered ${status} ${reason}`.slice(0, 300)
	// Made by an agent, which has seen the request, though it cannot be believed.
	if (header.agent in headers) return { as: 'unknown', why }
	if (status === 401) return { as: 'unauthorized', why }
	if (status === 403) return { as: 'refused', error: refused('relay_refused', why) }
	const isUnrouted = status === 404 || status === 503 || (status === 502 && method === 'GET')
	return isUnrouted ? { as: 'unrouted', code: 'no_agent', why } : { as: 'unknown', why }
}

function agentOf({ headers }: Whole): Agent | undefined {
	const mark = headers[header.agent]
	const outcome = headers[header.outcome]
	if (mark === undefined || headers.via === undefined || !isOutcome(outcome)) return undefined
	const [id = ''] = mark.split(';')
	return { id, outcome, error: headers[header.error], base: headers[header.base] ?? '' }
}

const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

const isOutcome = (value: string | undefined): value is Outcome =>
	value === 'completed' || value === 'not-sent' || value === 'unknown'

/** An id is the same in either case, and the name of a hybrid connection. */
function distrust(mark: string, id: string, { agents, hybridConnection }: RelaySetting): string | undefined {
	if (agents !== undefined && !agents.some((known) => isSame(known, id)))
		return `the agent ${id} is not one of this tenant`
	return mark.split(';').some((part) => isSame(part, `hc=${hybridConnection}`))
		? undefined
		: `the agent ${id} serves another hybrid connection`
}

type Refusal = { readonly cause?: unknown; readonly seconds?: number }

const refused = (code: string, why: string, { cause, seconds = retryAfterSeconds }: Refusal = {}): ScimError =>
	unavailable(`The SCIM server cannot be reached (${code}): ${why}.`, seconds, cause)

function unrouted({ code, why }: Unrouted, when = ''): ScimError {
	const what = code === 'no_agent' ? 'no on-premises agent is connected' : 'no connection to the relay'
	return refused(code, `${what}${when}: ${why}`)
}

function answerTo({ publicBase }: RelayedRequest, seen: Seen): RelayedAnswer {
	switch (seen.as) {
		case 'answered':
			return published(seen.received, { from: seen.agent.base, to: publicBase })
		case 'refused':
			throw seen.error
		case 'unauthorized':
			throw refused('relay_unauthorized', seen.why)
		case 'unrouted':
			throw unrouted(seen)
		case 'not-sent':
		case 'unknown':
			throw failure(seen)
	}
}

/** The agent's own refusals of a request keep their status; whatever failed is 503. */
function failure({ as, why, received, agent }: Failed): ScimError {
	const detail = received === undefined ? why : detailOf(received.body)
	if (
		agent?.error !== undefined &&
		Object.hasOwn(agentErrors, agent.error) &&
		received !== undefined &&
		received.status < 500
	)
		return new ScimError(received.status, detail)
	const seconds = Number(received?.headers['retry-after']) || retryAfterSeconds
	if (as === 'not-sent') return refused(why, detail, { seconds })
	if (agent?.outcome === 'completed')
		return refused(why, `the request was carried out, but its answer is lost: ${detail}`)
	return refused('outcome_unknown', `whether the request was carried out is unknown: ${detail}`)
}

function detailOf(body: Buffer): string {
	try {
		const { detail } = scimError.parse(JSON.parse(body.toString()))
		return detail.replace(/\.$/, '')
	} catch (error) {
		if (error instanceof SyntaxError || error instanceof z.ZodError) return 'the agent gave no reason'
		throw error
	}
}

function published(
	{ status, headers, body }: Whole,
	bases: { readonly from: string; readonly to: string },
): RelayedAnswer {
	const kept = Object.entries(headers).filter(([name]) => answerHeaders.has(name))
	const { location, ...others } = Object.fromEntries(kept)
	const text = body.toString()
	const publicText = withPublicLocations(text, bases)
	return {
		status,
		headers: { ...others, ...(location !== undefined && { location: publicLocation(location, bases) }) },
		body: publicText === text ? body : Buffer.from(publicText),
	}
}
