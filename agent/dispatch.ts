import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { version } from '../shared/cli/version.ts'
import type { Clock } from '../shared/relay/clock.ts'
import {
	type AgentErrorCode,
	agentErrors,
	bodyLimit,
	contractVersion,
	header,
	judgeContract,
	type RelayOutcome,
	reserved,
	targetLimit,
	type WriteKnowledge,
} from '../shared/relay/contract.ts'
import { fingerprintOf, pathOf } from '../shared/relay/fingerprint.ts'
import { semaphore } from '../shared/relay/semaphore.ts'
import { readVersions, type ToldVersions } from '../shared/relay/versions.ts'
import { ScimError } from '../shared/scim/error.ts'
import { disallowed } from './allow.ts'
import type { AuditLog } from './audit.ts'
import type { RelayRequest, RelayResponse } from './channel.ts'
import type { Config } from './config.ts'
import { type Forward, originOf } from './forward.ts'
import { inFlight } from './in-flight.ts'
import { briefly, type Log } from './log.ts'
import { methods } from './method.ts'
import type { OriginAnswer } from './origin-answer.ts'
import { credentialsRefused, type Probe, refusesAgent } from './probe.ts'
import { type RecentMap, recentMap } from './recent-map.ts'
import type { RelayTime } from './relay-time.ts'
import { startCheck } from './start-check.ts'
import { originTarget, refusalOf } from './target.ts'
import { type NotedWrite, type WriteJournal, writeJournal } from './write-journal.ts'

/** Largest body on the control channel, in bytes. A larger one needs a rendezvous. */
export const controlLimit = 65_536

export type Delivery = {
	readonly request: RelayRequest
	readonly body: Buffer
	/** Aborted when the sender has disconnected, if the agent can know. */
	readonly signal?: AbortSignal
	/** Sends the answer. Resolves to the channel it used, `control` or `rendezvous`. */
	answer(response: RelayResponse): Promise<string>
}

export type Dispatcher = {
	/** Resolves when the request is answered, or at once if it is a repeated delivery. */
	receive(delivery: Delivery): Promise<void>
	/** Turns away all further requests, so that another agent takes them. */
	refuse(): void
	/** The number of requests in progress. */
	underway(): number
	/** Resolves when no request is in progress. */
	idle(): Promise<void>
	/** Finished and pending answers, for the successor of this dispatcher. */
	answers(): AnswerCaches
	inherit(answers: AnswerCaches): void
}

type AgentAnswer = RelayResponse & { readonly outcome: RelayOutcome; readonly error?: AgentErrorCode }

/** Maps of answers by request key, each with the time at which it expires, in milliseconds since 1970; and the writes. */
type AnswerCaches = {
	readonly caches: ReadonlyMap<RecentMap<Promise<AgentAnswer>>, number>
	readonly journals: readonly WriteJournal[]
}

type DispatcherOptions = {
	readonly config: Config
	readonly clock: Clock
	readonly log: Log
	readonly forward: Forward
	readonly probe: Probe
	readonly relayTime: RelayTime
	/** Gets what each request of the cloud tells about versions. */
	readonly noteVersions?: ((told: ToldVersions) => void) | undefined
	/** Gets every request that was forwarded. */
	readonly audit?: AuditLog['record'] | undefined
}

const deadlineLimit = 45_000
const headerLimit = 16_384
const waiting = 64
const rememberedFor = 600_000
/** Memory of a kept answer apart from its key, headers and body, in bytes. */
const replyWeight = 768
const compress = promisify(gzip)

