import { invalidSyntax, invalidValue } from '../scim/error.ts'
import { type TypeName, typeNames } from '../scim/resource-type.ts'

/** What a request to `/Changes` asks for, beside `cursor` and `count`. */
export type ChangesQuery = {
	/** Whether an empty cursor begins with everybody. */
	readonly isSnapshot: boolean
	/** The resource types whose changes the reader wants. */
	readonly types: readonly TypeName[]
}

/**
 * Reads `snapshot` and `types` from the query of a URL. Names and values may be in any letter case. A parameter without
 * a value is ignored.
 *
 * @throws ScimError 400 `invalidValue`; 400 `invalidSyntax` for a parameter that is given twice
 */
export function parseChangesQuery(search: URLSearchParams): ChangesQuery {
	return { isSnapshot: parseSnapshot(parameterOf(search, 'snapshot')), types: parseTypes(parameterOf(search, 'types')) }
}

function parseSnapshot(text: string): boolean {
	const word = text.toLowerCase()
	if (word !== '' && word !== 'true' && word !== 'false') {
		throw invalidValue(`snapshot must be true or false, not "${text}"`)
	}
	return word === 'true'
}

function parseTypes(text: string): readonly TypeName[] {
	if (text === '') return typeNames
	const words = text.split(',').map((word) => word.trim())
	const named = words.map((word) => typeNames.find((name) => name.toLowerCase() === word.toLowerCase()))
	const unknown = named.indexOf(undefined)
	if (unknown >= 0) {
		throw invalidValue(`types: there is no resource type "${words[unknown]}": use User, Group or User,Group`)
	}
	return typeNames.filter((name) => named.includes(name))
}

/** The value of a parameter; '' without one. */
function parameterOf(search: URLSearchParams, name: string): string {
	const [first = '', ...others] = [...search].filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
	if (others.length > 0) throw invalidSyntax(`the query has ${name} twice`)
	return first
}
