/** The value that a JSON text holds; undefined for any other text. */
export function jsonIn(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch (error) {
		if (error instanceof SyntaxError) return undefined
		throw error
	}
}
