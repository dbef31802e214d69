import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { SecretClientOptions } from '@azure/keyvault-secrets'
import { startAzurite } from '../local/azurite.ts'
import { defaultUrl, lastUrl } from '../local/last-url.ts'
import { signingKeysFile, tokensIn } from '../shared/auth/file-source.ts'
import { shellWord } from '../shared/cli/shell-word.ts'
import { idGenerator } from '../shared/scim/id.ts'
import { type AdministrationEntry, listAdministration, storeAdministration } from '../shared/storage/administration.ts'
import { type AgentsChange, readAgents, updateAgents } from '../shared/storage/agents.ts'
import { insertClient, listClients, type StoredClient, updateClient } from '../shared/storage/clients.ts'
import { indexWork, type SharedValues } from '../shared/storage/index-work.ts'
import { readLastUses } from '../shared/storage/last-use.ts'
import { type Ledger, openLedger } from '../shared/storage/ledger/ledger.ts'
import { type Lookup, openLookup } from '../shared/storage/lookup.ts'
import { forgetObserved, type ObservedPath, observedIn } from '../shared/storage/observed.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import type { Actor } from '../shared/storage/rows/directory.ts'
import { type Account, type ConnectOptions, connectTables, type Tables } from '../shared/storage/table/tables.ts'
import { openDirectories } from '../shared/storage/table-store.ts'
import { advanceIndexes, sayEvery } from '../shared/tenants/advance-index.ts'
import { feedOf, writtenFormat } from '../shared/tenants/format.ts'
import { type IndexDefinition, ownIndexOf } from '../shared/tenants/index-definition.ts'
import { typesOf } from '../shared/tenants/resource-types.ts'
import { settingsOf } from '../shared/tenants/settings.ts'
import { openTenants, type Tenant, type Tenants, tenantsTable } from '../shared/tenants/tenants.ts'
import { type Administrator, administratorOf, localAdministrator } from './administrator.ts'
import type { TargetRelay } from './agent-settings.ts'
import { type Deployment, findDeployment, type RelayRules, relayRules } from './azure.ts'
import { Failure } from './failure.ts'
import { fileTokens } from './file-tokens.ts'
import { type OpenedNow, refuseNewer, reopened } from './known-format.ts'
import { rememberTokens } from './remember-tokens.ts'
import { newRoleRetries, type RetryPolicy } from './retry-policy.ts'
import { type TargetSpec, targetArguments } from './target-options.ts'
import type { TokenStore } from './token-store.ts'
import { vaultSigningKeys, vaultTokens } from './vault-tokens.ts'

/** The deployment in Azure, or the data folder of `npm start`, that a command works on. */
export type DeploymentTarget = {
	readonly tenants: Tenants
	readonly tokens: TokenStore
	/** The keys that sign access tokens. */
	readonly signingKeys: TokenStore
	readonly clients: ClientStore
	readonly administration: AdministrationStore
	readonly agents: AgentStore
	/** Absent if the target names no resource group, or has no relay. */
	readonly relayRules?: RelayRules
	/** When each credential of a tenant was last used, by its id: RFC 3339, up to an hour too early. */
	lastUses(tenant: TenantRow): Promise<ReadonlyMap<string, string>>
	/** What happened in the directory of a tenant, and what was refused. */
	ledger(tenant: Tenant): Ledger
	/** The directory of a tenant, a page at a time. Nothing is written. */
	lookup(tenant: Tenant): Lookup
	/** The directory of a tenant. The ledger names changes by the request id, if there is one. */
	open(tenant: Tenant, requestId?: string): ResourceStore
	/** The paths that clients have sent to a tenant and that no schema declares. */
	observed(tenant: Pick<Tenant, 'name' | 'table'>): Promise<readonly ObservedPath[]>
	/** Removes some of them from the list. */
	forgetObserved(tenant: Pick<Tenant, 'name' | 'table'>, paths: readonly ObservedPath[]): Promise<void>
	/** The Tenant URL. */
	urlOf(name: string): string
	/** On a data folder: where the port of the Tenant URL is from. */
	readonly portNote?: string
	readonly relay: TargetRelay
	/** On a data folder: the tokens of a tenant that are stored themselves, not as digests. Newest first. */
	readonly shownTokens?: (tenant: string) => Promise<readonly string[]>
	/** Whether the tables could be written when the target was opened. The role Storage Table Data Reader reads only. */
	readonly canWrite: boolean
	/** Whether no other process serves the tenants while the target is open. */
	readonly isAlone: boolean
	/** Finds out whether the operator may write to the storage account. Rejects if not. Nothing is changed. */
	tryWriting(): Promise<void>
	/** Takes the indexes of a tenant further for up to 20 seconds, and answers how many users it has looked at. */
	advanceIndexes(tenant: string): Promise<number>
	/** Values of a unique index that several users have. */
	sharedValues(tenant: Tenant, index: IndexDefinition): Promise<SharedValues>
	/** The command line that runs another command on this target, such as `token list acme`. */
	commandLine(command: string): string
	close(): Promise<void>
}

