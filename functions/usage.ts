import { AsyncLocalStorage } from 'node:async_hooks'
import type { TokenRefusal } from '../shared/auth/refusal.ts'
import { type BusyPart, busyPartIn } from '../shared/storage/table/busy.ts'
import { tableUnavailable } from '../shared/storage/table/retry.ts'
import type { Send } from '../shared/storage/table/tables.ts'
import { type Timer, within } from './timer.ts'

/** What one request to us has to do with the table service. */
export type Usage = {
	/** The number of its requests to the table service. */
	storageRequests: number
	/** The tenant, after authentication. */
	tenant?: string
	/** Why a token, an assertion or a client was refused. */
	refusal?: TokenRefusal
	/** The table service has not answered one of its requests in time. */
	isSilent?: true
}

const usage = new AsyncLocalStorage<Usage>()

/** Runs the work of one request and counts in `used` what the work takes. */
export const withUsage = <T>(used: Usage, run: () => T): T => usage.run(used, run)

/** Notes for the log of the request why a token was refused. */
export function noteRefusal(refusal: TokenRefusal): void {
	const used = usage.getStore()
	if (used !== undefined) used.refusal = refusal
}

/** Counts what is sent to the table service for the request that sends it. */
export const countRequests =
	(send: Send): Send =>
	(request) => {
		const used = usage.getStore()
		if (used !== undefined) used.storageRequests++
		return send(request)
	}

/** Tells `slowDown` whose requests have met a partition that is too busy, or that the account is. */
export const reportBusyParts =
	(slowDown: (tenant: string | 'every tenant') => void) =>
	(send: Send): Send =>
	async (request) => {
		const response = await send(request)
		const tenant = slowedBy(busyPartIn(request, response))
		if (tenant !== undefined) slowDown(tenant)
		return response
	}

const slowedBy = (part: BusyPart | undefined): string | undefined =>
	part === 'account' ? 'every tenant' : part === 'partition' ? usage.getStore()?.tenant : undefined

/** Milliseconds for an answer of the table service to a request that a client waits for. */
const silenceAfter = 8_000

/**
 * Gives up a storage request without an answer after eight seconds. The client's request that it belongs to then sends
 * nothing more to storage, so the client has its 503 within 15 seconds.
 */
export const giveUpOnSilence =
	(timer: Timer) =>
	(send: Send): Send =>
	async (request) => {
		const used = usage.getStore()
		if (used === undefined) return send(request)
		if (used.isSilent) throw tableUnavailable(new Error('the table service did not answer an earlier request in time'))
		const late = () => {
			used.isSilent = true
			return new Error(`the table service did not answer within ${silenceAfter} ms`)
		}
		return within(send(request), { milliseconds: silenceAfter, timer, late })
	}

/** Runs what belongs to no request, although a request begins it. */
export const outsideRequests = <T>(run: () => T): T => usage.exit(run)
