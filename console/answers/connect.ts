/** A tenant that was added now. The token is told this one time. */
export type NewTenant = { readonly name: string; readonly token: string }

/** What an identity provider needs to know of a tenant. */
export type Connection = {
	readonly name: string
	readonly mode: 'store' | 'relay'
	/** The Tenant URL. */
	readonly url: string
	/** A Secret Token that may be shown: one of a data folder. */
	readonly token?: string
	/** Whether an identity provider in the cloud can reach the Tenant URL. */
	readonly isPublic: boolean
	/** Whether the directory has no user and no group, so that samples may be sent. */
	readonly isEmpty: boolean
	/** For a tenant of mode relay: the `relay.json` of the agent, as text. */
	readonly agentSettings?: string
}

/** A sample request, and how it was answered. */
export type SampleAnswer = {
	/** What was tried, in words. */
	readonly title: string
	/** Such as `POST /Users`. */
	readonly request: string
	readonly status: number
	/** The sentence of a refusal. */
	readonly detail?: string
}

export type SampleAnswers = { readonly answers: readonly SampleAnswer[] }
