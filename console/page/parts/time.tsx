const units: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, milliseconds: number])[] = [
	['day', 86_400_000],
	['hour', 3_600_000],
	['minute', 60_000],
	['second', 1_000],
]

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const dates = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
const exact = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long' })

/** A time of RFC 3339 in the reader's zone: how long ago within a week, else the date. The exact time shows on hover. */
export function Time({ at, now = Date.now() }: { readonly at: string; readonly now?: number }) {
	const time = Date.parse(at)
	return (
		<time dateTime={at} title={`${exact.format(time)} (${at})`}>
			{Math.abs(time - now) < 7 * 86_400_000 ? fromNow(time - now) : dates.format(time)}
		</time>
	)
}

/** @example fromNow(-180_000) // '3 minutes ago' */
function fromNow(difference: number): string {
	const [unit, milliseconds] = units.find(([, size]) => Math.abs(difference) >= size) ?? ['second', 1_000]
	return relative.format(Math.trunc(difference / milliseconds), unit)
}
