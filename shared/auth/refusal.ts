/** Why a token, an assertion or a client was refused. It goes to the log; the caller is only told that it was refused. */
export type TokenRefusal = {
	readonly reason: string
	/** The client or the reader for which it was checked. */
	readonly client?: string
	readonly expected?: string
	readonly received?: string
}

/** A received value for the log: short, and without what a name or a sentence has. */
export function loggableValue(value: unknown): string {
	if (Array.isArray(value)) return value.slice(0, 3).map(loggableValue).join(' or ')
	const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none')
	return text.slice(0, 120).replace(/[^\w.:/{}+-]/g, '?')
}
