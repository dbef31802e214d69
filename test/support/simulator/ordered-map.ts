/** A map with strings as keys. Like a partition, it can be read in the order of its keys from any key on. */
export type OrderedMap<T> = {
	readonly size: number
	get(key: string): T | undefined
	set(key: string, value: T): void
	delete(key: string): void
	/** The keys from `from` on, in order. A key that is set or deleted meanwhile may or may not be among them. */
	keysFrom(from: string): Generator<string>
}

const chunkSize = 512

export function orderedMap<T>(): OrderedMap<T> {
	const values = new Map<string, T>()
	/** The keys in order, in chunks that are short enough to change quickly. A chunk is empty only if the map is. */
	const chunks: string[][] = [[]]

	/** The index of the chunk that holds a key, or that would hold it. */
	const chunkOf = (key: string): number => {
		let low = 0
		let high = chunks.length - 1
		while (low < high) {
			const middle = (low + high + 1) >> 1
			if ((chunks[middle]?.[0] ?? '') <= key) low = middle
			else high = middle - 1
		}
		return low
	}

	return {
		get size() {
			return values.size
		},
		get: (key) => values.get(key),
		set(key, value) {
			const isNew = !values.has(key)
			values.set(key, value)
			if (!isNew) return
			const index = chunkOf(key)
			const chunk = chunks[index] ?? []
			chunk.splice(positionIn(chunk, key), 0, key)
			if (chunk.length > chunkSize) chunks.splice(index + 1, 0, chunk.splice(chunkSize / 2))
		},
		delete(key) {
			if (!values.delete(key)) return
			const index = chunkOf(key)
			const chunk = chunks[index] ?? []
			chunk.splice(positionIn(chunk, key), 1)
			if (chunk.length === 0 && chunks.length > 1) chunks.splice(index, 1)
		},
		*keysFrom(from) {
			for (let index = chunkOf(from); index < chunks.length; index++) {
				for (const key of chunks[index] ?? []) if (key >= from) yield key
			}
		},
	}
}

/** The index of the first key that is not less than `key`. */
function positionIn(chunk: readonly string[], key: string): number {
	let low = 0
	let high = chunk.length
	while (low < high) {
		const middle = (low + high) >> 1
		if ((chunk[middle] ?? '') < key) low = middle + 1
		else high = middle
	}
	return low
}
