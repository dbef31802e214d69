import { UsageError } from '../shared/cli/usage-error.ts'
import { parseDuration } from './duration.ts'

/** The time so long ago, in milliseconds since 1970; the beginning of time if the option is left out. */
export function parseSince(text: string | undefined, otherwise = 0): number {
	if (text === undefined) return otherwise
	const duration = parseDuration(text)
	if (duration !== undefined) return Date.now() - duration
	throw new UsageError(`--since ${text} is not a time`, { hint: 'use a number with s, m, h or d, such as 24h or 7d' })
}
