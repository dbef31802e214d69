import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import * as z from 'zod'
import { jsonIn } from '../json-in.ts'

// What the cloud and the agent agree on for enrolment: the code, both requests and their answers, the proof by the agent's
// own key, times and limits. The reasons are in docs/decisions/0016-agents-without-a-relay-key.md.

const second = 1000
const minute = 60 * second

/** Milliseconds for which a code can be used. */
export const codeLife = 30 * minute

/**
 * Milliseconds for which a listen token is valid. An agent asks for the next one long before, so that at every moment its
 * token outlives an outage of the app of an hour.
 */
export const listenTokenLife = 90 * minute

/** Milliseconds after which an agent asks for its next listen token. */
export const listenTokenRenewal = 15 * minute

/** Milliseconds by which the clocks of the agent and of the cloud may differ. */
export const proofWindow = 5 * minute

/**
 * Agents of one hybrid connection. Azure Relay allows 25 listeners, and an agent has two for a moment when it replaces its
 * control channel.
 */
export const maxAgents = 10

/** Paths below the Tenant URL. Both take POST alone. */
export const enrolmentPaths = { enrol: 'agent/enrol', token: 'agent/token' } as const

/** Bytes of a request that the cloud reads. */
export const enrolmentBodyLimit = 16 * 1024

/** The name of the key rule of each hybrid connection by which the cloud signs listen tokens. */
export const listenKeyName = 'rollcall-agents'

/** 32 bytes in base64url. */
const bytes32 = z.string().regex(/^[\w-]{43}$/)

/** 64 bytes in base64url: an ECDSA signature on P-256 as `r` and `s`. */
const signature = z.string().regex(/^[\w-]{86}$/)

const publicKey = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: bytes32, y: bytes32 })

/** The public half of an agent's key as a JSON Web Key (RFC 7517, RFC 7518 section 6.2.1). */
export type AgentPublicKey = z.infer<typeof publicKey>

const common = {
	/** The version of this protocol. */
	v: z.literal(1),
	/** The id of the agent: a GUID in lower case. */
	agent: z.guid().toLowerCase(),
	/** The version of the program. */
	version: z.string().regex(/^[\w.+ -]{1,40}$/),
	/** When the proof was made: seconds since 1970. */
	issued: z.int(),
	/** By the agent's key, over `enrolProof` or `listenProof`, with ECDSA and SHA-256. */
	proof: signature,
}

/** A terminal shows the name of the machine, so it has no control characters. */
const host = z.string().regex(/^[^\p{Cc}\p{Cf}]{1,255}$/u)

/** The body of `POST <Tenant URL>/agent/enrol`. */
export const enrolRequest = z.object({ ...common, secret: bytes32, publicKey, host })

export type EnrolRequest = z.infer<typeof enrolRequest>

/** The answer, with status 200. It has no secret, and is the same when the agent asks again with the same key. */
export const enrolAnswer = z.object({
	v: z.literal(1),
	agent: z.string(),
	relay: z.object({ namespace: z.string(), hybridConnection: z.string() }),
	/** The fingerprint of the key that is enrolled now. */
	fingerprint: z.string(),
})

export type EnrolAnswer = z.infer<typeof enrolAnswer>

/** The body of `POST <Tenant URL>/agent/token`. */
export const listenRequest = z.object({ ...common, isRefused: z.literal(true).optional() })

/** `isRefused`: Azure Relay has refused the last token, so its key may have been renewed. */
export type ListenRequest = z.infer<typeof listenRequest>

/** The answer, with status 200. */
export const listenAnswer = z.object({
	v: z.literal(1),
	/** A shared access signature with the right to listen on the one hybrid connection. */
	token: z.string(),
	/** Seconds for which the token is valid. A span needs no right clock on the side of the agent. */
	expiresIn: z.int().positive(),
	/** The version of the app, and the newest version of an agent that the app knows. */
	rollcall: z.object({ version: z.string(), newestAgent: z.string() }),
})

export type ListenAnswer = z.infer<typeof listenAnswer>

/**
 * Refusals and their statuses. `enrolment_refused` and `agent_refused` are the same for unknown tenants, unknown agents and
 * wrong secrets. The other refusals are for a caller that has proved to know the code, or to have the key.
 */
export const enrolmentErrors = {
	bad_request: 400,
	enrolment_refused: 401,
	agent_refused: 401,
	clock_wrong: 401,
	code_expired: 403,
	code_used: 403,
	agent_removed: 403,
	method_not_allowed: 405,
	too_many_agents: 409,
	try_again: 503,
} as const

