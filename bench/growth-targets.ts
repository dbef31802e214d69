import type { Point } from './chart.ts'

/** The verdict on one target: something that growth must not change. `line` has the measurements. */
export type Verdict = { readonly isMet: boolean; readonly line: string }

/** A factor up to which a higher value than at the smallest size may be chance. */
const tolerance = 1.5

/** The operations that change one member of a group. */
const memberChanges: ReadonlySet<string> = new Set(['add a member', 'remove a member'])

const maxMegabytes = 256

/** Compares the measurements with the targets. */
export const verdictsOn = (points: readonly Point[], peakMegabytes: number): readonly Verdict[] => [
	...seriesIn(points).flatMap((series) => [
		sameRequests(series),
		within(series, 'ratio to raw', ({ ratio }) => ratio),
		...(memberChanges.has(series[0].operation) ? [within(series, 'p95 in ms', ({ p95 }) => p95)] : []),
	]),
	{
		isMet: peakMegabytes < maxMegabytes,
		line: `memory of the host: ${peakMegabytes.toFixed(0)} MB, less than ${maxMegabytes} MB wanted`,
	},
]

/** The measurements of one operation at all sizes, smallest first. */
type Series = readonly [Point, ...Point[]]

function seriesIn(points: readonly Point[]): readonly Series[] {
	const series = new Map<string, [Point, ...Point[]]>()
	for (const point of points) {
		const name = `${point.service}: ${point.operation}`
		const existing = series.get(name)
		if (existing === undefined) series.set(name, [point])
		else existing.push(point)
	}
	return [...series.values()]
}

function sameRequests(series: Series): Verdict {
	const [first] = series
	return {
		isMet: series.every(({ requests }) => requests === first.requests),
		line: lineOf(series, 'requests, the same wanted', ({ requests }) => String(requests)),
	}
}

function within(series: Series, name: string, valueIn: (point: Point) => number): Verdict {
	const limit = valueIn(series[0]) * tolerance
	return {
		isMet: series.every((point) => Number.isFinite(valueIn(point)) && valueIn(point) <= limit),
		line: lineOf(series, `${name}, at most ${limit.toFixed(2)} wanted`, (point) => valueIn(point).toFixed(2)),
	}
}

const lineOf = (series: Series, name: string, textOf: (point: Point) => string): string =>
	`${series[0].service}: ${series[0].operation}: ${name}: ${series
		.map((point) => `${textOf(point)} at ${point.size.toLocaleString('en')} ${point.by}`)
		.join(', ')}`

/** The lines to print: a summary, and one line for each missed target. */
export function verdictLines(verdicts: readonly Verdict[]): readonly string[] {
	const missed = verdicts.filter(({ isMet }) => !isMet)
	return [
		`${verdicts.length - missed.length} of ${verdicts.length} targets are met`,
		...missed.map(({ line }) => `MISSED  ${line}`),
	]
}
