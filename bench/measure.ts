/** The times of a number of equal operations, in milliseconds. */
export type Timing = {
	readonly perSecond: number
	readonly p50: number
	readonly p95: number
	readonly p99: number
}

export type BenchTask = (index: number) => Promise<unknown>

/**
 * Runs `count` operations, at most `concurrency` at a time.
 *
 * @param timed runs one operation and returns its time in milliseconds; by default the time until it ends
 */
export async function measure(
	count: number,
	concurrency: number,
	work: BenchTask,
	timed: (index: number, work: BenchTask) => Promise<number> = untilDone,
): Promise<Timing> {
	const times: number[] = []
	let next = 0
	const worker = async (): Promise<void> => {
		for (let index = next++; index < count; index = next++) times.push(await timed(index, work))
	}
	const started = performance.now()
	await Promise.all(Array.from({ length: concurrency }, worker))
	const elapsed = performance.now() - started
	const [p50, p95, p99] = [quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99)]
	return { perSecond: (count / elapsed) * 1000, p50, p95, p99 }
}

/** The time below which a share of the times is; 0 without times. */
export function quantile(times: readonly number[], share: number): number {
	const sorted = times.toSorted((a, b) => a - b)
	return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0
}

async function untilDone(index: number, work: BenchTask): Promise<number> {
	const started = performance.now()
	await work(index)
	return performance.now() - started
}

/** Prints rows in columns. The first column is aligned to the left, the others to the right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
	const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
	for (const row of [head, ...rows]) {
		console.log(
			row
				.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
				.join('  '),
		)
	}
}