/** Receives requests from the relay, forwards each to the SCIM server once, and sends the answers. */
export function dispatcher(options: DispatcherOptions): Dispatcher {
	const { config, clock, log, forward, probe, relayTime, audit, noteVersions } = options
	const { basePath } = originOf(config)
	const { hybridConnection: entity } = config.relay
	const delivered = recentMap<true>(clock, { milliseconds: 300_000, capacity: 10_000 })
	const replies = recentMap<Promise<AgentAnswer>>(clock, { milliseconds: rememberedFor, capacity: 32 * 2 ** 20 })
	const inherited = new Map<RecentMap<Promise<AgentAnswer>>, number>()
	const { enter } = semaphore(config.concurrency, waiting, clock)
	const journal = writeJournal(clock)
	const journals: WriteJournal[] = [journal]
	const underway = inFlight()
	let isRefusing = false

	async function serve(delivery: Delivery): Promise<void> {
		const arrived = clock.now()
		const headers = lowerCase(delivery.request.requestHeaders)
		const told = readVersions(headers[header.rollcall])
		if (told !== undefined) noteVersions?.(told)
		const request = { ...delivery.request, method: methodOf(delivery.request, headers) }
		const reply = await replyTo({ ...delivery, request }, headers).catch((error: unknown) =>
			refusal('agent_failed', briefly(error)),
		)
		const way = await delivery.answer(await withMarks(reply, headers))
		log('request', {
			requestId: headers[header.requestId],
			serviceId: request.id,
			method: request.method,
			endpoint: endpointOf(request.requestTarget),
			status: reply.status,
			outcome: reply.outcome,
			...(reply.error !== undefined && { error: reply.error, detail: detailOf(reply) }),
			milliseconds: Math.round(clock.now() - arrived),
			bytes: reply.body.length,
			way,
		})
	}

	async function replyTo(delivery: Delivery, headers: Record<string, string>): Promise<AgentAnswer> {
		const { request, body } = delivery
		const problem = contractProblem(headers[header.version])
		if (problem !== undefined) return refusal('version_refused', problem)
		const target = exactTarget(request.requestTarget, headers[header.target], log)
		if (target.startsWith(`/${entity}${reserved.outcome}`))
			return outcomeOf(target.slice(entity.length + 1 + reserved.outcome.length))
		if (isRefusing) return refusal('draining', 'the agent is stopping')
		// An agent that is stopping does not know the writes of the process that replaces it.
		if (target.startsWith(`/${entity}${reserved.write}`)) return jsonAnswer(knowledgeOf(target))
		if (target.startsWith(`/${entity}${reserved.answer}`)) return answerTaken(target)
		if (target === `/${entity}${reserved.health}`) return jsonAnswer(await health())
		if (target === `/${entity}${reserved.info}`) return jsonAnswer(info)
		if (!methods.has(request.method))
			return refusal('method_refused', `the method ${request.method.slice(0, 20)} is refused`)
		if (target.length > targetLimit)
			return refusal('target_too_long', `the path and query are longer than ${targetLimit} characters`)
		const path = originTarget(target, { entity, basePath })
		if (path === undefined) return refusal('path_refused', refusalOf(target))
		if (body.length > bodyLimit) return refusal('body_too_large', `the body is longer than ${bodyLimit} bytes`)
		if (JSON.stringify(headers).length > headerLimit)
			return refusal('header_too_large', `the headers are longer than ${headerLimit} bytes`)
		const noted = notedWrite({ ...delivery, target, key: headers[header.key] })
		return once(headers[header.key], request.method, async () => {
			const why = disallowedBy({ method: request.method, path, headers })
			return why === undefined ? askOnce(delivery, { headers, path, noted }) : refusal('not_allowed', why)
		})
	}

	function disallowedBy({ method, path, headers }: PreparedRequest): string | undefined {
		if (config.allow === undefined) return undefined
		const target = path.slice(basePath.length)
		return disallowed(config.allow, { method, target, contentType: headers['content-type'] })
	}

	function answerUnder(key: string): Promise<AgentAnswer> | undefined {
		for (const [answers, until] of inherited) if (clock.now() >= until) inherited.delete(answers)
		const candidates = [replies, ...inherited.keys()].map((answers) => answers.get(key))
		return candidates.find((reply) => reply !== undefined)
	}

	/** Attempts with the same key are one request of a client: a repeated attempt gets the answer of the first. */
	function once(key: string | undefined, method: string, run: () => Promise<AgentAnswer>): Promise<AgentAnswer> {
		if (key === undefined || method === 'GET') return run()
		const earlier = answerUnder(key)
		if (earlier !== undefined) return earlier
		const reply = run()
		replies.set(key, reply, replyWeight + key.length)
		return reply.then((settledAnswer) => {
			if (settledAnswer.outcome !== 'completed' || settledAnswer.body.length > controlLimit) replies.delete(key)
			else replies.set(key, reply, JSON.stringify(settledAnswer.headers).length + settledAnswer.body.length)
			return settledAnswer
		})
	}

	function knowledgeOf(target: string): WriteKnowledge {
		const [fingerprint = '', path = ''] = target.slice(entity.length + 1 + reserved.write.length).split('/')
		const asked = journals.map((each) => each.ask(fingerprint, Buffer.from(path, 'base64url').toString()))
		const ages = asked.flatMap(({ otherWriteAge }) => otherWriteAge ?? [])
		return {
			state: asked.find(({ state }) => state !== 'none')?.state ?? 'none',
			memoryAge: Math.max(...asked.map(({ memoryAge }) => memoryAge)),
			...(ages.length > 0 && { otherWriteAge: Math.min(...ages) }),
		}
	}

	async function answerTaken(target: string): Promise<AgentAnswer> {
		const fingerprint = target.slice(entity.length + 1 + reserved.answer.length)
		const key = journals
			.map((each) => each.take(fingerprint, (one) => answerUnder(one) !== undefined))
			.find((taken) => taken !== undefined)
		const reply = key === undefined ? undefined : await answerUnder(key)
		if (key !== undefined) replies.delete(key)
		return reply ?? refusal('outcome_unknown', 'the agent has no answer to this write')
	}

	/** Notes the write, and keeps an answer that comes too late for the cloud. */
	async function askOnce(
		delivery: Delivery,
		{ headers, path, noted }: { headers: Record<string, string>; path: string; noted: NotedWrite | undefined },
	): Promise<AgentAnswer> {
		if (noted === undefined) return ask(delivery, { headers, path })
		const entry = journal.begin(noted)
		let isLate = false
		const keep = (reply: AgentAnswer) => {
			entry.isUnsent = reply.outcome === 'not-sent'
			entry.state = reply.outcome === 'completed' ? 'answered' : 'closed'
		}
		const late = (answer: OriginAnswer) => {
			isLate = true
			const reply = replyOf(usable(answer))
			keep(reply)
			if (reply.outcome !== 'completed') return
			log('late_answer', { requestId: headers[header.requestId], status: reply.status })
			const weight = replyWeight + JSON.stringify(reply.headers).length + reply.body.length
			if (reply.body.length <= controlLimit) replies.set(entry.key, Promise.resolve(reply), weight)
		}
		const reply = await ask(delivery, { headers, path, late })
		// After a timeout, the answer may still come.
		if (!isLate && reply.error !== 'origin_timeout') keep(reply)
		return reply
	}

	async function ask(
		{ request, body, signal }: Delivery,
		{ headers, path, late }: { headers: Record<string, string>; path: string; late?: (answer: OriginAnswer) => void },
	): Promise<AgentAnswer> {
		const arrived = clock.now()
		const limit = Math.min(Number(headers[header.deadline]) || deadlineLimit, deadlineLimit)
		const run = async (): Promise<OriginAnswer> => {
			const deadline = limit - (clock.now() - arrived)
			if (deadline <= 0) return lateTurn
			const { method } = request
			const isRead = method === 'GET'
			const check = isRead ? undefined : checkOf(request, headers, signal)
			const record = recorderOf({ method, path, headers })
			const recordLate = (answer: OriginAnswer) => {
				if (!('fault' in answer)) record(answer, true)
				late?.(answer)
			}
			const options = { deadline, check, late: late && recordLate, ...(signal && isRead && { signal }) }
			const answer = await forward({ method, path, headers, body, ...options })
			record(answer)
			return answer
		}
		// The other half is for the SCIM server. A write that it cannot finish in time would have an unknown outcome.
		const answer = enter({ run, waitLimit: limit / 2, fallback: lateTurn })
		if (answer === undefined)
			return refusal('agent_busy', `${config.concurrency} requests are in progress and ${waiting} are waiting`)
		const originAnswer = await answer
		const reply = replyOf(usable(originAnswer))
		return {
			...reply,
			headers: { ...reply.headers, [header.originMilliseconds]: String(Math.round(clock.now() - arrived)) },
		}
	}

	/** Writes the answer to a request into the audit log. */
	function recorderOf({ method, path, headers }: PreparedRequest): (answer: OriginAnswer, isLate?: boolean) => void {
		const sent = { at: clock.now(), method, target: path.slice(basePath.length), requestId: headers[header.requestId] }
		return (answer, isLate = false) => {
			const { status, error } = replyOf(usable(answer))
			audit?.({ ...sent, status, error, isLate })
		}
	}

	/** The check that a write has not expired, if the cloud has set a time. */
	function checkOf(request: RelayRequest, headers: Record<string, string>, signal: AbortSignal | undefined) {
		const expires = headers[header.expires]
		if (expires === undefined) return undefined
		const late = (detail: string) =>
			log('late', { requestId: headers[header.requestId], serviceId: request.id, method: request.method, detail })
		return startCheck({ relayTime, expires: Number(expires) || 0, signal, late })
	}

	/** An answer about the agent or the address of the SCIM server is not for the client. */
	function usable(answer: OriginAnswer): OriginAnswer {
		if ('fault' in answer) return answer
		const { status: originStatus } = answer
		if (refusesAgent(config, originStatus)) return { ...credentialsRefused, originStatus }
		if (originStatus < 300 || originStatus > 399 || originStatus === 304) return answer
		// After 302 and 303, the request may have been carried out (RFC 9110 section 15.4).
		const fault = [301, 307, 308].includes(originStatus) ? 'origin_redirect' : 'origin_bad_response'
		return { fault, detail: `the SCIM server answers with a redirect (${originStatus})`, originStatus }
	}

	async function outcomeOf(key: string): Promise<AgentAnswer> {
		return (await answerUnder(key)) ?? refusal('outcome_unknown', 'the agent has no answer for this key')
	}

	/** The health of the SCIM server, for the cloud. */
	const health = async () => ({ agent: config.agentId, hybridConnection: entity, origin: await probe() })

	/** What the agent is, for the cloud. The address of the SCIM server is left out on purpose. */
	const info = {
		agent: config.agentId,
		hybridConnection: entity,
		version,
		contract: String(contractVersion),
		node: process.versions.node,
		platform: process.platform,
		concurrency: config.concurrency,
		since: new Date(clock.now()).toISOString(),
	}

	/** Adds the headers that mark an answer of an agent. Compresses a large body if the cloud accepts gzip. */
	async function withMarks(reply: AgentAnswer, headers: Record<string, string>): Promise<RelayResponse> {
		const isPacked = reply.body.length > controlLimit && /\bgzip\b/.test(headers['accept-encoding'] ?? '')
		return {
			status: reply.status,
			headers: {
				...reply.headers,
				...(isPacked && { 'content-encoding': 'gzip' }),
				[header.agent]: `${config.agentId};v=${contractVersion};hc=${entity}`,
				[header.outcome]: reply.outcome,
				[header.base]: basePath,
				...(reply.error !== undefined && { [header.error]: reply.error }),
			},
			body: isPacked ? await compress(reply.body) : reply.body,
		}
	}

	return {
		receive: async (delivery) => {
			const { id } = delivery.request
			if (delivered.get(id)) return log('duplicate', { serviceId: id })
			delivered.set(id, true)
			const leave = underway.enter()
			try {
				await serve(delivery)
			} catch (error) {
				log('response_lost', { serviceId: id, detail: briefly(error) })
			} finally {
				leave()
			}
		},
		refuse: () => {
			isRefusing = true
		},
		underway: underway.count,
		idle: underway.empty,
		answers: () => ({ caches: new Map([...inherited, [replies, clock.now() + rememberedFor]]), journals }),
		inherit: ({ caches, journals: earlier }) => {
			for (const [each, until] of caches) inherited.set(each, until)
			journals.push(...earlier)
		},
	}
}

