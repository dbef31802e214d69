import type { CompareValue, Filter } from '../../scim/filter/ast.ts'
import { instantOf } from '../../scim/filter/compare.ts'
import {
	type AttributePath,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
} from '../../scim/resource-type.ts'
import { isUnassigned } from '../../scim/value.ts'
import { columnFor, columnValue } from '../rows/columns.ts'
import { type Index, indexedValue, indexesOf } from '../rows/indexes.ts'
import { isPrefixKept } from '../rows/keys.ts'
import { userRow } from '../rows/schema.ts'
import type { Condition } from '../table/tables.ts'

/** How to find the few resources among which those are that a filter is looking for. */
export type Access =
	| { readonly kind: 'id'; readonly id: string }
	| { readonly kind: 'index'; readonly index: Index; readonly value: string }
	/** What begins with a value, given as the index has it. */
	| { readonly kind: 'prefix'; readonly index: Index; readonly prefix: string }
	/** The users of a group, or the groups of a user. */
	| { readonly kind: 'links'; readonly id: string }

/** The best way that a filter offers: one of its `and` operands is enough. Undefined where all resources must be looked at. */
export const accessOf = (type: ResourceType, filter: Filter): Access | undefined =>
	[
		...equalitiesIn(type, filter).map((equality) => accessBy(type, equality)),
		// Those who are new among many who begin so are sooner found by their times.
		...(isSince(type, filter) ? [] : [prefixIn(type, filter)]),
	]
		.filter((access) => access !== undefined)
		.reduce<Access | undefined>(
			(best, access) => (best && rank(type, best) <= rank(type, access) ? best : access),
			undefined,
		)

const rank = (type: ResourceType, access: Access): number => {
	switch (access.kind) {
		case 'id':
			return -1
		case 'index':
			return indexesOf(type).indexOf(access.index)
		case 'links':
			return indexesOf(type).length
		case 'prefix':
			return indexesOf(type).length + 1
	}
}

const times: Readonly<Record<string, string>> = {
	created: userRow.created.stored,
	lastModified: userRow.lastModified.stored,
}

/**
 * What the table service itself can leave out of a scan: where an attribute that has a column is not equal to what the
 * filter asks for; and what is older than it asks for, which is how a client asks what is new since it last looked. The
 * times of rows have all the same form, so that they compare as text.
 */
export function conditionsIn(type: ResourceType, filter: Filter): readonly Condition[] {
	if (filter.kind === 'logicalExpression' && filter.operator === 'and') {
		return filter.operands.flatMap((operand) => conditionsIn(type, operand))
	}
	if (filter.kind !== 'attributeExpression' || !['eq', 'ge', 'gt'].includes(filter.operator)) return []
	const resolved = resolveAttribute(type, filter.path)
	if (resolved === undefined) return []
	return [...notOlder(resolved, filter.value), ...(filter.operator === 'eq' ? equal(type, resolved, filter.value) : [])]
}

/** Whether a filter asks for what is not older than a time. */
const isSince = (type: ResourceType, filter: Filter): boolean =>
	conditionsIn(type, filter).some(({ operator }) => operator === 'ge')

function notOlder({ attribute, subAttribute }: ResolvedAttribute, value: CompareValue): readonly Condition[] {
	const property = attribute.name === 'meta' ? times[subAttribute?.name ?? ''] : undefined
	const time = typeof value === 'string' ? instantOf(value) : undefined
	if (property === undefined || time === undefined) return []
	return [{ property, operator: 'ge', value: new Date(time).toISOString() }]
}

function equal(type: ResourceType, resolved: ResolvedAttribute, value: CompareValue): readonly Condition[] {
	const column = columnFor(type, resolved)
	const known = column && columnValue(column, value)
	return column === undefined || known === undefined ? [] : [{ property: column.stored, operator: 'eq', value: known }]
}

/** What must be equal to `value`: an attribute, or the `value` of a complex one. */
type Equality = ResolvedAttribute & { readonly value: string }

/** The equalities without which a filter cannot hold. */
function equalitiesIn(type: ResourceType, filter: Filter): readonly Equality[] {
	switch (filter.kind) {
		case 'attributeExpression':
			return filter.operator === 'eq' ? equality(type, filter.path, filter.value) : []
		case 'valuePath':
			return valuesIn(filter.filter).flatMap((value) => equality(type, filter.path, value))
		case 'logicalExpression':
			return filter.operator === 'and' ? filter.operands.flatMap((operand) => equalitiesIn(type, operand)) : []
		case 'presentExpression':
		case 'notExpression':
			return []
	}
}

