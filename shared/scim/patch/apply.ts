import { keepsValue } from '../active.ts'
import { type Attribute, withParts } from '../attribute.ts'
import {
	complexFromJson,
	elementFromFilter,
	listOfSingle,
	namesValuesToRemove,
	type Quirks,
	singleFromList,
} from '../dialect.ts'
import { invalidValue, mutability, noTarget, payloadTooLarge, type ScimError } from '../error.ts'
import { comparisonsIn, type Filter } from '../filter/ast.ts'
import { matchesElement } from '../filter/match.ts'
import { limitKept } from '../kept.ts'
import type { AttributeValues } from '../resource.ts'
import type { ResourceType } from '../resource-type.ts'
import {
	isMembers,
	isObject,
	isPrimary,
	isUnassigned,
	type JsonObject,
	keyLike,
	parseSubAttributes,
	parseValue,
	prune,
	requireFew,
	requireSubAttributes,
	sameValue,
	severalPrimary,
	valuesByAttribute,
	withElements,
} from '../value.ts'
import { memberEffect, toMembers, withMembers } from './members.ts'
import type { PatchOperation } from './operation.ts'
import { atOperation, refusedAt } from './place.ts'
import { applyUndeclared } from './undeclared.ts'

/**
 * Applies the operations in order, all or none (RFC 7644 section 3.5.2). Returns `values` itself if they have no effect.
 * Changes the members of a group only if `values` has them.
 *
 * @throws ScimError 400 `invalidValue`, `noTarget`, `mutability`, `invalidSyntax` for a name given twice; 413 for operations
 * that compare too much text
 */
export function applyPatch(
	values: AttributeValues,
	operations: readonly PatchOperation[],
	options: PatchOptions,
): AttributeValues {
	const steps = apply(values, operations, options)
	for (;;) {
		const step = steps.next()
		if (step.done) return step.value
	}
}

/** The same, and other work has its turn between the operations. */
export async function applyPatchInTurns(
	values: AttributeValues,
	operations: readonly PatchOperation[],
	{ yieldTurn, ...options }: PatchOptions & { readonly yieldTurn: () => Promise<void> | undefined },
): Promise<AttributeValues> {
	const steps = apply(values, operations, options)
	for (;;) {
		const step = steps.next()
		if (step.done) return step.value
		await yieldTurn()
	}
}

type PatchOptions = { readonly type: ResourceType; readonly quirks: Quirks }

/** Stops before each operation. */
function* apply(
	values: AttributeValues,
	operations: readonly PatchOperation[],
	{ type, quirks }: PatchOptions,
): Generator<undefined, AttributeValues> {
	let compared = 0
	let current = values
	for (const operation of operations) {
		yield
		compared += comparedBy(operation, current)
		if (compared > maxCompared)
			throw payloadTooLarge('the operations compare too much text: send them in several PATCHes')
		current = atOperation(operation.at, () => applyOne(current, operation, { type, quirks }))
	}
	const patched = prune(type, current)
	requireStillAssigned({ before: values, after: patched }, operations, type)
	const limited = limitKept(type, { before: values, after: patched }, quirks)
	return sameValue(limited, values) ? values : limited
}

const applyOne = (
	values: AttributeValues,
	operation: PatchOperation,
	{ type, quirks }: PatchOptions,
): AttributeValues =>
	operation.target.isUndeclared ? applyUndeclared(type, values, operation) : applyOperation(values, operation, quirks)

/** Characters that the operations of one PATCH compare. */
const maxCompared = 2 ** 27

/** The text of the current values, times the comparisons of the operation. Members are found by their ids. */
function comparedBy({ target: { extension, attribute, filter } }: PatchOperation, values: AttributeValues): number {
	if (isMembers(attribute)) return 0
	const container = extension === undefined ? values : objectOf(values[extension.urn])
	return textIn(container[attribute.name]) * (1 + comparisonsIn(filter))
}

