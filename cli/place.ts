import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { startAzurite } from '../local/azurite.ts'
import { idGenerator } from '../shared/scim/id.ts'
import type { ResourceStore } from '../shared/storage/resource-store.ts'
import { openDirectory } from '../shared/storage/table-store.ts'
import { type Account, connectTables } from '../shared/storage/tables.ts'
import { openTenants, type Tenant, type Tenants, tenantsTable } from '../shared/storage/tenants.ts'
import { Failure } from './failure.ts'
import { fileTokens } from './file-tokens.ts'
import type { TokenStore } from './token-store.ts'

/** Where tenants are: a deployment in Azure, or the data folder of `npm start`. */
export type Place = {
	readonly tenants: Tenants
	readonly tokens: TokenStore
	/** The directory of a tenant. */
	open(tenant: Tenant): ResourceStore
	/** The Tenant URL. */
	urlOf(name: string): string
	close(): Promise<void>
}

type Parts = Pick<Place, 'tokens' | 'close'> & { readonly account: Account; readonly origin: string }

/** Opens a data folder, which nothing else uses meanwhile. */
export async function openFolder(data: string, { isMade }: { readonly isMade: boolean }): Promise<Place> {
	const folder = resolve(data)
	if (!isMade && !existsSync(folder)) {
		throw new Failure(`there is no folder ${folder}`, {
			hint: 'name the one that npm start uses with --data, or a deployment with --resource-group',
		})
	}
	const { connectionString, close } = await startAzurite({ folder })
	const parts: Parts = {
		account: { connectionString },
		tokens: fileTokens(join(folder, 'tokens.json'), Date.now),
		origin: 'http://127.0.0.1:7071',
		close,
	}
	return placeOf(parts)
}

async function placeOf({ account, tokens, origin, close }: Parts): Promise<Place> {
	const now = Date.now
	const ids = idGenerator(now, (digits) => randomBytes(digits).toString('hex').slice(0, digits))
	const tables = connectTables(account)
	try {
		// So that an account without tenants has none, and is not one that is broken.
		await tables.createTable(tenantsTable)
	} catch (error) {
		await close()
		throw error
	}
	return {
		tenants: openTenants({ tables, ids, now, randomBytes }),
		tokens,
		open: (tenant) => openDirectory({ tables, tenant, ids, now, random: Math.random }),
		urlOf: (name) => `${origin}/scim/${name}`,
		close,
	}
}
