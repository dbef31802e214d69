import type { TokenCredential } from '@azure/identity'
import type { SecretClient, SecretClientOptions, SecretProperties } from '@azure/keyvault-secrets'
import * as z from 'zod'
import type { Scope } from './credential.ts'
import { managedIdentity } from './managed-identity.ts'
import { signingSecret, tokenSecret } from './token-secret.ts'
import { newest, type TenantTokenSource, type Token } from './tokens.ts'

export type VaultOptions = {
	/** `https://<vault>.vault.azure.net` */
	readonly vaultUrl: string
	/** The client id of a user-assigned managed identity. */
	readonly clientId?: string
	/** Replaces the managed identity. */
	readonly credential?: TokenCredential
	readonly client?: SecretClientOptions
	/** Makes a signal for each lookup. The lookup is given up when the signal aborts. */
	readonly deadline?: () => AbortSignal
}

/**
 * A SCIM client waits for the lookup, so retries are few and quick, and a lookup has a deadline. A busy vault may ask for a
 * long pause, and an identity endpoint may not answer at all.
 */
const retryOptions = { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1000 }
const fiveSeconds = () => AbortSignal.timeout(5000)

/** The tokens and the signing keys of the tenants in a vault. */
export type VaultSources = { readonly tokens: TenantTokenSource; readonly signingKeys: TenantTokenSource }

/**
 * Reads the tokens of a tenant from the enabled versions of its secrets, and its signing keys from those of another. A
 * rotation adds a version and disables the old one later, so that a valid token exists at any time. The tag `label` of a
 * version is the label of the token.
 */
export function keyVaultSources(options: VaultOptions): VaultSources {
	const deadline = options.deadline ?? fiveSeconds
	let connecting: Promise<SecretClient> | undefined
	const source =
		(secretsOf: (tenant: string) => TenantSecrets): TenantTokenSource =>
		(tenant, now) => {
			const abortSignal = deadline()
			connecting ??= connect(options)
			const reading = connecting.then((client) => readTokens({ client, abortSignal }, secretsOf(tenant), now))
			return Promise.race([reading, aborted(abortSignal)])
		}
	return {
		tokens: source((tenant) => ({ full: tokenSecret(tenant, 'scim'), read: tokenSecret(tenant, 'scim.read') })),
		signingKeys: source((tenant) => ({ full: signingSecret(tenant) })),
	}
}

/** The source of the tokens alone. */
export const keyVaultSource = (options: VaultOptions): TenantTokenSource => keyVaultSources(options).tokens

/** The names of the secrets of a tenant. */
type TenantSecrets = { readonly full: string; readonly read?: string }

/** Both packages are loaded by the first lookup: otherwise they would be most of what a cold start loads. */
async function connect({ vaultUrl, clientId, credential, client }: VaultOptions): Promise<SecretClient> {
	const [{ SecretClient }, identity] = await Promise.all([
		import('@azure/keyvault-secrets'),
		credential ?? managedIdentity(clientId === undefined ? {} : { clientId }),
	])
	return new SecretClient(vaultUrl, identity, { retryOptions, ...client })
}

type SecretQuery = {
	readonly client: SecretClient
	readonly abortSignal: AbortSignal
}

async function readTokens(lookUp: SecretQuery, { full, read }: TenantSecrets, now: number): Promise<readonly Token[]> {
	const versions = newest(await versionsOf(lookUp, { name: full, scope: 'scim' }), now)
	// A name without a secret costs as many requests as a tenant with one token. The time does not tell a caller which it is.
	const isNone = versions.length === 0
	const tokens = await Promise.all([
		...versions.map((version) => tokenOf(lookUp, version)),
		...(read === undefined ? [] : [readReadTokens(lookUp, read, now)]),
		...(isNone ? [tokenOf(lookUp, noVersion(full)).then((): readonly Token[] => [])] : []),
	])
	return tokens.flat()
}

/** The tokens that may only read. They are looked up beside the values of the others, so that no caller waits longer. */
async function readReadTokens(lookUp: SecretQuery, name: string, now: number): Promise<Token[]> {
	const versions = newest(await versionsOf(lookUp, { name, scope: 'scim.read' }), now)
	const tokens = await Promise.all(versions.map((version) => tokenOf(lookUp, version)))
	return tokens.flat()
}

/** A version of a secret. Its id is the version. */
type SecretVersion = Omit<Token, 'value'> & { readonly secret: string }

const noVersion = (secret: string): SecretVersion => ({ id: '', scope: 'scim', created: 0, secret })

/** The enabled versions; none if the secret does not exist. Throws every other error, which says nothing about tokens. */
async function versionsOf(
	{ client, abortSignal }: SecretQuery,
	{ name: secret, scope }: { readonly name: string; readonly scope: Scope },
): Promise<readonly SecretVersion[]> {
	const versions: SecretVersion[] = []
	try {
		for await (const properties of client.listPropertiesOfSecretVersions(secret, { abortSignal })) {
			if (properties.enabled !== false) versions.push({ ...versionOf(properties), secret, scope })
		}
	} catch (error) {
		if (isGone(error)) return []
		throw error
	}
	return versions
}

const versionOf = ({ version = '', createdOn, notBefore, expiresOn, tags }: SecretProperties) => ({
	id: version,
	...(tags?.label !== undefined && { label: tags.label }),
	created: createdOn?.getTime() ?? 0,
	...(notBefore !== undefined && { notBefore: notBefore.getTime() }),
	...(expiresOn !== undefined && { expires: expiresOn.getTime() }),
})

/** One token; none if the version was disabled or deleted after it was listed. */
async function tokenOf({ client, abortSignal }: SecretQuery, { secret, ...version }: SecretVersion): Promise<Token[]> {
	try {
		const { value } = await client.getSecret(secret, { version: version.id, abortSignal })
		return value === undefined ? [] : [{ ...version, value }]
	} catch (error) {
		if (isGone(error)) return []
		throw error
	}
}

/** A 404 or 403 alone is not enough: the identity endpoint and a firewall send them too. */
const gone = z.union([
	z.object({ code: z.literal('SecretNotFound') }),
	z.object({ details: z.object({ error: z.object({ innerError: z.object({ code: z.literal('SecretDisabled') }) }) }) }),
])

const isGone = (error: unknown): boolean => gone.safeParse(error).success

const aborted = (signal: AbortSignal): Promise<never> =>
	new Promise((_, reject) => {
		signal.addEventListener('abort', () => reject(signal.reason), { once: true })
	})
