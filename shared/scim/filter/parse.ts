import type { Quirks } from '../dialect.ts'
import { invalidFilter } from '../error.ts'
import type { AttributePath } from '../resource-type.ts'
import type { Filter, ValuePath } from './ast.ts'
import { type Language, Lexer } from './lex.ts'

const filterLanguage: Language = { name: 'filter', maxLength: 8192, refuse: invalidFilter }
const maxDepth = 32
const maxExpressions = 256

const or = /or(?=[ \t\r\n(]|$)/iy
const and = /and(?=[ \t\r\n(]|$)/iy
const not = /not[ \t\r\n]*\(/iy
const openParenthesis = /\(/y
const closeParenthesis = /\)/y
const openBracket = /\[/y
const closeBracket = /\]/y

/** How many parentheses and brackets are open, and whether a bracket is among them. */
type Nesting = { readonly depth: number; readonly inBrackets: boolean }

/**
 * Reads a filter of RFC 7644 section 3.4.2.2. It also reads two forms of Microsoft's clients: values without quotes, and
 * `emails[type eq "work"].value eq "x"`, which becomes `emails[type eq "work" and value eq "x"]`.
 *
 * @throws ScimError 400 `invalidFilter` with the position and the text found there, or with the limit
 */
export function parseFilter(text: string, quirks: Quirks = new Set()): Filter {
	const lexer = new Lexer(text, filterLanguage, quirks)
	const filter = disjunction(lexer, { depth: 0, inBrackets: false })
	lexer.end('"and", "or" or the end')
	if (expressionsOf(filter) > maxExpressions) throw lexer.tooMuch(`longer than ${maxExpressions} expressions`)
	return filter
}

/** Reads `valFilter` and its brackets in a path or a filter; undefined if no bracket opens here. */
export function takeValueFilter(lexer: Lexer, depth = 0): Filter | undefined {
	if (lexer.take(openBracket) === undefined) return undefined
	const filter = disjunction(lexer, deeper(lexer, { depth, inBrackets: true }))
	lexer.expect(closeBracket, '"and", "or" or "]"')
	return filter
}

function disjunction(lexer: Lexer, nesting: Nesting): Filter {
	const operands = [conjunction(lexer, nesting)]
	while (lexer.take(or) !== undefined) operands.push(conjunction(lexer, nesting))
	return join('or', operands)
}

function conjunction(lexer: Lexer, nesting: Nesting): Filter {
	const operands = [term(lexer, nesting)]
	while (lexer.take(and) !== undefined) operands.push(term(lexer, nesting))
	return join('and', operands)
}

function join(operator: 'and' | 'or', operands: readonly Filter[]): Filter {
	const [only, ...others] = operands
	return only !== undefined && others.length === 0 ? only : { kind: 'logicalExpression', operator, operands }
}

function term(lexer: Lexer, nesting: Nesting): Filter {
	if (lexer.take(not) !== undefined) return { kind: 'notExpression', operand: group(lexer, nesting) }
	if (lexer.take(openParenthesis) !== undefined) return group(lexer, nesting)
	const path = lexer.attributePath()
	const mayHaveBrackets = !nesting.inBrackets && path.sub === undefined
	const filter = mayHaveBrackets ? takeValueFilter(lexer, nesting.depth) : undefined
	return filter === undefined ? expression(lexer, path) : valuePath(lexer, { kind: 'valuePath', path, filter })
}

/** Reads from behind an opening parenthesis to the closing one. */
function group(lexer: Lexer, nesting: Nesting): Filter {
	const filter = disjunction(lexer, deeper(lexer, nesting))
	lexer.expect(closeParenthesis, '"and", "or" or ")"')
	return filter
}

function deeper(lexer: Lexer, { depth, inBrackets }: Nesting): Nesting {
	if (depth === maxDepth) throw lexer.tooMuch(`nested deeper than ${maxDepth} parentheses and brackets`)
	return { depth: depth + 1, inBrackets }
}

/** Reads the rest of `attrExp`, behind its attribute. */
function expression(lexer: Lexer, path: AttributePath): Filter {
	const operator = lexer.operator()
	if (operator === 'pr') return { kind: 'presentExpression', path }
	return { kind: 'attributeExpression', path, operator, value: lexer.value() }
}

/**
 * Entra matches by `emails[type eq "work"].value eq "x"`. RFC 7644 allows this form only in paths.
 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
 */
function valuePath(lexer: Lexer, { kind, path, filter }: ValuePath): Filter {
	const sub = lexer.subAttribute()
	if (sub === undefined) return { kind, path, filter }
	const operands = filter.kind === 'logicalExpression' && filter.operator === 'and' ? filter.operands : [filter]
	return { kind, path, filter: join('and', [...operands, expression(lexer, { name: sub })]) }
}

function expressionsOf(filter: Filter): number {
	switch (filter.kind) {
		case 'attributeExpression':
		case 'presentExpression':
			return 1
		case 'notExpression':
			return expressionsOf(filter.operand)
		case 'valuePath':
			return expressionsOf(filter.filter)
		case 'logicalExpression':
			return filter.operands.reduce((sum, operand) => sum + expressionsOf(operand), 0)
	}
}