type TenantRow = Pick<Tenant, 'name' | 'table'>

/** The clients of a tenant as they are stored. */
export type ClientStore = {
	list(tenant: TenantRow): Promise<readonly StoredClient[]>
	add(tenant: TenantRow, client: StoredClient): Promise<void>
	update(
		tenant: TenantRow,
		change: { readonly id: string; readonly revise: (json: string) => string },
	): Promise<'done' | 'absent'>
}

/** The agents of a tenant as they are stored. */
export type AgentStore = {
	read(tenant: TenantRow): Promise<string | undefined>
	update<T extends object>(tenant: TenantRow, revise: (json: string | undefined) => AgentsChange<T>): Promise<T>
}

/** The record of what administrators do to a tenant. */
export type AdministrationStore = {
	/** Stores that the administrator begins a command. */
	begin(tenant: TenantRow, command: string): Promise<AdministrationEntry>
	/** Stores how the command ended. */
	end(tenant: TenantRow, entry: AdministrationEntry): Promise<void>
	/** What was done since a time, in milliseconds since 1970; everything if it is left out. */
	list(tenant: TenantRow, since?: number): Promise<readonly AdministrationEntry[]>
	/** Stores that the administrator begins to remove a tenant, in a table that stays when the tenant goes. */
	beginRemoval(name: string, command: string): Promise<AdministrationEntry>
	/** Stores how the removal ended. */
	endRemoval(name: string, entry: AdministrationEntry): Promise<void>
	/** The removals of all tenants that have had a name. Rejects as `isWithoutTable` says if there was none of any name. */
	removals(name: string): Promise<readonly AdministrationEntry[]>
}

/** The table of removals, with a partition for each name. Rows of no tenant may be in the table of tenants. */
const removalsTable = 'removals'

/** An operation that sorts before all others of its time. */
const firstOperation = (time: number): string =>
	idGenerator(
		() => time,
		(digits) => '0'.repeat(digits),
	)('Operation')

/** Addresses on the command line do not include that of the relay. */
const unknownRelay = 'NAMESPACE.servicebus.windows.net'

type TargetParts = Pick<
	DeploymentTarget,
	'tokens' | 'signingKeys' | 'shownTokens' | 'close' | 'portNote' | 'relay' | 'relayRules' | 'isAlone'
> & {
	readonly account: Account
	readonly administrator: () => Promise<Administrator>
	readonly options?: ConnectOptions
	readonly origin: string
	/** The tenants that the process has open already. */
	readonly tenants?: Tenants
	/** Whether an operator who may not write gets the target all the same. */
	readonly mayOnlyRead?: boolean
}

/**
 * Opens the deployment target of a command. If the command may be the first one on this target, it creates a missing data
 * folder, and waits until a new role works. `say` prints what the command waits for.
 */
export async function openTarget(
	spec: TargetSpec,
	{ isFirst, say, program, mayOnlyRead = false }: OpenTargetOptions,
): Promise<DeploymentTarget> {
	const parts = await partsOf(spec, { isFirst, say })
	const commandLine = (command: string) =>
		[program, command, ...targetArguments(spec).map((word) => shellWord(word))].join(' ')
	return { ...(await targetOf({ ...parts, mayOnlyRead })), commandLine }
}

/** The data folder that this process serves itself. */
export type ServedFolder = {
	readonly connectionString: string
	readonly tokensFile: string
	/** Such as `http://127.0.0.1:7071`. */
	readonly origin: string
	/** Those of the server, so that it knows at once what is changed here. */
	readonly tenants: Tenants
	readonly commandLine: DeploymentTarget['commandLine']
	/** What sees the requests to the tables, for tests. */
	readonly options?: ConnectOptions
}

/** The deployment target of a data folder that this process serves. The caller closes the folder. */
export async function servedTarget(served: ServedFolder): Promise<DeploymentTarget> {
	const { connectionString, tokensFile, origin, tenants, commandLine, options } = served
	const target = await targetOf({
		...folderParts({ connectionString, tokensFile, origin }),
		isAlone: false,
		close: async () => {},
		tenants,
		mayOnlyRead: true,
		...(options !== undefined && { options }),
	})
	return { ...target, commandLine }
}