/** An error that the agent itself answers, in the format of RFC 7644 section 3.12. */
export function refusal(code: AgentErrorCode, detail: string, originStatus?: number): AgentAnswer {
	const { status, outcome } = agentErrors[code]
	const error = new ScimError(status, `The on-premises agent answers ${code}: ${detail}.`)
	return {
		status,
		headers: {
			'content-type': 'application/scim+json',
			...(status === 503 && { 'retry-after': code === 'agent_busy' ? '1' : '30' }),
			...(originStatus !== undefined && { [header.originStatus]: String(originStatus) }),
		},
		body: Buffer.from(JSON.stringify(error.toMessage())),
		outcome,
		error: code,
	}
}

/** Why the agent cannot work with this version of the cloud. A request of an administrator has no version. */
function contractProblem(version: string | undefined): string | undefined {
	if (version === undefined) return undefined
	const verdict = judgeContract(version)
	const versions = `Rollcall speaks version ${version.slice(0, 20)} of the contract and this agent version ${contractVersion}`
	if (verdict === 'too new') return `${versions}; update the agent`
	return verdict === 'too old' ? `${versions}; deploy a newer Rollcall` : undefined
}

const lateTurn: OriginAnswer = { fault: 'agent_busy', detail: 'the request waited too long for its turn' }

