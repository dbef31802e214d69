/**
 * Version of the contract between the cloud and the agent. Since version 2, the agent checks the version of the cloud, and
 * answers 503 to a redirect of the SCIM server and to a refusal of its own token. It sends no write that has expired.
 * It keeps late answers for clients that repeat a write.
 */
export const contractVersion = 2

/** The oldest version that both sides still understand. */
const oldestContract = 1

/** Whether this side understands the other one, by the version of the contract that the other one sent. */
export function judgeContract(version: string | undefined): 'current' | 'older' | 'too old' | 'too new' {
	const number = Number(version)
	if (!(number >= oldestContract)) return 'too old'
	if (number > contractVersion) return 'too new'
	return number === contractVersion ? 'current' : 'older'
}

/** Headers between the cloud and the agent. Client and SCIM server do not see them. */
export const header = {
	version: 'x-scim-relay-v',
	/** What the cloud tells about versions, by `writeVersions`. An agent that is older than this header ignores it. */
	rollcall: 'x-scim-relay-rollcall',
	requestId: 'x-scim-relay-request-id',
	/** Milliseconds for which the cloud still waits for the answer. */
	deadline: 'x-scim-relay-deadline-ms',
	/**
	 * Time of the relay until which a write may be sent to the SCIM server, in milliseconds since 1970. The cloud does not
	 * give up before. Absent if only one agent serves the tenant, because one agent carries writes out in order.
	 */
	expires: 'x-scim-relay-expires',
	/** Key of a client's request. All attempts of that request share it. */
	key: 'x-scim-relay-key',
	/** Path and query in base64url, because the service rewrites some characters of the target. */
	target: 'x-scim-relay-target',
	/** The intended method. PATCH may travel as POST, because it is undocumented whether the service passes PATCH. */
	method: 'x-scim-relay-method',
	/** `<agent id>;v=2;hc=<hybrid connection>`. An answer without this header is not from a SCIM server. */
	agent: 'x-scim-relay-agent',
	outcome: 'x-scim-relay-outcome',
	/** Why the agent answered instead of the SCIM server. */
	error: 'x-scim-relay-error',
	originStatus: 'x-scim-relay-origin-status',
	originMilliseconds: 'x-scim-relay-origin-ms',
	/** Base path of the SCIM server's resources, for rewriting their locations. */
	base: 'x-scim-relay-base',
} as const

/** Paths below `/{hybrid connection}` that an agent answers itself. `info` is for administrators; Rollcall does not use it. */
export const reserved = {
	health: '/.scim-relay/health',
	info: '/.scim-relay/info',
	outcome: '/.scim-relay/outcome/',
	/** Followed by a fingerprint and a path in base64url: what the agent knows about the write, as `WriteKnowledge`. */
	write: '/.scim-relay/write/',
	/** Followed by a fingerprint: the answer to the write, given once. */
	answer: '/.scim-relay/answer/',
} as const

/** What an agent knows about a write that a client repeats. Ages are in milliseconds. */
export type WriteKnowledge = {
	/** `pending`: the SCIM server may still answer. `answered`: the answer is kept. */
	readonly state: 'none' | 'pending' | 'answered'
	/** Age of the newest other write that can change the same resource. */
	readonly otherWriteAge?: number | undefined
	/** How long the agent has remembered all its writes. */
	readonly memoryAge: number
}

/** Whether the SCIM server answered, did not receive the request, or may have carried it out. */
export type RelayOutcome = 'completed' | 'not-sent' | 'unknown'

/** Errors of the agent, each with its HTTP status and its outcome for the request. */
export const agentErrors = {
	path_refused: { status: 400, outcome: 'not-sent' },
	method_refused: { status: 405, outcome: 'not-sent' },
	not_allowed: { status: 403, outcome: 'not-sent' },
	target_too_long: { status: 414, outcome: 'not-sent' },
	header_too_large: { status: 400, outcome: 'not-sent' },
	body_too_large: { status: 413, outcome: 'not-sent' },
	version_refused: { status: 503, outcome: 'not-sent' },
	expired: { status: 503, outcome: 'not-sent' },
	not_confirmed: { status: 503, outcome: 'not-sent' },
	agent_busy: { status: 503, outcome: 'not-sent' },
	draining: { status: 503, outcome: 'not-sent' },
	origin_dns: { status: 503, outcome: 'not-sent' },
	origin_refused: { status: 503, outcome: 'not-sent' },
	origin_connect_timeout: { status: 503, outcome: 'not-sent' },
	origin_tls_untrusted: { status: 503, outcome: 'not-sent' },
	origin_tls_name: { status: 503, outcome: 'not-sent' },
	origin_tls_expired: { status: 503, outcome: 'not-sent' },
	origin_tls_pin: { status: 503, outcome: 'not-sent' },
	origin_tls_protocol: { status: 503, outcome: 'not-sent' },
	origin_tls_client_cert: { status: 503, outcome: 'not-sent' },
	origin_not_tls: { status: 503, outcome: 'not-sent' },
	origin_auth: { status: 503, outcome: 'not-sent' },
	origin_redirect: { status: 503, outcome: 'not-sent' },
	origin_timeout: { status: 503, outcome: 'unknown' },
	origin_reset: { status: 503, outcome: 'unknown' },
	origin_bad_response: { status: 503, outcome: 'unknown' },
	origin_unavailable: { status: 503, outcome: 'unknown' },
	rendezvous_failed: { status: 503, outcome: 'completed' },
	outcome_unknown: { status: 503, outcome: 'unknown' },
	agent_failed: { status: 503, outcome: 'unknown' },
} as const satisfies Record<string, { readonly status: number; readonly outcome: RelayOutcome }>

export type AgentErrorCode = keyof typeof agentErrors

/** Largest body of a request or answer, in bytes. */
export const bodyLimit = 8 * 2 ** 20

/** Longest target, in characters. RFC 9110 section 4.1 recommends to support 8,000; it travels twice, as a header too. */
export const targetLimit = 8192

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const forbiddenCharacter = /[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]/

/** Whether a header can have this value (RFC 9110 section 5.5). */
export const isValidHeaderValue = (value: string): boolean => !forbiddenCharacter.test(value)

/** Request headers that reach the SCIM server. All others are dropped. */
export const requestHeaders: ReadonlySet<string> = new Set([
	'accept',
	'accept-language',
	'authorization',
	'content-type',
	'content-encoding',
	'if-match',
	'if-none-match',
	'user-agent',
	'x-request-id',
	'client-request-id',
])

/** Headers of the SCIM server's answer that reach the client. All others are dropped. */
export const answerHeaders: ReadonlySet<string> = new Set([
	'content-type',
	'etag',
	'location',
	'retry-after',
	'www-authenticate',
	'cache-control',
	'last-modified',
	'x-request-id',
])
