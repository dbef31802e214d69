import type { SecretClient, SecretProperties } from '@azure/keyvault-secrets'
import * as z from 'zod'
import { isStoredDigest } from '../shared/auth/tokens.ts'
import type { TokenStore, TokenVersion } from './token-store.ts'

export type VaultTokensOptions = {
	/** Makes the client when it is first needed. */
	readonly connect: () => Promise<SecretClient>
	/** The interval of polls while a secret is being deleted or recovered. */
	readonly pollMilliseconds?: number
}

/** Tokens as versions of the secret `scim-token-<tenant>` in Key Vault. */
export function vaultTokens({ connect, pollMilliseconds = 2000 }: VaultTokensOptions): TokenStore {
	let connecting: Promise<SecretClient> | undefined
	const connected = (): Promise<SecretClient> => {
		connecting ??= connect()
		return connecting
	}
	const polling = { intervalInMs: pollMilliseconds }

	/** Recovers a deleted secret, but leaves all of its tokens disabled. */
	const recover = async (client: SecretClient, name: string): Promise<void> => {
		await (await client.beginRecoverDeletedSecret(name, polling)).pollUntilDone()
		await disableAll(client, name)
	}

	return {
		async list(tenant) {
			return versionsOf(await connected(), nameOf(tenant))
		},

		async add(tenant, stored) {
			const client = await connected()
			const name = nameOf(tenant)
			try {
				return versionOf((await client.setSecret(name, stored, labelOf(stored))).properties)
			} catch (error) {
				if (!isDeleted(error)) throw error
				await recover(client, name)
				return versionOf((await client.setSecret(name, stored, labelOf(stored))).properties)
			}
		},

		async change(tenant, version, change) {
			const properties = 'expires' in change ? { expiresOn: new Date(change.expires) } : change
			await (await connected()).updateSecretProperties(nameOf(tenant), version, properties)
		},

		async remove(tenant) {
			const client = await connected()
			const name = nameOf(tenant)
			// The vault keeps a deleted secret for weeks. If an administrator recovers it, its tokens must stay unusable.
			await disableAll(client, name)
			try {
				await (await client.beginDeleteSecret(name, polling)).pollUntilDone()
			} catch (error) {
				if (!isAbsent(error)) throw error
			}
		},
	}
}

/** A list of versions has no values, but it has their content types. */
const digestType = 'rollcall-sha256'
const labelOf = (stored: string) => (isStoredDigest(stored) ? { contentType: digestType } : {})

const nameOf = (tenant: string): string => `scim-token-${tenant}`

async function disableAll(client: SecretClient, name: string): Promise<void> {
	for (const { version, enabled } of await versionsOf(client, name)) {
		if (enabled) await client.updateSecretProperties(name, version, { enabled: false })
	}
}

async function versionsOf(client: SecretClient, name: string): Promise<readonly TokenVersion[]> {
	const versions: TokenVersion[] = []
	try {
		for await (const properties of client.listPropertiesOfSecretVersions(name)) versions.push(versionOf(properties))
	} catch (error) {
		if (!isAbsent(error)) throw error
	}
	return versions.sort((a, b) => b.created - a.created)
}

const versionOf = ({
	version = '',
	enabled = true,
	createdOn,
	notBefore,
	expiresOn,
	contentType,
}: SecretProperties): TokenVersion => ({
	version,
	enabled,
	isDigest: contentType === digestType,
	created: createdOn?.getTime() ?? 0,
	...(notBefore !== undefined && { notBefore: notBefore.getTime() }),
	...(expiresOn !== undefined && { expires: expiresOn.getTime() }),
})

/** A 404 alone does not prove that the secret does not exist. */
const absent = z.object({ code: z.literal('SecretNotFound') })

const deleted = z.object({
	details: z.object({
		error: z.object({ innerError: z.object({ code: z.literal('ObjectIsDeletedButRecoverable') }) }),
	}),
})

const isAbsent = (error: unknown): boolean => absent.safeParse(error).success
const isDeleted = (error: unknown): boolean => deleted.safeParse(error).success
