/** Writes an event to the log. No body, no token and no address of a rendezvous may be in `details`. */
export type Log = (event: string, details?: Readonly<Record<string, unknown>>) => void

/** A log of JSON lines, one line an event. */
export const jsonLog =
	(write: (line: string) => void, now: () => number): Log =>
	(event, details = {}) =>
		write(`${JSON.stringify({ time: new Date(now()).toISOString(), event, ...details })}\n`)

/** An error as one line, at most 300 characters. wss addresses are cut, because the address of a rendezvous opens it. */
export const briefly = (error: unknown): string =>
	messageOf(error)
		.replaceAll(/wss?:\/\/\S+/g, 'wss://…')
		.replaceAll(/\s+/g, ' ')
		.trim()
		.slice(0, 300)

/** If a name has several addresses, Node reports one error for each. */
function messageOf(error: unknown): string {
	if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
	return error instanceof Error ? error.message : String(error)
}
