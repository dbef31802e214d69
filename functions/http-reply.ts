import type { HttpResponseInit } from '@azure/functions'

/** A response whose headers are a plain object. */
export type HttpReply = Omit<HttpResponseInit, 'headers'> & {
	readonly status: number
	readonly headers: Record<string, string>
}
