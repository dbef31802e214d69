import { type Attribute, comparedAttribute, findAttribute, isSecret, isSimpleList, withParts } from '../attribute.ts'
import { booleanFromString, type Quirks } from '../dialect.ts'
import { invalidFilter } from '../error.ts'
import { inTurns } from '../in-turns.ts'
import { didYouMean, didYouMeanOneOf } from '../nearest-attribute.ts'
import type { AttributeValues } from '../resource.ts'
import { type AttributePath, type ResourceType, resolveAttribute } from '../resource-type.ts'
import { isObject, isUnassigned } from '../value.ts'
import type { AttributeExpression, Filter } from './ast.ts'
import { compare, type FoldedTexts, foldingOnce, isComparable } from './compare.ts'
import { printAttributePath } from './print.ts'

/**
 * Says whether a resource matches a filter (RFC 7644 section 3.4.2.2). The resource has its attributes by their declared
 * names, those of an extension below its URN. It needs `id`, `meta`, `members` and `groups` only if the filter names them.
 * An attribute that the resource type does not have counts as unassigned.
 *
 * One matching value of several is enough. A complex value is compared by its `value`: `manager eq "2819c223"`,
 * `members eq "2819c223"`. A simple value in a list is its own `value`: `tags[value eq "x"]`.
 */
export const matches = (filter: Filter, resource: AttributeValues, type: ResourceType): boolean =>
	atOnce(evaluate(filter, lookupIn(resource, type)))

/** The same for a long resource: other work has its turn between the expressions, and while a long text is folded. */
export async function matchesInTurns(
	filter: Filter,
	resource: AttributeValues,
	{ type, yieldTurn }: { readonly type: ResourceType; readonly yieldTurn: () => Promise<void> | undefined },
): Promise<boolean> {
	return inTurns(evaluate(filter, lookupIn(resource, type)), yieldTurn)
}

/**
 * Says whether one element of a complex attribute matches the filter inside the brackets: `emails[type eq "work"]`. An
 * element of a list of simple values comes as an object with its `value`.
 */
export const matchesElement = (filter: Filter, element: unknown, attribute: Attribute): boolean =>
	atOnce(evaluateElement(filter, element, { attribute, folded: foldingOnce() }))

/** The attribute that a path names, and one value for each element; undefined for an element without the value. */
type PathValues = { readonly attribute: Attribute; readonly values: readonly unknown[] }

type PathLookup = {
	readonly find: (path: AttributePath) => PathValues | undefined
	readonly folded: FoldedTexts
}

const lookupIn = (resource: AttributeValues, type: ResourceType): PathLookup => ({
	find: (path) => valuesOf(resource, type, path),
	folded: foldingOnce(),
})

/** An evaluation that stops before each expression, and while it folds a long text. */
type Evaluation = Generator<undefined, boolean>

function atOnce(steps: Evaluation): boolean {
	for (;;) {
		const step = steps.next()
		if (step.done) return step.value
	}
}

function* evaluate(filter: Filter, lookup: PathLookup): Evaluation {
	switch (filter.kind) {
		case 'logicalExpression': {
			const isAnd = filter.operator === 'and'
			for (const operand of filter.operands) if ((yield* evaluate(operand, lookup)) !== isAnd) return !isAnd
			return isAnd
		}
		case 'notExpression':
			return !(yield* evaluate(filter.operand, lookup))
		case 'presentExpression':
			yield
			return lookup.find(filter.path)?.values.some(isPresent) ?? false
		case 'attributeExpression':
			yield
			return yield* compareAny(filter, lookup)
		case 'valuePath': {
			const { attribute, values = [] } = lookup.find(filter.path) ?? {}
			if (attribute === undefined) return false
			const { folded } = lookup
			for (const value of values) {
				const element = isSimpleList(attribute) && value !== undefined ? { value } : value
				if (isObject(element) && (yield* evaluateElement(filter.filter, element, { attribute, folded }))) return true
			}
			return false
		}
	}
}

type ElementOptions = { readonly attribute: Attribute; readonly folded: PathLookup['folded'] }

const evaluateElement = (filter: Filter, element: unknown, { attribute, folded }: ElementOptions): Evaluation =>
	evaluate(filter, { find: (path) => subValueOf(element, attribute, path), folded })

function valuesOf(resource: AttributeValues, type: ResourceType, path: AttributePath): PathValues | undefined {
	const resolved = resolveAttribute(type, path)
	if (resolved === undefined) return undefined
	const { extension, attribute, subAttribute } = resolved
	const elements = elementsOf(property(extension === undefined ? resource : resource[extension.urn], attribute))
	if (subAttribute === undefined) return { attribute, values: elements }
	return { attribute: subAttribute, values: elements.flatMap((element) => elementsOf(property(element, subAttribute))) }
}

function subValueOf(element: unknown, list: Attribute, path: AttributePath): PathValues | undefined {
	const attribute = findSubAttribute(list, path)
	return attribute && { attribute, values: elementsOf(property(element, attribute)) }
}

const findSubAttribute = (attribute: Attribute, { uri, name, sub }: AttributePath) =>
	uri === undefined && sub === undefined ? findAttribute(withParts(attribute).subAttributes, name) : undefined

const property = (container: unknown, { name }: Attribute): unknown =>
	isObject(container) ? container[name] : undefined

const elementsOf = (value: unknown): readonly unknown[] =>
	isUnassigned(value) ? [undefined] : Array.isArray(value) ? value : [value]

