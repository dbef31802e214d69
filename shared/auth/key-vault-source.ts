import type { TokenCredential } from '@azure/identity'
import type { SecretClient, SecretClientOptions, SecretProperties } from '@azure/keyvault-secrets'
import * as z from 'zod'
import { type Scope, scopes } from './credential.ts'
import { managedIdentity } from './managed-identity.ts'
import { signingSecret, tokenSecret } from './token-secret.ts'
import { isStoredDigest, newest, storedDigestOf, type TenantTokenSource, type Token } from './tokens.ts'

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
	/** What is known of each tenant is remembered in the form that `remembered` gives it. */
	const source = (
		secretsOf: (tenant: string) => readonly TenantSecret[],
		remembered: (token: Token) => Token,
	): TenantTokenSource => {
		const known = knownTokens(remembered)
		return (tenant, now) => {
			const abortSignal = deadline()
			connecting ??= connect(options)
			const read = async (client: SecretClient): Promise<readonly Token[]> => {
				const lookUp = { client, abortSignal, secrets: secretsOf(tenant) }
				const tokens = await readTokens(lookUp, known.of(tenant), now)
				known.remember(tenant, tokens)
				return tokens
			}
			return Promise.race([connecting.then(read), aborted(abortSignal)])
		}
	}
	return {
		tokens: source((tenant) => scopes.map((scope) => ({ secret: tokenSecret(tenant, scope), scope })), withDigest),
		signingKeys: source(
			(tenant) => [{ secret: signingSecret(tenant), scope: 'scim' }],
			(token) => token,
		),
	}
}

/** The source of the tokens alone. */
export const keyVaultSource = (options: VaultOptions): TenantTokenSource => keyVaultSources(options).tokens

/** A secret of a tenant, and the scope that its versions have. */
type TenantSecret = { readonly secret: string; readonly scope: Scope }

const maxNames = 10_000

/**
 * The tokens that were read, by tenant. A name without tokens is known like any other. The value of a version never
 * changes, so it is read once.
 */
function knownTokens(remembered: (token: Token) => Token) {
	const names = new Map<string, readonly Token[]>()
	return {
		of: (name: string) => names.get(name),
		remember(name: string, tokens: readonly Token[]): void {
			names.delete(name)
			const [oldest] = names.keys()
			if (names.size >= maxNames && oldest !== undefined) names.delete(oldest)
			names.set(name, tokens.map(remembered))
		},
	}
}

/** Of a token, the digest is kept. */
const withDigest = ({ value, ...token }: Token): Token => ({
	...token,
	value: isStoredDigest(value) ? value : storedDigestOf(value),
})

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
	/** The first one is asked for a value if there is none to ask for. */
	readonly secrets: readonly TenantSecret[]
}

/** Values that are read at the first lookup of a name at least. More would let a flood of names exhaust the vault. */
const firstReads = 1

/**
 * Lists the versions and reads the values that are not known. The first lookup of a name takes one request more than it has
 * secrets, and a later one takes one for each secret, unless there is a new version. So neither their number nor their time
 * tells a caller whether a tenant exists. Only the first lookup of a tenant with several versions takes more.
 */
async function readTokens(
	lookUp: SecretQuery,
	known: readonly Token[] | undefined,
	now: number,
): Promise<readonly Token[]> {
	const listed = await allOrFirstFailure(lookUp.secrets.map((secret) => versionsOf(lookUp, secret)))
	const versions = newest(listed.flat(), now)
	const filling = known === undefined ? Math.max(0, firstReads - versions.length) : 0
	const [tokens] = await Promise.all([
		Promise.all(versions.map((version) => knownOr(() => tokenOf(lookUp, version), { known, version }))),
		Promise.all(Array.from({ length: filling }, () => tokenOf(lookUp, noVersion(lookUp)))),
	])
	return tokens.flat()
}

/** Waits for all of them, so that no request is left under way after a failure. */
async function allOrFirstFailure<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
	await Promise.allSettled(work)
	return Promise.all(work)
}

type KnownVersion = { readonly known: readonly Token[] | undefined; readonly version: SecretVersion }

/** The dates and the label are those of the list, because an administrator may change them. */
async function knownOr(
	read: () => Promise<readonly Token[]>,
	{ known = [], version: { secret, ...version } }: KnownVersion,
): Promise<readonly Token[]> {
	const token = known.find(({ id, scope }) => id === version.id && scope === version.scope)
	return token === undefined ? read() : [{ ...version, value: token.value }]
}

/** A version of a secret. Its id is the version. */
type SecretVersion = Omit<Token, 'value'> & { readonly secret: string }

/** A version that does not exist. */
const noVersion = ({ secrets: [first] }: SecretQuery): SecretVersion => ({
	id: '',
	scope: 'scim',
	created: 0,
	secret: first?.secret ?? '',
})

/** The enabled versions; none if the secret does not exist. Throws every other error, which says nothing about tokens. */
async function versionsOf(
	{ client, abortSignal }: Pick<SecretQuery, 'client' | 'abortSignal'>,
	{ secret, scope }: TenantSecret,
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
async function tokenOf(
	{ client, abortSignal }: SecretQuery,
	{ secret, ...version }: SecretVersion,
): Promise<readonly Token[]> {
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
