/** A segment of characters that a URL path may have as they are (RFC 3986 section 3.3), and percent signs. */
const shape = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[\x21\x22\x24-\x5b\x5d-\x7e]*)?$/

/**
 * The path and query at the SCIM server for what a sender asked of the hybrid connection, or undefined when it is refused.
 * Decided on the text as it came: a URL object resolves `/demo/http://evil/x` to another host and `%2e%2e` to another path.
 * @example originTarget('/demo/scim/Users?count=1', { entity: 'demo', basePath: '/api/scim' }) // '/api/scim/Users?count=1'
 */
export function originTarget(
	target: string,
	{ entity, basePath }: { entity: string; basePath: string },
): string | undefined {
	const prefix = `/${entity}/scim`
	if (!target.startsWith(prefix)) return undefined
	const rest = target.slice(prefix.length)
	if (rest === '' || rest.startsWith('?')) return shape.test(`/${rest}`) ? `${basePath}${rest}` : undefined
	if (!shape.test(rest)) return undefined
	const [path = ''] = rest.split('?')
	if (path.includes('//') || !path.slice(1).split('/').every(isHarmless)) return undefined
	return `${basePath}${rest}`
}

/** Some servers decode twice, some take `..;` for `..`: whatever a segment decodes to must still be one segment. */
function isHarmless(segment: string): boolean {
	for (let text = segment; ; ) {
		if (text === '.' || text === '..' || text.startsWith('..;') || text.startsWith('.;')) return false
		// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
		if (/[/\\\x00-\x1f\x7f]/.test(text)) return false
		const decoded = decode(text)
		if (decoded === undefined) return text !== segment
		if (decoded === text) return true
		text = decoded
	}
}

/** A percent sign that escapes nothing is refused as it came, but may come of decoding `100%25`. */
function decode(text: string): string | undefined {
	try {
		return decodeURIComponent(text)
	} catch (error) {
		if (error instanceof URIError) return undefined
		throw error
	}
}
