import { timingSafeEqual } from 'node:crypto'
import { claimedBy, type Grant, mintAccessToken, readAccessToken } from '../../shared/auth/access-token.ts'
import type { ClientSecret, OAuthClient } from '../../shared/auth/client.ts'
import type { Credential, Scope } from '../../shared/auth/credential.ts'
import { claimedWorkload, verifyEntraToken } from '../../shared/auth/entra-token.ts'
import { loggableValue, type TokenRefusal } from '../../shared/auth/refusal.ts'
import { storedDigestOf } from '../../shared/auth/tokens.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import type { ClientLimits } from './limits.ts'
import { invalidClient, OAuthError, temporarilyUnavailable } from './oauth-error.ts'
import { provedTokens } from './proved-tokens.ts'
import type { NamedTenant, OAuthSources } from './sources.ts'
import type { TokenRequest } from './token-request.ts'

/** The answer of the token endpoint (RFC 6749 section 5.1). */
export type TokenAnswer = {
	readonly access_token: string
	readonly token_type: 'Bearer'
	/** Seconds. */
	readonly expires_in: number
	readonly scope: Scope
}

export type OAuth = {
	/**
	 * Answers which credential an access token is, or a token of Entra that a reader sends. Undefined if it is neither.
	 *
	 * @throws ScimError 503 if what decides cannot be read
	 */
	authenticate(named: NamedTenant, token: string): Promise<Credential | undefined>
	/**
	 * Answers a request for an access token.
	 *
	 * @throws OAuthError, and ScimError 503 if what decides cannot be read
	 */
	issue(named: NamedTenant, request: TokenRequest): Promise<TokenAnswer>
}

type OAuthOptions = {
	readonly sources: OAuthSources
	readonly limits: ClientLimits
	/** Milliseconds since 1970. */
	readonly now: () => number
	/** Takes why a token, an assertion or a client was refused, for the log. */
	readonly noteRefusal: (refusal: TokenRefusal) => void
	/** Takes that a client or a secret was used. */
	readonly noteUse: (tenant: Tenant, credential: Credential) => void
	/**
	 * Seconds for which an access token of a tenant is valid.
	 *
	 * @throws ScimError 503 if this app cannot serve the tenant. It is asked only for a client that has proved itself.
	 */
	readonly lifetimeOf: (tenant: Tenant) => number
}

export function openOAuth(options: OAuthOptions): OAuth {
	const { sources, limits, now, noteRefusal, noteUse, lifetimeOf } = options

	const proved = provedTokens()

	const refuse = (refusal: TokenRefusal): undefined => {
		noteRefusal(refusal)
		return undefined
	}

	/** What an access token is, if its client and its secret may still be used. */
	const credentialOfAccessToken = async (
		tenant: Tenant,
		token: string,
		client: OAuthClient,
	): Promise<Credential | undefined> => {
		const keys = await sources.signingKeys.get(tenant)
		const known = proved.get(tenant, token, { keys, now: now() })
		let grant = known ?? (await readAccessToken(token, { tenant, keys, now: now() }))
		if (grant === 'unknownKey') {
			const again = await sources.signingKeys.getAgain(tenant)
			grant = await readAccessToken(token, { tenant, keys: again, now: now() })
		}
		if (grant === 'unknownKey') {
			// The key may be a new one: only the vault can tell.
			sources.signingKeys.requireCurrent(tenant)
			return refuse({ reason: 'unknownKey', client: client.id })
		}
		if (grant === undefined) return refuse({ reason: 'accessToken', client: client.id })
		if (known === undefined) proved.add(tenant, token, grant)
		if (!isGranted(client, grant)) return refuse({ reason: 'revoked', client: client.id })
		return credentialOf(client, narrower(client.scope, grant.scope))
	}

	const ofReader = async (clients: readonly OAuthClient[], token: string): Promise<Credential | undefined> => {
		const workload = await claimedWorkload(token)
		const reader = clients.find(
			(client) =>
				client.kind === 'reader' &&
				client.trust.tenant === workload?.tenant &&
				client.trust.subject === workload.subject,
		)
		if (reader?.kind !== 'reader') {
			return refuse({ reason: 'unknownWorkload', received: loggableValue(`${workload?.tenant}/${workload?.subject}`) })
		}
		if (reader.isDisabled) return refuse({ reason: 'disabled', client: reader.id })
		const refusal = await verifyEntraToken(token, { trust: reader.trust, findKey: sources.findKey, now: now() })
		if (refusal !== undefined) return refuse({ ...refusal, client: reader.id })
		return credentialOf(reader, reader.scope)
	}

	/** By what a client has proved itself: the id of the secret, or nothing after an assertion. */
	const provedBy = async (
		client: OAuthClient | undefined,
		{ proof }: TokenRequest,
	): Promise<{ readonly secret?: string } | TokenRefusal> => {
		if ('reason' in proof) return proof
		if (client === undefined) {
			compareWithNothing(proof)
			return { reason: 'unknownClient' }
		}
		if (client.isDisabled) return { reason: 'disabled' }
		if ('secret' in proof) return secretOf(client, proof.secret, now())
		if (client.kind !== 'federation') return { reason: 'noFederation' }
		const { trust } = client
		return (await verifyEntraToken(proof.assertion, { trust, findKey: sources.findKey, now: now() })) ?? {}
	}

	const fail = async (request: TokenRequest, refusal: TokenRefusal, client: OAuthClient | undefined) => {
		noteRefusal({ ...refusal, client: client?.id ?? loggableValue(request.client) })
		await limits.slowDown(client?.id)
		return invalidClient(request)
	}

	const grantTo = async (tenant: Tenant, client: OAuthClient, grant: Grant): Promise<TokenAnswer> => {
		if (!limits.mayGetToken(client.id)) {
			throw temporarilyUnavailable(429, 'the client asks for more than 100 tokens a second', { seconds: 1 })
		}
		const lifetime = lifetimeOf(tenant)
		const keys = await sources.signingKeys.get(tenant)
		const token = await mintAccessToken(grant, { tenant, keys, now: now(), lifetime })
		if (token === undefined) throw temporarilyUnavailable(503, 'the tenant has no signing key', { seconds: 60 })
		noteUse(tenant, { id: client.id, scope: grant.scope })
		if (grant.secret !== undefined) noteUse(tenant, { id: grant.secret, scope: grant.scope })
		return { access_token: token, token_type: 'Bearer', expires_in: lifetime, scope: grant.scope }
	}

	return {
		async authenticate({ name, tenant }, token) {
			const clients = await sources.clientsOf({ name, tenant })
			if (tenant === undefined || clients.length === 0) return undefined
			const before = proved.clientOf(tenant, token)
			const { isOurs, client: id } = before === undefined ? await claimedBy(token) : { isOurs: true, client: before }
			if (!isOurs) return ofReader(clients, token)
			const client = clients.find((each) => each.id === id && each.kind !== 'reader')
			return client === undefined ? refuse({ reason: 'unknownClient' }) : credentialOfAccessToken(tenant, token, client)
		},

		async issue(named, request) {
			const clients = await sources.clientsOf(named)
			const client = clients.find(({ id, kind }) => id === request.client && kind !== 'reader')
			const proved = await provedBy(client, request)
			if ('reason' in proved || client === undefined || named.tenant === undefined) {
				throw await fail(request, 'reason' in proved ? proved : { reason: 'unknownClient' }, client)
			}
			return grantTo(named.tenant, client, { client: client.id, scope: scopeOf(client, request), ...proved })
		},
	}
}

