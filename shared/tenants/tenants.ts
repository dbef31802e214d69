import { createHash } from 'node:crypto'
import * as z from 'zod'
import { unknownNameAllowance } from '../limits/allowance.ts'
import type { IdGenerator } from '../scim/id.ts'
import type { OwnSchema } from '../scim/own-schema.ts'
import { insert, merge, type Properties, remove } from '../storage/table/batch.ts'
import { attempts, tableUnavailable, untilAnswered } from '../storage/table/retry.ts'
import { etagOf, type Row, type Table, type Tables } from '../storage/table/tables.ts'
import { type EntraConnection, entraConnectionOf } from './entra-connection.ts'
import { formatOf, formatProperties, formats, type TenantFormat } from './format.ts'
import {
	type IndexDefinition,
	type IndexDefinitions,
	indexesOf,
	indexProperties,
	requireKnownIndexes,
} from './index-definition.ts'
import { type StoredSchemas, schemaProperties, schemasOf, storedSchemas, storedSchemasIn } from './resource-types.ts'
import { type StoredSettings, settingsOfNew } from './settings.ts'

/** A provisioning target: `store` keeps its directory in the table named here, `relay` has a SCIM server of its own. */
export type Tenant = {
	readonly name: string
	readonly mode: 'store' | 'relay'
	readonly table: string
	/** As they are stored. `settingsOf` gives those that hold. */
	readonly settings: StoredSettings
	/** 32 random bytes in base64url: the key that signs the tenant's cursors. */
	readonly cursorKey: string
	/** RFC 3339, UTC. */
	readonly created: string
	readonly format: TenantFormat
	/** Whether clients may get access tokens for the tenant. */
	readonly hasClients?: true
	/** The provisioning job in Entra that `rollcall connect entra` has made. */
	readonly entra?: EntraConnection
	/** Until when the guard allows all deletions, in milliseconds since 1970. */
	readonly guardAllowedUntil?: number
	/** The schemas that the tenant declares, as they are stored: `typesOf` and `schemasOf` read them. */
	readonly schemas: StoredSchemas
	/** What `rollcall schema forget` has begun to remove. The sweep goes on with it. */
	readonly forgetting: readonly z.infer<typeof forgettingColumn>[]
	/** The indexes that the tenant has of its own. */
	readonly indexes: IndexDefinitions
}

/** A removal of an undeclared path, and how far it has come. */
const forgettingColumn = z.object({ path: z.string(), position: z.string() })

export type Tenants = {
	/**
	 * A tenant, at most a minute old; so is its absence.
	 *
	 * Names that are not in use are looked up one by one 60 times a minute. Beyond that a name is looked up in a list of all
	 * tenants, which is read at most once in 30 seconds. A flood of made-up names therefore costs no requests and pushes no
	 * tenant out of the cache.
	 *
	 * @throws ScimError 503 if storage cannot be read
	 */
	getTenant(name: string): Promise<Tenant | undefined>

	/**
	 * Creates a tenant and its table, and the table of tenants if it is missing. A setting that is not in the draft gets the
	 * value that new tenants have.
	 */
	createTenant(draft: Pick<Tenant, 'name' | 'mode' | 'settings'>): Promise<Tenant | 'exists'>

	/** All tenants by name, as they are stored now. */
	listTenants(): Promise<readonly Tenant[]>

	/** Gives a tenant other settings; `revise` is called again if another process came first. */
	updateSettings(name: string, revise: (settings: StoredSettings) => StoredSettings): Promise<Tenant | 'absent'>

	/** Lets the guard allow all deletions until a time, in milliseconds since 1970. All apps follow within a minute. */
	allowDeletions(name: string, until: number): Promise<Tenant | 'absent'>

	/** Remembers what connects a tenant with Entra; undefined forgets it. */
	updateEntra(name: string, connection: EntraConnection | undefined): Promise<'done' | 'absent'>

	/**
	 * Gives a tenant other schemas; `revise` is called again if another process came first. All apps follow within a minute.
	 *
	 * @throws ScimError 400 `invalidValue` for schemas that exceed a limit together
	 */
	updateSchemas(
		name: string,
		revise: (schemas: readonly OwnSchema[]) => readonly OwnSchema[],
	): Promise<Tenant | 'absent'>

	/**
	 * Declares schemas and changes the indexes in one write, so that a tenant has both or none of it. `revise` is called again
	 * if another process came first.
	 *
	 * @throws ScimError 400 `invalidValue` for schemas that exceed a limit together, 503 for indexes of a newer version
	 */
	updateDeclarations(name: string, revise: (now: TenantDeclarations) => TenantDeclarations): Promise<Tenant | 'absent'>

	/** Notes removals of undeclared paths; `revise` is called again if another process came first. */
	updateForgetting(
		name: string,
		revise: (forgetting: Tenant['forgetting']) => Tenant['forgetting'],
	): Promise<Tenant | 'absent'>

	/**
	 * Gives a tenant another format if `revise` answers one; `revise` is called again if another process came first.
	 * Answers the format that the tenant has then.
	 */
	updateFormat(
		name: string,
		revise: (format: TenantFormat) => TenantFormat | undefined,
	): Promise<TenantFormat | 'absent'>

	/** Notes whether clients may get access tokens for a tenant. */
	noteClients(name: string, hasClients: boolean): Promise<void>

	/**
	 * Gives a tenant other indexes if `revise` answers some; `revise` is called again if another process came first. Answers
	 * the tenant as it is then.
	 *
	 * @param revise is not called if this version cannot read the indexes
	 */
	updateIndexes(
		name: string,
		revise: (indexes: readonly IndexDefinition[], tenant: Tenant) => readonly IndexDefinition[] | undefined,
	): Promise<Tenant | 'absent'>

	/**
	 * Deletes a tenant and its table. The row goes last, so that a deletion that failed can be done again.
	 *
	 * For a minute, other processes may still serve the tenant.
	 */
	deleteTenant(name: string): Promise<'deleted' | 'absent'>
}