function textIn(value: unknown): number {
	if (typeof value === 'string') return value.length
	if (typeof value !== 'object' || value === null) return 1
	return Object.values(value).reduce((sum: number, each) => sum + textIn(each), 1)
}

function applyOperation(values: AttributeValues, operation: PatchOperation, quirks: Quirks): AttributeValues {
	const { extension, attribute } = operation.target
	if (extension === undefined) {
		const next = nextValue(operation, values[attribute.name], quirks)
		return next === undefined && keepsValue(attribute) ? values : assign(values, attribute.name, next)
	}
	const current = objectOf(values[extension.urn])
	const next = assign(current, attribute.name, nextValue(operation, current[attribute.name], quirks))
	return assign(values, extension.urn, next)
}

function assign(object: JsonObject, name: string, value: unknown): JsonObject {
	if (value !== undefined) return { ...object, [name]: value }
	const { [name]: _, ...rest } = object
	return rest
}

function nextValue(operation: PatchOperation, current: unknown, quirks: Quirks): unknown {
	const { attribute, filter, text } = operation.target
	if (attribute.multiValued) return nextElements(operation, Array.isArray(current) ? current : [], quirks)
	if (filter === undefined) return nextSingle(operation, current, quirks)
	const [next, other] = nextElements(operation, listOfSingle(current, quirks), quirks)
	if (other !== undefined) throw noTarget(`${text}: the value of ${attribute.name} does not match the filter`)
	return next
}

function nextSingle(operation: PatchOperation, current: unknown, quirks: Quirks): unknown {
	const { attribute, text } = operation.target
	if (clearsWhole(operation)) return undefined
	if (attribute.type !== 'complex') return parseValue(attribute, { value: operation.value, at: text, quirks })
	const object = objectOf(current)
	return merge(attribute, object, withLists(operation, object, changesOf(operation, quirks)))
}

function nextElements(operation: PatchOperation, current: readonly unknown[], quirks: Quirks): readonly unknown[] {
	const { attribute, filter, subAttribute } = operation.target
	const effect = isMembers(attribute) ? memberEffect(operation, quirks) : undefined
	if (effect !== undefined) return withMembers(current, effect)
	const isWhole = filter === undefined && subAttribute === undefined
	const next = isWhole ? nextList(operation, current, quirks) : nextSelected(operation, current, quirks)
	requireFew(attribute, next)
	return settlePrimary(attribute, current, next)
}

/** The path is a multi-valued attribute, such as `emails`. */
function nextList(operation: PatchOperation, current: readonly unknown[], quirks: Quirks): readonly unknown[] {
	const { attribute, text } = operation.target
	if (operation.op === 'remove' && !namesValuesToRemove(operation, quirks)) return []
	const parsed = parseValue(attribute, { value: operation.value, at: text, quirks })
	const elements: readonly unknown[] = Array.isArray(parsed) ? parsed : []
	switch (operation.op) {
		case 'add':
			return withElements(attribute, current, elements)
		case 'replace':
			return withElements(attribute, [], elements)
		case 'remove':
			// A value that names nothing must not seem to have removed what the client meant.
			if (elements.length === 0 && !isUnassigned(operation.value)) {
				throw invalidValue(`${text}: the value of a remove must name values of ${attribute.name}`)
			}
			return current.filter((element) => !elements.some((named) => isNamedBy(named, element)))
	}
}

/** A path such as `tags[value eq "x"]` selects values without parts: each is an element that has its `value` alone. */
function nextSelected(operation: PatchOperation, current: readonly unknown[], quirks: Quirks): readonly unknown[] {
	const { target, value } = operation
	if (target.attribute.type === 'complex') return nextMatching(operation, current, quirks)
	const selecting = {
		...operation,
		target: { ...target, attribute: withParts(target.attribute) },
		value: isUnassigned(value) ? value : { value },
	}
	const elements = current.map((each) => ({ value: each }))
	return nextMatching(selecting, elements, quirks).map((element) => objectOf(element).value)
}

