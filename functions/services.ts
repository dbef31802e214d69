import { randomBytes } from 'node:crypto'
import { fileSource } from '../shared/auth/file-source.ts'
import { keyVaultSource } from '../shared/auth/key-vault-source.ts'
import { managedIdentity } from '../shared/auth/managed-identity.ts'
import { tokenVerifier } from '../shared/auth/tokens.ts'
import type { TokenSource } from '../shared/relay/token-cache.ts'
import { type IdGenerator, idGenerator } from '../shared/scim/id.ts'
import { userType } from '../shared/scim/resource-type.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import { type SweepReport, sweep } from '../shared/storage/sweep.ts'
import { type Account, type ConnectOptions, connectTables } from '../shared/storage/table/tables.ts'
import { openDirectory } from '../shared/storage/table-store.ts'
import { advanceFormat } from '../shared/tenants/advance-format.ts'
import { formats, type TenantFormat } from '../shared/tenants/format.ts'
import { openTenants, type Tenant, type Tenants } from '../shared/tenants/tenants.ts'
import type { Check } from './call.ts'
import { check } from './health.ts'
import { openRelay, type SenderOf } from './relay/relay.ts'
import type { RelayedRequest, RelaySender } from './relay/sender.ts'
import type { Settings } from './settings.ts'
import { counted } from './usage.ts'

/** What requests are answered with. Made once and shared. */
export type Services = {
	readonly tenants: Tenants
	/** Says whether a token is one of the tenant's. Rejects with a ScimError 503 where nobody can tell. */
	readonly accepts: (tenant: string, token: string) => Promise<boolean>
	/** The directory of a tenant. */
	readonly open: (tenant: Tenant) => ResourceStore
	/** The way to the SCIM server of a tenant whose mode is `relay`. */
	readonly senderOf: SenderOf
	readonly ids: IdGenerator
	/** Finishes what requests to a tenant have left, until a time in milliseconds since 1970. */
	readonly sweep: (tenant: Tenant, until: number) => Promise<SweepReport>
	/** Takes a change of a tenant's format one stage further, if that is due, and answers the new stage. */
	readonly advanceFormat: (tenant: Tenant, until: number) => Promise<TenantFormat | undefined>
	/** Looks at what a tenant's requests need. */
	readonly checks: (tenant: Tenant, ask: RelayedRequest) => Promise<readonly Check[]>
	/** Milliseconds since 1970. */
	readonly now: () => number
}

/** Puts the services together; nothing is sent yet. */
export async function createServices(settings: Settings, options: ConnectOptions = {}): Promise<Services> {
	const now = () => Date.now()
	const ids = idGenerator(now, randomHex)
	const { intercept = (send) => send } = options
	const tables = connectTables(await accountOf(settings), { ...options, intercept: (send) => counted(intercept(send)) })
	const source =
		'file' in settings.tokens
			? fileSource(settings.tokens.file)
			: keyVaultSource({ vaultUrl: settings.tokens.vaultUrl, ...identityOf(settings) })
	const tenants = openTenants({ tables, ids, now, randomBytes })
	const isTenant = async (name: string) => (await tenants.getTenant(name)) !== undefined
	const directories = new Map<string, ResourceStore>()
	const { scanLimit, keepFeedFor } = settings
	const opening = {
		...{ tables, ids, now, random: Math.random },
		...(scanLimit !== undefined && { scanLimit }),
		...(keepFeedFor !== undefined && { keepFeedFor }),
	}
	const open = (tenant: Tenant): ResourceStore => {
		const opened = directories.get(tenant.table) ?? openDirectory({ ...opening, tenant })
		directories.set(tenant.table, opened)
		return opened
	}
	const senderOf = openRelay(settings.relay, relayToken(settings))
	return {
		tenants,
		accepts: tokenVerifier({ source, isTenant, now }),
		open,
		sweep: (tenant, until) => sweep({ ...opening, tenant, until }),
		advanceFormat: (tenant, until) => advanceFormat({ tenants, tables, formats, now, until }, tenant),
		senderOf,
		checks: (tenant, ask) =>
			Promise.all([
				check('tables', () => open(tenant).get(userType, ids('User')), now),
				check('tokens', () => source(tenant.name, now()), now),
				...(tenant.mode === 'relay' ? [checkScimServer(() => senderOf(tenant), ask, now)] : []),
			]),
		ids,
		now,
	}
}

/** Asks the SCIM server of a tenant. Agents that are out of date still work, and are named all the same. */
async function checkScimServer(sender: () => RelaySender, ask: RelayedRequest, now: () => number): Promise<Check> {
	let outdated: readonly string[] = []
	const run = async () => {
		const send = sender()
		await send(ask)
		outdated = await send.outdatedAgents(ask.requestId)
	}
	const result = await check('scimServer', run, now)
	return outdated.length === 0 ? result : { ...result, detail: outdated.join('; ') }
}

async function accountOf(settings: Settings): Promise<Account> {
	if ('connectionString' in settings.tables) return settings.tables
	return { endpoint: settings.tables.endpoint, credential: await managedIdentity(identityOf(settings)) }
}

/** Tokens of Azure Relay for the managed identity, whose client is loaded with the first one. */
function relayToken(settings: Settings): TokenSource {
	let credential: ReturnType<typeof managedIdentity> | undefined
	return async () => {
		credential ??= managedIdentity(identityOf(settings))
		return (await credential).getToken('https://relay.azure.net/.default')
	}
}

const identityOf = ({ clientId }: Settings): { clientId?: string } => (clientId === undefined ? {} : { clientId })

// Random bytes are bought in bulk: one call for each id costs more than all the rest of it.
let pool = ''

function randomHex(digits: number): string {
	if (pool.length < digits) pool = randomBytes(4096).toString('hex')
	const taken = pool.slice(0, digits)
	pool = pool.slice(digits)
	return taken
}
