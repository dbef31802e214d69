import { fileReason } from '../shared/cli/file-reason.ts'
import { ScimError } from '../shared/scim/error.ts'
import {
	type OwnSchema,
	parseOwnSchemas,
	requireTogether,
	requireUnmistakable,
	typeNameOf,
	typesWith,
	uniquePathsIn,
} from '../shared/scim/own-schema.ts'
import {
	type ResourceType,
	type ResourceTypes,
	resolveAttribute,
	sameUrn,
	typeNames,
} from '../shared/scim/resource-type.ts'
import { uniqueAttributesOf } from '../shared/scim/schema.ts'
import { mismatchesIn } from '../shared/scim/schema-check.ts'
import { urn } from '../shared/scim/urn.ts'
import type { IndexDefinition } from '../shared/tenants/index-definition.ts'
import { schemasOf, typesOf } from '../shared/tenants/resource-types.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { CommandEnvironment, CommandResult, TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { fillDefined, uniqueIndexFor } from './index-commands.ts'
import { narrowings } from './narrowings.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { storeTenantNamed } from './tenant.ts'
import { pagesOf } from './transfer/export.ts'
import { withProgress } from './transfer/progress.ts'

/**
 * Declares schemas of a tenant, in place of earlier ones with the same URN. Attributes that are to be unique get an index,
 * which is written together with the schemas. The command returns when such indexes are complete.
 */
export const addSchema: TargetCommand =
	({ args: [name = '', file = ''], values: { enforce = false }, environment }) =>
	async (target) => {
		const found = await storeTenantNamed(target, name)
		const declared = enforced(await schemasIn(file, environment), enforce)
		let before: readonly OwnSchema[] = []
		let unique: readonly IndexDefinition[] = []
		const tenant = await explained(() =>
			target.tenants.updateDeclarations(name, (now) => {
				before = now.schemas
				const schemas = withSchemas(now.schemas, declared)
				requireTogether(schemas)
				const added = withUniqueIndexes(target, found, { declared, schemas, indexes: now.indexes })
				unique = added.unique
				return { schemas, indexes: added.indexes }
			}),
		)
		if (tenant === 'absent') throw gone(target, name)
		const narrowed = declared.flatMap((schema) =>
			narrowings(
				before.find(({ id }) => sameUrn(id, schema.id)),
				schema,
			),
		)
		const filled: CommandResult[] = []
		for (const index of unique) filled.push(await fillDefined(target, tenant, { index, environment }))
		return {
			text: [
				...declared.map((schema) => `Declared ${schema.id}: ${inWords(schema)}.`),
				'All apps follow within a minute.',
				...narrowed,
				...(narrowed.length === 0 ? [] : ['What is stored stays as it is.', checkHint(target, name)]),
				...filled.map(({ text }) => text),
			].join('\n'),
			json: {
				...{ name, declared: declared.map(({ id }) => id), narrowed },
				...(filled.length > 0 && { indexes: filled.map((each) => each.json) }),
			},
		}
	}

type UniqueDeclarations = {
	readonly declared: readonly OwnSchema[]
	/** All schemas of the tenant, with those that are declared now. */
	readonly schemas: readonly OwnSchema[]
	readonly indexes: readonly IndexDefinition[]
}

/** The indexes of a tenant with those that make attributes of the declared schemas unique. */
function withUniqueIndexes(
	target: DeploymentTarget,
	tenant: Tenant,
	{ declared, schemas, indexes }: UniqueDeclarations,
): { readonly indexes: readonly IndexDefinition[]; readonly unique: readonly IndexDefinition[] } {
	const type = typesWith(schemas).User
	const unique: IndexDefinition[] = []
	let all = indexes
	for (const path of declared.flatMap(uniquePathsIn)) {
		const index = uniqueIndexFor(target, tenant, { indexes: all, type, path })
		unique.push(index)
		if (!all.includes(index)) all = [...all, index]
	}
	return { indexes: all, unique }
}

const checkHint = (target: DeploymentTarget, name: string): string =>
	`To compare it with the schemas: ${target.commandLine(`schema check ${name}`)}`

