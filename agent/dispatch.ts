import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
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
import { version } from './version.ts'

/** Largest body on the control channel; a larger one needs a rendezvous. */
export const controlLimit = 65_536

export type Delivery = {
	readonly request: RelayRequest
	readonly body: Buffer
	/** Aborted when the sender is known to be gone. */
	readonly signal?: AbortSignal
	/** Sends the answer and says which way it went. */
	answer(answer: RelayResponse): Promise<string>
}

export type Dispatcher = {
	/** Resolves when it is answered, or known to have been received before. */
	receive(delivery: Delivery): Promise<void>
	/** From now on requests are turned away, for another agent to take. */
	refuse(): void
	/** How many requests are under way. */
	underway(): number
	/** Resolves when no request is under way. */
	idle(): Promise<void>
	/** What it has answered and is answering, for the one that takes over from it. */
	answers(): AnswerCaches
	inherit(answers: AnswerCaches): void
}

type AgentAnswer = RelayResponse & { readonly outcome: RelayOutcome; readonly error?: AgentErrorCode }

/** AnswerCaches by their keys, each collection with the time when all of it is forgotten. */
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
/** What is kept of an answer beside its key, headers and body, in bytes. */
const replyWeight = 768
const compress = promisify(gzip)

/** Takes requests off the relay, asks the SCIM server and answers, each request once. */
export function dispatcher({ config, clock, log, forward, probe }: DispatcherOptions): Dispatcher {
	const { basePath } = originOf(config)
	const { hybridConnection: entity } = config.relay
	const delivered = recentMap<true>(clock, { milliseconds: 300_000, room: 10_000 })
	const replies = recentMap<Promise<AgentAnswer>>(clock, { milliseconds: rememberedFor, room: 32 * 2 ** 20 })
	const inherited = new Map<RecentMap<Promise<AgentAnswer>>, number>()
	const { enter } = semaphore(config.concurrency, waiting, clock)
	const underway = inFlight()
	let isRefusing = false

	async function serve(delivery: Delivery): Promise<void> {
		const started = clock.now()
		const headers = lowerCase(delivery.request.requestHeaders)
		const request = { ...delivery.request, method: methodOf(delivery.request, headers) }
		const reply = await replyTo({ ...delivery, request }, headers).catch((error: unknown) =>
			refusal('agent_failed', briefly(error)),
		)
		const way = await delivery.answer(await marked(reply, headers))
		log('request', {
			requestId: headers[header.requestId],
			serviceId: request.id,
			method: request.method,
			endpoint: endpointOf(request.requestTarget),
			status: reply.status,
			outcome: reply.outcome,
			...(reply.error !== undefined && { error: reply.error, detail: detailOf(reply) }),
			milliseconds: Math.round(clock.now() - started),
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
		if (target === `/${entity}${reserved.health}`) return told(await health())
		if (target === `/${entity}${reserved.info}`) return told(info)
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
		const found = [replies, ...inherited.keys()].map((answers) => answers.get(key))
		return found.find((reply) => reply !== undefined)
	}

	/** The same key is one request of one client: it waits for the answer that is under way, or gets the one that was given. */
	function once(key: string | undefined, method: string, run: () => Promise<AgentAnswer>): Promise<AgentAnswer> {
		if (key === undefined || method === 'GET') return run()
		const known = answerUnder(key)
		if (known !== undefined) return known
		const reply = run()
		replies.set(key, reply, replyWeight + key.length)
		return reply.then((answered) => {
			if (answered.outcome !== 'completed' || answered.body.length > controlLimit) replies.delete(key)
			else replies.set(key, reply, JSON.stringify(answered.headers).length + answered.body.length)
			return answered
		})
	}

	async function ask(
		{ request, body, signal }: Delivery,
		headers: Record<string, string>,
		path: string,
	): Promise<AgentAnswer> {
		const asked = clock.now()
		const limit = Math.min(Number(headers[header.deadline]) || deadlineLimit, deadlineLimit)
		const run = async (): Promise<OriginAnswer> => {
			const deadline = limit - (clock.now() - asked)
			if (deadline <= 0) return late
			const { method } = request
			return forward({ method, path, headers, body, deadline, ...(signal && method === 'GET' && { signal }) })
		}
		const answer = enter({ run, waitLimit: limit, fallback: late })
		if (answer === undefined)
			return refusal('agent_busy', `${config.concurrency} requests are under way and ${waiting} wait`)
		const settled = await answer
		const reply = replyOf(settled)
		return {
			...reply,
			headers: { ...reply.headers, [header.originMilliseconds]: String(Math.round(clock.now() - asked)) },
		}
	}

	async function outcomeOf(key: string): Promise<AgentAnswer> {
		return (await answerUnder(key)) ?? refusal('outcome_unknown', 'the agent knows no answer under this key')
	}

	/** Tells the cloud how the agent finds the SCIM server. */
	const health = async () => ({ agent: config.agentId, hybridConnection: entity, origin: await probe() })

	/** And what it is, whatever the SCIM server does, whose address is not the cloud's business. */
	const info = {
		...{ agent: config.agentId, hybridConnection: entity, version, contract: contractVersion },
		...{ node: process.versions.node, platform: process.platform, concurrency: config.concurrency },
		since: new Date(clock.now()).toISOString(),
	}

	/** Adds what makes it an answer of an agent, and packs a large one when the cloud can unpack it. */
	async function marked(reply: AgentAnswer, headers: Record<string, string>): Promise<RelayResponse> {
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

/** An answer of the agent's own, in the shape of RFC 7644 section 3.12. */
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

const late: OriginAnswer = { fault: 'agent_busy', detail: 'its turn did not come in time' }

const replyOf = (answer: OriginAnswer): AgentAnswer =>
	'fault' in answer ? refusal(answer.fault, answer.detail, answer.originStatus) : { ...answer, outcome: 'completed' }

const told = (answer: object): AgentAnswer => ({
	...{ status: 200, headers: { 'content-type': 'application/json' }, outcome: 'completed' },
	body: Buffer.from(JSON.stringify(answer)),
})

const detailOf = ({ body }: AgentAnswer): string => JSON.parse(body.toString()).detail

/** The method that is meant. Only a PATCH travels as another, and as a POST alone: everything that looks at methods sees a write. */
function methodOf({ method }: RelayRequest, headers: Readonly<Record<string, string>>): string {
	const meant = headers[header.method]
	if (meant === undefined || (method === 'POST' && meant === 'PATCH')) return meant ?? method
	return `${meant} by ${method}`
}

const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
	Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** What the cloud asked for before the service rewrote it, if it is that: hex digits of either case are the same. */
function exactTarget(received: string, sent: string | undefined, log: Log): string {
	if (sent === undefined) return received
	const target = Buffer.from(sent, 'base64url').toString()
	if (upperCaseHex(target) === upperCaseHex(received)) return target
	log('target_mismatch')
	return received
}

const upperCaseHex = (target: string): string => target.replaceAll(/%[0-9a-f]{2}/gi, (triplet) => triplet.toUpperCase())

/** `Users` of `/demo/scim/Users/2819c223?...`: ids and filters are people's. */
const endpointOf = (target: string): string => /\/scim\/(\.?\w{1,40})/.exec(target)?.[1] ?? '-'