export type EnrolmentErrorCode = keyof typeof enrolmentErrors

const errorCodes = Object.keys(enrolmentErrors) as EnrolmentErrorCode[] // sound: the keys of the table

/** The body of every refusal. `time` is the time of the cloud in seconds since 1970, beside `clock_wrong`. */
export const enrolmentRefusal = z.object({
	error: z.enum(errorCodes),
	error_description: z.string(),
	time: z.int().optional(),
})

const codeContent = z.object({ u: z.url({ protocol: /^https?$/ }), a: z.guid(), s: bytes32 })

/** What an administrator carries to the server: where to enrol, as which agent, and a secret that works once. */
export type EnrolmentCode = {
	/** The Tenant URL. */
	readonly url: string
	readonly agent: string
	/** 32 random bytes in base64url. */
	readonly secret: string
}

const codeMark = 'rc1.'

/** The code as one word: `rc1.` and base64url. */
export function writeCode({ url, agent, secret }: EnrolmentCode): string {
	return `${codeMark}${Buffer.from(JSON.stringify({ u: url, a: agent, s: secret })).toString('base64url')}`
}

/** Reads a code, with or without blanks around it; undefined if it is none or is cut off. */
export function readCode(text: string): EnrolmentCode | undefined {
	const word = text.trim()
	if (!word.startsWith(codeMark)) return undefined
	const { data } = codeContent.safeParse(jsonIn(Buffer.from(word.slice(codeMark.length), 'base64url').toString()))
	return data && { url: data.u, agent: data.a, secret: data.s }
}

const offlineContent = z.object({ n: z.string(), h: z.string(), k: z.string(), s: z.string(), a: z.guid() })

/** What an agent gets that cannot reach the app: where to listen, and a key of Azure Relay of its own. It is a credential. */
export type OfflineCode = {
	readonly agent: string
	readonly namespace: string
	readonly hybridConnection: string
	/** The name of the key rule of this one agent. */
	readonly keyName: string
	readonly key: string
}

const offlineMark = 'rc1o.'

/** The code as one word: `rc1o.` and base64url. */
export function writeOfflineCode({ agent, namespace, hybridConnection, keyName, key }: OfflineCode): string {
	const content = { n: namespace, h: hybridConnection, k: keyName, s: key, a: agent }
	return `${offlineMark}${Buffer.from(JSON.stringify(content)).toString('base64url')}`
}

/** Reads such a code; undefined if it is none or is cut off. */
export function readOfflineCode(text: string): OfflineCode | undefined {
	const word = text.trim()
	if (!word.startsWith(offlineMark)) return undefined
	const content = jsonIn(Buffer.from(word.slice(offlineMark.length), 'base64url').toString())
	const { data } = offlineContent.safeParse(content)
	return data && { agent: data.a, namespace: data.n, hybridConnection: data.h, keyName: data.k, key: data.s }
}

/** The digest of a code's secret, in base64url. 256 random bits need no slow hash. */
export const secretDigest = (secret: string): string => createHash('sha256').update(secret).digest('base64url')

/** The thumbprint of a key (RFC 7638) as both sides print it. */
export function keyFingerprint({ crv, kty, x, y }: AgentPublicKey): string {
	const canonical = JSON.stringify({ crv, kty, x, y })
	return `SHA256:${createHash('sha256').update(canonical).digest('base64url')}`
}

/** What the agent signs to enrol: it binds the key to the tenant, the agent and the code. */
export const enrolProof = (tenant: string, request: Omit<EnrolRequest, 'proof'>): string =>
	[
		'rollcall-enrol-1',
		...[tenant, request.agent, secretDigest(request.secret), keyFingerprint(request.publicKey), request.issued],
	].join('\n')

/** What the agent signs to get a listen token. */
export const listenProof = (tenant: string, { agent, issued }: Pick<ListenRequest, 'agent' | 'issued'>): string =>
	['rollcall-listen-1', tenant, agent, issued].join('\n')

/** Signs a proof with the agent's private key. */
export const signProof = (text: string, key: KeyObject): string =>
	sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')

/** Whether the owner of the key has signed the text. A point that is not on the curve is no key, and has signed nothing. */
export function isProof(text: string, { proof, publicKey }: { proof: string; publicKey: AgentPublicKey }): boolean {
	const key = keyOf(publicKey)
	if (key === undefined) return false
	return verify('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(proof, 'base64url'))
}

function keyOf(jwk: AgentPublicKey): KeyObject | undefined {
	try {
		return createPublicKey({ key: jwk, format: 'jwk' })
	} catch {
		return undefined
	}
}