export const listSchemas: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const schemas = schemasOf(await storeTenantNamed(target, name))
		return {
			text:
				schemas.length === 0
					? `The tenant ${name} has no schema of its own.`
					: table([
							['URN', 'RESOURCES', 'ATTRIBUTES'],
							...schemas.map((schema) => [schema.id, resourcesOf(schema), String(schema.attributes.length)]),
						]),
			json: schemas.map((schema) => ({
				id: schema.id,
				resourceType: typeNameOf(schema),
				attributes: schema.attributes.map((attribute) => attribute.name),
			})),
		}
	}

export const showSchema: TargetCommand =
	({ args: [name = '', id = ''] }) =>
	async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const schema = schemasOf(tenant).find((each) => sameUrn(each.id, id))
		if (schema === undefined) throw noSchema(target, name, id)
		const document = { schemas: [urn.schema], ...withUniqueness(schema, typesOf(tenant).User) }
		return { text: JSON.stringify(document, null, 2), json: document }
	}

/** The schema with what the indexes of the tenant say of uniqueness. */
function withUniqueness(schema: OwnSchema, type: ResourceType): OwnSchema {
	const unique = uniqueAttributesOf(type)
	const isUnique = (name: string, sub?: string): boolean => {
		const resolved = resolveAttribute(type, { uri: schema.id, name, ...(sub !== undefined && { sub }) })
		const attribute = resolved?.subAttribute ?? resolved?.attribute
		return attribute !== undefined && unique.has(attribute)
	}
	const server = { uniqueness: 'server' } as const
	return {
		...schema,
		attributes: schema.attributes.map((attribute) => ({
			...attribute,
			...(isUnique(attribute.name) && server),
			...(attribute.subAttributes && {
				subAttributes: attribute.subAttributes.map((sub) =>
					isUnique(attribute.name, sub.name) ? { ...sub, ...server } : sub,
				),
			}),
		})),
	}
}

export const removeSchema: TargetCommand =
	({ args: [name = '', id = ''] }) =>
	async (target) => {
		await storeTenantNamed(target, name)
		let removed: OwnSchema | undefined
		const tenant = await target.tenants.updateSchemas(name, (schemas) => {
			removed = schemas.find((schema) => sameUrn(schema.id, id))
			return schemas.filter((schema) => schema !== removed)
		})
		if (tenant === 'absent') throw gone(target, name)
		if (removed === undefined) throw noSchema(target, name, id)
		const left = 'What is stored stays as it is, and is back when the schema is declared again.'
		return { text: `Removed ${removed.id}: ${inWords(removed)}.\n${left}`, json: { name, removed: removed.id } }
	}

/** Compares what is stored with the schemas of a tenant, or with what they would be with those in a file. */
export const checkSchemas: TargetCommand =
	({ args: [name = '', file], environment }) =>
	async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const added = file === undefined ? [] : await schemasIn(file, environment)
		const types = await explained(async () => {
			const schemas = withSchemas(schemasOf(tenant), added)
			requireTogether(schemas)
			return typesWith(schemas)
		})
		const found = await withProgress(environment, (show) =>
			mismatchesOf(target, tenant, { types, show: (count) => show(0, `${count.toLocaleString('en')} resources`) }),
		)
		const { resources, mismatches } = found
		return {
			text: [
				`Resources compared with the schemas of the tenant ${name}: ${resources.toLocaleString('en')}.`,
				...(mismatches.length === 0 ? ['All values fit.'] : mismatches.map(mismatchInWords)),
			].join('\n'),
			json: { name, resources, mismatches },
			isFailure: mismatches.length > 0,
		}
	}

/** Stored values at one path that do not fit: how many resources have one, and the first of them. */
type PathMismatch = {
	readonly path: string
	readonly resourceType: string
	count: number
	readonly example: string
	readonly problem: string
}

export const mismatchInWords = ({ path, resourceType, count, example, problem }: PathMismatch): string =>
	`${path}: ${count} ${count === 1 ? resourceType : `${resourceType}s`}, such as ${example}: ${problem}`

type CheckOptions = { readonly types: ResourceTypes; readonly show: (count: number) => void }

