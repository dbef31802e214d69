/** An event for the log: no body, no token, no address of a rendezvous is ever in it. */
export type Log = (event: string, details?: Readonly<Record<string, unknown>>) => void

/** Writes one line of JSON for each event. */
export const jsonLog =
	(write: (line: string) => void, now: () => number): Log =>
	(event, details = {}) =>
		write(`${JSON.stringify({ time: new Date(now()).toISOString(), event, ...details })}\n`)

/** An error in one line; addresses in it are cut, since that of a rendezvous opens it. */
export const briefly = (error: unknown): string =>
	saidBy(error)
		.replaceAll(/wss?:\/\/\S+/g, 'wss://…')
		.replaceAll(/\s+/g, ' ')
		.trim()
		.slice(0, 300)

/** Where a name has several addresses, Node tries them all and has something to say of each. */
function saidBy(error: unknown): string {
	if (error instanceof AggregateError) return error.errors.map(saidBy).join(', ')
	return error instanceof Error ? error.message : String(error)
}
