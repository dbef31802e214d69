import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { version } from '../../shared/cli/version.ts'
import { type Clock, pause, systemClock, within } from '../../shared/relay/clock.ts'
import {
	agentErrors,
	answerHeaders,
	bodyLimit,
	contractVersion,
	header,
	isValidHeaderValue,
	judgeContract,
	type RelayOutcome,
	requestHeaders,
	reserved,
	targetLimit,
} from '../../shared/relay/contract.ts'
import { connectionLimit, type Exchange, type ExchangeResult, exchangeWith } from '../../shared/relay/exchange.ts'
import { fingerprintOf, pathOf } from '../../shared/relay/fingerprint.ts'
import { semaphore } from '../../shared/relay/semaphore.ts'
import { cached, type TokenSource } from '../../shared/relay/token-cache.ts'
import { writeVersions } from '../../shared/relay/versions.ts'
import { payloadTooLarge, ScimError, unavailable } from '../../shared/scim/error.ts'
import { publicLocation, withPublicLocations } from './locations.ts'
import { type RelayClock, relayClockOf } from './relay-clock.ts'
import { judgeRepetition, parseKnowledge, type UnknownWrites, unknownWritesOf } from './repetition.ts'

export type SenderOptions = {
	/** `contoso.servicebus.windows.net` */
	readonly namespace: string
	readonly hybridConnection: string
	/** Fetches tokens with the right Send: `() => credential.getToken('https://relay.azure.net/.default')`, or `sasToken`. */
	readonly token: TokenSource
	/** Ids of the trusted agents. If absent, any agent is trusted. */
	readonly agents?: readonly string[]
	/** Sends the client's Authorization, for an agent that passes it to the SCIM server. */
	readonly isAuthorizationPassed?: boolean
	/** Sends PATCH as POST, for a service that blocks PATCH. */
	readonly isPatchSentAsPost?: boolean
	/** The version of Rollcall, by default that of this program. */
	readonly version?: string
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
	/** Public base URL for the locations in the answer, such as `https://host/scim/demo`. */
	readonly publicBase: string
}

export type RelayedAnswer = {
	readonly status: number
	readonly headers: Readonly<Record<string, string>>
	readonly body: Buffer
}

/** Sends a request to the SCIM server of a tenant. Throws a ScimError if the answer is not from that server. */
export type SendRelayed = (request: RelayedRequest) => Promise<RelayedAnswer>

export type RelaySender = SendRelayed & {
	/** Says which connected agents are out of date, one sentence for each. Throws a ScimError if no agent is connected. */
	outdatedAgents(requestId: string): Promise<readonly string[]>
}

/** What the headers of an answer say about the agent. */
type AgentMark = {
	readonly id: string
	readonly outcome: RelayOutcome
	readonly error: string | undefined
	readonly base: string
	/** Version of the contract. */
	readonly contract: string | undefined
}

/** How one attempt ended: `unrouted` did not reach an agent, `not-sent` did not reach the SCIM server. */
type AttemptResult =
	| { readonly kind: 'answered'; readonly agent: AgentMark; readonly received: CompleteAnswer }
	| { readonly kind: 'unauthorized'; readonly why: string }
	| { readonly kind: 'unrouted'; readonly code: 'no_agent' | 'relay_unreachable'; readonly why: string }
	/** Repeating is useless. Not thrown at once, because an earlier attempt may have carried out the write. */
	| { readonly kind: 'refused'; readonly error: ScimError }
	| {
			readonly kind: 'not-sent' | 'unknown'
			readonly why: string
			readonly agent?: AgentMark
			readonly received?: CompleteAnswer
			/** Time of the clock until which an agent may still send the write to the SCIM server. */
			readonly startsUntil?: number
	  }

type FailedResult = Extract<AttemptResult, { kind: 'not-sent' | 'unknown' }>
type UnroutedResult = Extract<AttemptResult, { kind: 'unrouted' }>

type CompleteAnswer = Exclude<ExchangeResult, { lost: string }>

const scimError = z.object({ detail: z.string() })

