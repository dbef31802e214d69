import { type SigningKey, signingKeyOf } from '../../shared/auth/access-token.ts'
import { type OAuthClient, parseClient } from '../../shared/auth/client.ts'
import type { KeyFinder } from '../../shared/auth/entra-token.ts'
import { type KeySetName, readKeySet } from '../../shared/auth/key-set.ts'
import { type Memory, remember } from '../../shared/auth/remember.ts'
import type { TenantTokenSource } from '../../shared/auth/tokens.ts'
import { unknownNameAllowance } from '../../shared/limits/allowance.ts'
import type { StoredClient } from '../../shared/storage/clients.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'

/** The name in the path, and the tenant if there is one of this name. */
export type NamedTenant = { readonly name: string; readonly tenant: Tenant | undefined }

/** What decides on tokens, each as old as its rules allow. */
export type OAuthSources = {
	/**
	 * The clients of a tenant; none for a name without a tenant, which takes as many requests.
	 *
	 * @throws ScimError 503
	 */
	readonly clientsOf: (named: NamedTenant) => Promise<readonly OAuthClient[]>
	readonly signingKeys: Memory<Tenant, readonly SigningKey[]>
	readonly findKey: KeyFinder
}

type OAuthSourcesOptions = {
	readonly readClients: (tenant: Tenant) => Promise<readonly StoredClient[]>
	/** Asks the store something that takes as long as reading the clients of a tenant without any. */
	readonly readNothing: (name: string) => Promise<unknown>
	readonly readSigningKeys: TenantTokenSource
	readonly fetch: typeof fetch
	/** Milliseconds since 1970. */
	readonly now: () => number
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute

export function openOAuthSources(options: OAuthSourcesOptions): OAuthSources {
	const { readClients, readNothing, readSigningKeys, now } = options
	const clients = remember({
		read: async (tenant: Tenant) => (await readClients(tenant)).flatMap(({ json }) => parseClient(json) ?? []),
		keyOf: ({ table }) => table,
		name: 'the clients',
		freshFor: 30 * second,
		usableUnread: 60 * second,
		usableOffline: 24 * hour,
		pause: 30 * second,
		now,
	})
	const strangers = remember({
		read: readNothing,
		keyOf: (name: string) => name,
		name: 'the clients',
		freshFor: 30 * second,
		usableUnread: 60 * second,
		usableOffline: 24 * hour,
		pause: 30 * second,
		now,
	})
	const isWithinAllowance = unknownNameAllowance(now)
	const keySets = remember({
		read: (name: KeySetName) => readKeySet(name, options.fetch),
		keyOf: ({ cloud, tenant }) => `${cloud}/${tenant}`,
		name: 'the keys of Entra',
		freshFor: 24 * hour,
		usableUnread: 25 * hour,
		usableOffline: 7 * 24 * hour,
		pause: minute,
		pauseUnknown: minute,
		now,
	})
	return {
		async clientsOf({ name, tenant }) {
			if (tenant !== undefined) return clients.get(tenant)
			if (isWithinAllowance()) await strangers.get(name)
			return []
		},
		signingKeys: remember({
			read: async (tenant: Tenant) =>
				Promise.all((await readSigningKeys(tenant.name, now())).map((key) => signingKeyOf(tenant, key))),
			keyOf: ({ table }) => table,
			name: 'the signing keys',
			freshFor: 5 * minute,
			usableUnread: 10 * minute,
			usableOffline: 24 * hour,
			pause: 30 * second,
			now,
		}),
		async findKey({ cloud, tenant }, id) {
			const name = { cloud, tenant }
			return (await keySets.get(name)).get(id) ?? (await keySets.getAgain(name)).get(id)
		},
	}
}