type OpenTargetOptions = {
	readonly isFirst: boolean
	readonly say: (text: string) => void
	/** The words that start this program. */
	readonly program: string
	/** Whether an administrator who may not write is welcome too. */
	readonly mayOnlyRead?: boolean
}

async function partsOf(
	spec: TargetSpec,
	{ isFirst, say }: Pick<OpenTargetOptions, 'isFirst' | 'say'>,
): Promise<TargetParts> {
	if ('folder' in spec) return openFolder(spec.folder, isFirst)
	const waiting = isFirst ? newRoleRetries(say) : undefined
	if (!('resourceGroup' in spec)) return openDeployment({ ...spec, relayHost: unknownRelay }, waiting)
	const group = spec.resourceGroup
	const deployment = await findDeployment(group)
	const parts = await openDeployment(deployment, waiting)
	const { relayHost } = deployment
	if (relayHost === undefined) return parts
	return { ...parts, relayRules: relayRules({ group, relayHost }) }
}

/** Opens a deployment as the user who is signed in to `az`. */
async function openDeployment(
	{ tablesEndpoint, vaultUrl, appHost, relayHost }: Deployment,
	waiting?: RetryPolicy,
): Promise<TargetParts> {
	const { AzureCliCredential } = await import('@azure/identity')
	const credential = rememberTokens(new AzureCliCredential())
	const client: SecretClientOptions =
		waiting === undefined ? {} : { additionalPolicies: [{ policy: waiting.vault, position: 'perCall' }] }
	const connect = async () => new (await import('@azure/keyvault-secrets')).SecretClient(vaultUrl, credential, client)
	return {
		account: { endpoint: tablesEndpoint, credential },
		administrator: async () => administratorOf((await credential.getToken(storageScope))?.token ?? ''),
		...(waiting && { options: { intercept: waiting.tables } }),
		tokens: vaultTokens({ connect }),
		signingKeys: vaultSigningKeys({ connect }),
		origin: `https://${appHost}`,
		relay: relayHost === undefined ? noRelay : { namespace: relayHost },
		isAlone: false,
		close: async () => {},
	}
}

/** Tables ask for tokens with it. */
const storageScope = 'https://storage.azure.com/.default'

/** Opens a data folder and locks it, so that no other process uses it. */
async function openFolder(data: string, isMade: boolean): Promise<TargetParts> {
	const folder = resolve(data)
	if (!isMade && !existsSync(folder)) {
		throw new Failure(`there is no folder ${folder}`, {
			hint: 'give the data folder of npm start with --data, or a deployment with --resource-group',
		})
	}
	const { connectionString, close } = await startAzurite({ folder })
	const url = await lastUrl(folder)
	const tokensFile = join(folder, 'tokens.json')
	return {
		...folderParts({ connectionString, tokensFile, origin: url ?? defaultUrl }),
		portNote: portNoteOf(url),
		isAlone: true,
		close,
	}
}

const folderParts = ({
	connectionString,
	tokensFile,
	origin,
}: Pick<ServedFolder, 'connectionString' | 'tokensFile' | 'origin'>) => ({
	account: { connectionString },
	administrator: async () => localAdministrator(),
	tokens: fileTokens(tokensFile, Date.now),
	shownTokens: (tenant: string) => tokensIn(tokensFile, tenant, Date.now()),
	signingKeys: fileTokens(signingKeysFile(tokensFile), Date.now),
	origin,
	relay: { missing: 'npm start has no relay, so it answers requests to this tenant with 503.' },
})

/** Says nothing certain about the next start, which may name another port. */
const portNoteOf = (url: string | undefined): string =>
	url === undefined
		? '7071 is the default port of npm start. If you start it with --port, use that port in the Tenant URL.'
		: `npm start used ${url} last. If you start it with another port, use that port in the Tenant URL.`

const noRelay: TargetRelay = {
	missing:
		'this deployment names no relay, so requests to this tenant are answered with 503. List the tenant in relayTenants and deploy; see docs/relay.md.',
}

