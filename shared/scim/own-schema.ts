import * as z from 'zod'
import { type Attribute, type Attributes, attributeTypes, declareAttribute, findAttribute } from './attribute.ts'
import { urnInOtherSpelling } from './dialect.ts'
import { invalidValue, type ScimError } from './error.ts'
import { nearest } from './nearest.ts'
import { commonAttributes } from './resource.ts'
import {
	type AttributePath,
	builtInTypes,
	type ResourceType,
	type ResourceTypes,
	type Schema,
	sameUrn,
	type TypeName,
	typeNames,
} from './resource-type.ts'
import { urn } from './urn.ts'

// Schemas that a tenant declares: documents in the form of RFC 7643 section 7. They are compiled into the same values as
// the schemas of the RFCs, so that the rest of the code sees no difference.

/** What one tenant may declare. */
const schemaLimits = { schemas: 10, attributes: 200, subAttributes: 20, characters: 262_144 } as const

/** Generated documents have null in place of a characteristic that does not apply. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined)

const texts = z.array(z.string({ error: 'must be a string' }), { error: 'must be a list of strings' })
const flag = optional(z.boolean({ error: 'must be true or false' }))
const text = optional(z.string({ error: 'must be a string' }))

const oneOf = <const T extends readonly string[]>(values: T) =>
	z.enum(values, { error: `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}` })

const nameRules = 'must begin with a letter and have only letters, digits, "-" and "_", at most 100 characters'
const attributeName = z
	.string({ error: 'must be a string' })
	.regex(/^(?:[a-z][\w-]{0,99}|\$ref)$/i, { error: nameRules })

const characteristics = {
	name: attributeName,
	type: optional(oneOf(attributeTypes)),
	multiValued: flag,
	description: text,
	required: flag,
	caseExact: flag,
	mutability: optional(oneOf(['readOnly', 'readWrite', 'immutable', 'writeOnly'])),
	returned: optional(oneOf(['always', 'never', 'default', 'request'])),
	uniqueness: optional(oneOf(['none', 'server', 'global'])),
	canonicalValues: optional(texts),
	referenceTypes: optional(texts),
	/** Ours: only the canonical values are accepted. */
	enforced: flag,
}

const tooDeep = { error: 'must not be there: a part has no parts of its own (RFC 7643 section 2.3.8)' }

const document = z.object(
	{
		id: z.string({ error: 'must be the URN of the schema' }),
		name: text,
		description: text,
		attributes: z.array(
			z.strictObject(
				{
					...characteristics,
					subAttributes: optional(
						z.array(z.strictObject({ ...characteristics, subAttributes: optional(z.array(z.never(tooDeep))) }), {
							error: 'must be a list',
						}),
					),
				},
				{ error: (issue) => objectProblem(issue) },
			),
			{ error: 'must be a list' },
		),
	},
	{ error: 'must be an object' },
)

/** A schema that a tenant declares: the document of RFC 7643 section 7 with what Rollcall needs of it. */
export type OwnSchema = z.infer<typeof document>

type OwnAttribute = OwnSchema['attributes'][number]
type OwnSubAttribute = NonNullable<OwnAttribute['subAttributes']>[number]

function objectProblem(issue: z.core.$ZodRawIssue): string {
	return issue.code === 'unrecognized_keys' ? unknownCharacteristic(issue.keys) : 'must be an object'
}

function unknownCharacteristic([key = '']: readonly string[]): string {
	const close = nearest(key, [...Object.keys(characteristics), 'subAttributes'])
	return `has an unknown characteristic "${key}"${close === undefined ? '' : `; did you mean ${close}?`}`
}

/**
 * Reads the document of one schema.
 *
 * @throws ScimError 400 `invalidValue` with the place in the document
 */
function parseOwnSchema(input: unknown): OwnSchema {
	const parsed = document.safeParse(input)
	if (!parsed.success) throw problemIn(parsed.error)
	requireUsable(parsed.data)
	return parsed.data
}

/**
 * Reads the documents that a tenant has declared: one, a list, or the answer of `/Schemas` of another service.
 *
 * @throws ScimError 400 `invalidValue` with the place in the documents
 */
