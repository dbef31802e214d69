import { type Quirks, unquotedValue, urnInOtherSpelling } from '../dialect.ts'
import type { ScimError } from '../error.ts'
import type { AttributePath } from '../resource-type.ts'
import type { CompareOperator, CompareValue } from './ast.ts'

/** The language of a text: its name in error details, its longest text and the error that refuses a text. */
export type Language = {
	readonly name: string
	readonly maxLength: number
	readonly refuse: (detail: string, cause?: unknown) => ScimError
}

const space = /[ \t\r\n]*/y
const word = /[^ \t\r\n()[\]"]+/y
const quoted = /"[^"\\]*(?:\\.[^"\\]*)*"/y
// A value that begins with an apostrophe comes from a client with wrong quotes. It is refused, not compared literally.
const bare = /[^ \t\r\n()[\]"'][^ \t\r\n)\]"]*/y
const snippet = /[^ \t\r\n]{1,32}/uy
// RFC 7643 section 2.1 does not allow a dollar sign as the first character, but its own $ref begins with one.
const name = String.raw`\$?[a-z][\w$-]*`
const attributePath = new RegExp(`^(?:(?<uri>.+):)?(?<name>${name})(?:\\.(?<sub>${name}))?$`, 'i')
const subAttribute = new RegExp(`\\.${name}`, 'iy')
const operators: ReadonlySet<string> = new Set(['pr', 'eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'])
const expectedValue = 'a value: a string in double quotes, a number, true, false or null'

/** Reads a filter or a path from left to right, one token of RFC 7644 figure 1 at a time. */
export class Lexer {
	readonly #text: string
	readonly #language: Language
	readonly #quirks: Quirks
	#at = 0

	constructor(text: string, language: Language, quirks: Quirks) {
		this.#text = text
		this.#language = language
		this.#quirks = quirks
		if (text.length > language.maxLength) throw this.tooMuch(`longer than ${language.maxLength} characters`)
	}

	/** Skips spaces and takes the text that the sticky pattern matches; undefined if the pattern does not match. */
	take(pattern: RegExp): string | undefined {
		this.#takeHere(space)
		return this.#takeHere(pattern)
	}

	/** Takes the text that must come now. `what` names the text in the refusal. */
	expect(pattern: RegExp, what: string): string {
		const match = this.take(pattern)
		if (match === undefined) throw this.unexpected(what)
		return match
	}

	/** `attrPath` of RFC 7644 figure 1: `urn:…:User:name.givenName`. */
	attributePath(): AttributePath {
		const start = this.#at
		const path = readAttributePath(this.take(word) ?? '', this.#quirks)
		if (path !== undefined) return path
		this.#at = start
		throw this.unexpected('an attribute name')
	}

	/** The `.value` that may follow the closing bracket of a value path, without its dot. */
	subAttribute(): string | undefined {
		return this.#takeHere(subAttribute)?.slice(1)
	}

	/** An operator in any letter case, including `pr`. */
	operator(): CompareOperator | 'pr' {
		const start = this.#at
		const operator = this.take(word)?.toLowerCase() ?? ''
		if (operators.has(operator)) return operator as CompareOperator | 'pr' // sound: the set holds exactly these operators
		this.#at = start
		throw this.unexpected('an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)')
	}

	/**
	 * `compValue`: a JSON string or literal, or a value without quotes, which ends at a space, `)` or `]`.
	 */
	value(): CompareValue {
		const start = this.#at
		const text = this.take(quoted)
		if (text === undefined) return unquotedValue(literal(this.expect(bare, expectedValue)), this.#quirks)
		try {
			return String(JSON.parse(text))
		} catch (error) {
			this.#at = start
			throw this.unexpected('a string that is valid JSON', error)
		}
	}

	/** Refuses text that follows, except spaces. */
	end(what: string): void {
		this.take(space)
		if (this.#at < this.#text.length) throw this.unexpected(what)
	}

	/** The refusal of the text at this position. `what` names the text that was expected. */
	unexpected(what: string, cause?: unknown): ScimError {
		this.#takeHere(space)
		const position = this.#at + 1
		const found = this.#takeHere(snippet)
		return this.#language.refuse(
			`${this.#language.name}, character ${position}: expected ${what}, found ${found ?? 'the end'}`,
			cause,
		)
	}

	/** The refusal of a text that exceeds a limit. */
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

/** Reads the name of an attribute with its URN and sub-attribute; undefined for any other text. */
export function readAttributePath(text: string, quirks: Quirks): AttributePath | undefined {
	const { uri, name, sub } = attributePath.exec(urnInOtherSpelling(text, quirks))?.groups ?? {}
	if (name === undefined) return undefined
	return { ...(uri !== undefined && { uri }), name, ...(sub !== undefined && { sub }) }
}

/**
 * Reads a literal without quotes. It is a number only if JavaScript writes the number in the same way, otherwise it is a
 * string. So `externalId eq 0012` and numbers of twenty digits keep their text.
 */
function literal(text: string): CompareValue {
	if (text === 'true' || text === 'false') return text === 'true'
	if (text === 'null') return null
	return /^-?\d/.test(text) && String(Number(text)) === text ? Number(text) : text
}
