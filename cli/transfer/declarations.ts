import { isDeepStrictEqual } from 'node:util'
import { ScimError } from '../../shared/scim/error.ts'
import { type OwnSchema, parseOwnSchemas } from '../../shared/scim/own-schema.ts'
import { sameUrn } from '../../shared/scim/resource-type.ts'
import { schemasOf } from '../../shared/tenants/resource-types.ts'
import { type StoredSettings, settingsProblem } from '../../shared/tenants/settings.ts'
import type { Tenant } from '../../shared/tenants/tenants.ts'
import { Failure } from '../failure.ts'
import type { DeploymentTarget } from '../target.ts'
import type { ExportRecord } from './records.ts'

/** What the first line of an export says of the tenant itself. An export of version 0.1.0 says nothing of it. */
export const declarationsOf = (tenant: Tenant) => ({
	settings: tenant.settings,
	...(tenant.schemas.length > 0 && { schemas: [...schemasOf(tenant)] }),
})

export type ImportedDeclarations = {
	/** The tenant as it is now. */
	readonly tenant: Tenant
	/** What has changed, in sentences. */
	readonly notes: readonly string[]
	readonly conflicts: readonly { readonly what: string; readonly detail: string }[]
}

type ExportLineOfTenant = Extract<ExportRecord, { type: 'Export' }>

/**
 * Gives a tenant the settings and the schemas of an export. A schema that the tenant declares otherwise stays as it is, and
 * is a conflict.
 *
 * @throws Failure for settings and schemas that this version does not know
 */
export async function importDeclarations(
	target: DeploymentTarget,
	tenant: Tenant,
	{ settings, schemas = [] }: ExportLineOfTenant,
): Promise<ImportedDeclarations> {
	const declared = readSchemas(schemas)
	const set = settings === undefined ? undefined : await setSettings(target, tenant, settings)
	const known = schemasOf(tenant)
	const isKnown = ({ id }: OwnSchema) => known.some((schema) => sameUrn(schema.id, id))
	const missing = declared.filter((schema) => !isKnown(schema))
	const changed = missing.length === 0 ? undefined : await declare(target, tenant, missing)
	return {
		tenant: changed ?? set ?? tenant,
		notes: [
			...(set === undefined ? [] : ['The settings are now those of the export.']),
			...missing.map(({ id }) => `Declared ${id}.`),
		],
		conflicts: declared
			.filter((schema) =>
				known.some((each) => sameUrn(each.id, schema.id) && !isDeepStrictEqual(plain(each), plain(schema))),
			)
			.map(({ id }) => ({ what: `Schema ${id}`, detail: 'the tenant declares it in another way' })),
	}
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
