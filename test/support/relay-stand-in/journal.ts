/** One thing that was seen on the wire. Tokens and bodies are never in it. */
export type Entry = { readonly event: string; readonly [detail: string]: unknown }

export type Journal = {
	/** The newest, thousands of them. */
	readonly entries: readonly Entry[]
	/** What a listener did that the protocol forbids. */
	violations(): readonly Entry[]
	write(event: string, details?: Readonly<Record<string, unknown>>): void
	/** How often an event was seen. */
	count(event: string): number
	/** Resolves when the event has been seen so often altogether. */
	until(event: string, times?: number): Promise<void>
}

/** A relay that runs for long under load has more to tell than the memory takes. */
const room = 10_000

export function journal(): Journal {
	const entries: Entry[] = []
	const violations: Entry[] = []
	const waiting = new Set<() => void>()
	const counts = new Map<string, number>()
	const count = (event: string) => counts.get(event) ?? 0
	return {
		entries,
		count,
		violations: () => violations,
		write: (event, details = {}) => {
			const entry = { event, ...details }
			entries.push(entry)
			if (entries.length > room) entries.splice(0, room / 2)
			if (event === 'violation') violations.push(entry)
			counts.set(event, count(event) + 1)
			for (const look of waiting) look()
		},
		until: (event, times = 1) =>
			new Promise((resolve) => {
				const look = () => {
					if (count(event) < times) return
					waiting.delete(look)
					resolve()
				}
				waiting.add(look)
				look()
			}),
	}
}

const secret = /^(token|address|authorization|servicebusauthorization)$/i

/** A message with the beginning alone of what would open anything: tokens, and addresses of rendezvous. */
export function withoutSecrets(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(withoutSecrets)
	if (typeof value !== 'object' || value === null) return value
	return Object.fromEntries(
		Object.entries(value).map(([name, entry]) => [
			name,
			typeof entry === 'string' && secret.test(name) ? entry.replace(/(?<=^.{12}).+/, '…') : withoutSecrets(entry),
		]),
	)
}