/** What a tenant declares: its schemas, and the indexes on attributes of users. */
export type TenantDeclarations = {
	readonly schemas: readonly OwnSchema[]
	readonly indexes: readonly IndexDefinition[]
}

export type TenantsOptions = {
	readonly tables: Tables
	readonly ids: IdGenerator
	readonly now: () => number
	readonly randomBytes: (size: number) => Buffer
}

/** Words that stand in the place of a tenant's name, or may do so in future, or that a reader would take for an endpoint. */
const reserved: ReadonlySet<string> = new Set(
	'admin api health oauth2 runtime scim v1 v2 users groups me bulk schemas resourcetypes serviceproviderconfig'.split(
		' ',
	),
)

/** The text if it may be the name of a tenant: lower-case letters and digits, with single hyphens between them. */
export const parseTenantName = (text: string): string | undefined =>
	/^[a-z0-9](-?[a-z0-9]){1,38}$/.test(text) && !reserved.has(text) ? text : undefined

/** The table of all tenants. */
export const tenantsTable = 'tenants'
const cacheFor = 60_000
const cacheSize = 10_000
const listFor = 30_000

/** The properties to write, or none, and what the caller gets. */
type RowChange<T> = { readonly properties?: Properties; readonly answer: T }

type CachedTenant = { readonly until: number; readonly tenant: Tenant }

/** The rows of all tenants by name, as they were at the time `asOf`. */
type TenantList = { readonly asOf: number; readonly rows: Promise<ReadonlyMap<string, Row>> }

