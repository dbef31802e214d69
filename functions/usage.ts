import { AsyncLocalStorage } from 'node:async_hooks'
import { onTolerated, type Quirk } from '../shared/scim/dialect.ts'
import type { Send } from '../shared/storage/table/tables.ts'

/** What a request has taken: requests to the table service, and patience with its client. */
export type Usage = { storageRequests: number; readonly quirks: Set<Quirk> }

const usage = new AsyncLocalStorage<Usage>()

onTolerated((quirk) => {
	usage.getStore()?.quirks.add(quirk)
})

/** Runs what answers a request, and counts what it takes. */
export const counting = <T>(used: Usage, run: () => T): T => usage.run(used, run)

/** Counts what is sent to the table service for whichever request sends it. */
export const counted =
	(send: Send): Send =>
	(request) => {
		const used = usage.getStore()
		if (used !== undefined) used.storageRequests++
		return send(request)
	}
