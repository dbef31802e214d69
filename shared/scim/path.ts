import type { Quirks } from './dialect.ts'
import { invalidPath } from './error.ts'
import type { Filter } from './filter/ast.ts'
import { type Language, Lexer } from './filter/lex.ts'
import { takeValueFilter } from './filter/parse.ts'
import { printAttributePath, printFilter } from './filter/print.ts'
import type { AttributePath } from './resource-type.ts'

/**
 * A path of a PATCH operation. `members[value eq "2819c223"].displayName` has the name `members`, a filter and the sub
 * `displayName`.
 */
export type Path = { readonly path: AttributePath; readonly filter?: Filter }

const pathLanguage: Language = { name: 'path', maxLength: 1024, refuse: invalidPath }

/**
 * Reads a path of RFC 7644 figure 7. If the path is the whole URN of an extension, the last part of the URN becomes the
 * name: `urn:…:enterprise:2.0:User` has the uri `urn:…:enterprise:2.0` and the name `User`.
 *
 * @throws ScimError 400 `invalidPath` with the position and the text found there, or with the limit
 */
export function parsePath(text: string, quirks: Quirks = new Set()): Path {
	const lexer = new Lexer(text, pathLanguage, quirks)
	const path = lexer.attributePath()
	const filter = path.sub === undefined ? takeValueFilter(lexer) : undefined
	const sub = filter && lexer.subAttribute()
	lexer.end('the end')
	return { path: { ...path, ...(sub !== undefined && { sub }) }, ...(filter && { filter }) }
}

/**
 * Reads an attribute's name in attribute notation (RFC 7644 section 3.10), as `sortBy` has it.
 *
 * @throws ScimError 400 `invalidPath`
 */
export function parseAttributePath(text: string, quirks: Quirks = new Set()): AttributePath {
	const lexer = new Lexer(text, pathLanguage, quirks)
	const path = lexer.attributePath()
	lexer.end('the end')
	return path
}

/** Writes a path so that `parsePath` reads the same path back. */
export function printPath({ path: { sub, ...attribute }, filter }: Path): string {
	const brackets = filter === undefined ? '' : `[${printFilter(filter)}]`
	return `${printAttributePath(attribute)}${brackets}${sub === undefined ? '' : `.${sub}`}`
}
