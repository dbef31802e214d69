import { AsyncLocalStorage } from 'node:async_hooks'
import type { Send } from '../shared/storage/table/tables.ts'

/** The requests to the table service that one request to us has taken. */
export type Usage = { storageRequests: number }

const usage = new AsyncLocalStorage<Usage>()

/** Runs the work of one request and counts in `used` what the work takes. */
export const withUsage = <T>(used: Usage, run: () => T): T => usage.run(used, run)

/** Counts what is sent to the table service for the request that sends it. */
export const countRequests =
	(send: Send): Send =>
	(request) => {
		const used = usage.getStore()
		if (used !== undefined) used.storageRequests++
		return send(request)
	}
