import { randomBytes } from 'node:crypto'
import { fileSource, signingKeysFile } from '../shared/auth/file-source.ts'
import { keyVaultSources, type VaultSources } from '../shared/auth/key-vault-source.ts'
import { managedIdentity } from '../shared/auth/managed-identity.ts'
import { type TokenVerifier, tokenVerifier } from '../shared/auth/tokens.ts'
import { version } from '../shared/cli/version.ts'
import type { Fault } from '../shared/fault.ts'
import type { TokenSource } from '../shared/relay/token-cache.ts'
import { unavailable } from '../shared/scim/error.ts'
import { type IdGenerator, idGenerator } from '../shared/scim/id.ts'
import { builtInTypes } from '../shared/scim/resource-type.ts'
import { readAgents, updateAgents } from '../shared/storage/agents.ts'
import { listClients } from '../shared/storage/clients.ts'
import { indexWork } from '../shared/storage/index-work.ts'
import { storeLastUse } from '../shared/storage/last-use.ts'
import type { Hold } from '../shared/storage/losses.ts'
import { storeObserved } from '../shared/storage/observed.ts'
import { storeRefusals } from '../shared/storage/refusals.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import type { Actor } from '../shared/storage/rows/directory.ts'
import { type SweepReport, sweep, sweepRefusals } from '../shared/storage/sweep.ts'
import { type Account, type ConnectOptions, connectTables } from '../shared/storage/table/tables.ts'
import { openDirectories } from '../shared/storage/table-store.ts'
import { advanceFormat } from '../shared/tenants/advance-format.ts'
import { advanceIndexes } from '../shared/tenants/advance-index.ts'
import { feedOf, formats, requireKnownFormat, type TenantFormat, writtenFormat } from '../shared/tenants/format.ts'
import { guardLimitsOf, settingsOf } from '../shared/tenants/settings.ts'
import { openTenants, type Tenant, type Tenants, tenantsTable } from '../shared/tenants/tenants.ts'
import type { HealthCheck } from './call.ts'
import { type Clients, rememberClients } from './clients.ts'
import { type EndingCredential, endingCredentials } from './ending-credentials.ts'
import { goOnForgetting } from './forget.ts'
import { check, rememberChecks } from './health.ts'
import { type LastUses, openLastUses } from './last-use.ts'
import { authenticator } from './oauth/authenticator.ts'
import { openClientLimits } from './oauth/limits.ts'
import { type OAuth, openOAuth } from './oauth/oauth.ts'
import { openOAuthSources } from './oauth/sources.ts'
import { type Observations, openObservations } from './observations.ts'
import { openRefusals, type Refusals } from './refusals.ts'
import { type Enrolment, openEnrolment } from './relay/enrolment.ts'
import { azureListenKeys, type ListenKeys, rememberListenKeys } from './relay/listen-keys.ts'
import { openRelay, placeOf, type SenderOf } from './relay/relay.ts'
import type { RelayedRequest, RelaySender } from './relay/sender.ts'
import { openStrangerLimits } from './relay/stranger-limits.ts'
import type { Settings } from './settings.ts'
import { backgroundTimer, systemTimer, type Timer } from './timer.ts'
import { noLimit, openTurns, type Turns } from './turns.ts'
import { countRequests, giveUpOnSilence, noteRefusal, reportBusyParts } from './usage.ts'

/** The services that all requests share. They are made once. */
export type Services = {
	readonly tenants: Tenants
	readonly authenticate: TokenVerifier
	/** Issues access tokens. */
	readonly oauth: OAuth
	/** Enrols agents and gives them tokens to listen with. */
	readonly enrolment: Enrolment
	/** The directory of a tenant, for a request whose changes the ledger is to name. */
	readonly open: (tenant: Tenant, actor?: Actor) => ResourceStore
	readonly clients: Clients
	readonly refusals: Refusals
	/** The credentials of a tenant that end within two weeks. */
	readonly endingCredentials: (tenant: Tenant) => Promise<readonly EndingCredential[]>
	/** Takes the uses of credentials. */
	readonly lastUses: LastUses
	/** Counts what clients send and no schema declares. */
	readonly observations: Observations
	/** Makes the sender to the SCIM server of a tenant of mode `relay`. */
	readonly senderOf: SenderOf
	readonly ids: IdGenerator
	/** The origin of the URLs in answers. Absent if each request has the address of its server, and not of its Host header. */
	readonly publicOrigin?: string
	/** Finishes what earlier requests have left unfinished, until a time in milliseconds since 1970. */
	readonly sweep: (tenant: Tenant, until: number) => Promise<SweepReport>
	/** Takes a change of a tenant's format one stage further, if that is due, and answers the new stage. */
	readonly advanceFormat: (
		tenant: Tenant,
		until: number,
		report: (problem: Fault) => void,
	) => Promise<TenantFormat | undefined>
	/** Takes the tenant's own indexes further, as far as it is due, and answers how many users it has looked at. */
	readonly advanceIndexes: (tenant: Tenant, until: number) => Promise<number>
	/** Checks the services that the requests of a tenant need, at most once in ten seconds for each tenant. */
	readonly checks: (tenant: Tenant, ask: RelayedRequest) => Promise<readonly HealthCheck[]>
	/** Decides when the requests of tenants begin. */
	readonly turns: Turns
	/** Milliseconds since 1970. */
	readonly now: () => number
}

