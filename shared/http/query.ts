import * as z from 'zod'
import { invalidSyntax, invalidValue } from '../scim/error.ts'
import { shown } from '../scim/shown.ts'
import { isObject } from '../scim/value.ts'

/** The parameters of a query as the client sent them (RFC 7644 sections 3.4.2 and 3.9, RFC 9865 section 2). */
export type QueryParameters = z.infer<typeof queryParameters>

const integer = z
	.union([z.number(), z.string().regex(/^[+-]?\d{1,15}$/)])
	.transform(Number)
	.pipe(z.int())

/** A position of any size. One beyond 2^53 counts as 2^53 - 1, which is behind every resource. */
const position = z
	.union([z.number(), z.string().regex(/^[+-]?\d+$/)])
	.transform((value) => Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER))
	.pipe(z.int())
const names = z.union([z.string(), z.array(z.string())])

const queryParameters = z
	.object({
		attributes: names,
		excludedAttributes: names,
		filter: z.string(),
		sortBy: z.string(),
		sortOrder: z
			.string()
			.toLowerCase()
			.pipe(z.enum(['ascending', 'descending'])),
		startIndex: position,
		count: integer,
		cursor: z.string(),
	})
	.partial()

const canonicalNames = new Map(Object.keys(queryParameters.shape).map((name) => [name.toLowerCase(), name]))

/**
 * Reads the query of a URL. Names may be in any letter case: Microsoft's inbound client sends `startindex`. Unknown names
 * are ignored, such as Entra's feature flags.
 *
 * @throws ScimError 400 `invalidValue`; 400 `invalidSyntax` for a parameter that is given twice
 */
export function parseQuery(search: URLSearchParams): QueryParameters {
	const parameters: Record<string, string> = {}
	for (const [name, value] of search) {
		const canonical = canonicalNames.get(name.toLowerCase())
		if (canonical === undefined) continue
		if (Object.hasOwn(parameters, canonical)) throw invalidSyntax(`the query has ${canonical} twice`)
		// An empty cursor asks for the first page. Any other parameter without a value is ignored.
		if (value !== '' || canonical === 'cursor') parameters[canonical] = value
	}
	return validate(parameters)
}

/**
 * Reads a SearchRequest message (RFC 7644 section 3.4.3). It has the same parameters as a query.
 *
 * @throws ScimError 400 `invalidSyntax`, `invalidValue`
 */
export function parseSearchRequest(body: unknown): QueryParameters {
	if (!isObject(body)) throw invalidSyntax(`the search request must be a JSON object, not ${shown(body)}`)
	const parameters: Record<string, unknown> = {}
	for (const [name, value] of Object.entries(body)) {
		const canonical = canonicalNames.get(name.toLowerCase())
		if (canonical === undefined || value === null) continue
		if (Object.hasOwn(parameters, canonical)) throw invalidSyntax(`the search request has ${canonical} twice`)
		parameters[canonical] = value
	}
	return validate(parameters)
}

function validate(parameters: Readonly<Record<string, unknown>>): QueryParameters {
	const parsed = queryParameters.safeParse(parameters)
	if (parsed.success) return parsed.data
	const [issue] = parsed.error.issues
	const name = String(issue?.path[0])
	const value = parameters[name]
	const came = Array.isArray(value) ? '' : `, not ${shown(value)}`
	throw invalidValue(`${name} must be ${expected(name)}${came}`, parsed.error)
}

function expected(name: string): string {
	switch (name) {
		case 'startIndex':
		case 'count':
			return 'an integer'
		case 'sortOrder':
			return 'ascending or descending'
		case 'attributes':
		case 'excludedAttributes':
			return 'a string or a list of strings'
		default:
			return 'a string'
	}
}
