/**
 * How many resources have an id from `from` on, up to the next fence. The first fence counts those before it, too.
 *
 * Ids ascend with time, so that new fences are only ever put up at the end.
 */
export type Fence = { readonly from: string; readonly count: number }

/** The fences of a type, and the greatest id that was ever counted: behind it a new fence may stand. */
export type Fences = { readonly list: readonly Fence[]; readonly last: string }

/** One resource more, or one less. */
export type Delta = { readonly id: string; readonly difference: number }

export const noFences: Fences = { list: [], last: '' }

/** So many resources at least lie between two fences while none is deleted: what must be skipped to get to any of them. */
export const fenceWidth = 250

/** Counts deltas, in any order. */
export function withDeltas({ list, last }: Fences, deltas: readonly Delta[]): Fences {
	const fences = list.map((fence) => ({ ...fence }))
	let greatest = last
	for (const { id, difference } of deltas.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
		const end = fences.at(-1)
		const isFull = end !== undefined && id > greatest && difference > 0 && end.count >= fenceWidth
		const fence = isFull ? undefined : (fences.findLast(({ from }) => from <= id) ?? fences[0])
		if (fence === undefined) fences.push({ from: id, count: difference })
		else fence.count += difference
		if (id > greatest) greatest = id
	}
	return { list: fences.filter(({ count }) => count !== 0), last: greatest }
}

/** Where to begin to read for a position counted from 0: at `from`, or at the beginning where it is '', and how many to skip. */
export function locate(
	{ list }: Fences,
	position: number,
): { readonly from: string; readonly skip: number } | undefined {
	let passed = 0
	for (const [index, { from, count }] of list.entries()) {
		if (position < passed + count) return { from: index === 0 ? '' : from, skip: position - passed }
		passed += count
	}
	return undefined
}

export const totalOf = ({ list }: Fences): number => list.reduce((total, { count }) => total + count, 0)

const idBytes = 16
const fenceBytes = idBytes + 4
/** A property of a row takes 64 KiB. */
const perProperty = 3200
/** With more of them the row would be too large: then every second one goes, and pages are a little further to skip to. */
const maxFences = 40_000

type FenceProperties = Readonly<Record<string, string | number | Buffer>>

/** As the properties of a row: `l` the greatest id, `f0`, `f1`, … the fences, each an id and a count. */
export function fenceProperties(fences: Fences): FenceProperties {
	const { list, last } = thinned(fences)
	const properties: Record<string, string | number | Buffer> = { n: totalOf(fences), l: last }
	for (let start = 0; start < list.length; start += perProperty) {
		properties[`f${start / perProperty}`] = packed(list.slice(start, start + perProperty))
	}
	return properties
}

/** Reads them from a row, whose binary properties are base64. */
export function fencesIn(row: Readonly<Record<string, unknown>>): Fences {
	const list: Fence[] = []
	for (let index = 0; typeof row[`f${index}`] === 'string'; index++) {
		list.push(...unpacked(Buffer.from(String(row[`f${index}`]), 'base64')))
	}
	return { list, last: String(row.l) }
}

function thinned({ list, last }: Fences): Fences {
	if (list.length <= maxFences) return { list, last }
	const halved = list.flatMap(({ from, count }, index) =>
		index % 2 === 0 ? [{ from, count: count + (list[index + 1]?.count ?? 0) }] : [],
	)
	return { list: halved, last }
}

function packed(list: readonly Fence[]): Buffer {
	const bytes = Buffer.alloc(list.length * fenceBytes)
	for (const [index, { from, count }] of list.entries()) {
		bytes.write(from, index * fenceBytes, 'hex')
		bytes.writeInt32BE(count, index * fenceBytes + idBytes)
	}
	return bytes
}

function unpacked(bytes: Buffer): readonly Fence[] {
	return Array.from({ length: bytes.length / fenceBytes }, (_, index) => {
		const start = index * fenceBytes
		return {
			from: bytes.toString('hex', start, start + idBytes),
			count: bytes.readInt32BE(start + idBytes),
		}
	})
}