/** The path selects elements, such as `emails[type eq "work"]`. `emails.value` selects all elements. */
function nextMatching(operation: PatchOperation, current: readonly unknown[], quirks: Quirks): readonly unknown[] {
	const { attribute, filter, subAttribute } = operation.target
	const matches = (element: unknown) => filter === undefined || matchesElement(filter, objectOf(element), attribute)
	if (clearsWhole(operation)) return operation.op === 'add' ? current : current.filter((element) => !matches(element))
	const changes = changesOf(operation, quirks)
	const isSwap = operation.op === 'replace' && subAttribute === undefined
	if (!current.some(matches)) {
		// RFC 7644 section 3.5.2.3: no element to replace. Clients that mean to add one name a sub-attribute.
		if (isSwap && !isEmptied(changes)) throw noMatch(operation)
		return [...current, ...missingElement(operation, changes, quirks)]
	}
	const next = (element: unknown) =>
		isSwap ? describedElement(operation, changes, quirks) : revise(operation, objectOf(element), changes)
	return withElements(
		attribute,
		[],
		current.map((element) => (matches(element) ? next(element) : element)),
	)
}

/** Says whether the operation clears a whole attribute or element, and not only a sub-attribute. */
const clearsWhole = ({ op, target, value }: PatchOperation): boolean =>
	target.subAttribute === undefined && (op === 'remove' || isUnassigned(value))

/** The sub-attributes that the operation sets, by name. The value is undefined if the operation unassigns it. */
function changesOf(operation: PatchOperation, quirks: Quirks): ReadonlyMap<string, unknown> {
	const { attribute, subAttribute, text } = operation.target
	if (subAttribute === undefined) {
		const value = singleFromList(attribute, complexFromJson(attribute, operation.value, quirks), quirks)
		return parseSubAttributes(attribute, { value, at: text, quirks })
	}
	if (operation.op === 'remove') return new Map([[subAttribute.name, undefined]])
	const at = text.slice(0, text.lastIndexOf('.'))
	return parseSubAttributes(attribute, { value: { [subAttribute.name]: operation.value }, at, quirks })
}

