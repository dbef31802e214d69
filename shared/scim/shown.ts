const maxShown = 20

/**
 * What a client sent instead of the expected type, for a refusal: the type, and the value if it is short.
 *
 * @example shown('yes') // 'the string "yes"'
 */
export function shown(value: unknown): string {
	if (value === null || value === undefined) return 'null'
	if (Array.isArray(value)) return 'a list'
	if (typeof value === 'object') return 'an object'
	const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
	return text.length > maxShown ? `a ${typeof value}` : `the ${typeof value} ${text}`
}