export type ServicesOptions = ConnectOptions & {
	/** Milliseconds since 1970; the clock of the machine if left out. */
	readonly now?: () => number
	/** The timer of the machine if left out. */
	readonly timer?: Timer
	/** Runs what no request waits for; by the timer of the machine if left out. */
	readonly later?: Timer
	/** Numbers from 0 up to 1, that decide which creation also folds counts; `Math.random` if left out. */
	readonly random?: () => number
	/** Gets the keys of Entra, and those of Azure Relay. */
	readonly fetch?: typeof fetch
}

/** Creates the services. No request is sent yet. */
export async function createServices(settings: Settings, options: ServicesOptions = {}): Promise<Services> {
	const { intercept = (send) => send, now = () => Date.now(), timer = systemTimer, later = backgroundTimer } = options
	const ids = idGenerator(now, randomHex)
	const turns = settings.rate === undefined ? noLimit : openTurns({ rate: settings.rate, timer, now })
	const tables = connectTables(await accountOf(settings), {
		...options,
		intercept: (send) => giveUpOnSilence(timer)(reportBusyParts(turns.slowDown)(countRequests(intercept(send)))),
	})
	const { tokens: source, signingKeys } = tokenSourcesOf(settings)
	const tenants = openTenants({ tables, ids, now, randomBytes })
	const isTenant = async (name: string) => (await tenants.getTenant(name)) !== undefined
	const { scanLimit, keepFeedFor } = settings
	const opening = {
		tables,
		ids,
		now,
		random: options.random ?? Math.random,
		...(scanLimit !== undefined && { scanLimit }),
		...(keepFeedFor !== undefined && { keepFeedFor }),
	}
	const directories = openDirectories(opening)
	/** What the directory of a tenant takes from its row. */
	const openingOf = (tenant: Tenant) => ({
		feed: feedOf(tenant.format),
		writtenFormat: writtenFormat(tenant.format),
		history: settingsOf(tenant).history,
		...holdOf(tenant),
	})
	const open = (tenant: Tenant, actor?: Actor): ResourceStore =>
		directories(tenant, { ...openingOf(tenant), ...(actor !== undefined && { actor }) })
	const lastUses = openLastUses({
		store: ({ tenant, ...use }) => storeLastUse(tables.table(tenant.table, tenant.name), use),
		now,
		later,
	})
	const sources = openOAuthSources({
		readClients: ({ table, name }) => listClients(tables.table(table, name)),
		readNothing: (name) => tables.table(tenantsTable, name).first({ from: 'o|', to: 'o|~' }, 1),
		readSigningKeys: signingKeys,
		fetch: options.fetch ?? fetch,
		now,
	})
	const oauth = openOAuth({
		sources,
		limits: openClientLimits({ now, timer }),
		now,
		noteRefusal,
		noteUse: lastUses.note,
		lifetimeOf: (tenant) => {
			requireKnownFormat(tenant.format)
			return settingsOf(tenant).accessTokenSeconds
		},
	})
	const enrolment = openEnrolment({
		readAgents: ({ table, name }) => readAgents(tables.table(table, name)),
		updateAgents: ({ table, name }, revise) => updateAgents(tables.table(table, name), tables.pause, revise),
		readNothing: (name) => readAgents(tables.table(tenantsTable, name)),
		placeOf: (tenant) => {
			requireKnownFormat(tenant.format)
			if (settings.relay?.listen === undefined) throw noListenKeys()
			return placeOf(tenant, settings.relay)
		},
		keys: rememberListenKeys({ read: listenKeysOf(settings, options.fetch ?? fetch), now }),
		limits: openStrangerLimits({ now, timer }),
		noteRefusal,
		noteUse: (tenant, id) => lastUses.note(tenant, { id, scope: 'scim' }),
		version,
		now,
	})
	const worker = ids('Operation')
	const senderOf = openRelay(settings.relay, identityToken(settings, 'https://relay.azure.net/.default'))
	return {
		tenants,
		authenticate: authenticator({ tokens: tokenVerifier({ source, isTenant, now }), oauth, tenants }),
		oauth,
		enrolment,
		lastUses,
		observations: openObservations({
			store: (tenant, seen) => storeObserved(tables.table(tenant.table, tenant.name), seen),
			now,
			later,
		}),
		endingCredentials: async (tenant) => {
			const { name } = tenant
			const [held, clients] = await Promise.all([source(name, now()), sources.clientsOf({ name, tenant })])
			return endingCredentials(held, clients, now())
		},
		open,
		clients: rememberClients(),
		refusals: openRefusals({
			store: (tenant, counts) => storeRefusals(tables.table(tenant.table, tenant.name), counts),
			newOperation: () => ids('Operation'),
			now,
			later,
		}),
		sweep: async (tenant, until) => {
			const options = { ...opening, ...openingOf(tenant), tenant, until }
			if (tenant.mode === 'relay') return sweepRefusals(options)
			const isGuarded = settingsOf(tenant).guard !== 'off'
			const report = await sweep({ ...options, ...(isGuarded && { guard: guardLimitsOf(tenant) }) })
			await goOnForgetting({ tenants, store: open(tenant), now }, tenant, until)
			return report
		},
		advanceFormat: (tenant, until, report) => advanceFormat({ tenants, tables, formats, now, until, report }, tenant),
		advanceIndexes: (tenant, until) =>
			advanceIndexes({ tenants, ...indexWork(opening), worker, isAlone: false, now, until }, tenant),
		senderOf,
		checks: rememberChecks(
			(tenant: Tenant, ask: RelayedRequest) =>
				Promise.all([
					check('tables', () => open(tenant).get(builtInTypes.User, ids('User')), { now, timer }),
					check('tokens', () => source(tenant.name, now()), { now, timer }),
					...(tenant.mode === 'relay' ? [checkScimServer(() => senderOf(tenant), ask, { now, timer })] : []),
				]),
			now,
		),
		ids,
		...(settings.publicOrigin !== undefined && { publicOrigin: settings.publicOrigin }),
		turns,
		now,
	}
}

