import { invalidSyntax } from '../scim/error.ts'

/** Deeper than any SCIM message, and shallow enough for the recursive functions that read the value. */
const maxDepth = 32

/**
 * Reads JSON text that has one meaning only. Refuses an object with one name twice, because parsers differ in what they
 * read, and the name `__proto__`.
 *
 * @throws ScimError 400 `invalidSyntax`
 */
export function parseJson(text: string): unknown {
	const value = parse(text)
	requireOneMeaning(text)
	return value
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch (error) {
		throw invalidSyntax(`the body is not JSON: ${error instanceof Error ? error.message : ''}`, error)
	}
}

/** Walks over the text of valid JSON. */
function requireOneMeaning(text: string): void {
	// One entry for each open object or list: the names seen in it, or undefined for a list.
	const open: (Set<string> | undefined)[] = []
	let isName = false
	for (let position = 0; position < text.length; position++) {
		const character = text[position]
		switch (character) {
			case '{':
			case '[':
				isName = character === '{'
				open.push(isName ? new Set() : undefined)
				if (open.length > maxDepth) throw invalidSyntax(`the body is nested deeper than ${maxDepth} levels`)
				break
			case '}':
			case ']':
				open.pop()
				isName = false
				break
			case ',':
				isName = open.at(-1) !== undefined
				break
			case '"': {
				const end = endOfString(text, position)
				if (isName) requireNewName(open.at(-1), text.slice(position, end + 1))
				isName = false
				position = end
				break
			}
			default:
		}
	}
}

function endOfString(text: string, start: number): number {
	let end = text.indexOf('"', start + 1)
	while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
	return end
}

function isEscaped(text: string, position: number): boolean {
	let backslashes = 0
	while (text[position - 1 - backslashes] === '\\') backslashes++
	return backslashes % 2 === 1
}

function requireNewName(names: Set<string> | undefined, quoted: string): void {
	const name = quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
	if (name === '__proto__') throw invalidSyntax('the body has the name "__proto__"')
	if (names?.has(name))
		throw invalidSyntax(`the body has the name ${JSON.stringify(name.slice(0, 100))} twice in one object`)
	names?.add(name)
}