export async function mismatchesOf(target: DeploymentTarget, tenant: Tenant, { types, show }: CheckOptions) {
	const store = target.open(tenant)
	const byPath = new Map<string, PathMismatch>()
	let resources = 0
	for (const resourceType of typeNames) {
		for await (const page of pagesOf(store, types[resourceType], undefined)) {
			for (const { id, attributes } of page) {
				for (const { path, problem } of mismatchesIn(types[resourceType], attributes)) {
					const known = byPath.get(path) ?? { path, resourceType, count: 0, example: id, problem }
					known.count++
					byPath.set(path, known)
				}
			}
			resources += page.length
			show(resources)
		}
	}
	return { resources, mismatches: [...byPath.values()] }
}

/**
 * A declaration takes the place of an earlier one with the same URN. It keeps the place: a name without a URN means the
 * first schema that has it.
 */
export const withSchemas = (schemas: readonly OwnSchema[], declared: readonly OwnSchema[]): readonly OwnSchema[] => [
	...schemas.map((known) => declared.find(({ id }) => sameUrn(known.id, id)) ?? known),
	...declared.filter(({ id }) => !schemas.some((known) => sameUrn(known.id, id))),
]

const resourcesOf = (schema: OwnSchema): string => (typeNameOf(schema) === 'User' ? 'users' : 'groups')

const inWords = (schema: OwnSchema): string => {
	const { length } = schema.attributes
	return `${length} ${length === 1 ? 'attribute' : 'attributes'} of ${resourcesOf(schema)}`
}

const enforced = (schemas: readonly OwnSchema[], isEnforced: boolean): readonly OwnSchema[] =>
	isEnforced ? schemas.map((schema) => ({ ...schema, attributes: schema.attributes.map(enforcing) })) : schemas

function enforcing(attribute: OwnSchema['attributes'][number]): OwnSchema['attributes'][number] {
	const { subAttributes, canonicalValues } = attribute
	return {
		...attribute,
		...(canonicalValues !== undefined && attribute.type !== 'complex' && { enforced: true }),
		...(subAttributes !== undefined && {
			subAttributes: subAttributes.map((sub) => (sub.canonicalValues === undefined ? sub : { ...sub, enforced: true })),
		}),
	}
}

async function schemasIn(
	file: string,
	{ readText }: Pick<CommandEnvironment, 'readText'>,
): Promise<readonly OwnSchema[]> {
	const text = await readText(file).catch((cause: unknown) => {
		throw new Failure(`${file} cannot be read: ${fileReason(cause)}`, { hint: schemaHint, cause })
	})
	return explained(async () => {
		const schemas = parseOwnSchemas(jsonIn(file, text))
		if (schemas.length === 0) throw new Failure(`${file} has no schema`, { hint: schemaHint })
		for (const schema of schemas) requireUnmistakable(schema)
		const twice = schemas.find(({ id }, index) => schemas.findIndex((other) => sameUrn(other.id, id)) < index)
		if (twice !== undefined) throw new Failure(`${file} declares ${twice.id} twice`, { hint: schemaHint })
		return schemas
	}, `${file}: `)
}

function jsonIn(file: string, text: string): unknown {
	try {
		return JSON.parse(text)
	} catch (cause) {
		throw new Failure(`${file} is not JSON: ${cause instanceof Error ? cause.message : cause}`, {
			hint: schemaHint,
			cause,
		})
	}
}

const schemaHint = 'docs/schema.md has an example to start from'

/** Work that refuses a declaration with a ScimError 400, which becomes the Failure of a command. */
export async function explained<T>(work: () => Promise<T>, prefix = ''): Promise<T> {
	try {
		return await work()
	} catch (error) {
		if (error instanceof ScimError && error.status === 400) {
			throw new Failure(`${prefix}${error.message}`, { hint: schemaHint, cause: error })
		}
		throw error
	}
}

const noSchema = (target: DeploymentTarget, name: string, id: string): Failure =>
	new Failure(`the tenant ${name} declares no schema ${id}`, { hint: target.commandLine(`schema list ${name}`) })

const gone = (target: DeploymentTarget, name: string): Failure =>
	new Failure(`there is no tenant ${name}`, { hint: target.commandLine('tenant list') })
