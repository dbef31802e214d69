// What the server answers about credentials, and what the page reads. Times are RFC 3339.

export type ShownCredentials = {
	/** The Tenant URL. */
	readonly url: string
	/** Where OAuth clients get access tokens. */
	readonly tokenEndpoint: string
	/** The tokens, newest first; or why the operator may not see them. */
	readonly tokens: readonly ShownToken[] | { readonly error: string; readonly hint?: string }
	readonly clients: readonly ShownClient[]
	/** Whether the tokens are in a file of this machine. A token whose digest is not all there is may be shown again. */
	readonly isOnThisMachine: boolean
}

export type ShownToken = {
	readonly version: string
	readonly state: 'accepted' | 'not yet' | 'expired' | 'disabled' | 'outnumbered'
	readonly scope: string
	readonly label?: string
	readonly stored: 'digest' | 'plain'
	readonly created: string
	readonly notBefore?: string
	readonly expires?: string
	readonly lastUsed?: string
}

/** A client, federation or reader without what proves it. */
export type ShownClient = {
	readonly id: string
	readonly kind: 'secret' | 'federation' | 'reader'
	readonly scope: string
	readonly label?: string | undefined
	readonly created: string
	readonly isDisabled?: boolean | undefined
	readonly lastUsed?: string
	readonly secrets?: readonly ShownSecret[]
	readonly trust?: {
		readonly cloud: string
		readonly tenant: string
		readonly subject: string
		readonly audience: string
	}
}

export type ShownSecret = {
	readonly id: string
	readonly state: 'accepted' | 'expired' | 'disabled'
	readonly created: string
	readonly expires: string
	readonly lastUsed?: string
}

export type TokenValue = { readonly token: string }