/** RFC 7644 table 3: `pr` matches "a non-empty or non-null value" or "a non-empty node for complex attributes". */
const isPresent = (value: unknown): boolean =>
	isObject(value) ? Object.values(value).some(isPresent) : !isUnassigned(value)

function* compareAny({ path, operator, value }: AttributeExpression, { find, folded }: PathLookup): Evaluation {
	const found = find(path)
	if (found === undefined) return compare(undefined, { operator, value })
	const attribute = comparedAttribute(found.attribute)
	if (attribute === undefined) return false
	const values =
		attribute === found.attribute
			? found.values
			: found.values.flatMap((element) => elementsOf(property(element, attribute)))
	for (const actual of values) {
		if (typeof actual === 'string' && !attribute.caseExact) yield* folded.prepare(actual)
		if (compare(actual, { operator, value, attribute, folded: folded.of })) return true
	}
	return false
}

/**
 * Refuses a filter that can only be a mistake: its attribute is in none of the resource types, or the type of the attribute
 * cannot take the comparison. Refuses comparisons with addresses that we write: they are not stored, because they begin
 * with the host name that the client uses. An empty answer instead would make the client create a duplicate.
 *
 * @throws ScimError 400 `invalidFilter`
 */
export const checkFilter = (filter: Filter, types: readonly ResourceType[], quirks: Quirks): void =>
	check(filter, {
		owner: types.map(({ name }) => name).join(' or '),
		find: (path) =>
			types
				.map((type) => resolveAttribute(type, path))
				.flatMap((resolved) => resolved?.subAttribute ?? resolved?.attribute ?? []),
		guess(path) {
			const question = didYouMean(types, path)
			if (!types.some((type) => type.keepsUndeclared)) return question
			return question === '' ? `: ${howToDeclare}` : `${question} Or, ${howToDeclare}`
		},
		quirks,
	})

/** A tenant may keep values of an attribute that no schema declares. An empty answer would say that no resource has them. */
const howToDeclare = 'to filter by an attribute of your own, declare it with: rollcall schema adopt'

/**
 * Refuses the same mistakes inside the brackets of a value path.
 *
 * @throws ScimError 400 `invalidFilter`
 */
export const checkElementFilter = (filter: Filter, attribute: Attribute, quirks: Quirks): void =>
	check(filter, {
		owner: attribute.name,
		find: (path) => findSubAttribute(attribute, path) ?? [],
		guess: (path) =>
			isSimpleList(attribute)
				? '; its values are simple, so that brackets compare value alone'
				: didYouMeanOneOf(path, attribute.subAttributes.values()),
		quirks,
	})

/** Says whether a filter inside the brackets of a value path names a sub-attribute that the attribute does not have. */
export function namesUnknown(filter: Filter, attribute: Attribute): boolean {
	switch (filter.kind) {
		case 'logicalExpression':
			return filter.operands.some((operand) => namesUnknown(operand, attribute))
		case 'notExpression':
			return namesUnknown(filter.operand, attribute)
		case 'presentExpression':
		case 'attributeExpression':
		case 'valuePath':
			return findSubAttribute(attribute, filter.path) === undefined
	}
}

type FilterScope = {
	readonly owner: string
	readonly find: (path: AttributePath) => Attribute | readonly Attribute[]
	/** A question with the name that was probably meant; empty if no name is close. */
	readonly guess: (path: AttributePath) => string
	readonly quirks: Quirks
}

function check(filter: Filter, scope: FilterScope): void {
	switch (filter.kind) {
		case 'logicalExpression':
			for (const operand of filter.operands) check(operand, scope)
			return
		case 'notExpression':
			check(filter.operand, scope)
			return
		case 'presentExpression':
			requireAttributes(filter.path, scope)
			return
		case 'attributeExpression':
			for (const attribute of requireAttributes(filter.path, scope)) checkComparison(filter, attribute, scope.quirks)
			return
		case 'valuePath':
			for (const attribute of requireAttributes(filter.path, scope))
				checkElementFilter(filter.filter, attribute, scope.quirks)
			return
	}
}

function requireAttributes(path: AttributePath, { owner, find, guess }: FilterScope): readonly Attribute[] {
	const attributes = [find(path)].flat()
	const name = printAttributePath(path)
	if (attributes.length === 0) throw invalidFilter(`filter: ${owner} has no attribute ${name}${guess(path)}`)
	if (attributes.some(isOwnAddress)) throw invalidFilter(`filter: ${name} is an address that we write; compare the id`)
	if (attributes.some(isSecret)) throw invalidFilter(`filter: ${name} is never returned, so that no filter may use it`)
	return attributes
}

/** `meta.location` and the `$ref` of members and groups are ours. The client writes the `$ref` of a manager. */
const isOwnAddress = ({ type, mutability }: Attribute): boolean => type === 'reference' && mutability !== 'readWrite'

function checkComparison({ path, operator, value }: AttributeExpression, named: Attribute, quirks: Quirks): void {
	const name = printAttributePath(path)
	const attribute = comparedAttribute(named)
	if (attribute === undefined) throw invalidFilter(`filter: ${name} is complex; compare one of its sub-attributes`)
	if (!isComparable(attribute, operator, value)) {
		throw invalidFilter(
			`filter: ${name} is a ${attribute.type} and cannot be compared by ${operator} with ${JSON.stringify(value)}`,
		)
	}
	if (attribute.type === 'boolean') booleanFromString(value, quirks)
}
