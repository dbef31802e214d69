import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { unavailable } from '../scim/error.ts'
import {
	keepingUndeclared,
	type OwnSchema,
	parseOwnSchemas,
	requireTogether,
	typesWith,
	withoutUniqueness,
} from '../scim/own-schema.ts'
import type { ResourceTypes } from '../scim/resource-type.ts'
import type { UndeclaredRule } from '../scim/undeclared-names.ts'
import { withGroupsByDefault } from '../scim/user-groups.ts'
import type { Properties } from '../storage/table/batch.ts'
import type { Row } from '../storage/table/tables.ts'
import { type IndexDefinitions, withIndexes } from './index-definition.ts'
import { type SettingsHolder, settingsOf } from './settings.ts'

// The schemas that a tenant declares are in the tenant's row. Each app keeps the row for a minute: so a declaration takes
// effect within a minute, and costs no request to storage. The documents are JSON, deflated, and cut into the binary
// properties `schemas0`, `schemas1`, …; `schemaParts` says how many count. A property holds 64 KiB.

/** The documents as the row holds them: base64 of their parts, in order; empty without a schema of the tenant's own. */
export type StoredSchemas = readonly string[]

/** A tenant, as far as its resource types go. */
type TypesHolder = SettingsHolder & { readonly schemas: StoredSchemas; readonly indexes: IndexDefinitions }

const partSize = 65_536
/** JSON takes less than a mebibyte, so that a damaged row cannot fill the memory. */
const maxJsonBytes = 2 ** 20

/**
 * The properties of a tenant's row that hold schemas.
 *
 * @throws ScimError 400 `invalidValue` for schemas that exceed a limit together
 */
export function schemaProperties(schemas: readonly OwnSchema[]): Properties {
	requireTogether(schemas)
	const stored = schemas.map(withoutUniqueness)
	const bytes = stored.length === 0 ? Buffer.alloc(0) : deflateRawSync(JSON.stringify(stored))
	const parts: Record<string, Buffer> = {}
	for (let start = 0; start < bytes.length; start += partSize) {
		parts[`schemas${start / partSize}`] = bytes.subarray(start, start + partSize)
	}
	return { schemaParts: Object.keys(parts).length, ...parts }
}

/** The schemas in a tenant's row as they are stored. Parts of earlier, longer ones are left out. */
export const storedSchemasIn = (row: Row): StoredSchemas =>
	Array.from({ length: typeof row.schemaParts === 'number' ? row.schemaParts : 0 }, (_, part) =>
		String(row[`schemas${part}`] ?? ''),
	)

/** The same form as in a row, for a tenant whose schemas have just been written. */
export const storedSchemas = (schemas: readonly OwnSchema[]): StoredSchemas => {
	const { schemaParts, ...parts } = schemaProperties(schemas)
	return Object.values(parts).map((part) => Buffer.from(part as Buffer).toString('base64')) // sound: all parts are binary
}

type CompiledSchemas = { readonly schemas: readonly OwnSchema[]; readonly types: ResourceTypes }

/** Compiled once for each time that the row is read. */
const compiled = new WeakMap<TypesHolder, CompiledSchemas>()

/**
 * The resource types of a tenant, with the tenant's own schemas and indexes.
 *
 * @throws ScimError 503 if the stored schemas are damaged
 */
export const typesOf = (tenant: TypesHolder): ResourceTypes => compiledOf(tenant).types

/** The schemas that a tenant declares. @throws ScimError 503 if the stored schemas are damaged */
export const schemasOf = (tenant: TypesHolder): readonly OwnSchema[] => compiledOf(tenant).schemas

/** What a tenant does with attributes that no schema declares. Behind a relay, its SCIM server decides. */
export function ruleOf(tenant: SettingsHolder): UndeclaredRule {
	if (tenant.mode === 'relay') return 'ignore'
	const { dialect, unknownAttributes } = settingsOf(tenant)
	return dialect === 'strict' ? 'reject' : unknownAttributes
}

function compiledOf(tenant: TypesHolder): CompiledSchemas {
	const known = compiled.get(tenant) ?? compile(tenant)
	compiled.set(tenant, known)
	return known
}

function compile(tenant: TypesHolder): CompiledSchemas {
	const schemas = tenant.schemas.length === 0 ? [] : read(tenant.schemas)
	const { User, Group } = typesWith(schemas)
	const indexed = { User: withIndexes(User, tenant.indexes), Group }
	const types = ruleOf(tenant) === 'keep' ? keepingUndeclared(indexed) : indexed
	return { schemas, types: hasGroupsByDefault(tenant) ? { ...types, User: withGroupsByDefault(types.User) } : types }
}

const hasGroupsByDefault = (tenant: SettingsHolder): boolean =>
	tenant.mode === 'store' && settingsOf(tenant).userGroups === 'default'

function read(stored: StoredSchemas): readonly OwnSchema[] {
	try {
		const bytes = Buffer.concat(stored.map((part) => Buffer.from(part, 'base64')))
		return parseOwnSchemas(JSON.parse(inflateRawSync(bytes, { maxOutputLength: maxJsonBytes }).toString('utf8')))
	} catch (cause) {
		throw unavailable(damaged, 60, cause)
	}
}

const damaged =
	'This version of Rollcall cannot read the schemas of this tenant. Deploy the version that wrote them, or declare them again with rollcall schema add.'
