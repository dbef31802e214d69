import type { OAuthClient } from '../shared/auth/client.ts'
import type { Credential } from '../shared/auth/credential.ts'
import type { TokenDates } from '../shared/auth/tokens.ts'

/** A credential that ends soon and that no newer one replaces. Its label is left out, since the log has no values. */
export type EndingCredential = {
	/** The version of a token, or the id of a client and of its secret. */
	readonly credential: string
	/** RFC 3339, UTC. */
	readonly ends: string
}

const day = 24 * 3_600_000
/** Milliseconds before its end at which a credential is told of. */
const notice = 14 * day

type Held = Required<Pick<TokenDates, 'created' | 'expires'>> & {
	readonly credential: string
	/** The same for all credentials of which a newer one replaces an older one. */
	readonly purpose: string
}

/**
 * The credentials of a tenant that end within two weeks. A token is replaced by a newer one with the same scope and label, and
 * a secret by a newer one of its client, if the newer one lasts longer.
 */
export function endingCredentials(
	tokens: readonly (TokenDates & Credential)[],
	clients: readonly OAuthClient[],
	now: number,
): readonly EndingCredential[] {
	const held = [...tokens.map(heldToken), ...clients.flatMap(heldSecrets)]
	return held
		.filter(({ expires }) => expires > now && expires <= now + notice)
		.filter((each) => !held.some((other) => replaces(other, each)))
		.map(({ credential, expires }) => ({ credential, ends: new Date(expires).toISOString() }))
}

const replaces = (other: Held, { purpose, created, expires }: Held): boolean =>
	other.purpose === purpose && other.created > created && other.expires > expires

const heldToken = ({ id, scope, label = '', created, expires }: TokenDates & Credential): Held => ({
	credential: id,
	purpose: `token ${scope} ${label}`,
	created,
	expires: expires ?? Number.POSITIVE_INFINITY,
})

const heldSecrets = (client: OAuthClient): readonly Held[] =>
	client.kind !== 'secret' || client.isDisabled
		? []
		: client.secrets
				.filter(({ isDisabled }) => !isDisabled)
				.map(({ id, created, expires }) => ({
					credential: `${client.id}/${id}`,
					purpose: `client ${client.id}`,
					created: Date.parse(created),
					expires: Date.parse(expires),
				}))
