/** One thing that was seen on the wire. Tokens and bodies are never in it. */
export type Entry = { readonly event: string; readonly [detail: string]: unknown }

export type Journal = {
	readonly entries: readonly Entry[]
	/** What a listener did that the protocol forbids. */
	violations(): readonly Entry[]
	write(event: string, details?: Readonly<Record<string, unknown>>): void
	/** How often an event was seen. */
	count(event: string): number
	/** Resolves when the event has been seen so often altogether. */
	until(event: string, times?: number): Promise<void>
}

export function journal(): Journal {
	const entries: Entry[] = []
	const waiting = new Set<() => void>()
	const counts = new Map<string, number>()
	const count = (event: string) => counts.get(event) ?? 0
	return {
		entries,
		count,
		violations: () => entries.filter(({ event }) => event === 'violation'),
		write: (event, details = {}) => {
			entries.push({ event, ...details })
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
