import { UsageError } from '../shared/cli/usage-error.ts'
import { version as ownVersion } from '../shared/cli/version.ts'
import { type Clock, pause } from '../shared/relay/clock.ts'
import { cached } from '../shared/relay/token-cache.ts'
import { auditLog } from './audit.ts'
import { type OfflineReason, retryDelay } from './backoff.ts'
import { HandshakeError } from './channel.ts'
import { type Config, readText } from './config.ts'
import { tokenSource } from './credentials.ts'
import { type Dispatcher, dispatcher } from './dispatch.ts'
import { AgentRemovedError, TokenRefusedError } from './enrolled.ts'
import { forwardTo } from './forward.ts'
import { inFlight } from './in-flight.ts'
import { briefly, type Log } from './log.ts'
import { type Probe, probeOf } from './probe.ts'
import { ProxyError, proxyAgent } from './proxy.ts'
import { relayTimeFrom } from './relay-time.ts'
import { openSession, type Session, type SessionEnd, type SessionOptions, TokenError } from './session.ts'
import { type VersionNews, versionWatch } from './versions.ts'

export type AgentEnvironment = {
	readonly clock: Clock
	readonly log: Log
	readonly random: () => number
	/** The version of the agent, by default that of this program. */
	readonly version?: string
}

export type AgentStatus = {
	readonly state: 'connecting' | 'online' | 'draining' | 'stopped'
	readonly agent: string
	readonly namespace: string
	readonly hybridConnection: string
	/** Open control channels: two for a moment, while a new one replaces an old one. */
	readonly channels: number
	/** Requests in progress. */
	readonly underway: number
	/** Why the agent is not listening. Absent while it listens. */
	readonly trouble?: { readonly kind: OfflineReason; readonly detail: string }
} & VersionNews

export type Agent = {
	/** Resolves when the agent first listens. */
	readonly online: Promise<void>
	/** Resolves if an administrator has removed the agent. It listens no more by then. */
	readonly removed: Promise<void>
	/**
	 * Stops listening, finishes the requests in progress and turns away new ones. For the end of the process.
	 * Takes at most half a minute. A sender closes a connection on which it was turned away, and soon one that is idle.
	 * If the agent cut the connection instead, a request that the sender has just sent would be lost.
	 */
	drain(): Promise<void>
	/** Stops listening because `successor` of the same process took over. The successor also serves kept connections. */
	retire(successor: Agent): Promise<void>
	/** Serves a request that reached an agent which is retiring. */
	readonly receive: Dispatcher['receive']
	/** Adopts the answers of an agent that is retiring, because their senders may not have received them. */
	readonly inherit: Dispatcher['inherit']
	status(): AgentStatus
	/** Checks the health of the SCIM server. */
	readonly probe: Probe
}

const hour = 3_600_000
const stableAfter = 60_000
const drainWithin = 20_000
const leaveWithin = 8000

