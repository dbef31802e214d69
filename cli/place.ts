import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { SecretClientOptions } from '@azure/keyvault-secrets'
import { startAzurite } from '../local/azurite.ts'
import { idGenerator } from '../shared/scim/id.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import { type Account, type ConnectOptions, connectTables } from '../shared/storage/table/tables.ts'
import { openDirectory } from '../shared/storage/table-store.ts'
import { openTenants, type Tenant, type Tenants, tenantsTable } from '../shared/tenants/tenants.ts'
import { type Deployment, findDeployment } from './azure.ts'
import { Failure } from './failure.ts'
import { fileTokens } from './file-tokens.ts'
import { checked, refuseUnknownFormat } from './known-format.ts'
import { type Patience, patience } from './patience.ts'
import { shellWord } from './program.ts'
import type { TokenStore } from './token-store.ts'
import { vaultTokens } from './vault-tokens.ts'
import { type Where, whereTyped } from './where.ts'

/** Where tenants are: a deployment in Azure, or the data folder of `npm start`. */
export type Place = {
	readonly tenants: Tenants
	readonly tokens: TokenStore
	/** The directory of a tenant. */
	open(tenant: Pick<Tenant, 'name' | 'table'>): ResourceStore
	/** The Tenant URL. */
	urlOf(name: string): string
	/** What has to be typed for another command to work here, such as `token list acme`. */
	typed(command: string): string
	close(): Promise<void>
}

type Parts = Pick<Place, 'tokens' | 'close'> & {
	readonly account: Account
	readonly options?: ConnectOptions
	readonly origin: string
}

/**
 * Opens the place where a command works. What may be the first command there makes a data folder that is missing, and
 * waits for a role that is new, of which it tells `say`.
 */
export async function openPlace(where: Where, { isFirst, say, program }: Opening): Promise<Place> {
	const parts = await partsOf(where, { isFirst, say })
	const typed = (command: string) => [program, command, ...whereTyped(where).map(shellWord)].join(' ')
	return { ...(await placeOf(parts)), typed }
}

type Opening = {
	readonly isFirst: boolean
	readonly say: (text: string) => void
	/** What starts this program. */
	readonly program: string
}

async function partsOf(where: Where, { isFirst, say }: Pick<Opening, 'isFirst' | 'say'>): Promise<Parts> {
	if ('folder' in where) return openFolder(where.folder, isFirst)
	const deployment = 'resourceGroup' in where ? await findDeployment(where.resourceGroup) : where
	return openDeployment(deployment, isFirst ? patience(say) : undefined)
}

/** A deployment, as whoever is signed in to `az`. */
async function openDeployment({ tablesEndpoint, vaultUrl, appHost }: Deployment, waiting?: Patience): Promise<Parts> {
	const { AzureCliCredential } = await import('@azure/identity')
	const credential = new AzureCliCredential()
	const client: SecretClientOptions =
		waiting === undefined ? {} : { additionalPolicies: [{ policy: waiting.vault, position: 'perCall' }] }
	return {
		account: { endpoint: tablesEndpoint, credential },
		...(waiting && { options: { intercept: waiting.tables } }),
		tokens: vaultTokens({
			connect: async () => new (await import('@azure/keyvault-secrets')).SecretClient(vaultUrl, credential, client),
		}),
		origin: `https://${appHost}`,
		close: async () => {},
	}
}

/** A data folder, which nothing else uses meanwhile. */
async function openFolder(data: string, isMade: boolean): Promise<Parts> {
	const folder = resolve(data)
	if (!isMade && !existsSync(folder)) {
		throw new Failure(`there is no folder ${folder}`, {
			hint: 'name the one that npm start uses with --data, or a deployment with --resource-group',
		})
	}
	const { connectionString, close } = await startAzurite({ folder })
	return {
		account: { connectionString },
		tokens: fileTokens(join(folder, 'tokens.json'), Date.now),
		origin: 'http://127.0.0.1:7071',
		close,
	}
}

async function placeOf({ account, options, tokens, origin, close }: Parts): Promise<Omit<Place, 'typed'>> {
	const now = Date.now
	const ids = idGenerator(now, (digits) => randomBytes(digits).toString('hex').slice(0, digits))
	const tables = connectTables(account, options)
	try {
		// So that an account without tenants has none, and is not one that is broken.
		await tables.createTable(tenantsTable)
	} catch (error) {
		await close()
		throw error
	}
	const tenants = openTenants({ tables, ids, now, randomBytes })
	const checkFormat = async (name: string): Promise<void> => {
		const tenant = await tenants.getTenant(name)
		if (tenant !== undefined) refuseUnknownFormat(tenant)
	}
	return {
		tenants,
		tokens,
		open: (tenant) =>
			checked(openDirectory({ tables, tenant, ids, now, random: Math.random }), () => checkFormat(tenant.name)),
		urlOf: (name) => `${origin}/scim/${name}`,
		close,
	}
}
