import { kindOfId } from '../../shared/scim/id.ts'
import type { HistoryEvent } from '../../shared/storage/ledger/history.ts'
import type { Ledger } from '../../shared/storage/ledger/ledger.ts'
import type { Lookup } from '../../shared/storage/lookup.ts'
import type { RefusalCount } from '../../shared/storage/refusals.ts'
import { eventInWords, refusedInWords } from '../history-words.ts'

/** A failure as the log of Entra has it. */
export type EntraFailure = {
	/** Milliseconds since 1970. */
	readonly at: number
	/** What the request may have named: an id of a user or group here, a userName, a displayName or an externalId. */
	readonly names: readonly string[]
}

/** What Rollcall has recorded about the request of such a failure. */
export type OwnRecord = { readonly kind: 'refused' | 'done' | 'none'; readonly sentence: string }

export type OwnRecords = { readonly ledger: Pick<Ledger, 'refusalsAbout'>; readonly lookup: Pick<Lookup, 'history'> }

/** How far the clocks of Entra and of Rollcall may be apart, and how long Entra may work on one object. In milliseconds. */
const apart = 10 * 60_000

/** How many names of a failure are looked for, and how many events of a history. Each name takes one request to storage. */
const namesAtMost = 5
const eventsAtMost = 50

/**
 * What Rollcall has recorded about a write that failed for Entra: a refusal, or a change that was made. The refusal may
 * be about any of the names. The history is read if there is no refusal and one of the names is an id.
 */
export async function ownRecordOf({ ledger, lookup }: OwnRecords, { at, names }: EntraFailure): Promise<OwnRecord> {
	const known = [...new Set(names.filter((name) => name !== ''))].slice(0, namesAtMost)
	const refusals = (await Promise.all(known.map((name) => ledger.refusalsAbout(name)))).flat()
	const refusal = nearest(refusals.filter(isAt(at)), at)
	if (refusal !== undefined) return { kind: 'refused', sentence: `refused ${refusedInWords(refusal)}` }
	const event = await eventAt(lookup, known, at)
	if (event !== undefined) return { kind: 'done', sentence: `done at ${event.at}: ${eventInWords(event)}` }
	return {
		kind: 'none',
		sentence: 'no record of a write at that time: no request arrived, its token was refused, or it only read',
	}
}

/** A row counts the refusals of a time. */
const isAt =
	(at: number) =>
	({ first, last }: RefusalCount): boolean =>
		first - apart <= at && at <= last + apart

const nearest = (refusals: readonly RefusalCount[], at: number): RefusalCount | undefined =>
	refusals.toSorted((a, b) => Math.abs(a.last - at) - Math.abs(b.last - at))[0]

async function eventAt(
	lookup: OwnRecords['lookup'],
	names: readonly string[],
	at: number,
): Promise<HistoryEvent | undefined> {
	const id = names.find((name) => isSubject(kindOfId(name)))
	const type = kindOfId(id ?? '')
	if (id === undefined || !isSubject(type)) return undefined
	const { events } = await lookup.history({ id, type }, { before: '', count: eventsAtMost })
	return events.findLast((event) => event.at !== undefined && Math.abs(Date.parse(event.at) - at) <= apart)
}

const isSubject = (kind: ReturnType<typeof kindOfId>): kind is 'User' | 'Group' => kind === 'User' || kind === 'Group'
