import { type ScimError, unavailable } from '../scim/error.ts'

type RememberOptions<Subject, Value> = {
	readonly read: (subject: Subject) => Promise<Value>
	/** What tells two subjects apart. */
	readonly keyOf: (subject: Subject) => string
	/** What the value is, for the sentence of a 503: "the clients". */
	readonly name: string
	/** Milliseconds for which a value is used without another read. */
	readonly freshFor: number
	/** Milliseconds for which a value is used while it is read again. */
	readonly usableUnread: number
	/** Milliseconds for which a value is used while it cannot be read. */
	readonly usableOffline: number
	/** Milliseconds between two reads at least. */
	readonly pause: number
	/** The same while nothing is known, and every caller is refused; two seconds if left out. */
	readonly pauseUnknown?: number
	/** Milliseconds since 1970. */
	readonly now: () => number
}

export type Memory<Subject, Value> = {
	/**
	 * The value of a subject, as old as the options allow.
	 *
	 * @throws ScimError 503 if it cannot be read
	 */
	get(subject: Subject): Promise<Value>
	/** The value after another read, unless the last read is too recent. For a caller who misses something in the value. */
	getAgain(subject: Subject): Promise<Value>
	/**
	 * Returns if the last read has succeeded. Otherwise the value may lack something new.
	 *
	 * @throws ScimError 503
	 */
	requireCurrent(subject: Subject): void
}

type Entry<Value> = {
	known?: { readonly value: Value; readonly read: number }
	asked: number
	failure?: { readonly cause: unknown }
	pending?: Promise<void>
}

const maxEntries = 10_000

/** Remembers what it has read of each subject. Reads at most once at a time, and never more often than the pause allows. */
export function remember<Subject, Value>(options: RememberOptions<Subject, Value>): Memory<Subject, Value> {
	const { read, keyOf, name, freshFor, usableUnread, usableOffline, pause, pauseUnknown = 2000, now } = options
	const entries = new Map<string, Entry<Value>>()

	/** The entry of a subject. It moves to the end of the queue of entries to forget. */
	const entryOf = (subject: Subject): Entry<Value> => {
		const key = keyOf(subject)
		const entry = entries.get(key) ?? { asked: Number.NEGATIVE_INFINITY }
		entries.delete(key)
		for (const [oldest] of entries) {
			if (entries.size < maxEntries) break
			entries.delete(oldest)
		}
		entries.set(key, entry)
		return entry
	}

	const readNow = async (subject: Subject, entry: Entry<Value>): Promise<void> => {
		const asked = now()
		entry.asked = asked
		try {
			entry.known = { value: await read(subject), read: asked }
			delete entry.failure
		} catch (cause) {
			entry.failure = { cause }
		}
	}

	const ageOf = ({ known }: Entry<Value>): number =>
		known === undefined ? Number.POSITIVE_INFINITY : now() - known.read

	const pauseLeft = (entry: Entry<Value>): number =>
		entry.asked + (entry.known === undefined ? pauseUnknown : pause) - now()

	/** Reads once for all who wait, unless the last read is too recent. Never rejects. */
	const ask = (subject: Subject, entry: Entry<Value>): Promise<void> | undefined => {
		if (entry.pending !== undefined || pauseLeft(entry) > 0) return entry.pending
		entry.pending = readNow(subject, entry).finally(() => {
			delete entry.pending
		})
		return entry.pending
	}

	const current = (entry: Entry<Value>): Value => {
		if (entry.known !== undefined && ageOf(entry) < usableOffline) return entry.known.value
		throw failureOf(entry)
	}

	const failureOf = (entry: Entry<Value>): ScimError => {
		const seconds = Math.max(1, Math.ceil(pauseLeft(entry) / 1000))
		return unavailable(`${name} cannot be read at the moment`, seconds, entry.failure?.cause)
	}

	return {
		async get(subject) {
			const entry = entryOf(subject)
			if (ageOf(entry) < freshFor) return current(entry)
			const pending = ask(subject, entry)
			if (ageOf(entry) >= usableUnread) await pending
			return current(entry)
		},
		async getAgain(subject) {
			const entry = entryOf(subject)
			await ask(subject, entry)
			return current(entry)
		},
		requireCurrent(subject) {
			const entry = entryOf(subject)
			if (entry.failure !== undefined) throw failureOf(entry)
		},
	}
}
