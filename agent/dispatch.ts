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
	type RelayOutcome,
	reserved,
} from '../shared/relay/contract.ts'
import { ScimError } from '../shared/scim/error.ts'
import type { RelayRequest, RelayResponse } from './channel.ts'
import type { Config } from './config.ts'
import { type Forward, type OriginAnswer, originOf } from './forward.ts'
import { inFlight } from './in-flight.ts'
import { briefly, type Log } from './log.ts'
import type { Probe } from './probe.ts'
import { type RecentMap, recentMap } from './recent-map.ts'
import { semaphore } from './semaphore.ts'
import { originTarget } from './target.ts'

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

/** Maps of answers by request key, each with the time at which it expires, in milliseconds since 1970. */
type AnswerCaches = ReadonlyMap<RecentMap<Promise<AgentAnswer>>, number>

type DispatcherOptions = {
	readonly config: Config
	readonly clock: Clock
	readonly log: Log
	readonly forward: Forward
	readonly probe: Probe
}

const deadlineLimit = 45_000
/** The methods of SCIM (RFC 7644 section 3.2). */
export const methods: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
const headerLimit = 16_384
const waiting = 64
const rememberedFor = 600_000
/** Memory of a kept answer apart from its key, headers and body, in bytes. */
const replyWeight = 768
const compress = promisify(gzip)

/** Receives requests from the relay, forwards each to the SCIM server once, and sends the answers. */
export function dispatcher({ config, clock, log, forward, probe }: DispatcherOptions): Dispatcher {
	const { basePath } = originOf(config)
	const { hybridConnection: entity } = config.relay
	const delivered = recentMap<true>(clock, { milliseconds: 300_000, capacity: 10_000 })
	const replies = recentMap<Promise<AgentAnswer>>(clock, { milliseconds: rememberedFor, capacity: 32 * 2 ** 20 })
	const inherited = new Map<RecentMap<Promise<AgentAnswer>>, number>()
	const { enter } = semaphore(config.concurrency, waiting, clock)
	const underway = inFlight()
	let isRefusing = false

	async function serve(delivery: Delivery): Promise<void> {
		const arrived = clock.now()
		const headers = lowerCase(delivery.request.requestHeaders)
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
		const target = exactTarget(request.requestTarget, headers[header.target], log)
		if (target.startsWith(`/${entity}${reserved.outcome}`))
			return outcomeOf(target.slice(entity.length + 1 + reserved.outcome.length))
		if (isRefusing) return refusal('draining', 'the agent is stopping')
		if (target === `/${entity}${reserved.health}`) return jsonAnswer(await health())
		if (target === `/${entity}${reserved.info}`) return jsonAnswer(info)
		if (!methods.has(request.method))
			return refusal('method_refused', `the method ${request.method.slice(0, 20)} is refused`)
		const path = originTarget(target, { entity, basePath })
		if (path === undefined) return refusal('path_refused', 'only paths below /scim reach the SCIM server')
		if (body.length > bodyLimit) return refusal('body_too_large', `the body is longer than ${bodyLimit} bytes`)
		if (JSON.stringify(headers).length > headerLimit)
			return refusal('header_too_large', `the headers are longer than ${headerLimit} bytes`)
		return once(headers[header.key], request.method, () => ask(delivery, headers, path))
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

	async function ask(
		{ request, body, signal }: Delivery,
		headers: Record<string, string>,
		path: string,
	): Promise<AgentAnswer> {
		const arrived = clock.now()
		const limit = Math.min(Number(headers[header.deadline]) || deadlineLimit, deadlineLimit)
		const run = async (): Promise<OriginAnswer> => {
			const deadline = limit - (clock.now() - arrived)
			if (deadline <= 0) return lateTurn
			const { method } = request
			return forward({ method, path, headers, body, deadline, ...(signal && method === 'GET' && { signal }) })
		}
		const answer = enter({ run, waitLimit: limit, fallback: lateTurn })
		if (answer === undefined)
			return refusal('agent_busy', `${config.concurrency} requests are in progress and ${waiting} are waiting`)
		const originAnswer = await answer
		const reply = replyOf(originAnswer)
		return {
			...reply,
			headers: { ...reply.headers, [header.originMilliseconds]: String(Math.round(clock.now() - arrived)) },
		}
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
		contract: contractVersion,
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
		answers: () => new Map([...inherited, [replies, clock.now() + rememberedFor]]),
		inherit: (answers) => {
			for (const [each, until] of answers) inherited.set(each, until)
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

const lateTurn: OriginAnswer = { fault: 'agent_busy', detail: 'the request waited too long for its turn' }

const replyOf = (answer: OriginAnswer): AgentAnswer =>
	'fault' in answer ? refusal(answer.fault, answer.detail, answer.originStatus) : { ...answer, outcome: 'completed' }

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
