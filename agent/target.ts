/** A path of the characters that RFC 3986 section 3.3 allows unescaped, and percent signs; then perhaps a query. */
const allowed = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[\x21\x22\x24-\x5b\x5d-\x7e]*)?$/

/**
 * The path and query to request from the SCIM server, or undefined if the sender's target is refused.
 * Checks the text as it arrived: a URL object resolves `/demo/http://evil/x` to another host and `%2e%2e` to another path.
 * @example originTarget('/demo/scim/Users?count=1', { entity: 'demo', basePath: '/api/scim' }) // '/api/scim/Users?count=1'
 */
export function originTarget(
	target: string,
	{ entity, basePath }: { entity: string; basePath: string },
): string | undefined {
	const prefix = `/${entity}/scim`
	if (!target.startsWith(prefix)) return undefined
	const rest = target.slice(prefix.length)
	if (rest === '' || rest.startsWith('?')) return allowed.test(`/${rest}`) ? `${basePath}${rest}` : undefined
	if (!allowed.test(rest)) return undefined
	const [path = ''] = rest.split('?')
	if (path.includes('//') || !path.slice(1).split('/').every(isSingleSegment)) return undefined
	return `${basePath}${rest}`
}

/** Why `originTarget` refuses a target, as a clause. */
export function refusalOf(target: string): string {
	const [path = ''] = target.split('?')
	if (/%(25)*(2f|5c)/i.test(path))
		return 'the path contains "/" or "\\" as %2F or %5C, which servers read as other paths; such ids cannot be used'
	return 'only paths below /scim reach the SCIM server'
}

/**
 * Some servers decode twice, and some read `..;` as `..`. Windows trims dots and spaces at the end, and replaces wide forms
 * of dots and slashes. A decoded segment must therefore still be one segment, and not consist of dots and spaces.
 */
function isSingleSegment(segment: string): boolean {
	for (let text = segment; ; ) {
		const narrow = text.normalize('NFKC')
		if (/^[.\s]+([;:]|$)/.test(narrow)) return false
		if (/[/\\\u2044\u2215\u2216\p{Cc}]/u.test(narrow)) return false
		const decoded = decode(narrow)
		if (decoded === undefined) return text !== segment
		if (decoded === narrow) return true
		text = decoded
	}
}

/** An invalid escape is refused in the original text. After decoding it is allowed: `100%25` decodes to `100%`. */
function decode(text: string): string | undefined {
	try {
		return decodeURIComponent(text)
	} catch (error) {
		if (error instanceof URIError) return undefined
		throw error
	}
}
