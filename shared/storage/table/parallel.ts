/** How many storage requests are under way at once for one request of a client. */
const width = 32

/** Does the work for every item, up to 32 at a time, and answers the results in the order of the items. */
export async function inParallel<T, R>(
	items: readonly T[],
	work: (item: T) => Promise<R>,
	limit = width,
): Promise<readonly R[]> {
	const [only] = items
	if (items.length === 1 && only !== undefined) return [await work(only)]
	const results: R[] = []
	const queue = items.entries()
	const worker = async (): Promise<void> => {
		for (const [index, item] of queue) results[index] = await work(item)
	}
	await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
	return results
}

/** Cuts a list into pieces of `size`. */
export const chunked = <T>(items: readonly T[], size: number): readonly (readonly T[])[] =>
	Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))

/** Cuts a list into pieces of up to `count` items and `bytes` as JSON; a larger item is a piece of its own. */
export function packed<T>(
	items: readonly T[],
	{ count, bytes }: { readonly count: number; readonly bytes: number },
): readonly (readonly T[])[] {
	const pieces: T[][] = []
	let piece: T[] = []
	let left = 0
	for (const item of items) {
		const size = Buffer.byteLength(JSON.stringify(item))
		if (piece.length === 0 || piece.length === count || left < size) {
			piece = []
			pieces.push(piece)
			left = bytes
		}
		piece.push(item)
		left -= size
	}
	return pieces
}