const credentialOf = ({ id, label }: OAuthClient, scope: Scope): Credential => ({
	id,
	...(label !== undefined && { label }),
	scope,
})

const narrower = (a: Scope, b: Scope): Scope => (a === 'scim.read' ? a : b)

/** Whether what an access token was granted for may still be used. A secret that has expired since then does no harm. */
function isGranted(client: OAuthClient, { secret }: Grant): boolean {
	if (client.isDisabled) return false
	if (client.kind !== 'secret') return secret === undefined
	return client.secrets.some(({ id, isDisabled }) => id === secret && !isDisabled)
}

/** Constant time: compares with every secret of the client. */
function secretOf(client: OAuthClient, secret: string, now: number): { readonly secret: string } | TokenRefusal {
	if (client.kind !== 'secret') return { reason: 'noSecret' }
	const digest = Buffer.from(storedDigestOf(secret))
	const [found] = client.secrets.filter((each) => isEqual(Buffer.from(each.digest), digest))
	if (found === undefined) return { reason: 'wrongSecret' }
	if (found.isDisabled) return { reason: 'disabledSecret', received: found.id }
	if (!isUnexpired(found, now)) return { reason: 'expiredSecret', received: found.id, expected: found.expires }
	return { secret: found.id }
}

const isEqual = (stored: Buffer, digest: Buffer): boolean =>
	stored.length === digest.length && timingSafeEqual(stored, digest)

const isUnexpired = ({ expires }: ClientSecret, now: number): boolean => now < Date.parse(expires)

/** An unknown client takes as long as a wrong secret. */
function compareWithNothing(proof: { readonly secret: string } | { readonly assertion: string }): void {
	if ('secret' in proof) isEqual(Buffer.from(storedDigestOf('')), Buffer.from(storedDigestOf(proof.secret)))
}

/**
 * The scope of the token. A request may ask for less than the client may do. If it asks for nothing that we know, the client
 * gets its own scope, since Entra lets the administrator write anything there.
 *
 * @throws OAuthError 400 `invalid_scope` if the request asks for more than the client may do
 */
function scopeOf({ scope }: OAuthClient, request: TokenRequest): Scope {
	const asked = request.scope.split(' ')
	if (asked.includes('scim')) {
		if (scope === 'scim') return 'scim'
		throw new OAuthError(400, 'invalid_scope', 'the client may only have the scope scim.read')
	}
	return asked.includes('scim.read') ? 'scim.read' : scope
}
