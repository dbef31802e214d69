import type { TokenRefusal } from '../../shared/auth/refusal.ts'
import type { Memory } from '../../shared/auth/remember.ts'
import { unknownNameAllowance } from '../../shared/limits/allowance.ts'
import {
	type AgentList,
	type Enrolled,
	enrol,
	type ListedAgent,
	listener,
	newestVersion,
	parseAgents,
	withVersion,
} from '../../shared/relay/agent-list.ts'
import {
	type EnrolAnswer,
	type EnrolmentErrorCode,
	type EnrolRequest,
	keyFingerprint,
	type ListenAnswer,
	type ListenRequest,
	listenKeyName,
	listenTokenLife,
} from '../../shared/relay/enrolment.ts'
import { sasToken } from '../../shared/relay/sas.ts'
import type { AgentsChange } from '../../shared/storage/agents.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import type { NamedTenant } from '../oauth/sources.ts'
import { EnrolmentError } from './enrolment-error.ts'
import type { ListenKeys, ListenRule } from './listen-keys.ts'
import type { StrangerLimits } from './stranger-limits.ts'

/** Enrols agents and gives them listen tokens. Both throw an EnrolmentError, and a ScimError 503 during an outage. */
export type Enrolment = {
	enrol(named: NamedTenant, request: EnrolRequest): Promise<EnrolAnswer>
	listenToken(named: NamedTenant, request: ListenRequest): Promise<ListenAnswer>
}

type ListenPlace = { readonly namespace: string; readonly hybridConnection: string }

type EnrolmentOptions = {
	readonly readAgents: (tenant: Tenant) => Promise<string | undefined>
	readonly updateAgents: <T extends object>(
		tenant: Tenant,
		revise: (json: string | undefined) => AgentsChange<T>,
	) => Promise<T>
	/** Does something that takes as long as reading the agents of a tenant without any. */
	readonly readNothing: (name: string) => Promise<unknown>
	/** Where the agents of a tenant listen. Throws a ScimError 503 if the app has no relay or cannot serve the tenant. */
	readonly placeOf: (tenant: Tenant) => ListenPlace
	readonly keys: Memory<ListenRule, ListenKeys>
	readonly limits: StrangerLimits
	/** Takes why a caller was refused, for the log. */
	readonly noteRefusal: (refusal: TokenRefusal) => void
	/** Takes that an agent has got a token. */
	readonly noteUse: (tenant: Tenant, agent: string) => void
	/** The version of the app. */
	readonly version: string
	/** Milliseconds since 1970. */
	readonly now: () => number
}

const noAgents = parseAgents(undefined)

export function openEnrolment(options: EnrolmentOptions): Enrolment {
	const { readAgents, updateAgents, readNothing, placeOf, keys, limits, noteRefusal, noteUse, version, now } = options
	const mayReadUnknown = unknownNameAllowance(now)
	/** By the table of the tenant. */
	const lastReads = new Map<string, Promise<AgentList>>()

	/**
	 * The agents of a tenant as they are now. During a flood, they are those of the last read, which is at most some seconds
	 * old: a stranger must keep no agent from its tokens. An unknown tenant has none.
	 */
	const agentsOf = async ({ name, tenant }: NamedTenant): Promise<AgentList> => {
		const mayRead = limits.mayRead(name)
		if (tenant === undefined) {
			if (mayRead && mayReadUnknown()) await readNothing(name)
			return noAgents
		}
		if (mayRead) lastReads.set(tenant.table, readAgents(tenant).then(parseAgents))
		return lastReads.get(tenant.table) ?? noAgents
	}

	const refuse = async (name: string, code: EnrolmentErrorCode, agent: string): Promise<EnrolmentError> => {
		noteRefusal({ reason: code, client: agent })
		if (code === 'enrolment_refused' || code === 'agent_refused') await limits.slowDown(name)
		return new EnrolmentError(code, code === 'clock_wrong' ? { time: Math.floor(now() / 1000) } : {})
	}

	const enrolStored = (tenant: Tenant, request: EnrolRequest) =>
		updateAgents<ReturnType<typeof enrol>>(tenant, (json) => {
			const answer = enrol(parseAgents(json), request, { tenant: tenant.name, now: now() })
			return 'list' in answer ? { json: JSON.stringify(answer.list), answer } : { answer }
		})

	/** The agent asks for its first token at once, also during a flood. */
	const keepEnrolled = (tenant: Tenant, { list }: Enrolled): void => {
		if (list !== undefined) lastReads.set(tenant.table, Promise.resolve(list))
	}

	const noteVersion = async (tenant: Tenant, agent: ListedAgent, running: string): Promise<void> => {
		if (agent.version === running) return
		await updateAgents(tenant, (json) => ({
			json: JSON.stringify(withVersion(parseAgents(json), agent, running)),
			answer: {},
		}))
	}

	const signedFor = async (tenant: Tenant, { signer, renewed }: AgentList, isRefused: boolean) => {
		const { namespace, hybridConnection } = placeOf(tenant)
		const rule = { hybridConnection, renewed }
		const { primaryKey, secondaryKey } = await (isRefused ? keys.getAgain(rule) : keys.get(rule))
		return sasToken({
			uri: `http://${namespace.replace(/:\d+$/, '')}/${hybridConnection}`,
			keyName: listenKeyName,
			key: signer === 'primary' ? primaryKey : secondaryKey,
			expires: now() + listenTokenLife,
		})
	}

	return {
		async enrol(named, request) {
			const { name, tenant } = named
			const seen = enrol(await agentsOf(named), request, { tenant: name, now: now() })
			if ('refusal' in seen || tenant === undefined)
				throw await refuse(name, 'refusal' in seen ? seen.refusal : 'enrolment_refused', request.agent)
			// An agent that cannot be told where to listen keeps its code.
			const relay = placeOf(tenant)
			const enrolled = await enrolStored(tenant, request)
			if ('refusal' in enrolled) throw await refuse(name, enrolled.refusal, request.agent)
			keepEnrolled(tenant, enrolled)
			return { v: 1, agent: enrolled.agent.id, relay, fingerprint: keyFingerprint(request.publicKey) }
		},

		async listenToken(named, request) {
			const { name, tenant } = named
			const list = await agentsOf(named)
			const asked = listener(list, request, { tenant: name, now: now() })
			if ('refusal' in asked || tenant === undefined)
				throw await refuse(name, 'refusal' in asked ? asked.refusal : 'agent_refused', request.agent)
			const { token } = await signedFor(tenant, list, request.isRefused === true)
			await noteVersion(tenant, asked.agent, request.version)
			noteUse(tenant, asked.agent.id)
			return {
				v: 1,
				token,
				expiresIn: listenTokenLife / 1000,
				rollcall: { version, newestAgent: newestVersion(list, version) },
			}
		},
	}
}