const callLimit = 50_000
const resendAfter = [250, 1000, 2000]
const breakAfter = 5
const breakFor = 5000
const retryAfterSeconds = 30
/** Milliseconds in which an agent must send a write to the SCIM server. The rest of the time is for its answer. */
const startLimit = 25_000
/** The most agents that Azure connects to one hybrid connection. */
const agentLimit = 25
/** Milliseconds for a question to one agent about a write, and about itself. */
const questionLimit = 10_000
const infoLimit = 3000
/** Milliseconds for which an agent that answered counts as one of the tenant. */
const agentMemory = 600_000
/** Requests of a tenant that wait for a connection, and the milliseconds that each may wait. */
const queueLimit = 64
const queueTime = 15_000
const busyRetrySeconds = 5

export function relaySender(options: SenderOptions): RelaySender {
	const { clock = systemClock } = options
	const exchange = exchangeWith(options.namespace, { ca: options.ca, clock })
	const token = cached(options.token, clock)
	const relayClock = relayClockOf(exchange, clock)
	const agentsSeen = new Map<string, number>()
	const unknownWrites = unknownWritesOf(clock)
	const common = { options, exchange, token, clock, relayClock, agentsSeen, unknownWrites }
	const { enter } = semaphore(connectionLimit, queueLimit, clock)
	let failures = 0
	/** The answer to all requests for a while, after the relay was unreachable repeatedly. */
	let openCircuit: { readonly result: UnroutedResult; readonly until: number } | undefined
	const refuseIfUnreachable = () => {
		if (openCircuit !== undefined && clock.now() < openCircuit.until)
			throw unrouted(openCircuit.result, ' (as of a moment ago)')
	}
	const take = async (request: RelayedRequest, ends: number): Promise<RelayedAnswer> => {
		refuseIfUnreachable()
		const result = await deliver({ ...common, request, key: randomUUID(), ends })
		failures = result.kind === 'unrouted' ? failures + 1 : 0
		if (result.kind === 'unrouted' && failures >= breakAfter) openCircuit = { result, until: clock.now() + breakFor }
		return answerTo(request, result)
	}
	const send = async (request: RelayedRequest) => {
		if ((request.body?.length ?? 0) > bodyLimit) throw payloadTooLarge(`the body is longer than ${bodyLimit} bytes`)
		if (targetOf(options, request.path).length > targetLimit)
			throw new ScimError(414, `the path and query are longer than ${targetLimit} characters`)
		refuseIfUnreachable()
		const ends = clock.now() + callLimit
		const answer = await enter({ run: () => take(request, ends), waitLimit: queueTime, fallback: undefined })
		if (answer === undefined) throw refused('busy', tooMany, { seconds: busyRetrySeconds })
		return answer
	}
	const outdatedAgents = async (requestId: string) => {
		const request = { method: 'GET', path: '/', headers: new Headers(), requestId, publicBase: '' }
		const ends = clock.now() + callLimit
		const call = { ...common, request, key: randomUUID(), ends }
		const { answers } = await askAgents(call, { method: 'GET', path: reserved.info, limit: infoLimit })
		return answers.flatMap(({ agent }) => outdated(agent))
	}
	return Object.assign(send, { outdatedAgents })
}

const outdated = ({ id, contract }: AgentMark): readonly string[] =>
	judgeContract(contract) === 'current'
		? []
		: [`the agent ${id} is out of date: it speaks version ${contract} of the contract, and Rollcall ${contractVersion}`]

const tooMany = `${connectionLimit} requests are in progress and others are waiting`

type RelayCall = {
	readonly request: RelayedRequest
	readonly options: SenderOptions
	readonly exchange: Exchange
	readonly token: (fresh?: boolean) => Promise<{ readonly token: string }>
	readonly clock: Clock
	readonly relayClock: RelayClock
	/** When each agent last answered, in milliseconds since 1970. */
	readonly agentsSeen: Map<string, number>
	readonly unknownWrites: UnknownWrites
	readonly key: string
	/** Time of the clock at which the call is given up, in milliseconds since 1970. */
	readonly ends: number
}

/**
 * Delivers a request, and repeats it if it did not reach the SCIM server. If a write may have reached the server, looks up
 * its outcome instead. PUT and DELETE are not repeated either: after the first one was carried out, If-Match no longer
 * matches, and the repetition would undo a write that came between the two.
 */
