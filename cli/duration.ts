const units: ReadonlyMap<string, number> = new Map([
	['s', 1000],
	['m', 60_000],
	['h', 3_600_000],
	['d', 86_400_000],
])

/** Reads a duration as milliseconds; undefined for any other text. @example parseDuration('24h') // 86_400_000 */
export function parseDuration(text: string): number | undefined {
	const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
	const size = units.get(unit)
	return size === undefined ? undefined : Number(count) * size
}
