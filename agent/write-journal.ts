import type { Clock } from '../shared/relay/clock.ts'
import type { WriteKnowledge } from '../shared/relay/contract.ts'
import { areRelated } from '../shared/relay/fingerprint.ts'

/** What an agent remembers of the writes of the last ten minutes, for a client that repeats one. */
export type WriteJournal = {
	/** Notes a write that may reach the SCIM server. */
	begin(write: NotedWrite): JournalEntry
	/** What is known about the newest write with this fingerprint, and about others that can change the same resource. */
	ask(fingerprint: string, path: string): WriteKnowledge
	/** The key of the answer to the newest write with this fingerprint, if that answer is kept. It is given once. */
	take(fingerprint: string, isKept: (key: string) => boolean): string | undefined
}

export type NotedWrite = { readonly fingerprint: string; readonly path: string; readonly key: string }

export type JournalEntry = NotedWrite & {
	/** `pending`: the answer may still come. `answered`: it is kept. `closed`: it will not come, or it was given. */
	state: 'pending' | 'answered' | 'closed'
	/** The write did not reach the SCIM server. */
	isUnsent: boolean
	readonly at: number
}

const rememberedFor = 600_000
const capacity = 10_000

export function writeJournal(clock: Clock): WriteJournal {
	let entries: JournalEntry[] = []
	let since = clock.now()
	const newest = (fingerprint: string) =>
		entries.findLast((entry) => entry.fingerprint === fingerprint && !entry.isUnsent)
	const forget = () => {
		const oldest = Math.max(since, clock.now() - rememberedFor)
		const fits = entries.length < capacity * 2
		if (fits && (entries[0] === undefined || entries[0].at >= oldest - rememberedFor)) return
		entries = entries.filter(({ at }) => at >= oldest).slice(-capacity)
		if (!fits) since = Math.max(since, entries[0]?.at ?? since)
	}
	return {
		begin: (write) => {
			forget()
			const entry: JournalEntry = { ...write, state: 'pending', isUnsent: false, at: clock.now() }
			entries.push(entry)
			return entry
		},
		ask: (fingerprint, path) => {
			const now = clock.now()
			const entry = newest(fingerprint)
			const other = entries.findLast(
				(one) => one.fingerprint !== fingerprint && !one.isUnsent && areRelated(one.path, path),
			)
			return {
				state: entry === undefined || entry.state === 'closed' ? 'none' : entry.state,
				memoryAge: now - since,
				...(other !== undefined && { otherWriteAge: now - other.at }),
			}
		},
		take: (fingerprint, isKept) => {
			const entry = newest(fingerprint)
			if (entry?.state !== 'answered' || !isKept(entry.key)) return undefined
			entry.state = 'closed'
			return entry.key
		},
	}
}
