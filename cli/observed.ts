import { inferredAttribute } from '../shared/scim/inferred-schema.ts'
import { keptIn } from '../shared/scim/kept.ts'
import { nearlyNamed } from '../shared/scim/nearest.ts'
import { type OwnSchema, parseOwnSchemas, typeNameOf } from '../shared/scim/own-schema.ts'
import { builtInTypes, type ResourceTypes, sameUrn, type TypeName, typeNames } from '../shared/scim/resource-type.ts'
import type { JsonType } from '../shared/scim/undeclared-names.ts'
import type { ObservedPath } from '../shared/storage/observed.ts'
import { typesOf } from '../shared/tenants/resource-types.ts'
import type { Tenant } from '../shared/tenants/tenants.ts'
import type { TargetCommand } from './command.ts'
import { Failure } from './failure.ts'
import { explained, mismatchesOf, mismatchInWords, withSchemas } from './schema.ts'
import { table } from './table.ts'
import type { DeploymentTarget } from './target.ts'
import { storeTenantNamed } from './tenant.ts'
import { pagesOf } from './transfer/export.ts'
import { withProgress } from './transfer/progress.ts'

/** Lists what clients send and no schema declares. */
export const listObserved: TargetCommand =
	({ args: [name = ''] }) =>
	async (target) => {
		const rows = await undeclaredPaths(target, await storeTenantNamed(target, name))
		return {
			text:
				rows.length === 0
					? `No client has sent the tenant ${name} an attribute that no schema declares.`
					: table([
							['PATH', 'RESOURCES', 'JSON', 'REQUESTS', 'FIRST', 'LAST', ''],
							...rows.map(({ path, resourceType, types, count, first, last, didYouMean }) => [
								path,
								resourcesNamed(resourceType),
								types.join(', '),
								count.toLocaleString('en'),
								first,
								last,
								didYouMean === undefined ? '' : `is it ${didYouMean}?`,
							]),
						]),
			json: rows,
		}
	}

/** A path that no schema declares, and a name of RFC 7643 that may have been meant. */
export type UndeclaredPath = ObservedPath & { readonly didYouMean?: string }

/** What clients send to a tenant and no schema declares. */
export const undeclaredPaths = async (target: DeploymentTarget, tenant: Tenant): Promise<readonly UndeclaredPath[]> =>
	(await undeclaredOnes(target, tenant)).map((seen) => ({ ...seen, ...hintOf(seen) }))

const resourcesNamed = (type: TypeName): string => (type === 'User' ? 'users' : 'groups')

/** The observed paths that still no schema declares. */
async function undeclaredOnes(target: DeploymentTarget, tenant: Tenant): Promise<readonly ObservedPath[]> {
	const types = typesOf(tenant)
	return (await target.observed(tenant)).filter(({ resourceType, path }) => isUndeclared(types, resourceType, path))
}

/** Whether a value at the path would be undeclared. */
function isUndeclared(types: ResourceTypes, resourceType: TypeName, path: string): boolean {
	const place = placeOf(types, path)
	const value = place.urn === undefined ? { [place.name]: 1 } : { [place.urn]: { [place.name]: 1 } }
	return place.isPart || keptIn(types[resourceType], value).length > 0
}

/** A name of RFC 7643 that is one slip away. */
function hintOf({ resourceType, path }: ObservedPath): { readonly didYouMean?: string } {
	const { schema, extensions } = builtInTypes[resourceType]
	const known = [schema, ...extensions].flatMap(({ attributes }) => [...attributes.values()].map(({ name }) => name))
	const close = nearlyNamed(placeOf(builtInTypes, path).name, known)
	return close === undefined ? {} : { didYouMean: close }
}

type PathPlace = { readonly urn?: string; readonly name: string; readonly isPart: boolean }

/** Splits a path at the longest URN that is declared, otherwise at its last colon. `name.nick` is a part of a name. */
function placeOf(types: ResourceTypes, path: string): PathPlace {
	if (!/^urn:/i.test(path)) {
		const [name = path, ...parts] = path.split('.')
		return { name, isPart: parts.length > 0 }
	}
	const urns = typeNames.flatMap((name) => [types[name].schema, ...types[name].extensions]).map(({ urn }) => urn)
	const [declared] = urns
		.filter((urn) => sameUrn(path.slice(0, urn.length + 1), `${urn}:`))
		.sort((one, other) => other.length - one.length)
	const end = declared?.length ?? path.lastIndexOf(':')
	const [name = ''] = path.slice(end + 1).split('.')
	return { urn: declared ?? path.slice(0, end), name, isPart: false }
}

/** An attribute to declare: the values of it that are stored, and the JSON types that clients have sent. */
type FoundAttribute = {
	readonly id: string
	readonly name: string
	readonly values: unknown[]
	readonly types: Set<JsonType>
}

/** Declares attributes that clients send already, with the types of what is stored, and compares what is stored with them. */
export const adoptSchema: TargetCommand =
	({ args: [name = '', ...paths], environment }) =>
	async (target) => {
		const tenant = await storeTenantNamed(target, name)
		const found = await withProgress(environment, (show) =>
			foundAt(target, tenant, { paths, show: (count) => show(0, `${count.toLocaleString('en')} resources`) }),
		)
		for (const path of paths) requireFound(found, { path, target, name })
		const adopted = byUrn(found.map(declarationOf))
		const changed = await explained(() =>
			target.tenants.updateSchemas(name, (schemas) =>
				withSchemas(
					schemas,
					adopted.map((schema) => extended(schemas, schema)),
				),
			),
		)
		if (changed === 'absent')
			throw new Failure(`there is no tenant ${name}`, { hint: target.commandLine('tenant list') })
		await target.forgetObserved(tenant, (await target.observed(tenant)).filter(isNowDeclared(changed)))
		const { resources, mismatches } = await mismatchesOf(target, changed, { types: typesOf(changed), show: () => {} })
		return {
			text: [
				...adopted.flatMap(({ id, attributes }) =>
					attributes.map((attribute) => `Declared ${id}:${attribute.name} as ${typeInWords(attribute)}.`),
				),
				'All apps follow within a minute.',
				`Resources compared with the schemas of the tenant ${name}: ${resources.toLocaleString('en')}.`,
				...(mismatches.length === 0 ? ['All values fit.'] : mismatches.map(mismatchInWords)),
			].join('\n'),
			json: { name, adopted, resources, mismatches },
			isFailure: mismatches.length > 0,
		}
	}

