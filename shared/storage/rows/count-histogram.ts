import type { Properties } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'
import type { Column } from './row-kind.ts'

/** How many resources have an id from `from` on, up to the next bin. The first bin counts smaller ids too. */
export type CountBin = { readonly from: string; readonly count: number }

/**
 * Counts resources by id, so that the page at any position is found without reading what is before it. `last` is the
 * greatest id that was ever counted. Ids ascend with time, so that bins are only added at the end, behind `last`.
 */
export type CountHistogram = { readonly bins: readonly CountBin[]; readonly last: string }

/** One resource more, or one less. */
export type CountDifference = { readonly id: string; readonly difference: number }

export const emptyHistogram: CountHistogram = { bins: [], last: '' }

/** A bin is full with so many resources. A page may have to skip as many, or more after deletions made two bins one. */
export const binSize = 250

/** Counts differences, in any order. */
export function withDifferences(
	{ bins, last }: CountHistogram,
	differences: readonly CountDifference[],
): CountHistogram {
	const counted = bins.map((bin) => ({ ...bin }))
	let greatest = last
	for (const { id, difference } of differences.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
		const end = counted.at(-1)
		const isFull = end !== undefined && id > greatest && difference > 0 && end.count >= binSize
		const bin = isFull ? undefined : (counted.findLast(({ from }) => from <= id) ?? counted[0])
		if (bin === undefined) counted.push({ from: id, count: difference })
		else bin.count += difference
		if (id > greatest) greatest = id
	}
	return { bins: counted.filter(({ count }) => count !== 0), last: greatest }
}

/**
 * Finds a position, counted from 0: read from the id `from` (from the beginning if it is '') and skip so many.
 * Undefined behind the end.
 */
export function locate(
	{ bins }: CountHistogram,
	position: number,
): { readonly from: string; readonly skip: number } | undefined {
	let passed = 0
	for (const [index, { from, count }] of bins.entries()) {
		if (position < passed + count) return { from: index === 0 ? '' : from, skip: position - passed }
		passed += count
	}
	return undefined
}

export const totalOf = ({ bins }: CountHistogram): number => bins.reduce((total, { count }) => total + count, 0)

const idBytes = 16
const binBytes = idBytes + 4
/** A property of a row takes 64 KiB. */
const binsInProperty = 3200
/** More bins would make the row too large: then every two become one, and pages skip a little more. */
const maxBins = 40_000

/** A histogram as properties: `l` the greatest id, `f0`, `f1`, … the bins, each an id and a count in 20 bytes. */
export const histogram = (): Column<CountHistogram> => ({
	stored: 'l',
	meaning: 'the greatest id that was ever counted; `f0`, `f1`, … have the counts of about 250 ids each',
	isIn: ({ l }) => l !== undefined,
	of: histogramIn,
	properties: histogramProperties,
})

function histogramProperties(counted: CountHistogram): Properties {
	const { bins, last } = thinned(counted)
	const properties: Record<string, string | Buffer> = { l: last }
	for (let start = 0; start < bins.length; start += binsInProperty) {
		properties[`f${start / binsInProperty}`] = packed(bins.slice(start, start + binsInProperty))
	}
	return properties
}

function histogramIn(row: Row): CountHistogram {
	const bins: CountBin[] = []
	for (let index = 0; typeof row[`f${index}`] === 'string'; index++) {
		bins.push(...unpacked(Buffer.from(String(row[`f${index}`]), 'base64')))
	}
	return { bins, last: String(row.l) }
}

function thinned({ bins, last }: CountHistogram): CountHistogram {
	if (bins.length <= maxBins) return { bins, last }
	const halved = bins.flatMap(({ from, count }, index) =>
		index % 2 === 0 ? [{ from, count: count + (bins[index + 1]?.count ?? 0) }] : [],
	)
	return { bins: halved, last }
}

function packed(bins: readonly CountBin[]): Buffer {
	const bytes = Buffer.alloc(bins.length * binBytes)
	for (const [index, { from, count }] of bins.entries()) {
		bytes.write(from, index * binBytes, 'hex')
		bytes.writeInt32BE(count, index * binBytes + idBytes)
	}
	return bytes
}

function unpacked(bytes: Buffer): readonly CountBin[] {
	return Array.from({ length: bytes.length / binBytes }, (_, index) => {
		const start = index * binBytes
		return {
			from: bytes.toString('hex', start, start + idBytes),
			count: bytes.readInt32BE(start + idBytes),
		}
	})
}
