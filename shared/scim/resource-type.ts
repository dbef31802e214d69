import { type Attribute, type Attributes, attributesOf, findAttribute, isSimpleList } from './attribute.ts'
import { enterpriseUser } from './enterprise-user.ts'
import { group } from './group.ts'
import { commonAttributes } from './resource.ts'
import { urn } from './urn.ts'
import { user } from './user.ts'

/** A schema of RFC 7643 section 7: its URN and its attributes. */
export type Schema = {
	readonly urn: string
	readonly name: string
	readonly description: string
	readonly attributes: Attributes
}

export type TypeName = 'User' | 'Group'

/** RFC 7643 section 6. `endpoint` is relative to the tenant's base URL. */
export type ResourceType = {
	readonly name: TypeName
	readonly endpoint: '/Users' | '/Groups'
	readonly description: string
	readonly schema: Schema
	readonly extensions: readonly Schema[]
	/** Whether resources keep what no schema declares, and show it. */
	readonly keepsUndeclared: boolean
	/** The indexes that a tenant has of its own. */
	readonly indexes?: readonly OwnIndex[]
}

/**
 * An index of a tenant's own: users are found by an attribute as fast as by externalId. It has what it needs to know of
 * the attribute, because the schema that declares the attribute may be removed before the index is.
 */
export type OwnIndex = {
	/** No other index of the tenant ever had this name. */
	readonly name: string
	/** The place of the index in the rows of users, from 0 to 4. */
	readonly slot: number
	/** The attribute by its declared name. */
	readonly path: AttributePath
	readonly type: 'string' | 'integer'
	readonly caseExact: boolean
	readonly isUnique: boolean
	/** Whether writers keep the rows of the index current. */
	readonly isKept: boolean
	/** Whether each user with a value has a row, so that filters may use the index. */
	readonly isComplete: boolean
}

const enterpriseUserSchema: Schema = {
	urn: urn.enterpriseUser,
	name: 'EnterpriseUser',
	description: 'Enterprise User',
	attributes: attributesOf(enterpriseUser),
}

export const userType: ResourceType = {
	name: 'User',
	endpoint: '/Users',
	description: 'User Account',
	schema: { urn: urn.user, name: 'User', description: 'User Account', attributes: attributesOf(user) },
	extensions: [enterpriseUserSchema],
	keepsUndeclared: false,
}

export const groupType: ResourceType = {
	name: 'Group',
	endpoint: '/Groups',
	description: 'Group',
	schema: { urn: urn.group, name: 'Group', description: 'Group', attributes: attributesOf(group) },
	extensions: [],
	keepsUndeclared: false,
}

/** The resource types of one tenant. They share the attributes that every tenant has: an attribute can be compared by identity. */
export type ResourceTypes = { readonly [Name in TypeName]: ResourceType }

/** The resource types of a tenant without a schema of its own. */
export const builtInTypes: ResourceTypes = { User: userType, Group: groupType }

/** The names of all resource types, in the order in which they are listed. */
export const typeNames = ['User', 'Group'] as const satisfies readonly TypeName[]

/**
 * The name of an attribute as a client writes it. `urn:…:User:name.givenName` has the uri `urn:…:User`, the name `name` and
 * the sub `givenName`.
 */
export type AttributePath = {
	readonly uri?: string
	readonly name: string
	readonly sub?: string
}

/** The attribute that a path names in one resource type. `extension` is set if the value is below the URN of an extension. */
export type ResolvedAttribute = {
	readonly extension?: Schema
	readonly attribute: Attribute
	readonly subAttribute?: Attribute
}

/**
 * Finds the attribute that a path names, in any letter case; undefined if the resource type does not have it.
 *
 * A name without a URN is looked up in the core schema, then among the common attributes, then in the extensions. Entra
 * writes `manager` for the attribute of the enterprise extension
 * (https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups).
 *
 * The `value` of a list of simple values is the list itself: `tags.value` names the same as `tags` (RFC 7643 section 2.4).
 */
export function resolveAttribute(type: ResourceType, path: AttributePath): ResolvedAttribute | undefined {
	for (const { extension, attributes } of scopesOf(type, path.uri)) {
		const attribute = findAttribute(attributes, path.name)
		if (attribute === undefined) continue
		const sub = isSimpleList(attribute) && path.sub?.toLowerCase() === 'value' ? undefined : path.sub
		const subAttribute = sub === undefined ? undefined : findAttribute(attribute.subAttributes, sub)
		if (sub !== undefined && subAttribute === undefined) return undefined
		if (extension === undefined) return subAttribute === undefined ? { attribute } : { attribute, subAttribute }
		return subAttribute === undefined ? { extension, attribute } : { extension, attribute, subAttribute }
	}
	return undefined
}

/** The extension that has this URN, in any letter case; undefined if none has it. */
export const findExtension = (type: ResourceType, uri: string): Schema | undefined =>
	type.extensions.find((extension) => sameUrn(extension.urn, uri))

export const sameUrn = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

type AttributeScope = { readonly extension?: Schema; readonly attributes: Attributes }

function scopesOf(type: ResourceType, uri: string | undefined): readonly AttributeScope[] {
	const core = [{ attributes: type.schema.attributes }, { attributes: commonAttributes }]
	const extensions = type.extensions.map((extension) => ({ extension, attributes: extension.attributes }))
	if (uri === undefined) return [...core, ...extensions]
	return sameUrn(type.schema.urn, uri) ? core : extensions.filter(({ extension }) => sameUrn(extension.urn, uri))
}
