import { keepsValue } from '../../scim/active.ts'
import type { Attribute } from '../../scim/attribute.ts'
import type { CompareValue, Filter, LogicalExpression, NotExpression } from '../../scim/filter/ast.ts'
import { instantOf } from '../../scim/filter/compare.ts'
import {
	type AttributePath,
	type ResolvedAttribute,
	type ResourceType,
	resolveAttribute,
} from '../../scim/resource-type.ts'
import { isUnassigned } from '../../scim/value.ts'
import { columnConditions, columnFor } from '../rows/columns.ts'
import { type Index, indexedValues, indexesOf, usableIndexesOf } from '../rows/indexes.ts'
import { isPrefixKept } from '../rows/keys.ts'
import { userRow } from '../rows/schema.ts'
import type { Condition } from '../table/tables.ts'
import { type Position, parsePosition } from './order.ts'
import type { Page, Query, Sort } from './page.ts'

/** How a query is answered. */
export type Plan<S extends Source = Source> = {
	readonly type: ResourceType
	readonly filter: Filter | undefined
	readonly source: S
	/** The memberships to read for the filter, without the one that a `links` source proves. */
	readonly need: LinkNeed
	/** Undefined for the order of ids. */
	readonly sort: Sort | undefined
	readonly page: Page
	/** The page begins after this position. Undefined at the beginning, and for a page by `startIndex`. */
	readonly start: Position | undefined
	readonly limit: Limit
	/** The plan to follow if there are more candidates than the limit. Undefined if the answer is 400 `tooMany`. */
	readonly walk: CandidatePlan | undefined
}

/** A plan that reads candidates and compares them with the filter. */
export type CandidatePlan = Plan<CandidateSource>

/** Where the resources come from: `all` and `byUserName` are all resources, already in the order of the result. */
export type Source = { readonly kind: 'all' } | { readonly kind: 'byUserName'; readonly index: Index } | CandidateSource

/** Finds candidates, which include every match. The filter decides which candidates match. */
export type CandidateSource =
	| { readonly kind: 'id'; readonly id: string }
	| { readonly kind: 'index'; readonly index: Index; readonly value: string }
	/** `prefixes` are the spellings of one prefix, encoded as in the index. */
	| { readonly kind: 'prefix'; readonly index: Index; readonly prefixes: readonly string[] }
	/** The users of a group, or the groups of a user. If every candidate is a match, only the page is read. */
	| { readonly kind: 'links'; readonly id: string; readonly reads: 'all' | 'page' }
	/** All resources, without those that the table service leaves out because of the conditions. */
	| { readonly kind: 'scan'; readonly conditions: readonly ScanCondition[] }

export type SourceOf<K extends Source['kind']> = Extract<Source, { readonly kind: K }>

/** A condition on the column of the attribute at `path`. */
export type ScanCondition = Condition & { readonly path: string }

/**
 * How much one request reads at most:
 *
 * - `none`: the page.
 * - `skipped`: the page, and as many rows before the page as the scan limit.
 * - `page`: as many candidates as the table service returns in one page.
 * - `candidates`: as many candidates as the scan limit.
 * - `total`: all candidates, if the type has no more resources than the scan limit.
 * - `walk`: as many candidates as fill the page, or as the scan limit. The next page goes on from there.
 */
export type Limit = 'none' | 'skipped' | 'page' | 'candidates' | 'total' | 'walk'

/** The memberships that decide whether a resource matches: those with these ids, any one, or all. */
export type LinkNeed = readonly string[] | 'any' | 'all'

/** Decides how to answer a query. */
export function planQuery(type: ResourceType, query: Query): Plan {
	const { filter, sort, page } = query
	const start = 'after' in page && page.after !== '' ? parsePosition(page.after) : undefined
	const source = sourceOf(type, query)
	const need = filter === undefined ? [] : unprovedNeed(linkNeedOf(type, filter), source)
	const plan = { type, filter, need, sort, page, start: start?.position, walk: undefined }
	if (source.kind === 'all') return { ...plan, source, limit: 'none' }
	if (source.kind === 'byUserName') return { ...plan, source, limit: 'skipped' }
	const limit = source.kind === 'scan' ? 'total' : 'candidates'
	if (!('after' in page) || sort !== undefined) return { ...plan, source, limit }
	const walk = { ...plan, source: walkSource(source), limit: 'walk' } as const
	return start?.isWalk ? walk : { ...plan, source, limit: limit === 'total' ? limit : 'page', walk }
}

