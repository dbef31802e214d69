import { namesValuesToRemove, type Quirks } from '../dialect.ts'
import { invalidValue } from '../error.ts'
import type { Filter } from '../filter/ast.ts'
import { kindOfId } from '../id.ts'
import type { Member, ResourceId } from '../resource.ts'
import { isMembers, isObject, parseValue } from '../value.ts'
import type { PatchOperation } from './operation.ts'
import { atOperation } from './place.ts'

/** The change that a PATCH makes to a group. If `base` is `none`, the members in `add` replace all current members. */
export type MemberChange = {
	/** The operations on other attributes. */
	readonly rest: readonly PatchOperation[]
	readonly base: 'current' | 'none'
	/** Has each member once. No member is in `remove` too. */
	readonly add: readonly Member[]
	readonly remove: readonly ResourceId[]
}

/** The effect of one operation: removes `all` members, or those in `remove`, and then adds those in `add`. */
export type MemberEffect = {
	readonly all: boolean
	readonly add: readonly Member[]
	readonly remove: readonly ResourceId[]
}

/**
 * Adds up the effects of the operations on the members of a group, without reading the members. Undefined if the effects
 * depend on the members, as for `members[display co "x"]`.
 *
 * @throws ScimError 400 `invalidValue` for an id that cannot be a member
 */
export function memberChange(operations: readonly PatchOperation[], quirks: Quirks): MemberChange | undefined {
	const rest: PatchOperation[] = []
	const add = new Map<ResourceId, Member>()
	const remove = new Set<ResourceId>()
	let base: MemberChange['base'] = 'current'
	for (const operation of operations) {
		if (!isMembers(operation.target.attribute)) {
			rest.push(operation)
			continue
		}
		const effect = atOperation(operation.at, () => memberEffect(operation, quirks))
		if (effect === undefined) return undefined
		if (effect.all) {
			const staying = new Set(effect.add.map(({ value }) => value))
			for (const id of add.keys()) if (!staying.has(id)) add.delete(id)
			remove.clear()
			base = 'none'
		}
		for (const id of effect.remove) {
			add.delete(id)
			if (base === 'current') remove.add(id)
		}
		for (const member of effect.add) {
			remove.delete(member.value)
			if (!add.has(member.value)) add.set(member.value, member)
		}
	}
	return { rest, base, add: [...add.values()], remove: [...remove] }
}

/** The place of the last operation that adds a member for which `isMeant` holds; undefined if there is none. */
export const placeOfMember = (
	operations: readonly PatchOperation[],
	isMeant: (member: Member) => boolean,
	quirks: Quirks,
): string | undefined =>
	operations.findLast(
		(operation) => isMembers(operation.target.attribute) && memberEffect(operation, quirks)?.add.some(isMeant) === true,
	)?.at

/**
 * The effect of one operation on `members`; undefined if the effect depends on the current members.
 *
 * @throws ScimError 400 `invalidValue` for an id that cannot be a member
 */
export function memberEffect(operation: PatchOperation, quirks: Quirks): MemberEffect | undefined {
	const { attribute, filter, text } = operation.target
	if (filter !== undefined) {
		const values = operation.op === 'remove' ? valuesInFilter(filter) : undefined
		return values && { all: false, add: [], remove: values.filter(isUserId) }
	}
	if (operation.op !== 'remove') {
		const add = toMembers(parseValue(attribute, { value: operation.value, at: text, quirks }))
		return { all: operation.op === 'replace', add, remove: [] }
	}
	if (!Object.hasOwn(operation, 'value')) return { all: true, add: [], remove: [] }
	// A value without members is refused. Of all removes, only one without a value may empty a group.
	if (!namesValuesToRemove(operation, quirks)) throw invalidValue(`${text}: the value of a remove must name members`)
	const named = parseValue(attribute, { value: operation.value, at: text, quirks })
	return { all: false, add: [], remove: Array.isArray(named) ? named.map(idOf).filter(isUserId) : [] }
}

/** The members after one operation, in their order; new members come last. A member that stays keeps its display. */
export function withMembers(current: readonly unknown[], { all, add, remove }: MemberEffect): readonly unknown[] {
	const added = new Map<unknown, Member>(add.map((member) => [member.value, member]))
	const removed = new Set<unknown>(remove)
	const kept = current.filter((member) => {
		const value = idOf(member)
		return added.delete(value) || !(all || removed.has(value))
	})
	return [...kept, ...added.values()]
}

/**
 * The members in a value of the attribute `members`, as parseValue returns it. Of several members with one id, the first
 * counts.
 *
 * @throws ScimError 400 `invalidValue` for a group, and for an id that no user can have
 */
export function toMembers(value: unknown): readonly Member[] {
	const members = new Map<ResourceId, Member>()
	const elements: readonly unknown[] = Array.isArray(value) ? value : []
	for (const [index, element] of elements.entries()) {
		const member = toMember(element, `members[${index}].value`)
		if (!members.has(member.value)) members.set(member.value, member)
	}
	return [...members.values()]
}

/** The change that turns one list of members into another. A member that stays keeps its display. */
export function diffMembers(
	current: readonly Member[],
	next: readonly Member[],
): { readonly add: readonly Member[]; readonly remove: readonly ResourceId[] } {
	const before = new Set(current.map(({ value }) => value))
	const after = new Set(next.map(({ value }) => value))
	return {
		add: next.filter(({ value }) => !before.has(value)),
		remove: [...before].filter((value) => !after.has(value)),
	}
}

function toMember(element: unknown, at: string): Member {
	const { value, type, display }: Readonly<Record<string, unknown>> = isObject(element) ? element : {}
	if (typeof value !== 'string') throw invalidValue(`${at} is required`)
	const isGroup = typeof type === 'string' && type.toLowerCase() === 'group'
	if (isGroup || kindOfId(value) === 'Group') {
		throw invalidValue(`${at}: "${value}" is a group, and nested groups are not supported`)
	}
	if (!isUserId(value)) throw invalidValue(`${at}: no user has the id "${value}"`)
	return { value, ...(typeof display === 'string' && { display }) }
}

/** The ids in `members[value eq "a" or value eq "b"]`; undefined for a filter of another form. */
function valuesInFilter(filter: Filter): readonly string[] | undefined {
	if (filter.kind === 'attributeExpression') {
		const { path, operator, value } = filter
		const namesValue = path.name.toLowerCase() === 'value' && path.sub === undefined && operator === 'eq'
		return namesValue && typeof value === 'string' ? [value] : undefined
	}
	if (filter.kind !== 'logicalExpression' || filter.operator !== 'or') return undefined
	const values: string[] = []
	for (const operand of filter.operands) {
		const part = valuesInFilter(operand)
		if (part === undefined) return undefined
		values.push(...part)
	}
	return values
}

const idOf = (member: unknown): unknown => (isObject(member) ? member.value : undefined)

const isUserId = (value: unknown): value is ResourceId => typeof value === 'string' && kindOfId(value) === 'User'
