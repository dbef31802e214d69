/** What the requests of a credential may do: `scim` everything, `scim.read` nothing that changes the tenant. */
export const scopes = ['scim', 'scim.read'] as const

export type Scope = (typeof scopes)[number]

/** With what a request was authenticated. It never has the value of a secret. */
export type Credential = {
	/** The version of the secret in Key Vault. For a token in a file: the beginning of the digest of what is stored. */
	readonly id: string
	/** What an administrator calls the credential. */
	readonly label?: string
	readonly scope: Scope
}
