import type { TokenVerifier } from '../../shared/auth/tokens.ts'
import type { Tenants } from '../../shared/tenants/tenants.ts'
import type { OAuth } from './oauth.ts'

type AuthenticatorOptions = {
	readonly tokens: TokenVerifier
	readonly oauth: Pick<OAuth, 'authenticate'>
	readonly tenants: Pick<Tenants, 'getTenant'>
}

/**
 * Verifies access tokens and tokens of Entra, and all other tokens as static ones. A token of three parts that is not right
 * may still be a static token that an administrator has chosen.
 */
export function authenticator({ tokens, oauth, tenants }: AuthenticatorOptions): TokenVerifier {
	return async (name, token) => {
		if (!isJws(token)) return tokens(name, token)
		const authenticated = await attempt(async () =>
			oauth.authenticate({ name, tenant: await tenants.getTenant(name) }, token),
		)
		const credential = authenticated.value ?? (await tokens(name, token))
		if (credential === undefined && authenticated.failure !== undefined) throw authenticated.failure.error
		return credential
	}
}

/** Three parts, of which the first is a JSON object in base64url. */
const isJws = (token: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(token)

type TriedWork<T> = { readonly value?: T; readonly failure?: { readonly error: unknown } }

async function attempt<T>(work: () => Promise<T>): Promise<TriedWork<T>> {
	try {
		return { value: await work() }
	} catch (error) {
		return { failure: { error } }
	}
}
