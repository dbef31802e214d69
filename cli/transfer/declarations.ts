import { isDeepStrictEqual } from 'node:util'
import { ScimError } from '../../shared/scim/error.ts'
import { printAttributePath } from '../../shared/scim/filter/print.ts'
import { type OwnSchema, parseOwnSchemas } from '../../shared/scim/own-schema.ts'
import { parseAttributePath } from '../../shared/scim/path.ts'
import { sameUrn } from '../../shared/scim/resource-type.ts'
import { indexSubject } from '../../shared/storage/rows/indexable.ts'
import type { IndexDefinition } from '../../shared/tenants/index-definition.ts'
import { schemasOf, typesOf } from '../../shared/tenants/resource-types.ts'
import { type StoredSettings, settingsProblem } from '../../shared/tenants/settings.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { Failure } from '../failure.ts'
import { define } from '../index-commands.ts'
import type { DeploymentTarget } from '../target.ts'
import type { ExportRecord } from './records.ts'

/** What the first line of an export says of the tenant itself. An export of version 0.1.0 says nothing of it. */
export const declarationsOf = (tenant: Tenant) => ({
	settings: tenant.settings,
	...(tenant.schemas.length > 0 && { schemas: [...schemasOf(tenant)] }),
	...(stayingIndexes(tenant).length > 0 && {
		indexes: stayingIndexes(tenant).map(({ path, isUnique }) => ({ path: textOf(path), unique: isUnique })),
	}),
})

const stayingIndexes = ({ indexes }: Tenant): readonly IndexDefinition[] =>
	indexes === 'unknown' ? [] : indexes.filter(({ stage }) => stage !== 'leaving' && stage !== 'removing')

const textOf = ({ uri, name, sub }: IndexDefinition['path']): string =>
	printAttributePath({ name, ...(uri !== undefined && { uri }), ...(sub !== undefined && { sub }) })

export type ImportedDeclarations = {
	/** The tenant as it is now. */
	readonly tenant: Tenant
	/** What has changed, in sentences. */
	readonly notes: readonly string[]
	readonly conflicts: readonly { readonly what: string; readonly detail: string }[]
}

type ExportLineOfTenant = Extract<ExportRecord, { type: 'Export' }>

/**
 * Gives a tenant the settings, the schemas and the indexes of an export. A schema that the tenant declares otherwise stays as it is, and
 * is a conflict.
 *
 * @throws Failure for settings and schemas that this version does not know
 */
export async function importDeclarations(
	target: DeploymentTarget,
	tenant: Tenant,
	{ settings, schemas = [], indexes = [] }: ExportLineOfTenant,
): Promise<ImportedDeclarations> {
	const declared = readSchemas(schemas)
	const set = settings === undefined ? undefined : await setSettings(target, tenant, settings)
	const known = schemasOf(tenant)
	const isKnown = ({ id }: OwnSchema) => known.some((schema) => sameUrn(schema.id, id))
	const missing = declared.filter((schema) => !isKnown(schema))
	const changed = missing.length === 0 ? undefined : await declare(target, tenant, missing)
	const declaredTenant = changed ?? set ?? tenant
	const added = indexes.filter(({ path }) => !stayingIndexes(tenant).some((known) => textOf(known.path) === path))
	for (const index of added) await addIndexOf(target, declaredTenant, index)
	return {
		tenant: added.length === 0 ? declaredTenant : ((await target.tenants.getTenant(tenant.name)) ?? declaredTenant),
		notes: [
			...(set === undefined ? [] : ['The settings are now those of the export.']),
			...missing.map(({ id }) => `Declared ${id}.`),
			...added.map(({ path }) => `Added the index of ${path}: the app fills it.`),
		],
		conflicts: declared
			.filter((schema) =>
				known.some((each) => sameUrn(each.id, schema.id) && !isDeepStrictEqual(plain(each), plain(schema))),
			)
			.map(({ id }) => ({ what: `Schema ${id}`, detail: 'the tenant declares it in another way' })),
	}
}

type ExportedIndex = NonNullable<ExportLineOfTenant['indexes']>[number]

/** The import fills the index as far as it creates users; the sweep of the app goes through all users all the same. */
async function addIndexOf(target: DeploymentTarget, tenant: Tenant, { path, unique }: ExportedIndex): Promise<void> {
	const subject = indexSubject(typesOf(tenant).User, parseAttributePath(path), unique)
	if (typeof subject === 'string')
		throw new Failure(`the index in the first line cannot be added: ${subject}`, { hint })
	await define(target, tenant, { ...subject, isUnique: unique })
}

const plain = (schema: OwnSchema): unknown => JSON.parse(JSON.stringify(schema))

const hint = 'the export was written by another version of rollcall, or by hand: correct its first line'

function readSchemas(schemas: readonly unknown[]): readonly OwnSchema[] {
	try {
		return parseOwnSchemas(schemas)
	} catch (cause) {
		if (!(cause instanceof ScimError)) throw cause
		throw new Failure(`the schemas in the first line cannot be read: ${cause.message}`, { hint, cause })
	}
}

async function setSettings(
	target: DeploymentTarget,
	tenant: Tenant,
	settings: StoredSettings,
): Promise<Tenant | undefined> {
	if (isDeepStrictEqual(settings, tenant.settings)) return undefined
	const problem = settingsProblem({ mode: tenant.mode, settings })
	if (problem !== undefined) throw new Failure(problem, { hint })
	return present(tenant, await target.tenants.updateSettings(tenant.name, () => settings))
}

const declare = async (target: DeploymentTarget, tenant: Tenant, missing: readonly OwnSchema[]): Promise<Tenant> =>
	present(tenant, await target.tenants.updateSchemas(tenant.name, (schemas) => [...schemas, ...missing]))

function present({ name }: Tenant, tenant: Tenant | 'absent'): Tenant {
	if (tenant !== 'absent') return tenant
	throw new Failure(`the tenant ${name} was removed during the import`, {
		hint: 'add it again, and import the file again',
	})
}