/** Starts an agent that reconnects until `drain` or `retire`. Throws a UsageError if a file that it needs is wrong. */
export function startAgent(config: Config, { clock, log, random, version = ownVersion }: AgentEnvironment): Agent {
	const { caFile } = config.relay
	let trouble: OfflineReason = 'network'
	const versions = versionWatch(version, log)
	const source = tokenSource(config, clock, {
		isRefused: () => trouble === 'auth_failed',
		noteVersions: versions.note,
	})
	const forward = forwardTo(config, clock)
	const probe = probeOf(forward, config, clock)
	const ca = caFile === undefined ? undefined : readText(caFile, 'relay.caFile must be a PEM file.')
	const proxy = proxyAgent(config.relay, clock)
	const relayTime = relayTimeFrom({ namespace: config.relay.namespace, clock, ca, proxy })
	const audit = config.audit === undefined ? undefined : auditLog(config.audit, log, config.name)
	const requests = dispatcher({
		config,
		clock,
		log,
		forward,
		probe,
		relayTime,
		noteVersions: versions.note,
		audit: audit?.record,
	})
	const openRendezvous = inFlight()
	const channels = new Set<Session>()
	const stopping = new AbortController()
	const sessionOptions: Omit<SessionOptions, 'isPongOnly'> = {
		config,
		clock,
		log,
		token: cached(() => source().catch(leaveIfRemoved), clock),
		receive: (delivery) => (successor ?? requests).receive(delivery),
		openRendezvous,
		ca,
		proxy,
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
		let shortAfterPing = 0
		let isPongOnly = false
		let old: Session | undefined
		while (!stopping.signal.aborted) {
			try {
				const session = await openSession({ ...sessionOptions, isPongOnly }, trouble === 'auth_failed')
				current = session
				failure = undefined
				channels.add(session)
				void session.ended.then(() => channels.delete(session))
				// The agent was told to stop while this session was opening.
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
				const reason = offlineReasonOf(error)
				if (reason !== trouble) attempt = 0
				trouble = reason
				failure = { kind: trouble, detail: briefly(error) }
				const delay = retryDelay(attempt++, trouble, random)
				log('offline', { trouble, detail: briefly(error), retryIn: Math.round(delay), ...proxyStatus(error) })
				await pause(clock, delay, stopping.signal)
			}
		}
	}

	/** How the session ended, or undefined if it is due for replacement. The service drops every session after a day. */
	async function lifeOf(session: Session): Promise<SessionEnd | undefined> {
		const due = new AbortController()
		const age = pause(clock, (19 + 2 * random()) * hour, AbortSignal.any([stopping.signal, due.signal]))
		const end = await Promise.race([session.ended, age.then(() => undefined)])
		due.abort()
		if (end === undefined && !stopping.signal.aborted) log('recycle')
		return end
	}

	const running = run()
	let isRemoved = () => {}
	const removed = new Promise<void>((resolve) => {
		isRemoved = resolve
	})

	/** An agent that was removed stops at once: its token would let it listen for some time. */
	function leaveIfRemoved(error: unknown): never {
		if (error instanceof AgentRemovedError && !stopping.signal.aborted) {
			log('removed', { detail: error.message })
			// The token is asked for by what is about to stop.
			setImmediate(() => void drain().then(isRemoved))
		}
		throw error
	}

	async function drain(): Promise<void> {
		requests.refuse()
		stopping.abort()
		await Promise.race([requests.idle(), pause(clock, drainWithin)])
		await Promise.race([leave().then(audit?.written), pause(clock, leaveWithin)])
		isStopped = true
	}

	async function retire(next: Agent): Promise<void> {
		const identity = status()
		const { namespace, hybridConnection } = next.status()
		if (namespace === identity.namespace && hybridConnection === identity.hybridConnection) {
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
		await openRendezvous.empty()
	}

	function status(): AgentStatus {
		const { namespace, hybridConnection } = config.relay
		const identity = { agent: config.agentId, namespace, hybridConnection, channels: channels.size }
		const told = { ...versions.news(), ...(failure && { trouble: failure }) }
		return { state: state(), ...identity, underway: requests.underway(), ...told }
	}

	function state(): AgentStatus['state'] {
		if (isStopped) return 'stopped'
		if (stopping.signal.aborted) return 'draining'
		return channels.size > 0 ? 'online' : 'connecting'
	}

	return { online, removed, status, probe, drain, retire, receive: requests.receive, inherit: requests.inherit }
}

function offlineReasonOf(error: unknown): OfflineReason {
	const proxyError = proxyErrorOf(error)
	if (proxyError?.status === 407) return 'proxy_auth'
	if (error instanceof TokenError) return isRefusal(error.cause) ? 'auth_failed' : 'network'
	if (!(error instanceof HandshakeError)) return 'network'
	if (error.status === 401 || error.status === 403) return 'auth_failed'
	if (error.status === 404) return 'entity_missing'
	return error.status === 503 && /quota|MaximumListeners/i.test(error.message) ? 'quota' : 'network'
}

/** Only an administrator can repair a refusal, and likewise a missing or wrong file. A quick retry does not help. */
const isRefusal = (cause: unknown): boolean =>
	[TokenRefusedError, AgentRemovedError, UsageError].some((kind) => cause instanceof kind)

/** The refusal of the proxy that kept the agent from Azure, or from the token service. */
function proxyErrorOf(error: unknown): ProxyError | undefined {
	const cause = error instanceof TokenError ? error.cause : error
	return cause instanceof ProxyError ? cause : undefined
}

function proxyStatus(error: unknown) {
	const proxyError = proxyErrorOf(error)
	return proxyError === undefined ? {} : { proxyStatus: proxyError.status }
}