function sourceOf(type: ResourceType, { filter, sort }: Query): Source {
	if (filter !== undefined) return candidateSource(type, filter, sort)
	if (sort === undefined) return { kind: 'all' }
	const index = userNameIndex(type, sort)
	return index === undefined ? { kind: 'scan', conditions: [] } : { kind: 'byUserName', index }
}

/** Every user has one userName, so that the rows of this index are all users. */
function userNameIndex(type: ResourceType, { by, descending }: Sort): Index | undefined {
	if (type.name !== 'User' || descending) return undefined
	const attribute = resolveAttribute(type, by)?.attribute
	return indexesOf(type).find((index) => index.unique && index.attribute === attribute)
}

/**
 * A walk reads in the order of ids, which the rows of a prefix do not have. It scans without conditions: with them, the
 * table service could pass any number of rows before it returns a page.
 */
function walkSource(source: CandidateSource): CandidateSource {
	if (source.kind === 'prefix' || source.kind === 'scan') return { kind: 'scan', conditions: [] }
	return source.kind === 'links' ? { ...source, reads: 'all' } : source
}

/** The table service takes fifteen comparisons. The range of keys needs three of them. */
const maxConditions = 12

/** The source with the fewest candidates that a term of the filter offers. */
function candidateSource(type: ResourceType, filter: Filter, sort: Sort | undefined): CandidateSource {
	const terms = termsOf(filter)
	const equalities = terms.flatMap((term) => equalitiesOf(type, term))
	const valuesOf = (isEqual: (attribute: Attribute) => boolean) =>
		equalities.filter((each) => isWhole(each) && isEqual(each.attribute)).map(({ value }) => value)
	const conditions = terms.flatMap((term) => conditionsOf(type, term))
	// New resources are few, so that a scan by time finds them sooner than a prefix that many resources share.
	const isSince = conditions.some(({ path }) => timeColumns[path] !== undefined)
	// The ids of a group's members are certain. Those of a user's groups are not: a change of the group may be pending.
	const reads = type.name === 'User' && sort === undefined && namedLink(type, filter) !== undefined ? 'page' : 'all'
	const sources: readonly CandidateSource[] = [
		...valuesOf(({ name }) => name === 'id').map((id) => ({ kind: 'id', id }) as const),
		...usableIndexesOf(type).flatMap((index) =>
			equalities
				.filter((each) => isIndexed(index, each))
				.map(({ value }) => ({ kind: 'index', index, value }) as const),
		),
		...valuesOf(({ name }) => name === linkAttribute(type)).map((id) => ({ kind: 'links', id, reads }) as const),
		...(isSince ? [] : terms.flatMap((term) => prefixSource(type, term))),
	]
	return sources[0] ?? { kind: 'scan', conditions: conditions.slice(0, maxConditions) }
}

/** The expressions that must all hold: the operands of `and`, also of an `and` inside another. */
const termsOf = (filter: Filter): readonly Filter[] =>
	filter.kind === 'logicalExpression' && filter.operator === 'and' ? filter.operands.flatMap(termsOf) : [filter]

/** The attributes by which an index could find all matches of a filter. */
export const comparedPaths = (filter: Filter): readonly AttributePath[] =>
	termsOf(filter).flatMap((term) =>
		term.kind === 'attributeExpression' && ['eq', 'sw'].includes(term.operator) ? [term.path] : [],
	)

/** An attribute, or a sub-attribute, that must be equal to `value`. */
type Equality = ResolvedAttribute & { readonly value: string }

/** Whether it is an attribute, or the `value` of a complex one. */
const isWhole = ({ subAttribute }: ResolvedAttribute): boolean =>
	subAttribute === undefined || subAttribute.name === 'value'

const isIndexed = (index: Index, each: ResolvedAttribute): boolean =>
	index.attribute === each.attribute && (index.subAttribute === each.subAttribute || (!index.own && isWhole(each)))

/** The equalities without which a term cannot hold, also those in the brackets of `emails[type eq "work" and value eq "x"]`. */
function equalitiesOf(type: ResourceType, term: Filter): readonly Equality[] {
	if (term.kind === 'attributeExpression') return term.operator === 'eq' ? equality(type, term.path, term.value) : []
	if (term.kind !== 'valuePath') return []
	return termsOf(term.filter).flatMap((inner) =>
		inner.kind === 'attributeExpression' && inner.operator === 'eq' && isValue(inner.path)
			? equality(type, term.path, inner.value)
			: [],
	)
}

const isValue = ({ uri, name, sub }: AttributePath): boolean =>
	uri === undefined && sub === undefined && name.toLowerCase() === 'value'

