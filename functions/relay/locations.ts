type Bases = { readonly from: string; readonly to: string }

/**
 * A `$ref` or `location` and its value in JSON. Inside of a string its quotes would be escaped, so that only names match.
 * No address is longer than 8 kB, and of a text of some millions of characters the engine throws that it is too much.
 */
const reference = /("(?:\$ref|location)"\s*:\s*)("(?:[^"\\]|\\.){0,8192}")/g

/**
 * The public address of a resource for the one that the SCIM server gives it; anything else is returned as it is.
 * @example publicLocation('https://localhost:11015/scim/Users/1', { from: '/scim', to: 'https://host/scim/demo' })
 */
export function publicLocation(location: string, { from, to }: Bases): string {
	const path = location.replace(/^https?:\/\/[^/?#]*/i, '')
	return path.startsWith(`${from}/`) ? `${to}${path.slice(from.length)}` : location
}

/** JSON with public addresses; every other byte is left as it was, and so is what is no JSON. */
export const withPublicLocations = (json: string, bases: Bases): string =>
	json.replace(reference, (whole, name: string, quoted: string) => {
		const location = stringIn(quoted)
		const rewritten = location && publicLocation(location, bases)
		return rewritten === location ? whole : `${name}${JSON.stringify(rewritten)}`
	})

/** Text that only looks like a string of JSON may have escapes that JSON does not. */
function stringIn(quoted: string): string | undefined {
	try {
		return JSON.parse(quoted)
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