/** What `value` must be equal to inside the brackets of `emails[type eq "work" and value eq "x"]`. */
function valuesIn(filter: Filter): readonly CompareValue[] {
	switch (filter.kind) {
		case 'attributeExpression':
			return filter.operator === 'eq' && isValue(filter.path) ? [filter.value] : []
		case 'logicalExpression':
			return filter.operator === 'and' ? filter.operands.flatMap(valuesIn) : []
		case 'presentExpression':
		case 'notExpression':
		case 'valuePath':
			return []
	}
}

const isValue = ({ uri, name, sub }: AttributePath): boolean =>
	uri === undefined && sub === undefined && name.toLowerCase() === 'value'

/** An equality with null or "" asks for resources that have no value, which no index holds. */
function equality(type: ResourceType, path: AttributePath, value: CompareValue): readonly Equality[] {
	const resolved = resolveAttribute(type, path)
	if (resolved === undefined || isUnassigned(value)) return []
	if (resolved.subAttribute !== undefined && resolved.subAttribute.name !== 'value') return []
	return [{ ...resolved, value: String(value) }]
}

function accessBy(type: ResourceType, { attribute, value }: Equality): Access | undefined {
	if (attribute.name === 'id') return { kind: 'id', id: value }
	if (isLink(type, attribute.name)) return { kind: 'links', id: value }
	const index = indexesOf(type).find((each) => each.attribute === attribute)
	return index && { kind: 'index', index, value }
}

/**
 * What a value must begin with, where an index has it: `userName sw "jo"`. Long values are cut in the index; and a group's
 * would lead to many groups that have to be read one by one.
 */
function prefixIn(type: ResourceType, filter: Filter): Access | undefined {
	if (filter.kind === 'logicalExpression' && filter.operator === 'and') {
		return filter.operands.map((operand) => prefixIn(type, operand)).find((access) => access !== undefined)
	}
	if (type.name === 'Group' || filter.kind !== 'attributeExpression' || filter.operator !== 'sw') return undefined
	const [found] = equality(type, filter.path, filter.value)
	const index = indexesOf(type).find(({ attribute }) => attribute === found?.attribute)
	if (found === undefined || index === undefined) return undefined
	const prefix = indexedValue(index, found.value)
	return isPrefixKept(prefix) ? { kind: 'prefix', index, prefix } : undefined
}

/** Whether an attribute is not in the resource's row: a group's members, a user's groups. */
const isLink = (type: ResourceType, name: string): boolean => name === (type.name === 'Group' ? 'members' : 'groups')

/** What must be known of a group's members or a user's groups to evaluate a filter: nothing, whether these, or all. */
export type LinkNeed = readonly string[] | 'all'

export function linkNeedOf(type: ResourceType, filter: Filter): LinkNeed {
	switch (filter.kind) {
		case 'logicalExpression':
			return filter.operands.map((operand) => linkNeedOf(type, operand)).reduce(both)
		case 'notExpression':
			return linkNeedOf(type, filter.operand)
		case 'attributeExpression':
		case 'presentExpression':
		case 'valuePath': {
			const resolved = resolveAttribute(type, filter.path)
			if (resolved === undefined || !isLink(type, resolved.attribute.name)) return []
			return namedIn(type, filter) ?? 'all'
		}
	}
}

const both = (a: LinkNeed, b: LinkNeed): LinkNeed => (a === 'all' || b === 'all' ? 'all' : [...a, ...b])

/** The one id of `members eq "x"` and `members[value eq "x"]`, for which the others do not matter. */
function namedIn(type: ResourceType, filter: Filter): readonly string[] | undefined {
	const isPlain =
		filter.kind === 'attributeExpression' ||
		(filter.kind === 'valuePath' && filter.filter.kind === 'attributeExpression')
	const equalities = isPlain ? equalitiesIn(type, filter) : []
	return equalities.length === 0 ? undefined : equalities.map(({ value }) => value)
}

/** Whether a filter is `members eq "x"`, `groups[value eq "x"]` or the like and asks for nothing else. */
export const asksForLinkAlone = (type: ResourceType, filter: Filter): boolean =>
	linkNeedOf(type, filter).length > 0 && namedIn(type, filter) !== undefined