async function deliver(call: RelayCall): Promise<AttemptResult> {
	const { request, options, clock, unknownWrites } = call
	if (request.method === 'GET') return deliverOnce(call)
	const target = targetOf(options, request.path)
	const fingerprint = fingerprintOf({ method: request.method, target, body: request.body })
	const began = clock.now()
	const sentAt = unknownWrites.sentAt(fingerprint)
	if (sentAt !== undefined) {
		const earlier = await lookUpFirst(call, { fingerprint, path: pathOf(target), sentAt })
		if (earlier?.kind === 'unknown') return earlier
		unknownWrites.delete(fingerprint)
		if (earlier !== undefined) return earlier
	}
	const result = await deliverOnce(call)
	if (result.kind === 'unknown' && result.agent?.outcome !== 'completed') unknownWrites.add(fingerprint, began)
	return result
}

type FirstWrite = { readonly fingerprint: string; readonly path: string; readonly sentAt: number }

/** The answer to the first one of two equal writes, if the client repeats it. Undefined if the second one is to be sent. */
async function lookUpFirst(
	call: RelayCall,
	{ fingerprint, path, sentAt }: FirstWrite,
): Promise<AttemptResult | undefined> {
	const { options, clock, agentsSeen } = call
	const question = `${reserved.write}${fingerprint}/${Buffer.from(path).toString('base64url')}`
	const before = clock.now() - sentAt
	const { answers, isComplete } = await askAgents(call, { method: 'GET', path: question, limit: questionLimit })
	const asked = answers.map((answer) => ({
		id: answer.agent.id,
		known: answer.kind === 'answered' ? parseKnowledge(answer.received.body) : undefined,
	}))
	const recent = [...agentsSeen].filter(([, at]) => clock.now() - at < agentMemory).map(([id]) => id)
	const absent = [...(options.agents ?? []), ...recent].filter((id) => !asked.some((one) => isSame(one.id, id)))
	const missing = (isComplete ? absent : [...absent, 'that did not answer']).map((id) => ({ id, known: undefined }))
	const verdict = judgeRepetition({ before, after: clock.now() - sentAt }, [...asked, ...missing])
	switch (verdict.kind) {
		case 'send':
			return undefined
		case 'unknown':
			return verdict
		case 'answered': {
			const headers = { 'Microsoft-Relay-AllowedListeners': verdict.agent }
			const taken = await send(call, { method: 'GET', path: `${reserved.answer}${fingerprint}`, headers })
			return taken.kind === 'answered' ? taken : { kind: 'unknown', why: 'the answer to the first write was lost' }
		}
	}
}

async function deliverOnce(call: RelayCall): Promise<AttemptResult> {
	let result = await route(call, {})
	if (result.kind === 'not-sent' && result.agent !== undefined) result = await sendToOther(call, result)
	if (result.kind !== 'unknown') return result
	if (call.request.method === 'GET') return route(call, {})
	const known = await lookUpOutcome(call, result)
	if (known !== undefined) return known
	// Until then, an agent that was paused may carry the write out. The client's next write must come after it.
	await pause(call.clock, Math.max(0, (result.startsUntil ?? 0) - call.clock.now()))
	return result
}

/** Sends a request that one agent refused to another agent. If there is none, waits for an agent that is restarting. */
async function sendToOther(call: RelayCall, refused: FailedResult): Promise<AttemptResult> {
	if (refused.agent === undefined) return refused
	const other = await send(call, { headers: ruledOut(refused.agent.id) })
	if (!isUnrouted(other)) return other
	// The clocks of relay and sender differed. The refusal has shown by how much.
	if (refused.agent.error === 'expired') return send(call, {})
	return isDraining(refused) ? retryWhile(call, {}, { result: refused, condition: isAway }) : refused
}

/** Sends until the request reaches an agent, which may be restarting. Replaces a refused token once. */
async function route(call: RelayCall, attempt: AttemptOptions): Promise<AttemptResult> {
	let result = await send(call, attempt)
	if (result.kind === 'unauthorized') result = await send(call, { ...attempt, isTokenFresh: true })
	return retryWhile(call, attempt, { result, condition: isUnrouted })
}

type RetryRule = { readonly result: AttemptResult; readonly condition: (result: AttemptResult) => boolean }

async function retryWhile(
	call: RelayCall,
	attempt: AttemptOptions,
	{ result: first, condition }: RetryRule,
): Promise<AttemptResult> {
	const { clock, ends } = call
	let result = first
	for (const delay of resendAfter) {
		if (!condition(result) || clock.now() + delay > ends) break
		await pause(clock, delay)
		result = await send(call, attempt)
	}
	return result
}

const isUnrouted = (result: AttemptResult): boolean => result.kind === 'unrouted'
const isDraining = (result: AttemptResult): boolean => result.kind === 'not-sent' && result.agent?.error === 'draining'
const isAway = (result: AttemptResult): boolean => isUnrouted(result) || isDraining(result)

