import type { Range } from './tables.ts'

/** All keys that begin with `prefix`. */
export const within = (prefix: string): Range => ({
	from: prefix,
	to: prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1),
})

/** The least key that may follow `key`: no key of a row is another key with `!` behind it. */
export const after = (key: string): string => `${key}!`
