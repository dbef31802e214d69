import { UsageError } from '../shared/cli/usage-error.ts'
import { type Clock, pause } from '../shared/relay/clock.ts'
import { cached } from '../shared/relay/token-cache.ts'
import { type OfflineReason, retryDelay } from './backoff.ts'
import { HandshakeError } from './channel.ts'
import { type Config, readText } from './config.ts'
import { TokenRefusedError, tokenSource } from './credentials.ts'
import { type Dispatcher, dispatcher } from './dispatch.ts'
import { forwardTo } from './forward.ts'
import { inFlight } from './in-flight.ts'
import { briefly, type Log } from './log.ts'
import { type Probe, probeOf } from './probe.ts'
import { ProxyError, proxyAgent } from './proxy.ts'
import { openSession, type Session, type SessionEnd, type SessionOptions, TokenError } from './session.ts'

export type AgentEnvironment = {
	readonly clock: Clock
	readonly log: Log
	readonly random: () => number
}

export type AgentStatus = {
	readonly state: 'connecting' | 'online' | 'draining' | 'stopped'
	readonly agent: string
	readonly namespace: string
	readonly hybridConnection: string
	/** Control channels that are open; for a moment two when one takes over from the other. */
	readonly channels: number
	/** Requests that are being answered. */
	readonly underway: number
	/** Why it does not listen, while it does not. */
	readonly trouble?: { readonly kind: OfflineReason; readonly detail: string }
}

export type Agent = {
	/** Resolves when the agent listens for the first time. */
	readonly online: Promise<void>
	/**
	 * Stops listening and finishes what is under way, turning away what still comes; for the end of the process. It takes at
	 * most half a minute: senders leave a connection by which they were turned away, and soon one that is idle, whereas one
	 * that is cut off takes along what its sender has just sent.
	 */
	drain(): Promise<void>
	/** Stops listening because another agent of this process does, which serves what still comes by kept connections. */
	retire(successor: Agent): Promise<void>
	/** Takes over what was sent to an agent that retires. */
	readonly receive: Dispatcher['receive']
	/** Takes over what was answered by an agent that retires: its sender may not have got it. */
	readonly inherit: Dispatcher['inherit']
	status(): AgentStatus
	/** Asks how the SCIM server does. */
	readonly probe: Probe
}

const hour = 3_600_000
const stableAfter = 60_000
const drainWithin = 20_000
const leaveWithin = 8000

