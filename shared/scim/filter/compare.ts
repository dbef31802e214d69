import type { Attribute } from '../attribute.ts'
import { readBoolean } from '../dialect.ts'
import { foldCase, foldCaseInSteps, keepCase } from '../fold-case.ts'
import { isUnassigned } from '../value.ts'
import type { CompareOperator, CompareValue } from './ast.ts'
import { contains } from './contains.ts'

/** A comparison of RFC 7644 table 3. `attribute` is absent if the resource type does not have the attribute. */
export type Comparison = {
	readonly operator: CompareOperator
	readonly value: CompareValue
	readonly attribute?: Attribute
	/** Folds texts, each once. */
	readonly folded?: (text: string) => string
}

/**
 * Says whether an attribute's type can take a comparison. Booleans and binaries have no order, and only text has
 * substrings. A number or a literal may take the place of a string: `employeeNumber eq 701984` has lost its quotes.
 */
export function isComparable({ type }: Attribute, operator: CompareOperator, value: CompareValue): boolean {
	if (value === null) return isEquality(operator)
	switch (type) {
		case 'boolean':
			return isEquality(operator) && typeof readBoolean(value) === 'boolean'
		case 'integer':
		case 'decimal':
			return !isSubstring(operator) && typeof value !== 'boolean' && Number.isFinite(Number(value))
		case 'binary':
			return isEquality(operator) || isSubstring(operator)
		default:
			return true
	}
}

/** Compares one value of a resource with the value in the filter; `actual` is undefined if the resource has no value. */
export function compare(actual: unknown, { operator, value, attribute, folded = foldCase }: Comparison): boolean {
	// `eq null` and `eq ""` ask for an unassigned attribute (RFC 7643 section 2.5).
	if (isEquality(operator) && isUnassigned(value)) return (operator === 'eq') === isUnassigned(actual)
	if (attribute === undefined || isUnassigned(actual)) return operator === 'ne'
	if (value === null) return false
	switch (attribute.type) {
		case 'boolean':
			return isEquality(operator) && (actual === readBoolean(value)) === (operator === 'eq')
		case 'integer':
		case 'decimal':
			return compareOrdered(operator, Number(actual), Number(value))
		case 'dateTime':
			return compareTimes(operator, String(actual), String(value))
		default:
			return attribute.caseExact
				? compareText(operator, keepCase(String(actual)), keepCase(String(value)))
				: compareText(operator, folded(String(actual)), folded(String(value)))
	}
}

const isEquality = (operator: CompareOperator): boolean => operator === 'eq' || operator === 'ne'

const isSubstring = (operator: CompareOperator): boolean => operator === 'co' || operator === 'sw' || operator === 'ew'

/** Two instants are compared as instants, whatever their offsets. All else is compared as text, such as `sw "2026-11"`. */
function compareTimes(operator: CompareOperator, actual: string, value: string): boolean {
	const [left, right] = [instantOf(actual), instantOf(value)]
	if (left === undefined || right === undefined || isSubstring(operator)) return compareText(operator, actual, value)
	return compareOrdered(operator, left, right)
}

const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?<offset>Z|[+-]\d\d:\d\d)?$/i

/** Milliseconds since 1970 of an xsd:dateTime; undefined for any other text. A time without an offset is UTC. */
export function instantOf(text: string): number | undefined {
	const match = dateTime.exec(text)
	const instant = match === null ? Number.NaN : Date.parse(match.groups?.offset === undefined ? `${text}Z` : text)
	return Number.isNaN(instant) ? undefined : instant
}

function compareText(operator: CompareOperator, actual: string, value: string): boolean {
	switch (operator) {
		case 'co':
			return contains(actual, value)
		case 'sw':
			return actual.startsWith(value)
		case 'ew':
			return actual.endsWith(value)
		default:
			return compareOrdered(operator, actual, value)
	}
}

function compareOrdered<T extends string | number>(operator: CompareOperator, actual: T, value: T): boolean {
	switch (operator) {
		case 'eq':
			return actual === value
		case 'ne':
			return actual !== value
		case 'gt':
			return actual > value
		case 'ge':
			return actual >= value
		case 'lt':
			return actual < value
		case 'le':
			return actual <= value
		default:
			return false
	}
}

/** Texts that are folded again and again: of most of them, folding costs less than looking them up. */
const longText = 256

/** Texts that are folded in steps: a text of this length takes 3 ms at most. */
export const stepText = 2 ** 16

/** Folded texts of one resource. */
export type FoldedTexts = {
	readonly of: (text: string) => string
	/** Folds a very long text in steps, if it is not folded yet. */
	readonly prepare: (text: string) => Generator<undefined, void>
}

/** Folds each long text once. Use it for one resource, whose texts it keeps. */
export function foldingOnce(): FoldedTexts {
	const known = new Map<string, string>()
	return {
		of(text) {
			if (text.length < longText) return foldCase(text)
			const folded = known.get(text) ?? foldCase(text)
			known.set(text, folded)
			return folded
		},
		prepare: (text) => prepare(known, text),
	}
}

/**
 * V8 makes a hidden class for each closure that is a generator, and the class keeps what the closure sees until the next
 * full collection of garbage. So this function is no closure: the texts of one resource would outlive it.
 */
function* prepare(known: Map<string, string>, text: string): Generator<undefined, void> {
	if (text.length < stepText || known.has(text)) return
	known.set(text, yield* foldCaseInSteps(text))
	yield
}