export function parseOwnSchemas(input: unknown): readonly OwnSchema[] {
	const list = isRecord(input) && Array.isArray(input.Resources) ? input.Resources : input
	return Array.isArray(list) ? list.map(parseOwnSchema) : [parseOwnSchema(list)]
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
	typeof value === 'object' && value !== null && !Array.isArray(value)

function problemIn(error: z.ZodError): ScimError {
	const [issue] = error.issues
	const place = (issue?.path ?? [])
		.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
		.join('')
	const message = issue?.code === 'unrecognized_keys' ? unknownCharacteristic(issue.keys) : issue?.message
	return invalidValue(`${place === '' ? 'the schema' : place.replace(/^\./, '')} ${message}`, error)
}

/** RFC 8141, without the characters that separate names in filters, in paths and in lists of attributes. */
const usableUrn = /^urn:[a-z0-9][a-z0-9-]{0,31}:[\w.:~%+/-]{1,200}$/i

function requireUsable({ id, attributes }: OwnSchema): void {
	if (!usableUrn.test(id)) {
		throw invalidValue(
			`id must be a URN such as urn:example:params:scim:schemas:hr:2.0:User, not ${JSON.stringify(id)}`,
		)
	}
	if (isReserved(id)) throw invalidValue(`id ${id} is the URN of something else`)
	const names = new Set<string>()
	for (const [index, attribute] of attributes.entries()) {
		const at = `attributes[${index}]`
		requireOnce(names, attribute.name, at)
		requireUsableAttribute(attribute, at)
		requireUsersToBeUnique(id, attribute, at)
		requireFree(id, attribute.name, at)
		const { subAttributes = [] } = attribute
		requireSubAttributes(attribute, at)
		const subNames = new Set<string>()
		for (const [subIndex, sub] of subAttributes.entries()) {
			const subAt = `${at}.subAttributes[${subIndex}]`
			requireOnce(subNames, sub.name, subAt)
			if (sub.type === 'complex') throw invalidValue(`${subAt}.type must not be complex (RFC 7643 section 2.3.8)`)
			requireUsableAttribute(sub, subAt)
		}
	}
}

/** URNs of messages, of other resource types, and those that are understood as another URN. */
function isReserved(id: string): boolean {
	const isKnown = extendable.some((known) => sameUrn(known, id))
	return (
		!isKnown && (/^urn:ietf:params:scim:(?:api|schemas:core):/i.test(id) || urnInOtherSpelling(id, new Set()) !== id)
	)
}

/** The schemas of the RFCs, to which a tenant may add attributes. */
const extendable: readonly string[] = [urn.user, urn.group, urn.enterpriseUser]

function requireOnce(names: Set<string>, name: string, at: string): void {
	if (names.has(name.toLowerCase())) throw invalidValue(`${at}.name ${name} is declared twice`)
	names.add(name.toLowerCase())
}

function requireSubAttributes({ type, subAttributes = [] }: OwnAttribute, at: string): void {
	const { length } = subAttributes
	if (type === 'complex' && length === 0)
		throw invalidValue(`${at}.subAttributes must have the parts of a complex value`)
	if (type !== 'complex' && length > 0) throw invalidValue(`${at}.type must be complex, since it has subAttributes`)
	if (length > schemaLimits.subAttributes) {
		throw invalidValue(`${at}.subAttributes has ${length} names; the limit is ${schemaLimits.subAttributes}`)
	}
}

/** Names that mean something else wherever they stand: storage keeps these attributes apart, and passwords nowhere. */
const reservedNames: ReadonlySet<string> = new Set(['schemas', 'id', 'meta', 'members', 'groups', 'password'])

function requireUsableAttribute(attribute: OwnAttribute | OwnSubAttribute, at: string): void {
	const { name, type, mutability = 'readWrite', uniqueness = 'none', returned, canonicalValues = [] } = attribute
	if (name in {} || (name.startsWith('$') && !at.includes('.'))) throw invalidValue(`${at}.name ${name} cannot be used`)
	if (name.toLowerCase() === 'password') throw invalidValue(`${at}.name ${name} cannot be used: passwords are not kept`)
	if (mutability === 'readOnly' || mutability === 'immutable') {
		throw invalidValue(
			`${at}.mutability must be readWrite or writeOnly: clients write the attributes of a tenant's schema`,
		)
	}
	if (mutability === 'writeOnly' && returned !== 'never') {
		throw invalidValue(`${at}.returned must be never, since the attribute is writeOnly`)
	}
	if (uniqueness === 'global') throw invalidValue(`${at}.uniqueness must be none or server (RFC 7643 section 2.2)`)
	if (attribute.enforced && (canonicalValues.length === 0 || type === 'complex')) {
		throw invalidValue(`${at}.canonicalValues must have the values to enforce`)
	}
}

/** Indexes, which make values unique, are of users alone. */
function requireUsersToBeUnique(id: string, { uniqueness, subAttributes = [] }: OwnAttribute, at: string): void {
	const isServer = [uniqueness, ...subAttributes.map((sub) => sub.uniqueness)].includes('server')
	if (isServer && typeNameOf({ id }) === 'Group')
		throw invalidValue(`${at}.uniqueness must be none: only values of users can be unique`)
}

/** Refuses a name that the schema of the RFC has already. */
function requireFree(id: string, name: string, at: string): void {
	if (reservedNames.has(name.toLowerCase())) throw invalidValue(`${at}.name ${name} is reserved`)
	for (const typeName of typeNames) {
		const { schema, extensions } = builtInTypes[typeName]
		const scopes = [schema, ...extensions].filter((known) => sameUrn(known.urn, id)).map(({ attributes }) => attributes)
		if (scopes.some((scope) => findAttribute(scope, name) ?? findAttribute(commonAttributes, name))) {
			throw invalidValue(`${at}.name ${name} is an attribute of ${id} already`)
		}
	}
}

/**
 * Refuses a new schema whose URN or names clients would use for an attribute of an RFC. A tenant may have such a schema
 * from an earlier version, which had no such rule: so stored schemas are not refused.
 *
 * @throws ScimError 400 `invalidValue`
 */
export function requireUnmistakable({ id, attributes }: OwnSchema): void {
	// Names of SCIM 1 lose their URN, which then says nothing.
	if (urnInOtherSpelling(`${id}:x`, new Set()) !== `${id}:x`)
		throw invalidValue(`id ${id} is the URN of something else`)
	for (const typeName of typeNames) {
		const { schema, extensions } = builtInTypes[typeName]
		for (const known of [schema, ...extensions]) {
			const isTaken = [...known.attributes.values()].some(({ name }) => sameUrn(`${known.urn}:${name}`, id))
			if (isTaken) throw invalidValue(`id ${id} is the path of an attribute of ${known.urn}`)
			const own = attributes.find(({ name }) => sameUrn(`${id}:${name}`, known.urn))
			if (own !== undefined)
				throw invalidValue(`the attribute ${own.name} of ${id} has the path ${known.urn}, a schema`)
		}
		if (sameUrn(schema.urn, id)) for (const extension of extensions) requireOtherNames(attributes, extension)
	}
}

/** Entra writes the names of the enterprise extension without a URN. They must go on meaning the extension. */
function requireOtherNames(attributes: readonly OwnAttribute[], extension: Schema): void {
	const same = attributes.find(({ name }) => findAttribute(extension.attributes, name) !== undefined)
	if (same !== undefined)
		throw invalidValue(`${same.name} without a URN is an attribute of ${extension.urn}: declare another name`)
}

/**
 * Refuses schemas that are too many or too large together, and two that a path could not tell apart.
 *
 * @throws ScimError 400 `invalidValue`
 */
export function requireTogether(schemas: readonly OwnSchema[]): void {
	const attributes = schemas.reduce((sum, schema) => sum + schema.attributes.length, 0)
	if (schemas.length > schemaLimits.schemas) {
		throw invalidValue(`the tenant would have ${schemas.length} schemas; the limit is ${schemaLimits.schemas}`)
	}
	if (attributes > schemaLimits.attributes) {
		throw invalidValue(
			`the schemas would have ${attributes} attributes together; the limit is ${schemaLimits.attributes}`,
		)
	}
	const { length } = JSON.stringify(schemas)
	if (length > schemaLimits.characters) {
		throw invalidValue(`the schemas would take ${length} characters as JSON; the limit is ${schemaLimits.characters}`)
	}
	const ids = new Map(schemas.map(({ id }) => [id.toLowerCase(), id]))
	for (const { id, attributes } of schemas) {
		for (const { name } of attributes) {
			const other = ids.get(`${id}:${name}`.toLowerCase())
			if (other !== undefined)
				throw invalidValue(`the schema ${other} cannot be told from the attribute ${name} of ${id}`)
		}
	}
}

/** The attributes of a schema that no two users may have one value of, by their paths. */
export const uniquePathsIn = ({ id, attributes }: OwnSchema): readonly AttributePath[] =>
	attributes.flatMap(({ name, uniqueness, subAttributes = [] }) => [
		...(uniqueness === 'server' ? [{ uri: id, name }] : []),
		...subAttributes.filter((sub) => sub.uniqueness === 'server').map((sub) => ({ uri: id, name, sub: sub.name })),
	])

/**
 * A schema that says nothing of uniqueness. An index makes values unique, so that the index alone says whether they are.
 * Version 0.2.0 cannot read a stored schema that says so itself.
 */
export const withoutUniqueness = (schema: OwnSchema): OwnSchema => ({
	...schema,
	attributes: schema.attributes.map(({ subAttributes, ...attribute }) => ({
		...attribute,
		uniqueness: undefined,
		subAttributes: subAttributes?.map((sub) => ({ ...sub, uniqueness: undefined })),
	})),
})

/** The type of resources that a schema describes: groups if the last part of its URN is Group, otherwise users. */
export const typeNameOf = ({ id }: Pick<OwnSchema, 'id'>): TypeName => (/:group$/i.test(id) ? 'Group' : 'User')

/** The resource types of a tenant that declares these schemas. */
export function typesWith(schemas: readonly OwnSchema[]): ResourceTypes {
	const extended = (name: TypeName) =>
		withSchemas(
			builtInTypes[name],
			schemas.filter((schema) => typeNameOf(schema) === name),
		)
	return schemas.length === 0 ? builtInTypes : { User: extended('User'), Group: extended('Group') }
}

/** The types of a tenant that keeps what no schema declares. */
export const keepingUndeclared = ({ User, Group }: ResourceTypes): ResourceTypes => ({
	User: { ...User, keepsUndeclared: true },
	Group: { ...Group, keepsUndeclared: true },
})

function withSchemas(type: ResourceType, own: readonly OwnSchema[]): ResourceType {
	const withOwn = (schema: Schema): Schema => {
		const more = own.find(({ id }) => sameUrn(id, schema.urn))
		return more === undefined
			? schema
			: { ...schema, attributes: new Map([...schema.attributes, ...ownAttributes(more.attributes)]) }
	}
	const isAddition = ({ id }: OwnSchema) => [type.schema, ...type.extensions].some((known) => sameUrn(known.urn, id))
	return {
		...type,
		schema: withOwn(type.schema),
		extensions: [...type.extensions.map(withOwn), ...own.filter((schema) => !isAddition(schema)).map(schemaOf)],
	}
}

const schemaOf = ({ id, name, description, attributes }: OwnSchema): Schema => ({
	urn: id,
	name: name ?? id.split(':').at(-1) ?? id,
	description: description ?? name ?? id,
	attributes: ownAttributes(attributes),
})

const ownAttributes = (attributes: readonly (OwnAttribute | OwnSubAttribute)[]): Attributes =>
	new Map(attributes.map((attribute) => [attribute.name.toLowerCase(), ownAttribute(attribute)]))

/** The defaults are those of RFC 7643 section 2.2. */
const ownAttribute = ({
	name,
	type = 'string',
	multiValued = false,
	description = name,
	required = false,
	caseExact = false,
	mutability = 'readWrite',
	returned = 'default',
	uniqueness = 'none',
	canonicalValues = [],
	referenceTypes = [],
	subAttributes = [],
	enforced = false,
}: OwnAttribute | OwnSubAttribute): Attribute =>
	declareAttribute({
		name,
		type,
		multiValued,
		description,
		required,
		caseExact,
		mutability,
		returned,
		uniqueness,
		canonicalValues,
		referenceTypes,
		subAttributes: ownAttributes(subAttributes),
		isOwn: true,
		isEnforced: enforced,
	})
