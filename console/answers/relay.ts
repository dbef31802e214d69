// What the server answers about a tenant's relay and about checks, and what the page reads.

export type TenantRelay = {
	readonly mode: 'store' | 'relay'
	/** The Tenant URL. */
	readonly url: string
	/** The namespace, or what is missing. */
	readonly namespace?: string
	readonly missing?: string
	readonly hybridConnection: string
	/** The ids of the agents that are trusted; empty if all are. */
	readonly trusted: readonly string[]
	/** The agents that have enrolled, or may enrol. */
	readonly agents: readonly ShownAgent[]
	/** The start of the `relay.json` of an agent. */
	readonly agentSettings: unknown
	/** Whether a check may use a token of this machine. */
	readonly hasToken: boolean
}

/** An agent that enrols with a code. Times are RFC 3339. */
export type ShownAgent = {
	readonly id: string
	readonly state: string
	readonly label?: string
	/** The name of its machine. */
	readonly host?: string
	readonly version?: string
	readonly fingerprint?: string
	/** When its code ends. */
	readonly codeExpires?: string
	readonly enrolled?: string
	readonly removed?: string
	readonly lastToken?: string
}

export type CheckFindings = { readonly findings: readonly ShownFinding[] }

export type ShownFinding = {
	readonly name: string
	readonly verdict: 'PASS' | 'WARN' | 'FAIL' | 'SKIP'
	readonly seen: string
	readonly remedy?: string
}

/** What the app says of the services that the tenant needs. */
export type AppHealth = { readonly checks: readonly HealthOfService[] }

export type HealthOfService = {
	readonly name: string
	readonly status: 'ok' | 'failing'
	readonly milliseconds?: number
	/** Also agents that are out of date. */
	readonly detail?: string
}