type CheckTime = Parameters<typeof check>[2]

/** Asks the SCIM server of a tenant. Agents that are out of date still work, and are named all the same. */
async function checkScimServer(sender: () => RelaySender, ask: RelayedRequest, time: CheckTime): Promise<HealthCheck> {
	const outdatedAgents = async () => sender().outdatedAgents(ask.requestId)
	const [result, outdated] = await Promise.all([
		check('scimServer', async () => sender()(ask), time),
		// If the relay fails, the check itself says so.
		outdatedAgents().catch((): readonly string[] => []),
	])
	return outdated.length === 0 ? result : { ...result, detail: [result.detail, ...outdated].filter(Boolean).join('; ') }
}

/** The tokens and the signing keys of the tenants. On a laptop the keys have a file of their own beside the tokens. */
function tokenSourcesOf(settings: Settings): VaultSources {
	if ('vaultUrl' in settings.tokens) {
		return keyVaultSources({ vaultUrl: settings.tokens.vaultUrl, ...identityOf(settings) })
	}
	const { file } = settings.tokens
	return { tokens: fileSource(file), signingKeys: fileSource(signingKeysFile(file)) }
}

/** Whether requests of a tenant are held back that delete very many people or groups. */
function holdOf(tenant: Tenant): { readonly hold?: Hold } {
	if (settingsOf(tenant).guard !== 'hold') return {}
	const { name, guardAllowedUntil: allowedUntil = 0 } = tenant
	return { hold: { tenant: name, limits: guardLimitsOf(tenant), allowedUntil } }
}

async function accountOf(settings: Settings): Promise<Account> {
	if ('connectionString' in settings.tables) return settings.tables
	return { endpoint: settings.tables.endpoint, credential: await managedIdentity(identityOf(settings)) }
}

/** Gets tokens from the managed identity for a service of Azure. The client of the identity is loaded for the first token. */
function identityToken(settings: Settings, scope: string): TokenSource {
	let credential: ReturnType<typeof managedIdentity> | undefined
	return async () => {
		credential ??= managedIdentity(identityOf(settings))
		return (await credential).getToken(scope)
	}
}

/** Reads the keys by which listen tokens are signed. */
function listenKeysOf(settings: Settings, get: typeof fetch): (hybridConnection: string) => Promise<ListenKeys> {
	const { listen } = settings.relay ?? {}
	if (listen === undefined) return () => Promise.reject(noListenKeys())
	if ('key' in listen) return async () => ({ primaryKey: listen.key, secondaryKey: listen.key })
	const { resource } = listen
	const token = identityToken(settings, `${new URL(resource).origin}/.default`)
	return azureListenKeys({ resource, token, fetch: get })
}

const noListenKeys = () =>
	unavailable('this deployment has no relay for agents: list the tenant in relayTenants and deploy', 300)

const identityOf = ({ clientId }: Settings): { clientId?: string } => (clientId === undefined ? {} : { clientId })

// Random bytes are read in bulk. One call for each id would cost more than the rest of the id.
let pool = ''

function randomHex(digits: number): string {
	if (pool.length < digits) pool = randomBytes(4096).toString('hex')
	const text = pool.slice(0, digits)
	pool = pool.slice(digits)
	return text
}
