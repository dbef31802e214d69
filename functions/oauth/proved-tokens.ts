import { createHash } from 'node:crypto'
import type { ProvedGrant, SigningKey } from '../../shared/auth/access-token.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'

/** The access tokens that were proved before, by their digests. */
export type ProvedTokens = {
	/** What a token says, if it was proved for this tenant by a key that still verifies, and has not expired. */
	get(
		tenant: Tenant,
		token: string,
		held: { readonly keys: readonly SigningKey[]; readonly now: number },
	): ProvedGrant | undefined
	/** The client of a token that was proved before, whatever holds now. */
	clientOf(tenant: Tenant, token: string): string | undefined
	add(tenant: Tenant, token: string, grant: ProvedGrant): void
}

const maxTokens = 10_000

/** Remembers proofs, so that a token is proved once and not for each request. The oldest are forgotten first. */
export function provedTokens(): ProvedTokens {
	const grants = new Map<string, ProvedGrant>()
	return {
		get(tenant, token, { keys, now }) {
			const grant = grants.get(keyOf(tenant, token))
			if (grant === undefined || now >= grant.expires) return undefined
			const isHeld = keys.some(({ id, expires = Number.POSITIVE_INFINITY }) => id === grant.key && now < expires)
			return isHeld ? grant : undefined
		},
		clientOf: (tenant, token) => grants.get(keyOf(tenant, token))?.client,
		add(tenant, token, grant) {
			for (const [oldest] of grants) {
				if (grants.size < maxTokens) break
				grants.delete(oldest)
			}
			grants.set(keyOf(tenant, token), grant)
		},
	}
}

const keyOf = ({ table }: Tenant, token: string): string =>
	`${table} ${createHash('sha256').update(token).digest('base64url')}`