/** The tenants of a storage account. */
export function openTenants({ tables, ids, now, randomBytes }: TenantsOptions): Tenants {
	const cache = new Map<string, CachedTenant>()
	/** The names that were looked up one by one and are not in use, in the order of the times at which that is forgotten. */
	const absences = new Map<string, number>()
	const reading = new Map<string, Promise<Tenant | undefined>>()
	const isWithinAllowance = unknownNameAllowance(now)
	let list: TenantList = { asOf: Number.NEGATIVE_INFINITY, rows: Promise.resolve(new Map()) }

	const read = async (name: string): Promise<Tenant | undefined> => {
		const row = await partitionOf(tables, name).get(name)
		return row === undefined ? undefined : tenantOf(row)
	}

	const remember = (tenant: Tenant, asOf: number): void => {
		cache.delete(tenant.name)
		for (const [oldest] of cache) {
			if (cache.size < cacheSize) break
			cache.delete(oldest)
		}
		cache.set(tenant.name, { until: asOf + cacheFor, tenant })
		absences.delete(tenant.name)
	}

	const rememberAbsence = (name: string, asOf: number): void => {
		cache.delete(name)
		for (const [first, until] of absences) {
			if (now() < until) break
			absences.delete(first)
		}
		absences.delete(name)
		absences.set(name, asOf + cacheFor)
	}

	const forget = (name: string): void => {
		cache.delete(name)
		reading.delete(name)
	}

	/** Reads a tenant once for all requests that wait for it. */
	const readOnce = (name: string): Promise<Tenant | undefined> => {
		const asOf = now()
		const started =
			reading.get(name) ??
			read(name)
				.then((tenant) => {
					// A change of the tenant in the meantime has made the answer too old to remember.
					if (reading.get(name) !== started) return tenant
					if (tenant === undefined) rememberAbsence(name, asOf)
					else remember(tenant, asOf)
					return tenant
				})
				.finally(() => {
					if (reading.get(name) === started) reading.delete(name)
				})
		reading.set(name, started)
		return started
	}

	/**
	 * Changes the row of a tenant; `change` is called again if another process came first. If no answer came, the next look
	 * at the row tells whether it was done: the same change made twice changes nothing.
	 */
	const update = <T>(name: string, change: (row: Row) => RowChange<T>): Promise<T | 'absent'> => {
		const table = partitionOf(tables, name)
		forget(name)
		return untilAnswered(tables.pause, async () => {
			const row = await table.get(name)
			if (row === undefined) return 'absent'
			const { properties, answer } = change(row)
			if (properties === undefined) return answer
			const outcome = await table.transaction([merge(name, properties, etagOf(row))])
			return outcome.kind === 'done' ? answer : undefined
		})
	}

	const readList = async () => {
		const rows = new Map<string, Row>()
		for await (const page of tables.everyRow(tenantsTable)) for (const row of page) rows.set(row.RowKey, row)
		return rows
	}

	const findInList = async (name: string): Promise<Tenant | undefined> => {
		if (now() >= list.asOf + listFor) list = { asOf: now(), rows: readList() }
		const { asOf, rows } = list
		const row = (await rows).get(name)
		if (row === undefined) return undefined
		const tenant = tenantOf(row)
		remember(tenant, asOf)
		return tenant
	}

	return {
		async getTenant(name) {
			if (parseTenantName(name) === undefined) return undefined
			const known = cache.get(name)
			if (known !== undefined && now() < known.until) return known.tenant
			if (now() < (absences.get(name) ?? 0)) return undefined
			const isUnknownName = known === undefined && !reading.has(name)
			return isUnknownName && !isWithinAllowance() ? findInList(name) : readOnce(name)
		},

		async createTenant({ name, mode, settings }) {
			if (parseTenantName(name) === undefined) throw new TypeError(`${name} cannot be the name of a tenant`)
			await tables.createTable(tenantsTable)
			if ((await read(name)) !== undefined) return 'exists'
			const tenant: Tenant = {
				name,
				mode,
				table: `t${ids('Operation')}`,
				settings: { ...settingsOfNew(mode), ...settings },
				cursorKey: randomBytes(32).toString('base64url'),
				created: new Date(now()).toISOString(),
				format: { number: formats.target, stage: 'complete', since: 0, position: '' },
				schemas: [],
				forgetting: [],
				indexes: [],
			}
			await tables.createTable(tenant.table)
			const outcome = await insertOnce(tables, tenant)
			if (outcome === 'exists') return outcome
			remember(tenant, now())
			return tenant
		},

		async listTenants() {
			const tenants: Tenant[] = []
			for await (const rows of tables.everyRow(tenantsTable)) tenants.push(...rows.map(tenantOf))
			return tenants.sort((a, b) => (a.name < b.name ? -1 : 1))
		},

		updateSettings: (name, revise) =>
			update(name, (row) => {
				const tenant = tenantOf(row)
				const settings = revise(tenant.settings)
				return { properties: { settings: JSON.stringify(settings) }, answer: { ...tenant, settings } }
			}),

		allowDeletions: (name, guardAllowedUntil) =>
			update(name, (row) => ({
				properties: { guardAllowedUntil: new Date(guardAllowedUntil).toISOString() },
				answer: { ...tenantOf(row), guardAllowedUntil },
			})),

		async updateEntra(name, connection) {
			const table = partitionOf(tables, name)
			forget(name)
			return untilAnswered(tables.pause, async () => {
				const entra = connection === undefined ? '' : JSON.stringify(connection)
				const outcome = await table.transaction([merge(name, { entra }, '*')])
				if (outcome.kind === 'missing') return 'absent'
				return outcome.kind === 'done' ? 'done' : undefined
			})
		},

		updateSchemas: (name, revise) =>
			update(name, (row) => {
				const tenant = tenantOf(row)
				const schemas = revise(schemasOf(tenant))
				return { properties: schemaProperties(schemas), answer: { ...tenant, schemas: storedSchemas(schemas) } }
			}),

		updateDeclarations: (name, revise) =>
			update(name, (row) => {
				const tenant = tenantOf(row)
				const { indexes: known } = tenant
				requireKnownIndexes(known)
				const { schemas, indexes } = revise({ schemas: schemasOf(tenant), indexes: known })
				return {
					properties: { ...schemaProperties(schemas), ...indexProperties(indexes) },
					answer: { ...tenant, schemas: storedSchemas(schemas), indexes },
				}
			}),

		updateForgetting: (name, revise) =>
			update(name, (row) => {
				const tenant = tenantOf(row)
				const forgetting = revise(tenant.forgetting)
				return { properties: { forgetting: JSON.stringify(forgetting) }, answer: { ...tenant, forgetting } }
			}),

		updateFormat: (name, revise) =>
			update(name, (row) => {
				const current = formatOf(row)
				const format = revise(current)
				if (format === undefined) return { answer: current }
				return { properties: formatProperties(format, directoryIn(row)), answer: format }
			}),

		async noteClients(name, hasClients) {
			const table = partitionOf(tables, name)
			forget(name)
			await untilAnswered(tables.pause, async () => {
				const outcome = await table.transaction([merge(name, { clients: hasClients })])
				return outcome.kind === 'unknown' ? undefined : true
			})
		},

		updateIndexes: (name, revise) =>
			update(name, (row) => {
				const tenant = tenantOf(row)
				const indexes = tenant.indexes === 'unknown' ? undefined : revise(tenant.indexes, tenant)
				if (indexes === undefined) return { answer: tenant }
				return { properties: indexProperties(indexes), answer: { ...tenant, indexes } }
			}),

		async deleteTenant(name) {
			const tenant = await read(name)
			forget(name)
			if (tenant === undefined) return 'absent'
			await tables.deleteTable(tenant.table)
			const table = partitionOf(tables, name)
			return untilAnswered(tables.pause, async () => {
				const outcome = await table.transaction([remove(name)])
				return outcome.kind === 'done' || outcome.kind === 'missing' ? 'deleted' : undefined
			})
		},
	}
}