const replyOf = (answer: OriginAnswer): AgentAnswer =>
	'fault' in answer ? refusal(answer.fault, answer.detail, answer.originStatus) : { ...answer, outcome: 'completed' }

type PreparedRequest = {
	readonly method: string
	/** Path and query for the SCIM server. */
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
}

type KeyedDelivery = Delivery & { readonly target: string; readonly key: string | undefined }

/** A write with a key, for the journal. Its target is that of the cloud, which computes the same fingerprint. */
function notedWrite({ request: { method }, body, target, key }: KeyedDelivery): NotedWrite | undefined {
	if (key === undefined || method === 'GET') return undefined
	return { fingerprint: fingerprintOf({ method, target, body }), path: pathOf(target), key }
}

const jsonAnswer = (answer: object): AgentAnswer => ({
	status: 200,
	headers: { 'content-type': 'application/json' },
	outcome: 'completed',
	body: Buffer.from(JSON.stringify(answer)),
})

const detailOf = ({ body }: AgentAnswer): string => JSON.parse(body.toString()).detail

/** The intended method. Only PATCH may travel as another method, and only as POST, so that every observer sees a write. */
function methodOf({ method }: RelayRequest, headers: Readonly<Record<string, string>>): string {
	const intended = headers[header.method]
	if (intended === undefined || (method === 'POST' && intended === 'PATCH')) return intended ?? method
	return `${intended} as ${method}`
}

const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
	Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** The target as the cloud sent it, if it equals the received one apart from the case of hex digits. */
function exactTarget(received: string, sent: string | undefined, log: Log): string {
	if (sent === undefined) return received
	const target = Buffer.from(sent, 'base64url').toString()
	if (upperCaseHex(target) === upperCaseHex(received)) return target
	log('target_mismatch')
	return received
}

const upperCaseHex = (target: string): string => target.replaceAll(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase())

/** `Users` of `/demo/scim/Users/2819c223?...`: ids and filters are personal data and stay out of the log. */
const endpointOf = (target: string): string => /\/scim\/(\.?\w{1,40})/.exec(target)?.[1] ?? '-'
