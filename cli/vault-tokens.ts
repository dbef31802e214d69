import type { SecretClient, SecretProperties, SetSecretOptions } from '@azure/keyvault-secrets'
import * as z from 'zod'
import { type Scope, scopes } from '../shared/auth/credential.ts'
import { signingSecret, tokenSecret } from '../shared/auth/token-secret.ts'
import { isStoredDigest } from '../shared/auth/tokens.ts'
import type { TokenStore, TokenVersion } from './token-store.ts'

export type VaultTokensOptions = {
	/** Makes the client when it is first needed. */
	readonly connect: () => Promise<SecretClient>
	/** The interval of polls while a secret is being deleted or recovered. */
	readonly pollMilliseconds?: number
	/** The secret of each scope that there is; those of the tokens if left out. */
	readonly secretsOf?: (tenant: string) => readonly NamedSecret[]
}

/** Tokens as versions of the secrets of a tenant in Key Vault, one secret for each scope. */
export function vaultTokens({
	connect,
	pollMilliseconds = 2000,
	secretsOf = tokenSecretsOf,
}: VaultTokensOptions): TokenStore {
	let connecting: Promise<SecretClient> | undefined
	const connected = (): Promise<SecretClient> => {
		connecting ??= connect()
		return connecting
	}
	const polling = { intervalInMs: pollMilliseconds }
	const secretOf = (tenant: string, scope: Scope): NamedSecret =>
		secretsOf(tenant).find((secret) => secret.scope === scope) ?? { name: tokenSecret(tenant, scope), scope }

	/** Recovers a deleted secret, but leaves all of its tokens disabled. */
	const recover = async (client: SecretClient, secret: NamedSecret): Promise<void> => {
		await (await client.beginRecoverDeletedSecret(secret.name, polling)).pollUntilDone()
		await disableAll(client, secret)
	}

	const removeSecret = async (client: SecretClient, secret: NamedSecret): Promise<void> => {
		// The vault keeps a deleted secret for weeks. If an administrator recovers it, its tokens must stay unusable.
		await disableAll(client, secret)
		try {
			await (await client.beginDeleteSecret(secret.name, polling)).pollUntilDone()
		} catch (error) {
			if (!isAbsent(error)) throw error
		}
	}

	return {
		async list(tenant) {
			const client = await connected()
			const listed = await Promise.all(secretsOf(tenant).map((secret) => versionsIn(client, secret)))
			return listed.flat().sort((a, b) => b.created - a.created)
		},

		async add(tenant, stored, { label, scope = 'scim', notBefore } = {}) {
			const client = await connected()
			const { name } = secretOf(tenant, scope)
			const marks = {
				...contentTypeOf(stored),
				...(label !== undefined && { tags: { label } }),
				...(notBefore !== undefined && { notBefore: new Date(notBefore) }),
			}
			const set = async () => versionOf((await client.setSecret(name, stored, marks)).properties, scope)
			try {
				return await set()
			} catch (error) {
				if (!isDeleted(error)) throw error
				await recover(client, { name, scope })
				return set()
			}
		},

		async change(tenant, { version, scope }, change) {
			const properties = 'expires' in change ? { expiresOn: new Date(change.expires) } : change
			await (await connected()).updateSecretProperties(secretOf(tenant, scope).name, version, properties)
		},

		async remove(tenant) {
			const client = await connected()
			for (const secret of secretsOf(tenant)) await removeSecret(client, secret)
		},

		// The vault looks for the role first, and for the secret afterwards.
		async tryWriting() {
			try {
				await (await connected()).updateSecretProperties(missingSecret, '0'.repeat(32), { enabled: false })
			} catch (error) {
				if (!isAbsent(error)) throw error
			}
		},
	}
}

/** The name of no secret: those of tenants begin with other words. */
const missingSecret = 'scim-write-access'

/** A list of versions has no values, but it has their content types. */
const digestType = 'rollcall-sha256'
const contentTypeOf = (stored: string): SetSecretOptions => (isStoredDigest(stored) ? { contentType: digestType } : {})

type NamedSecret = { readonly name: string; readonly scope: Scope }

const tokenSecretsOf = (tenant: string): readonly NamedSecret[] =>
	scopes.map((scope) => ({ name: tokenSecret(tenant, scope), scope }))

/** The keys that sign access tokens, as versions of another secret. */
export const vaultSigningKeys = (options: Omit<VaultTokensOptions, 'secretsOf'>): TokenStore =>
	vaultTokens({ ...options, secretsOf: (tenant) => [{ name: signingSecret(tenant), scope: 'scim' }] })

async function disableAll(client: SecretClient, secret: NamedSecret): Promise<void> {
	for (const { version, enabled } of await versionsIn(client, secret)) {
		if (enabled) await client.updateSecretProperties(secret.name, version, { enabled: false })
	}
}

async function versionsIn(client: SecretClient, { name, scope }: NamedSecret): Promise<readonly TokenVersion[]> {
	const versions: TokenVersion[] = []
	try {
		for await (const properties of client.listPropertiesOfSecretVersions(name)) {
			versions.push(versionOf(properties, scope))
		}
	} catch (error) {
		if (!isAbsent(error)) throw error
	}
	return versions
}

const versionOf = (properties: SecretProperties, scope: Scope): TokenVersion => {
	const { version = '', enabled = true, createdOn, notBefore, expiresOn, contentType, tags } = properties
	return {
		version,
		enabled,
		scope,
		...(tags?.label !== undefined && { label: tags.label }),
		isDigest: contentType === digestType,
		created: createdOn?.getTime() ?? 0,
		...(notBefore !== undefined && { notBefore: notBefore.getTime() }),
		...(expiresOn !== undefined && { expires: expiresOn.getTime() }),
	}
}

/** A 404 alone does not prove that the secret does not exist. */
const absent = z.object({ code: z.literal('SecretNotFound') })

const deleted = z.object({
	details: z.object({
		error: z.object({ innerError: z.object({ code: z.literal('ObjectIsDeletedButRecoverable') }) }),
	}),
})

const isAbsent = (error: unknown): boolean => absent.safeParse(error).success
const isDeleted = (error: unknown): boolean => deleted.safeParse(error).success