const ruledOut = (...ids: readonly string[]) => ({ 'Microsoft-Relay-DisallowedListeners': ids.join(',') })

/** Asks the agents for the answer to a write. The first agent may not be the one that carried the write out. */
async function lookUpOutcome(call: RelayCall, { agent }: FailedResult): Promise<AttemptResult | undefined> {
	const question = { path: `${reserved.outcome}${call.key}`, method: 'GET' }
	const allowed = agent === undefined ? {} : { 'Microsoft-Relay-AllowedListeners': agent.id }
	const first = await route(call, { ...question, headers: allowed })
	if (first.kind !== 'unknown') return first.kind === 'answered' ? first : undefined
	if (agent !== undefined || first.agent === undefined) return undefined
	const second = await send(call, { ...question, headers: ruledOut(first.agent.id) })
	return second.kind === 'answered' ? second : undefined
}

type AgentsAsked = {
	/** One answer of each agent. */
	readonly answers: readonly (AttemptResult & { readonly agent: AgentMark })[]
	/** Every connected agent has answered. */
	readonly isComplete: boolean
}

/** Asks every connected agent: each question excludes the agents that have answered, until no agent is left. */
async function askAgents(call: RelayCall, question: AttemptOptions): Promise<AgentsAsked> {
	const answers: AgentsAsked['answers'][number][] = []
	while (answers.length < agentLimit) {
		const ids = answers.map(({ agent }) => agent.id)
		const headers = ids.length === 0 ? {} : ruledOut(...ids)
		const result = await send(call, { ...question, headers })
		if (result.kind === 'unrouted') return { answers, isComplete: ids.length > 0 }
		// An agent that answers again shows that the service ignores the header.
		if (!('agent' in result) || result.agent === undefined || ids.includes(result.agent.id)) break
		answers.push({ ...result, agent: result.agent })
	}
	return { answers, isComplete: false }
}

/** What an attempt sends other than the client's request as it is. */
type AttemptOptions = {
	readonly isTokenFresh?: boolean
	readonly headers?: Readonly<Record<string, string>>
	readonly path?: string
	readonly method?: string
	/** Milliseconds for the attempt, if fewer than the call has left. */
	readonly limit?: number
}

async function send(call: RelayCall, attempt: AttemptOptions): Promise<AttemptResult> {
	const { options, request, exchange, clock } = call
	const token = await tokenFor(call, attempt)
	if ('kind' in token) return token
	const remaining = Math.min(call.ends - clock.now(), attempt.limit ?? callLimit)
	if (remaining <= 0) return { kind: 'unknown', why: `no answer within ${callLimit / 1000} s` }
	const isOwn = attempt.path !== undefined
	const target =
		attempt.path === undefined ? targetOf(options, request.path) : `/${options.hybridConnection}${attempt.path}`
	const body = isOwn ? undefined : request.body
	const method = attempt.method ?? request.method
	const expiry = isOwn || method === 'GET' ? undefined : await expiryFor(call, remaining)
	if (typeof expiry === 'string') return { kind: 'unrouted', code: 'relay_unreachable', why: expiry }
	const isTunnelled = method === 'PATCH' && options.isPatchSentAsPost === true
	const received = await exchange({
		method: isTunnelled ? 'POST' : method,
		path: target,
		headers: {
			...forwardedHeaders(request, options),
			...(body !== undefined && { 'content-length': String(body.length) }),
			'accept-encoding': 'gzip',
			servicebusauthorization: token.token,
			[header.version]: String(contractVersion),
			// All programs of a commit have one version.
			[header.rollcall]: writeVersions({
				version: options.version ?? version,
				newestAgent: options.version ?? version,
			}),
			[header.requestId]: request.requestId,
			[header.deadline]: String(Math.max(1, Math.round(remaining - 1000))),
			...(expiry !== undefined && { [header.expires]: String(expiry.relayTime) }),
			[header.key]: call.key,
			[header.target]: Buffer.from(target).toString('base64url'),
			...(isTunnelled && { [header.method]: method }),
			...attempt.headers,
		},
		body,
		limit: remaining,
		isSeparate: attempt.headers !== undefined,
	})
	call.relayClock.note(received)
	const result = judge(received, method, options)
	if ('agent' in result && result.agent !== undefined) call.agentsSeen.set(result.agent.id, clock.now())
	if (result.kind !== 'unknown' || result.agent !== undefined || expiry === undefined) return result
	return { ...result, startsUntil: expiry.ownTime }
}