/** The tenants are spread over partitions, since all requests of all tenants read this table. */
const partitionOf = (tables: Tables, name: string): Table =>
	tables.table(tenantsTable, createHash('sha256').update(name).digest('hex').slice(0, 2))

async function insertOnce(tables: Tables, tenant: Tenant): Promise<'done' | 'exists'> {
	const table = partitionOf(tables, tenant.name)
	const { name, mode, cursorKey, created, format, settings } = tenant
	const properties = { mode, cursorKey, created, ...formatProperties(format, tenant.table) }
	const operation = insert(name, { ...properties, settings: JSON.stringify(settings) })
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction([operation])
		if (outcome.kind === 'done') return 'done'
		if (outcome.kind !== 'unknown') {
			// An earlier attempt may have been done without an answer.
			const row = await table.get(name)
			return row && directoryIn(row) === tenant.table ? 'done' : 'exists'
		}
		if (attempt === attempts.outage) throw tableUnavailable(outcome.cause)
		await tables.pause(attempt)
	}
}

const tenantRow = z.object({
	RowKey: z.string(),
	mode: z.enum(['store', 'relay']),
	table: z.string(),
	/** The table of the directory from format 2 on: `formatProperties`. */
	directory: z.string().optional(),
	settings: z.string(),
	cursorKey: z.string(),
	created: z.string(),
	clients: z.boolean().default(false),
	entra: z.string().optional(),
})

/** As far as it can be read of a row whose format may have other properties: enough to refuse the tenant, and to list it. */
const newerRow = tenantRow.extend({
	mode: tenantRow.shape.mode.catch('store'),
	table: z.string().catch(''),
	directory: z.string().optional().catch(undefined),
	cursorKey: z.string().catch(''),
	created: z.string().catch(''),
	settings: z.unknown().transform(() => '{}'),
	entra: z.undefined().catch(undefined),
})

function tenantOf(row: Row): Tenant {
	const format = formatOf(row)
	const columns = format.number > formats.newest ? newerRow : tenantRow
	const { RowKey, settings, clients, entra = '', table, directory = table, ...properties } = columns.parse(row)
	const connection = entraConnectionOf(entra)
	const guardAllowedUntil = timeIn(row.guardAllowedUntil)
	return {
		name: RowKey,
		...properties,
		table: directory,
		settings: z.record(z.string(), z.unknown()).parse(JSON.parse(settings)),
		format,
		...(clients && { hasClients: true }),
		...(guardAllowedUntil > 0 && { guardAllowedUntil }),
		...(connection !== undefined && { entra: connection }),
		schemas: storedSchemasIn(row),
		forgetting: forgettingIn(row),
		indexes: indexesOf(row),
	}
}

/** Milliseconds since 1970; 0 if the property has no time. The guard then goes on as without it. */
const timeIn = (value: unknown): number => (typeof value === 'string' && Date.parse(value)) || 0

/** The table of a tenant's directory; an empty text if a damaged row names none. */
function directoryIn({ table, directory = table }: Row): string {
	return typeof directory === 'string' ? directory : ''
}

/** A damaged list stops no request: its removals are begun again by the command. */
function forgettingIn({ forgetting }: Row): Tenant['forgetting'] {
	if (typeof forgetting !== 'string') return []
	try {
		return z.array(forgettingColumn).parse(JSON.parse(forgetting))
	} catch {
		return []
	}
}
