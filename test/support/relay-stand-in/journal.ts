/** One event on the wire, without tokens and bodies. */
export type Entry = { readonly event: string; readonly [detail: string]: unknown }

export type Journal = {
	/** The newest entries, at most 10,000. */
	readonly entries: readonly Entry[]
	/** Protocol violations of listeners. */
	violations(): readonly Entry[]
	write(event: string, details?: Readonly<Record<string, unknown>>): void
	/** How often an event happened. */
	count(event: string): number
	/** Resolves when the event has happened `times` times in total. */
	until(event: string, times?: number): Promise<void>
}

/** The journal of a long run under load would exhaust the memory. */
const maxEntries = 10_000

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
			if (entries.length > maxEntries) entries.splice(0, maxEntries / 2)
			if (event === 'violation') violations.push(entry)
			counts.set(event, count(event) + 1)
			for (const check of waiting) check()
		},
		until: (event, times = 1) =>
			new Promise((resolve) => {
				const check = () => {
					if (count(event) < times) return
					waiting.delete(check)
					resolve()
				}
				waiting.add(check)
				check()
			}),
	}
}

const secret = /^(token|address|authorization|servicebusauthorization)$/i

/** A message with only the first characters of tokens and rendezvous addresses. */
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