type Expiry = {
	/** By the clock of the relay, in milliseconds since 1970. */
	readonly relayTime: number
	/** By the clock of this machine, and never earlier. */
	readonly ownTime: number
}

/**
 * Until when a write may be sent to the SCIM server, or why that is unknown. Undefined if one agent serves the tenant,
 * because one agent keeps the order.
 */
async function expiryFor(
	{ options, clock, relayClock }: RelayCall,
	remaining: number,
): Promise<Expiry | string | undefined> {
	if (options.agents?.length === 1) return undefined
	try {
		const limit = Math.min(startLimit, remaining)
		const relayTime = Math.round((await relayClock.now(limit)) + limit)
		return { relayTime, ownTime: clock.now() + limit }
	} catch (error) {
		return error instanceof Error ? error.message : String(error)
	}
}

async function tokenFor({ token, clock, ends }: RelayCall, { isTokenFresh }: AttemptOptions) {
	try {
		return await within(clock, Math.max(0, ends - clock.now()), token(isTokenFresh))
	} catch (cause) {
		const error = refused('relay_token', 'no token for the relay could be had', { cause })
		return { kind: 'refused', error } as const
	}
}

/** The client's headers for the SCIM server. Headers that the relay itself interprets are not among them. */
function forwardedHeaders(
	{ headers }: RelayedRequest,
	{ isAuthorizationPassed = false }: SenderOptions,
): Record<string, string> {
	const names = [...requestHeaders].filter((name) => name !== 'authorization' || isAuthorizationPassed)
	return Object.fromEntries(
		names.flatMap((name) => {
			const value = headers.get(name)
			return value === null || !isValidHeaderValue(value) ? [] : [[name, value]]
		}),
	)
}

const targetOf = ({ hybridConnection }: SenderOptions, path: string): string =>
	`/${hybridConnection}/scim${escaped(path)}`