const isNowDeclared =
	(tenant: Tenant) =>
	({ resourceType, path }: ObservedPath): boolean =>
		!isUndeclared(typesOf(tenant), resourceType, path)

const typeInWords = ({ type = 'string', multiValued }: OwnSchema['attributes'][number]): string =>
	multiValued ? `a list of ${type}` : type

type FindOptions = { readonly paths: readonly string[]; readonly show: (count: number) => void }

/** What is stored, or was observed, at these paths or below these URNs. */
async function foundAt(
	target: DeploymentTarget,
	tenant: Tenant,
	{ paths, show }: FindOptions,
): Promise<readonly FoundAttribute[]> {
	const types = typesOf(tenant)
	const found = new Map<string, FoundAttribute>()
	const at = (resourceType: TypeName, path: string): FoundAttribute | undefined => {
		const { urn = types[resourceType].schema.urn, name, isPart } = placeOf(types, path)
		if (!paths.some((asked) => isAsked(asked, path, urn))) return undefined
		if (isPart) throw partRefused(path)
		if (typeNameOf({ id: urn }) !== resourceType) throw wrongUrn(urn, resourceType)
		const key = `${urn}:${name}`.toLowerCase()
		const known = found.get(key) ?? { id: urn, name, values: [], types: new Set() }
		found.set(key, known)
		return known
	}
	const store = target.open(tenant)
	let resources = 0
	for (const resourceType of typeNames) {
		for await (const page of pagesOf(store, types[resourceType], undefined)) {
			for (const { attributes } of page) {
				for (const { path, value } of keptIn(types[resourceType], attributes))
					at(resourceType, path)?.values.push(value)
			}
			resources += page.length
			show(resources)
		}
	}
	for (const { resourceType, path, types: sent } of await undeclaredOnes(target, tenant)) {
		const { types: known } = at(resourceType, path) ?? {}
		for (const type of isPathOfPart(path) ? ['object' as const] : sent) known?.add(type)
	}
	return [...found.values()]
}

const isPathOfPart = (path: string): boolean => path.slice(path.lastIndexOf(':') + 1).includes('.')

const isAsked = (asked: string, path: string, urn: string): boolean =>
	sameUrn(asked, path) || sameUrn(asked, urn) || sameUrn(path.slice(0, asked.length + 1), `${asked}.`)

/** Values of the JSON types, if nothing is stored that shows more. */
const examples: Readonly<Record<JsonType, readonly unknown[]>> = {
	string: [''],
	number: [0.5],
	boolean: [true],
	array: [['']],
	object: [{}],
	null: [],
}

function declarationOf({ id, name, values, types }: FoundAttribute): OwnSchema {
	const samples = values.length > 0 ? values : [...types].flatMap((type) => examples[type])
	const attribute = inferredAttribute(name, samples)
	if (attribute !== undefined && attribute.subAttributes?.length !== 0)
		return { id, attributes: [attribute] } as OwnSchema // sound: the rest may be undefined
	throw new Failure(`no declaration fits the values of ${id}:${name}`, { hint: 'declare it in a file: docs/schema.md' })
}

/** The declarations of one URN together. */
function byUrn(declared: readonly OwnSchema[]): readonly OwnSchema[] {
	const schemas = new Map<string, OwnSchema>()
	for (const schema of declared) {
		const before = schemas.get(schema.id.toLowerCase())?.attributes ?? []
		schemas.set(schema.id.toLowerCase(), { ...schema, attributes: [...before, ...schema.attributes] })
	}
	return [...schemas.values()]
}

/** What the tenant declares already under the URN, with more attributes. */
function extended(schemas: readonly OwnSchema[], more: OwnSchema): OwnSchema {
	const known = schemas.find(({ id }) => sameUrn(id, more.id))
	return (
		parseOwnSchemas(
			known === undefined ? more : { ...known, attributes: [...known.attributes, ...more.attributes] },
		)[0] ?? more
	)
}

type AskedPath = { readonly path: string; readonly target: DeploymentTarget; readonly name: string }

function requireFound(found: readonly FoundAttribute[], { path, target, name }: AskedPath): void {
	if (found.some((each) => isAsked(path, `${each.id}:${each.name}`, each.id) || isAsked(path, each.name, each.id)))
		return
	throw new Failure(`the tenant ${name} has nothing undeclared at ${path}`, {
		hint: target.commandLine(`schema observed ${name}`),
	})
}

const partRefused = (path: string): Failure =>
	new Failure(`${path} is a part of an attribute of RFC 7643, which no tenant can extend`, {
		hint: 'send the value as an attribute of its own',
	})

const wrongUrn = (urn: string, type: TypeName): Failure =>
	new Failure(`${urn} was sent for ${resourcesNamed(type)}, and its last part says otherwise`, {
		hint: 'docs/schema.md says which URNs describe users and which describe groups',
	})
