/** A longer name is no slip, and comparing it would take long. */
const maxLength = 64

/** The known name that is closest to `name` by the number of edits; undefined if no name is close. */
export function nearest(name: string, known: readonly string[]): string | undefined {
	if (name.length > maxLength) return undefined
	const [best] = known
		.map((candidate) => ({ candidate, distance: distance(name.toLowerCase(), candidate.toLowerCase()) }))
		.sort((one, other) => one.distance - other.distance)
	return best !== undefined && best.distance <= Math.max(2, name.length / 3) ? best.candidate : undefined
}

/** The known name that is one edit from `name`, such as a slip of the keyboard makes; undefined if there is none. */
export const nearlyNamed = (name: string, known: readonly string[]): string | undefined =>
	name.length > maxLength
		? undefined
		: known.find((candidate) => distance(name.toLowerCase(), candidate.toLowerCase()) === 1)

/** How many letters must be added, left out, replaced or swapped with their neighbour. */
function distance(from: string, to: string): number {
	let before: readonly number[] = []
	let row = Array.from({ length: to.length + 1 }, (_, at) => at)
	for (const [at, character] of [...from].entries()) {
		const next = [at + 1]
		for (const [column, other] of [...to].entries()) {
			const kept = (row[column] ?? 0) + (character === other ? 0 : 1)
			const isSwap = character === to[column - 1] && other === from[at - 1]
			const swapped = isSwap ? (before[column - 1] ?? 0) + 1 : Number.POSITIVE_INFINITY
			next.push(Math.min(kept, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1, swapped))
		}
		before = row
		row = next
	}
	return row[to.length] ?? 0
}
