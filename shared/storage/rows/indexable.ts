import { printAttributePath } from '../../scim/filter/print.ts'
import { didYouMean } from '../../scim/nearest-attribute.ts'
import {
	type AttributePath,
	type OwnIndex,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
	sameUrn,
} from '../../scim/resource-type.ts'
import { indexesOf } from './indexes.ts'

/** What an index of a tenant's own is about. */
export type IndexSubject = Pick<OwnIndex, 'path' | 'type' | 'caseExact'>

/** The attribute by its declared name. */
const declaredPath = ({ extension, attribute, subAttribute }: ResolvedAttribute): AttributePath => ({
	...(extension !== undefined && { uri: extension.urn }),
	name: attribute.name,
	...(subAttribute !== undefined && { sub: subAttribute.name }),
})

/** What an index on this attribute of users is about, or the sentence that says why there can be none. */
export function indexSubject(type: ResourceType, path: AttributePath, isUnique: boolean): IndexSubject | string {
	const resolved = resolveAttribute(type, path)
	if (resolved === undefined)
		return `${type.name} has no attribute ${printAttributePath(path)}${didYouMean([type], path)}`
	const { attribute, subAttribute = attribute } = resolved
	const declared = declaredPath(resolved)
	const text = printAttributePath(declared)
	if (attribute.multiValued || subAttribute.multiValued)
		return `${text} may have several values; an index can be added to an attribute that has one`
	if (subAttribute.type === 'complex') {
		const example = [...subAttribute.subAttributes.values()].find(({ type }) => type === 'string')
		return `${text} is complex; an index can be added to one of its sub-attributes, such as ${text}.${example?.name}`
	}
	if (subAttribute.type !== 'string' && subAttribute.type !== 'integer') {
		return `${text} is of the type ${subAttribute.type}; an index can be added to an attribute of the type string or integer`
	}
	if (subAttribute.returned === 'never') return `${text} is never returned, so no filter may use it`
	if (isManaged(type, resolved)) return `${text} needs no index: Rollcall finds users by it already`
	const builtIn = indexesOf(type).find((index) => index.attribute === attribute)
	if (builtIn !== undefined && (subAttribute === attribute || subAttribute.name === 'value')) {
		if (builtIn.unique) return `${text} has an index already, and it is unique`
		if (!isUnique) return `${text} has an index already`
	}
	return { path: declared, type: subAttribute.type, caseExact: subAttribute.caseExact }
}

/** Whether it is a common attribute that the service provider assigns, such as `id` and `meta`. */
const isManaged = ({ schema }: ResourceType, { extension, attribute }: ResolvedAttribute): boolean =>
	extension === undefined &&
	attribute.name !== 'externalId' &&
	schema.attributes.get(attribute.name.toLowerCase()) !== attribute

/** The index of a tenant's own on an attribute, complete or not. */
const ownIndexAt = ({ indexes = [] }: ResourceType, path: AttributePath): OwnIndex | undefined =>
	indexes.find((index) => isSamePath(index.path, path))

export const isSamePath = (a: AttributePath, b: AttributePath): boolean =>
	isSameName(a.name, b.name) && isSameName(a.sub, b.sub) && isSameName(a.uri, b.uri)

/** A schema may be declared anew in another letter case. */
const isSameName = (a: string | undefined, b: string | undefined): boolean =>
	a === b || (a !== undefined && b !== undefined && sameUrn(a, b))

/** What an administrator can do so that a comparison with an attribute needs no scan; undefined if nothing. */
export function indexAdvice(type: ResourceType, path: AttributePath): string | undefined {
	const subject = indexSubject(type, path, false)
	if (type.name !== 'User' || typeof subject === 'string') return undefined
	const text = printAttributePath(subject.path)
	const own = ownIndexAt(type, subject.path)
	if (own === undefined) return `add an index with: rollcall index add TENANT ${text}`
	return own.isComplete ? undefined : `wait until the index of ${text} is complete`
}