async function targetOf({
	account,
	administrator: administratorNow,
	options,
	tokens,
	signingKeys,
	origin,
	close,
	portNote,
	relay,
	relayRules: rules,
	shownTokens,
	isAlone,
	tenants: openedTenants,
	mayOnlyRead = false,
}: TargetParts): Promise<Omit<DeploymentTarget, 'commandLine'>> {
	const now = Date.now
	const ids = idGenerator(now, (digits) => randomBytes(digits).toString('hex').slice(0, digits))
	const tables = connectTables(account, options)
	const tenants = openedTenants ?? openTenants({ tables, ids, now, randomBytes })
	const canWrite = await createdOrReadable(tables, mayOnlyRead ? tenants : undefined).catch(async (error: unknown) => {
		await close()
		throw error
	})
	const opening = { tables, ids, now, random: Math.random }
	const indexes = indexWork(opening)
	const worker = ids('Operation')
	const directories = openDirectories(opening)
	const newEntry = async (command: string): Promise<AdministrationEntry> => {
		const { id: administrator, name } = await administratorNow()
		const time = new Date(now()).toISOString()
		return { id: ids('Operation'), time, command, administrator, name, outcome: 'begun' }
	}
	const removalsOf = (name: string) => tables.table(removalsTable, name)
	const openNow = async (known: Tenant, requestId?: string): Promise<OpenedNow> => {
		const tenant = (await tenants.getTenant(known.name)) ?? known
		refuseNewer(tenant)
		const { history } = settingsOf(tenant)
		const format = { feed: feedOf(tenant.format), writtenFormat: writtenFormat(tenant.format) }
		const actor: Actor = { client: 'rollcall', ...(requestId !== undefined && { requestId }) }
		const store = directories(tenant, { ...format, history, actor })
		return { store, types: typesOf(tenant) }
	}
	return {
		tenants,
		tokens,
		observed: ({ name, table }) => observedIn(tables.table(table, name)),
		forgetObserved: ({ name, table }, paths) => forgetObserved(tables.table(table, name), paths),
		signingKeys,
		clients: {
			list: ({ name, table }) => listClients(tables.table(table, name)),
			add: async ({ name, table }, client) => {
				// A tenant of mode relay has no other rows.
				await tables.createTable(table)
				await insertClient(tables.table(table, name), tables.pause, client)
			},
			update: ({ name, table }, change) => updateClient(tables.table(table, name), tables.pause, change),
		},
		administration: {
			async begin({ name, table }, command) {
				const entry = await newEntry(command)
				await storeAdministration(tables.table(table, name), tables.pause, entry)
				return entry
			},
			end: ({ name, table }, entry) => storeAdministration(tables.table(table, name), tables.pause, entry),
			list: ({ name, table }, since) =>
				listAdministration(tables.table(table, name), since === undefined ? '' : firstOperation(since)),
			async beginRemoval(name, command) {
				const entry = await newEntry(command)
				await tables.createTable(removalsTable)
				await storeAdministration(removalsOf(name), tables.pause, entry)
				return entry
			},
			endRemoval: (name, entry) => storeAdministration(removalsOf(name), tables.pause, entry),
			removals: (name) => listAdministration(removalsOf(name)),
		},
		agents: {
			read: async ({ name, table }) => readAgents(tables.table(table, name)),
			update: async ({ name, table }, revise) => updateAgents(tables.table(table, name), tables.pause, revise),
		},
		...(rules !== undefined && { relayRules: rules }),
		lastUses: ({ name, table }) => readLastUses(tables.table(table, name)),
		ledger: (tenant) => {
			const { history } = settingsOf(tenant)
			return openLedger({ tables, tenant, ids, now, random: Math.random, feed: feedOf(tenant.format), history })
		},
		lookup: (tenant) => {
			refuseNewer(tenant)
			const feed = feedOf(tenant.format)
			return openLookup({ tables, tenant, ids, now, random: Math.random, feed, types: typesOf(tenant) })
		},
		open: (tenant, requestId) => reopened(() => openNow(tenant, requestId)),
		urlOf: (name) => `${origin}/scim/${name}`,
		...(portNote !== undefined && { portNote }),
		...(shownTokens !== undefined && { shownTokens }),
		relay,
		isAlone,
		tryWriting: () => tables.createTable(tenantsTable),
		canWrite,
		async advanceIndexes(name) {
			const tenant = await tenants.getTenant(name)
			if (tenant === undefined) return 0
			return advanceIndexes({ tenants, ...indexes, worker, isAlone, now, until: now() + sayEvery }, tenant)
		},
		sharedValues: (tenant, index) => indexes.sharedValues(tenant, ownIndexOf(index)),
		close,
	}
}

/**
 * Creates the table of tenants: without it, a new account would look like a broken one. Answers false if the administrator
 * may only read it, if `tenants` are given to try that.
 */
async function createdOrReadable(tables: Tables, tenants: Tenants | undefined): Promise<boolean> {
	try {
		await tables.createTable(tenantsTable)
		return true
	} catch (error) {
		if (tenants === undefined || !isRefused(error) || !(await canRead(tenants))) throw error
		return false
	}
}

const canRead = (tenants: Tenants): Promise<boolean> =>
	tenants.listTenants().then(
		() => true,
		() => false,
	)

const isRefused = (error: unknown): boolean =>
	error instanceof Error && (/^the table service answered 403 /.test(error.message) || isRefused(error.cause))