/** Empty for null and "", which match resources without a value: no index holds them. */
function equality(type: ResourceType, path: AttributePath, value: CompareValue): readonly Equality[] {
	const resolved = resolveAttribute(type, path)
	if (resolved === undefined || isUnassigned(value)) return []
	return [{ ...resolved, value: String(value) }]
}

/**
 * The source of `userName sw "jo"`. A long prefix has none, since the index cuts long values. Groups have none, since
 * their index rows hold ids alone: each group would be read with its own request.
 */
function prefixSource(type: ResourceType, term: Filter): readonly SourceOf<'prefix'>[] {
	if (type.name === 'Group' || term.kind !== 'attributeExpression' || term.operator !== 'sw') return []
	return equality(type, term.path, term.value).flatMap((each) =>
		usableIndexesOf(type)
			.filter((index) => isIndexed(index, each) && index.own?.type !== 'integer')
			.map((index) => ({ kind: 'prefix', index, prefixes: indexedValues(index, each.value) }) as const)
			.filter(({ prefixes }) => prefixes.every(isPrefixKept)),
	)
}

const timeColumns: Readonly<Record<string, string>> = {
	'meta.created': userRow.created.stored,
	'meta.lastModified': userRow.lastModified.stored,
}

/**
 * The conditions without which a term cannot hold, for attributes that have a column. For times they are lower bounds, by
 * which clients ask for what is new. Times in rows all have the same format, so that they can be compared as text.
 */
function conditionsOf(type: ResourceType, term: Filter): readonly ScanCondition[] {
	if (term.kind !== 'attributeExpression' || !['eq', 'ge', 'gt'].includes(term.operator)) return []
	const resolved = resolveAttribute(type, term.path)
	if (resolved === undefined) return []
	const path = pathOf(resolved)
	const timeColumn = timeColumns[path]
	const time = typeof term.value === 'string' ? instantOf(term.value) : undefined
	if (timeColumn !== undefined && time !== undefined) {
		return [{ path, property: timeColumn, operator: 'ge', value: new Date(time).toISOString() }]
	}
	const column = columnFor(type, resolved)
	if (column === undefined || term.operator !== 'eq') return []
	// A user stored without `active` counts as active, and has no column that says so.
	if (term.value === true && keepsValue(resolved.attribute)) return []
	return columnConditions(column, term.value).map((condition) => ({ path, ...condition }))
}

export const pathOf = ({ attribute, subAttribute }: ResolvedAttribute): string =>
	subAttribute === undefined ? attribute.name : `${attribute.name}.${subAttribute.name}`

/** The attribute that is not in the resource's own row. */
export const linkAttribute = ({ name }: ResourceType): string => (name === 'Group' ? 'members' : 'groups')

function linkNeedOf(type: ResourceType, filter: Filter): LinkNeed {
	switch (filter.kind) {
		case 'logicalExpression':
			return filter.operands.map((operand) => linkNeedOf(type, operand)).reduce(bothNeeds)
		case 'notExpression':
			return linkNeedOf(type, filter.operand)
		case 'attributeExpression':
		case 'presentExpression':
		case 'valuePath': {
			if (resolveAttribute(type, filter.path)?.attribute.name !== linkAttribute(type)) return []
			const id = namedLink(type, filter)
			if (id !== undefined) return [id]
			return isExistence(filter) ? 'any' : 'all'
		}
	}
}

/** `members pr` and `members.value pr`: every membership has a value. */
const isExistence = ({ kind, path: { sub = 'value' } }: Exclude<Filter, LogicalExpression | NotExpression>): boolean =>
	kind === 'presentExpression' && sub.toLowerCase() === 'value'

function bothNeeds(a: LinkNeed, b: LinkNeed): LinkNeed {
	if (a === b || b.length === 0) return a
	if (a.length === 0) return b
	return typeof a === 'string' || typeof b === 'string' ? 'all' : [...a, ...b]
}

const unprovedNeed = (need: LinkNeed, source: Source): LinkNeed =>
	source.kind === 'links' && typeof need !== 'string' && need.every((id) => id === source.id) ? [] : need

/** The one id that decides `members eq "x"` or `members[value eq "x"]`. Undefined for filters that compare anything else. */
function namedLink(type: ResourceType, filter: Filter): string | undefined {
	const isPlain =
		filter.kind === 'attributeExpression' ||
		(filter.kind === 'valuePath' && filter.filter.kind === 'attributeExpression')
	return isPlain ? equalitiesOf(type, filter).find(isWhole)?.value : undefined
}
