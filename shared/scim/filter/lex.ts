import type { ScimError } from '../error.ts'
import type { AttributePath } from '../resource-type.ts'
import type { CompareOperator, CompareValue } from './ast.ts'

/** What is being read: its name in error details, its longest length and the error that refuses it. */
export type Language = {
	readonly name: string
	readonly maxLength: number
	readonly refuse: (detail: string, cause?: unknown) => ScimError
}

const space = /[ \t\r\n]*/y
const word = /[^ \t\r\n()[\]"]+/y
const quoted = /"[^"\\]*(?:\\.[^"\\]*)*"/y
// An apostrophe at the beginning is a client that quotes in the wrong way: better refused than compared literally.
const bare = /[^ \t\r\n()[\]"'][^ \t\r\n)\]"]*/y
const snippet = /[^ \t\r\n]{1,32}/uy
// RFC 7643 section 2.1 allows a dollar sign after the first letter only, yet its own $ref begins with one.
const name = String.raw`\$?[a-z][\w$-]*`
const attributePath = new RegExp(`^(?:(?<uri>.+):)?(?<name>${name})(?:\\.(?<sub>${name}))?$`, 'i')
const subAttribute = new RegExp(`\\.${name}`, 'iy')
const operators: ReadonlySet<string> = new Set(['pr', 'eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'])
const expectedValue = 'a value: a string in double quotes, a number, true, false or null'

/** Reads a filter or a path from left to right, one token of RFC 7644 figure 1 at a time. */
export class Lexer {
	readonly #text: string
	readonly #language: Language
	#at = 0

	constructor(text: string, language: Language) {
		this.#text = text
		this.#language = language
		if (text.length > language.maxLength) throw this.tooMuch(`longer than ${language.maxLength} characters`)
	}

	/** Takes what the sticky pattern matches after any spaces; undefined where it does not match. */
	take(pattern: RegExp): string | undefined {
		this.#takeHere(space)
		return this.#takeHere(pattern)
	}

	/** Takes what must come now; `what` names it in the refusal. */
	expect(pattern: RegExp, what: string): string {
		const match = this.take(pattern)
		if (match === undefined) throw this.unexpected(what)
		return match
	}

	/** `attrPath` of RFC 7644 figure 1: `urn:…:User:name.givenName`. */
	attributePath(): AttributePath {
		const start = this.#at
		const path = readAttributePath(this.take(word) ?? '')
		if (path !== undefined) return path
		this.#at = start
		throw this.unexpected('an attribute name')
	}

	/** The `.value` that may follow the closing bracket of a value path, without its dot. */
	subAttribute(): string | undefined {
		return this.#takeHere(subAttribute)?.slice(1)
	}

	/** An operator in any letter case, `pr` among them. */
	operator(): CompareOperator | 'pr' {
		const start = this.#at
		const operator = this.take(word)?.toLowerCase() ?? ''
		if (operators.has(operator)) return operator as CompareOperator | 'pr' // sound: the set holds exactly these
		this.#at = start
		throw this.unexpected('an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)')
	}

	/**
	 * `compValue`: a JSON string or literal, or a value without its quotes as Microsoft's documentation and test
	 * collection write it (`externalId eq jyoung`), which ends at a space, `)` or `]`.
	 * https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
	 */
	value(): CompareValue {
		const start = this.#at
		const text = this.take(quoted)
		if (text === undefined) return literal(this.expect(bare, expectedValue))
		try {
			return String(JSON.parse(text))
		} catch (error) {
			this.#at = start
			throw this.unexpected('a string that is valid JSON', error)
		}
	}

	/** Nothing but spaces may follow. */
	end(what: string): void {
		this.take(space)
		if (this.#at < this.#text.length) throw this.unexpected(what)
	}

	/** The refusal of what stands here, in place of what was expected. */
	unexpected(what: string, cause?: unknown): ScimError {
		this.#takeHere(space)
		const position = this.#at + 1
		const found = this.#takeHere(snippet)
		return this.#language.refuse(
			`${this.#language.name}, character ${position}: expected ${what}, found ${found ?? 'the end'}`,
			cause,
		)
	}

	/** The refusal of what is beyond a limit. */
	tooMuch(limit: string): ScimError {
		return this.#language.refuse(`the ${this.#language.name} is ${limit}`)
	}

	#takeHere(pattern: RegExp): string | undefined {
		pattern.lastIndex = this.#at
		const match = pattern.exec(this.#text)?.[0]
		if (match !== undefined) this.#at += match.length
		return match
	}
}

/** Reads an attribute's name with its URN and sub-attribute; undefined where the text is none. */
export function readAttributePath(text: string): AttributePath | undefined {
	const { uri, name, sub } = attributePath.exec(text)?.groups ?? {}
	if (name === undefined) return undefined
	return { ...(uri !== undefined && { uri }), name, ...(sub !== undefined && { sub }) }
}

/**
 * A number is one only if it is written as JavaScript writes it, so that the text of `externalId eq 0012` or of a number
 * of twenty digits is not lost; what is left is a string.
 */
function literal(text: string): CompareValue {
	if (text === 'true' || text === 'false') return text === 'true'
	if (text === 'null') return null
	return /^-?\d/.test(text) && String(Number(text)) === text ? Number(text) : text
}
