import { timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import {
	type AgentPublicKey,
	codeLife,
	type EnrolmentErrorCode,
	type EnrolRequest,
	enrolProof,
	enrolRequest,
	isProof,
	type ListenRequest,
	listenProof,
	maxAgents,
	proofWindow,
	secretDigest,
} from './enrolment.ts'
import { isNewer, isRelease } from './versions.ts'

// The enrolled agents of a tenant, as they are stored in one row, and every decision about them. No clock and no storage.

const time = z.iso.datetime()

const listedAgent = z.object({
	id: z.guid(),
	label: z.string().optional(),
	/** When the agent was added. */
	created: time,
	/** The code that the agent may still use: the digest of its secret, and its end. */
	code: z.object({ digest: z.string(), expires: time }).optional(),
	/** The digest of the last code that was used. */
	usedCode: z.string().optional(),
	publicKey: enrolRequest.shape.publicKey.optional(),
	/** The name of the machine that has enrolled, as the machine says it. */
	host: z.string().optional(),
	/** The version of the program, as it last said. */
	version: z.string().optional(),
	/** When the key was enrolled. */
	enrolled: time.optional(),
	removed: time.optional(),
	/** The key rule in Azure Relay of an agent that cannot reach the app, and never enrols. */
	offlineRule: z.string().optional(),
})

/** An agent of a tenant: one that was added, enrolled or removed. */
export type ListedAgent = z.infer<typeof listedAgent>

const agentList = z.object({
	/** Which key of Azure Relay signs listen tokens. */
	signer: z.enum(['primary', 'secondary']).default('primary'),
	/** When a key of Azure Relay was last renewed by `rollcall agent rotate`. */
	renewed: time.optional(),
	/** The process that renews a key now, and since when. It stays if the process is interrupted. */
	rotation: z.object({ id: z.string(), begun: time }).optional(),
	agents: z.array(listedAgent),
})

export type AgentList = z.infer<typeof agentList>

/** Reads the stored list; an empty one if there is none. */
export const parseAgents = (json: string | undefined): AgentList =>
	json === undefined ? { signer: 'primary', agents: [] } : agentList.parse(JSON.parse(json))

export type AgentState = 'pending' | 'expired' | 'enrolled' | 'offline' | 'removed'

/** @param now milliseconds since 1970 */
export function stateOfAgent({ publicKey, removed, code, offlineRule }: ListedAgent, now: number): AgentState {
	if (removed !== undefined) return 'removed'
	if (offlineRule !== undefined) return 'offline'
	if (publicKey !== undefined) return 'enrolled'
	return now < Date.parse(code?.expires ?? '') ? 'pending' : 'expired'
}

/** Agents that were removed are kept so long that a machine which was away learns of it, in milliseconds. */
const keepRemoved = 90 * 24 * 3_600_000
const keepExpired = 24 * 3_600_000
/** Agents that are kept after their removal. More would let the row grow. */
const maxRemoved = 50

const takesPlace: ReadonlySet<AgentState> = new Set(['enrolled', 'pending', 'offline'])

/** Whether there are ten agents and codes already. */
const isFull = ({ agents }: AgentList, now: number): boolean =>
	agents.filter((agent) => takesPlace.has(stateOfAgent(agent, now))).length >= maxAgents

const isListed = ({ agents }: AgentList, id: string): boolean => agents.some((agent) => agent.id === id)

type OfflineAgent = { readonly id: string; readonly label?: string; readonly offlineRule: string }

/**
 * Adds an agent that has a key of Azure Relay and never asks the app. `'full'` if the tenant has ten agents or codes. The
 * list is as it was if it has the agent already: the answer of storage was lost.
 */
export function withOfflineAgent(list: AgentList, agent: OfflineAgent, now: number): AgentList | 'full' {
	if (isListed(list, agent.id)) return list
	if (isFull(list, now)) return 'full'
	return { ...list, agents: [...withoutOld(list.agents, now), { ...agent, created: new Date(now).toISOString() }] }
}

type NewAgent = { readonly id: string; readonly label?: string; readonly secret: string }

/**
 * Adds an agent that may enrol with the secret for half an hour. `'full'` if the tenant has ten agents or codes already. The
 * list is as it was if it has the agent already.
 */
export function withNewAgent(list: AgentList, { id, label, secret }: NewAgent, now: number): AgentList | 'full' {
	if (isListed(list, id)) return list
	if (isFull(list, now)) return 'full'
	const created = new Date(now).toISOString()
	const agent = { id, ...(label !== undefined && { label }), created, code: codeOf(secret, now) }
	return { ...list, agents: [...withoutOld(list.agents, now), agent] }
}

/** Lets an agent enrol again with another key. Its present key works until then. */
export const withNewCode = (list: AgentList, { id, secret }: NewAgent, now: number): AgentList =>
	revised(list, id, (agent) => ({ ...agent, code: codeOf(secret, now) }))

/** Removes an agent. It gets no more listen tokens, and its code is void. */
export const withoutAgent = (list: AgentList, id: string, now: number): AgentList =>
	revised(list, id, (agent) => ({ removed: new Date(now).toISOString(), ...agent }))

/** Milliseconds after which a process that renews a key counts as interrupted. Azure answers within seconds. */
export const rotationLife = 10 * 60_000

/**
 * Notes that a process renews a key of Azure Relay. `busySince` if another process does. The process may ask again with the
 * same id if no answer of storage came.
 */
export function withRotation(
	list: AgentList,
	id: string,
	now: number,
): { readonly list: AgentList } | { readonly busySince: string } {
	const { rotation } = list
	const isBusy = rotation !== undefined && now - Date.parse(rotation.begun) < rotationLife
	if (isBusy && rotation.id !== id) return { busySince: rotation.begun }
	return { list: { ...list, rotation: { id, begun: new Date(now).toISOString() } } }
}

/** Notes that the process has ended. Another process may have come in its place after ten minutes. */
export const withoutRotation = ({ rotation, ...list }: AgentList, id: string): AgentList =>
	rotation === undefined || rotation.id === id ? list : { ...list, rotation }

const codeOf = (secret: string, now: number) => ({
	digest: secretDigest(secret),
	expires: new Date(now + codeLife).toISOString(),
})

const revised = (list: AgentList, id: string, revise: (agent: ListedAgent) => ListedAgent): AgentList => ({
	...list,
	agents: list.agents.map((agent) => (agent.id === id ? revise(agent) : agent)),
})

function withoutOld(agents: readonly ListedAgent[], now: number): readonly ListedAgent[] {
	const removed = agents.filter((agent) => agent.removed !== undefined).slice(-maxRemoved)
	return agents.filter((agent) => {
		if (agent.removed !== undefined) return removed.includes(agent) && now - Date.parse(agent.removed) < keepRemoved
		if (agent.publicKey !== undefined || agent.offlineRule !== undefined) return true
		return now - Date.parse(agent.code?.expires ?? agent.created) < keepExpired
	})
}

type ProofContext = { readonly tenant: string; readonly now: number }

type Refused = { readonly refusal: EnrolmentErrorCode }

/** What an enrolment changes; `list` is absent if the agent has asked again with the key that it has enrolled. */
export type Enrolled = { readonly agent: ListedAgent; readonly list?: AgentList }

/** Decides on a request to enrol. Every refusal but `enrolment_refused` is for a caller that knows the code. */
export function enrol(list: AgentList, request: EnrolRequest, { tenant, now }: ProofContext): Enrolled | Refused {
	const { publicKey, proof, host, version } = request
	const isProved = isProof(enrolProof(tenant, request), { proof, publicKey })
	const agent = list.agents.find(({ id }) => id === request.agent)
	const digest = secretDigest(request.secret)
	const isCurrent = isSame(digest, agent?.code?.digest)
	const isUsed = isSame(digest, agent?.usedCode)
	if (!isProved || agent === undefined || !(isCurrent || isUsed)) return { refusal: 'enrolment_refused' }
	if (isOutOfWindow(request.issued, now)) return { refusal: 'clock_wrong' }
	if (agent.removed !== undefined) return { refusal: 'agent_removed' }
	if (isUsed) return isSameKey(publicKey, agent.publicKey) ? { agent } : { refusal: 'code_used' }
	if (!(now < Date.parse(agent.code?.expires ?? ''))) return { refusal: 'code_expired' }
	if (agent.publicKey === undefined && listenersIn(list) >= maxAgents) return { refusal: 'too_many_agents' }
	const { code: _, ...kept } = agent
	const enrolled = { ...kept, usedCode: digest, publicKey, host, version, enrolled: new Date(now).toISOString() }
	return { agent: enrolled, list: revised(list, agent.id, () => enrolled) }
}

/** Decides on a request for a listen token. Every refusal but `agent_refused` is for a caller that has the key. */
export function listener(
	list: AgentList,
	request: ListenRequest,
	{ tenant, now }: ProofContext,
): { readonly agent: ListedAgent } | Refused {
	const agent = list.agents.find(({ id }) => id === request.agent)
	const { publicKey = keyOfNone } = agent ?? {}
	const isProved = isProof(listenProof(tenant, request), { proof: request.proof, publicKey })
	if (!isProved || agent?.publicKey === undefined) return { refusal: 'agent_refused' }
	if (agent.removed !== undefined) return { refusal: 'agent_removed' }
	return isOutOfWindow(request.issued, now) ? { refusal: 'clock_wrong' } : { agent }
}

/** Agents that may listen now. */
const listenersIn = ({ agents }: AgentList): number =>
	agents.filter((agent) => ['enrolled', 'offline'].includes(stateOfAgent(agent, 0))).length

const enrolledIn = ({ agents }: AgentList): readonly ListedAgent[] =>
	agents.filter(({ publicKey, removed }) => publicKey !== undefined && removed === undefined)

/** The agent as it is listed if it runs another version now. */
export const withVersion = (list: AgentList, { id }: ListedAgent, version: string): AgentList =>
	revised(list, id, (agent) => ({ ...agent, version }))

/**
 * The newest version of an agent that there is, as far as the app knows: its own. An agent cannot name a newer one: it might
 * make up a version to which the others would be told to upgrade. Only an app that was not built believes its agents.
 */
export const newestVersion = (list: AgentList, own: string): string =>
	isRelease(own)
		? own
		: enrolledIn(list).reduce((newest, { version = '' }) => (isNewer(version, newest) ? version : newest), own)

const isOutOfWindow = (issued: number, now: number): boolean => Math.abs(issued * 1000 - now) > proofWindow

/** Constant time, also if there is nothing to compare with. */
function isSame(digest: string, stored = ''): boolean {
	const given = Buffer.from(digest)
	const kept = Buffer.from(stored)
	const isComparable = given.length === kept.length
	return timingSafeEqual(given, isComparable ? kept : Buffer.alloc(given.length)) && isComparable
}

const isSameKey = (key: AgentPublicKey, other: AgentPublicKey | undefined): boolean =>
	key.x === other?.x && key.y === other.y

/** The base point of P-256: a key of which no agent has the private half. An unknown agent then takes as long as a known one. */
const keyOfNone: AgentPublicKey = {
	kty: 'EC',
	crv: 'P-256',
	x: 'axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY',
	y: 'T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU',
}
