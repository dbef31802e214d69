import type { Scope } from './credential.ts'

/**
 * The secret in Key Vault whose versions are the tokens of a tenant with a scope. Tokens that may only read have a secret of
 * their own: version 0.1.0 does not know scopes, and would accept every version of the first secret for everything.
 */
export const tokenSecret = (tenant: string, scope: Scope): string => `${prefixes[scope]}-${tenant}`

/** The secret in Key Vault whose versions sign the access tokens of a tenant. */
export const signingSecret = (tenant: string): string => `scim-signing-${tenant}`

const prefixes = { scim: 'scim-token', 'scim.read': 'scim-read-token' } as const satisfies Record<Scope, string>
