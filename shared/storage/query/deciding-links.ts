import { tooMany } from '../../scim/error.ts'
import type { Filter } from '../../scim/filter/ast.ts'
import { matches } from '../../scim/filter/match.ts'
import type { AttributeValues } from '../../scim/resource.ts'
import { type ResourceType, resolveAttribute } from '../../scim/resource-type.ts'
import type { Yield } from '../../turn.ts'
import { linkAttribute } from './plan.ts'

// A group may have a million members. An expression of a filter holds if it holds for one member. So a few members decide
// whether the group matches: for each expression one member for which it holds, or any member if there is none such.

/** Picks the memberships that decide, and counts the text that it compares. */
export type DecidingLinks = {
	/**
	 * Of the memberships of one resource, or of a part of them, those that decide.
	 *
	 * @throws ScimError 400 `tooMany` if the query compares too much text
	 */
	among<L extends Link>(links: readonly L[]): Promise<readonly L[]>
	/** Characters of memberships that were compared so far. */
	compared(): number
}

type Link = { readonly value: string; readonly display?: string }

type DecidingOptions = { readonly yieldTurn: Yield; readonly limit: number }

/** @param filter undefined if the query looks at no memberships */
export function decidingLinks(
	type: ResourceType,
	filter: Filter | undefined,
	{ yieldTurn, limit }: DecidingOptions,
): DecidingLinks {
	const expressions = filter === undefined ? [] : expressionsOn(type, filter)
	const asResource = (link: object): AttributeValues =>
		type.name === 'Group' ? { members: [{ ...link, type: 'User' }] } : { groups: [{ ...link, type: 'direct' }] }
	let compared = 0
	return {
		async among(links) {
			const deciding = new Set(links.slice(0, 1))
			let open = expressions
			for (const link of links) {
				if (open.length === 0) break
				await yieldTurn()
				compared += open.length * (link.value.length + (link.display ?? '').length)
				if (compared > limit) throw tooMuchText()
				const left = open.filter((expression) => !matches(expression, asResource(link), type))
				if (left.length < open.length) deciding.add(link)
				open = left
			}
			return [...deciding]
		},
		compared: () => compared,
	}
}

/** The expressions of a filter that look at memberships. Each holds if it holds for one of them. */
function expressionsOn(type: ResourceType, filter: Filter): readonly Filter[] {
	switch (filter.kind) {
		case 'logicalExpression':
			return filter.operands.flatMap((operand) => expressionsOn(type, operand))
		case 'notExpression':
			return expressionsOn(type, filter.operand)
		case 'attributeExpression':
		case 'presentExpression':
		case 'valuePath':
			return resolveAttribute(type, filter.path)?.attribute.name === linkAttribute(type) ? [filter] : []
	}
}

/** The refusal of a query that compares more text than one request may. */
export const tooMuchText = () =>
	tooMany('the query compares too much text: use fewer terms, narrow the filter, or page by cursor without sortBy')
