import { UsageError } from '../shared/cli/usage-error.ts'
import { parseDuration } from './duration.ts'

/** The time so long ago, in milliseconds since 1970; the beginning of time if the option is left out. */
export function parseSince(text: string | undefined, otherwise = 0): number {
	if (text === undefined) return otherwise
	const duration = parseDuration(text)
	if (duration !== undefined) return Date.now() - duration
	throw new UsageError(`--since ${text} is not a time`, { hint: 'use a number with s, m, h or d, such as 24h or 7d' })
}

/** A time so long ago, or a time in RFC 3339 with a zone, in milliseconds since 1970. */
export function parseMoment(option: '--since' | '--until', text: string): number {
	const duration = parseDuration(text)
	if (duration !== undefined) return Date.now() - duration
	const time = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
	if (!Number.isNaN(time)) return time
	throw new UsageError(`${option} ${text} is not a time`, {
		hint: 'use a number with s, m, h or d, such as 24h, or a time such as 2026-01-31T08:00:00Z',
	})
}