/** Listens until it is told to stop, whatever the network does. Throws a UsageError when a file that it needs is wrong. */
export function startAgent(config: Config, { clock, log, random }: AgentEnvironment): Agent {
	const { caFile, proxy } = config.relay
	const source = tokenSource(config, clock)
	const forward = forwardTo(config, clock)
	const probe = probeOf(forward, config, clock)
	const requests = dispatcher({ config, clock, log, forward, probe })
	const kept = inFlight()
	const channels = new Set<Session>()
	const stopping = new AbortController()
	const setting: Omit<SessionOptions, 'isPongOnly'> = {
		config,
		clock,
		log,
		token: cached(source, clock),
		receive: (delivery) => (successor ?? requests).receive(delivery),
		kept,
		ca: caFile === undefined ? undefined : readText(caFile, 'relay.caFile is a PEM file.'),
		proxy: proxy === undefined ? undefined : proxyAgent(proxy),
	}
	let current: Session | undefined
	let successor: Agent | undefined
	let isStopped = false
	let failure: AgentStatus['trouble']
	let isOnline = () => {}
	const online = new Promise<void>((resolve) => {
		isOnline = resolve
	})

	async function run(): Promise<void> {
		let attempt = 0
		let trouble: OfflineReason = 'network'
		let shortAfterPing = 0
		let isPongOnly = false
		let old: Session | undefined
		while (!stopping.signal.aborted) {
			try {
				const session = await openSession({ ...setting, isPongOnly }, trouble === 'auth_failed')
				current = session
				failure = undefined
				channels.add(session)
				void session.ended.then(() => channels.delete(session))
				// Whoever told the agent to stop meanwhile did not know of this session.
				if (stopping.signal.aborted) return await session.retire()
				const opened = clock.now()
				trouble = 'network'
				log('online', { agent: config.agentId, hybridConnection: config.relay.hybridConnection })
				isOnline()
				void old?.retire()
				const end = await lifeOf(session)
				old = end === undefined ? session : undefined
				if (end === undefined) continue
				if (clock.now() - opened > stableAfter) attempt = 0
				shortAfterPing = end.isAfterPing ? shortAfterPing + 1 : 0
				log('closed', { code: end.code, reason: end.reason })
				if (shortAfterPing >= 2 && !isPongOnly) log('pong_only')
				isPongOnly ||= shortAfterPing >= 2
				if (end.code === 1008) trouble = 'auth_failed'
				await pause(clock, retryDelay(attempt++, 'network', random), stopping.signal)
			} catch (error) {
				const seen = offlineReasonOf(error)
				if (seen !== trouble) attempt = 0
				trouble = seen
				failure = { kind: trouble, detail: briefly(error) }
				const delay = retryDelay(attempt++, trouble, random)
				log('offline', { trouble, detail: briefly(error), retryIn: Math.round(delay), ...proxyStatus(error) })
				await pause(clock, delay, stopping.signal)
			}
		}
	}

	/** How the session ended; undefined when it is time for the next one, the service drops each after a day. */
	async function lifeOf(session: Session): Promise<SessionEnd | undefined> {
		const due = new AbortController()
		const age = pause(clock, (19 + 2 * random()) * hour, AbortSignal.any([stopping.signal, due.signal]))
		const end = await Promise.race([session.ended, age.then(() => undefined)])
		due.abort()
		if (end === undefined && !stopping.signal.aborted) log('recycle')
		return end
	}

	const running = run()

	async function drain(): Promise<void> {
		requests.refuse()
		stopping.abort()
		await Promise.race([requests.idle(), pause(clock, drainWithin)])
		await Promise.race([leave(), pause(clock, leaveWithin)])
		isStopped = true
	}

	async function retire(next: Agent): Promise<void> {
		const own = status()
		const { namespace, hybridConnection } = next.status()
		if (namespace === own.namespace && hybridConnection === own.hybridConnection) {
			successor = next
			next.inherit(requests.answers())
		}
		stopping.abort()
		await leave()
		isStopped = true
	}

	async function leave(): Promise<void> {
		await current?.retire()
		await requests.idle()
		await running
		await kept.empty()
	}

	function status(): AgentStatus {
		const { namespace, hybridConnection } = config.relay
		const own = { agent: config.agentId, namespace, hybridConnection, channels: channels.size }
		return { state: state(), ...own, underway: requests.underway(), ...(failure && { trouble: failure }) }
	}

	function state(): AgentStatus['state'] {
		if (isStopped) return 'stopped'
		if (stopping.signal.aborted) return 'draining'
		return channels.size > 0 ? 'online' : 'connecting'
	}

	return { online, status, probe, drain, retire, receive: requests.receive, inherit: requests.inherit }
}

function offlineReasonOf(error: unknown): OfflineReason {
	if (error instanceof TokenError) return isRefusal(error.cause) ? 'auth_failed' : 'network'
	if (!(error instanceof HandshakeError)) return 'network'
	if (error.status === 401 || error.status === 403) return 'auth_failed'
	if (error.status === 404) return 'entity_missing'
	return error.status === 503 && /quota|MaximumListeners/i.test(error.message) ? 'quota' : 'network'
}

/** A file that is missing or wrong is mended by hand, as a refusal is, and not by asking again soon. */
const isRefusal = (cause: unknown): boolean => cause instanceof TokenRefusedError || cause instanceof UsageError

const proxyStatus = (error: unknown) => (error instanceof ProxyError ? { proxyStatus: error.status } : {})
