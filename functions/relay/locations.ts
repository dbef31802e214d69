type Bases = { readonly from: string; readonly to: string }

/**
 * A `$ref` or `location` with its value in JSON. Only attribute names match, because quotes inside of a string are escaped.
 * The limit of 8 kB is longer than any URL. Without it, the engine throws on a string of millions of characters.
 */
const reference = /("(?:\$ref|location)"\s*:\s*)("(?:[^"\\]|\\.){0,8192}")/g

/**
 * Replaces the SCIM server's URL of a resource by the public URL. Any other text is returned unchanged.
 * @example publicLocation('https://localhost:11015/scim/Users/1', { from: '/scim', to: 'https://host/scim/demo' })
 */
export function publicLocation(location: string, { from, to }: Bases): string {
	const path = location.replace(/^https?:\/\/[^/?#]*/i, '')
	return path.startsWith(`${from}/`) ? `${to}${path.slice(from.length)}` : location
}

/** JSON with public URLs. Every other byte, and text that is not JSON, stays unchanged. */
export const withPublicLocations = (json: string, bases: Bases): string =>
	json.replace(reference, (match, name: string, quoted: string) => {
		const location = stringIn(quoted)
		const rewritten = location && publicLocation(location, bases)
		return rewritten === location ? match : `${name}${JSON.stringify(rewritten)}`
	})

/** The string, or undefined for text with escapes that are invalid in JSON. */
function stringIn(quoted: string): string | undefined {
	try {
		return JSON.parse(quoted)
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
