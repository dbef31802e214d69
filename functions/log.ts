import type { RequestEvent } from './respond.ts'
import type { SweepEvent } from './sweep.ts'

/** The part of an invocation context that writes the log of the Functions host. */
export type Logger = { log(...args: unknown[]): void; error(...args: unknown[]): void }

/** Writes the event of a request as one line of JSON without the sentence of a refusal, and its error beside it. */
export function logRequest({ error, detail: _, ...event }: RequestEvent, logger: Logger): void {
	logger.log(JSON.stringify(event))
	if (error !== undefined) logger.error(error)
}

/** Writes the event of a sweep as one line of JSON, and its errors beside it. */
export function logSweep({ errors, ...event }: SweepEvent, logger: Logger): void {
	logger.log(JSON.stringify(event))
	for (const error of errors) logger.error(error)
}
