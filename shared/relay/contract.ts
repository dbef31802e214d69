/** Version of what the cloud and the agent agree on. */
export const contractVersion = '1'

/** Headers between the cloud and the agent; neither the client nor the SCIM server sees them. */
export const header = {
	version: 'x-scim-relay-v',
	requestId: 'x-scim-relay-request-id',
	/** Milliseconds that the cloud still waits for the answer. */
	deadline: 'x-scim-relay-deadline-ms',
	/** One for each request of a client, whatever its number of attempts. */
	key: 'x-scim-relay-key',
	/** Path and query in base64url, because the service rewrites some characters. */
	target: 'x-scim-relay-target',
	/** The method that is meant: a PATCH may travel as a POST, since whether the service lets PATCH pass is not documented. */
	method: 'x-scim-relay-method',
	/** The agent's id, `<guid>;v=1;hc=<hybrid connection>`. What lacks it is no answer of a SCIM server. */
	agent: 'x-scim-relay-agent',
	outcome: 'x-scim-relay-outcome',
	/** Why the agent and not the SCIM server answered. */
	error: 'x-scim-relay-error',
	originStatus: 'x-scim-relay-origin-status',
	originMilliseconds: 'x-scim-relay-origin-ms',
	/** Path below which the SCIM server's resources lie, for rewriting their locations. */
	base: 'x-scim-relay-base',
} as const

/** Paths below `/{hybrid connection}` that an agent answers itself. Nothing of the cloud asks for `info`, but people may. */
export const reserved = {
	health: '/.scim-relay/health',
	info: '/.scim-relay/info',
	outcome: '/.scim-relay/outcome/',
} as const

/** What is known of the SCIM server's part: it has answered, it was never asked, or nobody can tell. */
export type RelayOutcome = 'completed' | 'not-sent' | 'unknown'

/** What an agent answers itself, each with its status and what it means for the request. */
export const agentErrors = {
	path_refused: { status: 400, outcome: 'not-sent' },
	method_refused: { status: 405, outcome: 'not-sent' },
	header_too_large: { status: 400, outcome: 'not-sent' },
	body_too_large: { status: 413, outcome: 'not-sent' },
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
	origin_timeout: { status: 503, outcome: 'unknown' },
	origin_reset: { status: 503, outcome: 'unknown' },
	origin_bad_response: { status: 503, outcome: 'unknown' },
	origin_unavailable: { status: 503, outcome: 'unknown' },
	rendezvous_failed: { status: 503, outcome: 'completed' },
	outcome_unknown: { status: 503, outcome: 'unknown' },
	agent_failed: { status: 503, outcome: 'unknown' },
} as const satisfies Record<string, { readonly status: number; readonly outcome: RelayOutcome }>

export type AgentErrorCode = keyof typeof agentErrors

/** Largest body either way, in bytes. */
export const bodyLimit = 8 * 2 ** 20

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const forbiddenCharacter = /[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]/

/** Whether a header may have this value (RFC 9110 section 5.5). One that may not does not pass. */
export const isValidHeaderValue = (value: string): boolean => !forbiddenCharacter.test(value)

/** Request headers that reach the SCIM server; nothing else a client sends does. */
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

/** Headers of the SCIM server's answer that reach the client. */
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