/** RFC 7644 section 3.5.2.1: an `add` to a list adds values, also to a list inside a complex value. */
function withLists(
	{ op, target: { attribute } }: PatchOperation,
	current: JsonObject,
	changes: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, unknown> {
	if (op !== 'add') return changes
	const lists = [...attribute.subAttributes.values()].filter(
		({ name, multiValued }) => multiValued && changes.has(name),
	)
	const together = lists.map(
		(list) => [list.name, withAdded(list, current[list.name], changes.get(list.name))] as const,
	)
	return lists.length === 0 ? changes : new Map([...changes, ...together])
}

const withAdded = (list: Attribute, current: unknown, added: unknown): unknown =>
	Array.isArray(current) ? withElements(list, current, Array.isArray(added) ? added : []) : added

/** RFC 7644 section 3.5.2.3: "Sub-attributes that are not specified SHALL be left unchanged." */
function merge(attribute: Attribute, current: JsonObject, changes: ReadonlyMap<string, unknown>): JsonObject {
	// A new id means another manager. The old manager's other sub-attributes do not apply to the new one.
	const isOther = !attribute.multiValued && changes.has('value')
	const merged: Record<string, unknown> = isOther ? {} : { ...current }
	for (const [name, value] of changes) {
		const key = keyLike(merged, name) ?? name
		if (value === undefined) delete merged[key]
		else merged[key] = value
	}
	return merged
}

function revise(operation: PatchOperation, element: JsonObject, changes: ReadonlyMap<string, unknown>): JsonObject {
	const { attribute, text } = operation.target
	const revised = merge(attribute, element, withLists(operation, element, changes))
	for (const subAttribute of attribute.subAttributes.values()) {
		const { name } = subAttribute
		if (subAttribute.mutability === 'immutable' && revised[name] !== element[name]) {
			throw mutability(`${text}: ${name} cannot be changed`)
		}
	}
	return revised
}

const isEmptied = (changes: ReadonlyMap<string, unknown>): boolean =>
	[...changes.values()].every((value) => value === undefined)

/** The element to add if no element matches. There is none if the operation would leave the element empty. */
function missingElement(
	operation: PatchOperation,
	changes: ReadonlyMap<string, unknown>,
	quirks: Quirks,
): readonly JsonObject[] {
	if (isEmptied(changes)) return []
	const { attribute, filter } = operation.target
	const literals = filter === undefined ? {} : elementFromFilter(filter, quirks)
	const element = literals && describedElement(operation, changes, quirks)
	if (element === undefined || (filter !== undefined && !matchesElement(filter, element, attribute))) {
		throw noMatch(operation)
	}
	return [element]
}

const noMatch = ({ target: { attribute, text } }: PatchOperation): ScimError =>
	noTarget(`${text}: no value of ${attribute.name} matches the filter`)

/** An element with the values in the filter and the values that the operation sets. */
function describedElement(
	operation: PatchOperation,
	changes: ReadonlyMap<string, unknown>,
	quirks: Quirks,
): JsonObject {
	const { attribute, filter, text } = operation.target
	const described = filter === undefined ? {} : unsaidLiterals(filter, changes, quirks)
	const literals = merge(attribute, {}, parseSubAttributes(attribute, { value: described, at: text, quirks }))
	const element = merge(attribute, literals, changes)
	requireSubAttributes(attribute, element, text)
	const [member] = isMembers(attribute) ? toMembers([element]) : []
	return member ?? element
}

/** What a filter says of an element; nothing if the operation itself says all of it. */
function unsaidLiterals(filter: Filter, changes: ReadonlyMap<string, unknown>, quirks: Quirks): JsonObject {
	const said = Object.fromEntries(changes)
	const literals = Object.keys(elementFromFilter(filter, new Set()) ?? {})
	const isSaid = literals.every((name) => keyLike(said, name) !== undefined)
	return isSaid ? {} : (elementFromFilter(filter, quirks) ?? {})
}

/** Says whether an element has all the sub-attributes of a value to remove. */
const isNamedBy = (named: unknown, element: unknown): boolean =>
	isObject(named) && isObject(element)
		? Object.entries(named).every(([name, value]) => sameValue(element[name], value))
		: sameValue(named, element)

/** RFC 7644 section 3.5.2: setting `primary` to true sets it to false for all other values. */
function settlePrimary(
	attribute: Attribute,
	current: readonly unknown[],
	next: readonly unknown[],
): readonly unknown[] {
	const primaries = next.filter(isPrimary)
	if (primaries.length < 2) return next
	const before = new Set(current)
	const [primary, other] = primaries.filter((element) => !before.has(element))
	if (other !== undefined) throw severalPrimary(attribute.name)
	return next.map((element) => (element !== primary && isPrimary(element) ? { ...element, primary: false } : element))
}

/**
 * The error for a required attribute that is removed is `mutability` (RFC 7644 section 3.5.2.2). The error for a required
 * attribute without a value is `invalidValue` (table 9).
 */
function requireStillAssigned(
	{ before, after }: { readonly before: AttributeValues; readonly after: AttributeValues },
	operations: readonly PatchOperation[],
	type: ResourceType,
): void {
	const wasAssigned = new Set(
		[...valuesByAttribute(type, before)].filter(({ value }) => !isUnassigned(value)).map(({ attribute }) => attribute),
	)
	for (const { attribute, at, value } of valuesByAttribute(type, after)) {
		if (!attribute.required || !isUnassigned(value)) continue
		// A schema may declare an attribute required after the user was made. A leaver must be disabled all the same.
		if (attribute.isOwn && !wasAssigned.has(attribute)) continue
		const isAbout = ({ target }: PatchOperation) => target.attribute === attribute
		const isRemoved = operations.some((operation) => operation.op === 'remove' && isAbout(operation))
		const refusal = (isRemoved ? mutability : invalidValue)(`${at} is required`)
		const last = operations.findLast(isAbout)
		throw last === undefined ? refusal : refusedAt(last.at, refusal)
	}
}

const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {})
