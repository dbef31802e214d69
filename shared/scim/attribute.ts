import * as z from 'zod'

/** The data types of RFC 7643 section 2.3. */
export const attributeTypes = [
	'string',
	'boolean',
	'decimal',
	'integer',
	'dateTime',
	'reference',
	'binary',
	'complex',
] as const

export type AttributeType = (typeof attributeTypes)[number]

/**
 * The characteristics of an attribute (RFC 7643 section 7). A characteristic that a declaration leaves out has the default
 * of section 2.2.
 */
export type Characteristics = {
	readonly description: string
	readonly required?: boolean
	readonly caseExact?: boolean
	readonly mutability?: 'readOnly' | 'readWrite' | 'immutable' | 'writeOnly'
	readonly returned?: 'always' | 'never' | 'default' | 'request'
	readonly uniqueness?: 'none' | 'server' | 'global'
	readonly canonicalValues?: readonly string[]
	readonly referenceTypes?: readonly string[]
}

/** One attribute with all its characteristics. `subAttributes` is empty unless `type` is complex. */
export type Attribute = Required<Omit<Characteristics, 'canonicalValues' | 'referenceTypes'>> & {
	readonly name: string
	readonly type: AttributeType
	readonly multiValued: boolean
	readonly canonicalValues: readonly string[]
	readonly referenceTypes: readonly string[]
	readonly subAttributes: Attributes
	/** Whether a schema of the tenant declares it, and not an RFC: then a value of another JSON type is converted. */
	readonly isOwn: boolean
	/** Whether only the canonical values are accepted. */
	readonly isEnforced: boolean
	/** Accepts one value of the attribute; of a multi-valued attribute, one element. */
	readonly schema: z.ZodType
}

/** Attributes by lower-case name: names are case-insensitive (RFC 7643 section 2.1). Iteration is in declared order. */
export type Attributes = ReadonlyMap<string, Attribute>

const declared = z.registry<Characteristics & { readonly type: AttributeType }>()

const text = (type: AttributeType) => (characteristics: Characteristics) =>
	z
		.string()
		.register(declared, { ...characteristics, type })
		.optional()

export const string = text('string')
export const dateTime = text('dateTime')
export const binary = text('binary')
export const reference = text('reference')

export const boolean = (characteristics: Characteristics) =>
	z
		.boolean()
		.register(declared, { ...characteristics, type: 'boolean' })
		.optional()

/** A single complex value, such as `name`. */
export const complex = <S extends z.ZodRawShape>(shape: S, characteristics: Characteristics) =>
	z
		.object(shape)
		.register(declared, { ...characteristics, type: 'complex' })
		.optional()

/** A list of plain strings, such as `schemas`. */
export const strings = (characteristics: Characteristics) =>
	z
		.array(z.string())
		.register(declared, { ...characteristics, type: 'string' })
		.optional()

/** A list of complex values, such as `emails`. */
export const multiValued = <S extends z.ZodRawShape>(shape: S, characteristics: Characteristics) =>
	z
		.array(z.object(shape))
		.register(declared, { ...characteristics, type: 'complex' })
		.optional()

/** Reads the attributes and their characteristics from the zod object that declares them. */
export function attributesOf(schema: z.ZodObject): Attributes {
	return new Map(Object.entries(schema.shape).map(([name, field]) => [name.toLowerCase(), describe(name, field)]))
}

function describe(name: string, field: unknown): Attribute {
	const schema = field instanceof z.ZodOptional ? field.unwrap() : field
	const characteristics = schema instanceof z.ZodType ? declared.get(schema) : undefined
	if (!(schema instanceof z.ZodType) || characteristics === undefined) {
		throw new TypeError(`attribute ${name} is declared without its characteristics`)
	}
	const element = schema instanceof z.ZodArray ? schema.element : schema
	return declareAttribute({
		...characteristics,
		name,
		multiValued: schema instanceof z.ZodArray,
		subAttributes: element instanceof z.ZodObject ? attributesOf(element) : new Map(),
		isOwn: false,
		isEnforced: false,
	})
}

/** What a declaration says of an attribute: a part of this file for those of the RFCs, a document for those of a tenant. */
export type AttributeDeclaration = Characteristics &
	Pick<Attribute, 'name' | 'type' | 'multiValued' | 'subAttributes' | 'isOwn' | 'isEnforced'>

/** An attribute with the defaults of RFC 7643 section 2.2 in place of what its declaration leaves out. */
export const declareAttribute = (declaration: AttributeDeclaration): Attribute => ({
	required: false,
	caseExact: false,
	mutability: 'readWrite',
	returned: 'default',
	uniqueness: 'none',
	canonicalValues: [],
	referenceTypes: [],
	...declaration,
	schema: elementSchemas[declaration.type],
})

const elementSchemas: Readonly<Record<AttributeType, z.ZodType>> = {
	string: z.string(),
	boolean: z.boolean(),
	decimal: z.number(),
	integer: z.int(),
	dateTime: z.string(),
	reference: z.string(),
	binary: z.string(),
	complex: z.record(z.string(), z.unknown()),
}

/** The attribute to compare. For a complex attribute it is `value`; undefined if the attribute has no `value`. */
export const comparedAttribute = (attribute: Attribute): Attribute | undefined =>
	attribute.type === 'complex' ? attribute.subAttributes.get('value') : attribute

/**
 * Whether an attribute is never returned. RFC 7643 section 7 lets a service provider decide whether filters may use it. Here
 * neither filters nor orders may: `sw` would tell a secret letter by letter.
 */
export const isSecret = (attribute: Attribute): boolean =>
	attribute.returned === 'never' || comparedAttribute(attribute)?.returned === 'never'

/** Whether an attribute is a list of strings, numbers or other values without parts. */
export const isSimpleList = ({ type, multiValued }: Attribute): boolean => multiValued && type !== 'complex'

/**
 * What the brackets of a value path select from, such as `tags[value eq "x"]`. RFC 7643 section 2.4 lets the elements of a
 * list be primitive values, and calls the significant value of an element `value`. So a list of simple values is read as a
 * list of objects that have `value` alone. The grammar of RFC 7644 section 3.4.2.2, to which the paths of section 3.5.2
 * refer, has brackets behind any attribute. Any other attribute is answered as it is.
 */
export function withParts(attribute: Attribute): Attribute {
	if (!isSimpleList(attribute)) return attribute
	const known = simpleLists.get(attribute) ?? asComplex(attribute)
	simpleLists.set(attribute, known)
	return known
}

/** Made once for each attribute. */
const simpleLists = new WeakMap<Attribute, Attribute>()

const asComplex = (attribute: Attribute): Attribute => ({
	...attribute,
	type: 'complex',
	subAttributes: new Map([['value', { ...attribute, name: 'value', multiValued: false, required: false }]]),
	schema: elementSchemas.complex,
})

/** The attribute called `name` in any letter case, or undefined. */
export const findAttribute = (attributes: Attributes, name: string): Attribute | undefined =>
	attributes.get(name.toLowerCase())