/** Escapes the path strictly, because the service rewrites other characters. */
const escaped = (path: string): string =>
	path
		.replaceAll(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase())
		.replaceAll(/[^\w.~!$&'()*+,;=:@/?%-]/gu, (character) => encodeURIComponent(character))

/** Only an answer with the mark of an agent and with Via of the relay is an answer of the SCIM server. */
function judge(received: ExchangeResult, method: string, options: SenderOptions): AttemptResult {
	if ('lost' in received) {
		const { lost, isSent } = received
		return isSent
			? { kind: 'unknown', why: `the connection to the relay broke: ${lost}` }
			: { kind: 'unrouted', code: 'relay_unreachable', why: lost }
	}
	const agent = agentOf(received)
	if (agent === undefined) return judgeRelay(received, method)
	const trust = distrust(received.headers[header.agent] ?? '', agent.id, options)
	if (trust !== undefined) return { kind: 'refused', error: refused('unknown_agent', trust) }
	const why = agent.error ?? agent.outcome
	const problem = contractProblem(agent)
	if (problem !== undefined)
		return agent.outcome === 'not-sent'
			? { kind: 'refused', error: refused('version_refused', problem) }
			: { kind: 'unknown', why: `version_refused: ${problem}` }
	// An agent of the contract's version 1 passes a redirect on. Its address is internal.
	if (received.status >= 300 && received.status < 400 && received.status !== 304)
		return { kind: 'unknown', why: `the SCIM server answers with a redirect (${received.status})` }
	if (agent.error === 'rendezvous_failed') return { kind: 'unknown', why, agent, received }
	return agent.outcome === 'completed'
		? { kind: 'answered', agent, received }
		: { kind: agent.outcome, why, agent, received }
}

/**
 * Judges an answer of the relay itself. The documents name 404, 502 and 503 for a missing listener. A gateway that lost
 * the listener during a request answers 502, too, so a write is not repeated after a 502.
 */
function judgeRelay({ status, reason, headers }: CompleteAnswer, method: string): AttemptResult {
	// Only the answer of a listener has Via. This listener is no agent, so no request may be sent to it again.
	if (headers.via !== undefined)
		return { kind: 'refused', error: refused('unknown_agent', `a listener that is no agent answered ${status}`) }
	const why = `the relay answered ${status} ${reason}`.slice(0, 300)
	// An agent has seen the request, although its answer cannot be trusted.
	if (header.agent in headers) return { kind: 'unknown', why }
	if (status === 401) return { kind: 'unauthorized', why }
	if (status === 403) return { kind: 'refused', error: refused('relay_refused', why) }
	const isUnrouted = status === 404 || status === 503 || (status === 502 && method === 'GET')
	return isUnrouted ? { kind: 'unrouted', code: 'no_agent', why } : { kind: 'unknown', why }
}

function agentOf({ headers }: CompleteAnswer): AgentMark | undefined {
	const mark = headers[header.agent]
	const outcome = headers[header.outcome]
	if (mark === undefined || headers.via === undefined || !isRelayOutcome(outcome)) return undefined
	const [id = '', ...parts] = mark.split(';')
	const contract = parts.find((part) => part.startsWith('v='))?.slice(2)
	return { id, outcome, error: headers[header.error], base: headers[header.base] ?? '', contract }
}

/** Why Rollcall cannot work with this version of the agent. */
function contractProblem({ id, contract = 'none' }: AgentMark): string | undefined {
	const verdict = judgeContract(contract)
	const versions = `the agent ${id} speaks version ${contract} of the contract and Rollcall version ${contractVersion}`
	if (verdict === 'too old') return `${versions}; update the agent`
	return verdict === 'too new' ? `${versions}; deploy a newer Rollcall` : undefined
}

const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

const isRelayOutcome = (value: string | undefined): value is RelayOutcome =>
	value === 'completed' || value === 'not-sent' || value === 'unknown'

/** Why the agent is not trusted. Ids and names of hybrid connections are compared without regard to case. */
function distrust(mark: string, id: string, { agents, hybridConnection }: SenderOptions): string | undefined {
	if (agents !== undefined && !agents.some((known) => isSame(known, id)))
		return `the agent ${id} is not in the settings of this tenant`
	return mark.split(';').some((part) => isSame(part, `hc=${hybridConnection}`))
		? undefined
		: `the agent ${id} serves another hybrid connection`
}

type RefusalOptions = { readonly cause?: unknown; readonly seconds?: number }

const refused = (code: string, why: string, { cause, seconds = retryAfterSeconds }: RefusalOptions = {}): ScimError =>
	unavailable(`The SCIM server cannot be reached (${code}): ${why}.`, seconds, cause)

function unrouted({ code, why }: UnroutedResult, when = ''): ScimError {
	const what = code === 'no_agent' ? 'no on-premises agent is connected' : 'the relay is unreachable'
	return refused(code, `${what}${when}: ${why}`)
}

function answerTo({ publicBase }: RelayedRequest, result: AttemptResult): RelayedAnswer {
	switch (result.kind) {
		case 'answered':
			return publicAnswer(result.received, { from: result.agent.base, to: publicBase })
		case 'refused':
			throw result.error
		case 'unauthorized':
			throw refused('relay_unauthorized', result.why)
		case 'unrouted':
			throw unrouted(result)
		case 'not-sent':
		case 'unknown':
			throw failure(result)
	}
}

/** If the agent refused the request (4xx), keeps the status. Any other failure is 503. */
function failure({ kind, why, received, agent }: FailedResult): ScimError {
	const detail = received === undefined ? why : detailOf(received.body)
	if (
		agent?.error !== undefined &&
		Object.hasOwn(agentErrors, agent.error) &&
		received !== undefined &&
		received.status < 500
	)
		return new ScimError(received.status, detail)
	const seconds = Number(received?.headers['retry-after']) || retryAfterSeconds
	if (kind === 'not-sent') return refused(why, detail, { seconds })
	if (agent?.outcome === 'completed')
		return refused(why, `the request was carried out, but its answer was lost: ${detail}`)
	return refused('outcome_unknown', `the request may or may not have been carried out: ${detail}`)
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

function publicAnswer(
	{ status, headers, body }: CompleteAnswer,
	bases: { readonly from: string; readonly to: string },
): RelayedAnswer {
	const publicHeaders = Object.entries(headers).filter(([name]) => answerHeaders.has(name))
	const { location, ...others } = Object.fromEntries(publicHeaders)
	const text = body.toString()
	const publicText = withPublicLocations(text, bases)
	return {
		status,
		headers: { ...others, ...(location !== undefined && { location: publicLocation(location, bases) }) },
		body: publicText === text ? body : Buffer.from(publicText),
	}
}
