import { ScimError } from '../scim/error.ts'
import { timeOfId } from '../scim/id.ts'
import { typeNames } from '../scim/resource-type.ts'
import { checkLosses, type GuardReport } from './guard.ts'
import { trimLosses } from './guard-hold.ts'
import { indexLedger } from './ledger/index-ledger.ts'
import { removeOrphans } from './ledger/orphans.ts'
import type { GuardLimits } from './losses.ts'
import { apply } from './membership/apply.ts'
import { abandon } from './membership/prepare.ts'
import { trimRefusals } from './refusals.ts'
import { finishGroupDeletion, finishUserDeletion } from './resource/delete.ts'
import { settleSharedValue } from './resource/own-index.ts'
import { foldAll } from './rows/counts.ts'
import type { Directory } from './rows/directory.ts'
import { type JobKind, jobKeys, jobOf, type LargeChange } from './rows/schema.ts'
import { within } from './table/key-range.ts'
import { type DirectoryOptions, directoryOf } from './table-store.ts'
import { closeOpenEpoch, trimFeed } from './trim-feed.ts'

export type SweepOptions = DirectoryOptions & {
	/** Milliseconds since 1970 at which to stop; the next sweep goes on. */
	readonly until?: number
	/** The report names losses above these limits. Without limits, losses are not counted. */
	readonly guard?: GuardLimits
}

/** What a sweep has done. `failures` are those of single jobs, which the next sweep tries again. */
export type SweepReport = {
	readonly finished: number
	readonly feedEntriesRemoved: number
	readonly failures: readonly ScimError[]
	/** The losses of the last hour, if they are larger than allowed. */
	readonly guard?: GuardReport
}

/** Longer than any request can take that may still be preparing a change. */
const abandonedAfter = 15 * 60_000

/**
 * Tidies up one tenant's directory. It finishes what requests have committed and not finished, and removes what they have
 * prepared and not committed. It folds the counts, closes the epoch of the feed, counts what the tenant has lost, writes the
 * histories of resources, and removes old entries of the feed. Clients notice only that old entries go. It may run at any
 * time, beside requests and beside another sweep.
 *
 * @throws ScimError 503 if the service stays away
 * @example await sweep({ tables, tenant, ids, now: Date.now, random: Math.random, until: Date.now() + 240_000 })
 */
export async function sweep({
	until = Number.POSITIVE_INFINITY,
	guard,
	...options
}: SweepOptions): Promise<SweepReport> {
	const directory = directoryOf(options)
	const failures: ScimError[] = []
	let finished = 0
	for (const job of await jobsIn(directory, until)) {
		if (directory.now() >= until) break
		try {
			if (await job()) finished++
		} catch (error) {
			if (!(error instanceof ScimError)) throw error
			failures.push(error)
		}
	}
	for (const name of typeNames) await foldAll(directory.table, { name })
	await closeOpenEpoch(directory)
	await trimRefusals(directory, until)
	const losses = guard === undefined ? undefined : await checkLosses(directory, guard, until)
	await trimLosses(directory, until)
	await indexLedger(directory, until)
	const feedEntriesRemoved = await trimFeed(directory, until)
	if (directory.now() < until) await removeOrphans(directory, until)
	return { finished, feedEntriesRemoved, failures, ...(losses && { guard: losses }) }
}

/** Removes old refusals of a tenant that has no directory here. */
export async function sweepRefusals({
	until = Number.POSITIVE_INFINITY,
	...options
}: SweepOptions): Promise<SweepReport> {
	await trimRefusals(directoryOf(options), until)
	return { finished: 0, feedEntriesRemoved: 0, failures: [] }
}

/** Returns whether it is finished. */
type Work = () => Promise<boolean>

async function jobsIn(directory: Directory, until: number): Promise<readonly Work[]> {
	const jobs: Work[] = []
	const changes = new Map<string, LargeChange & { readonly rows: Set<JobKind> }>()
	for await (const rows of directory.table.pages({ ...within(jobKeys), select: ['RowKey'] })) {
		for (const { RowKey } of rows) {
			const { kind, id, operation } = jobOf(RowKey)
			if (kind === 'deletedGroup') jobs.push(() => finishGroupDeletion(directory, id, until))
			else if (kind === 'deletedUser') jobs.push(() => finishUserDeletion(directory, id, until))
			else if (kind === 'sharedValue') jobs.push(() => settleSharedValue(directory, { index: id, value: operation }))
			else {
				const change = changes.get(operation) ?? { groupId: id, operation, rows: new Set() }
				changes.set(operation, change)
				change.rows.add(kind)
			}
		}
	}
	for (const { rows, ...change } of changes.values()) {
		jobs.push(() => (rows.has('committed') ? apply(directory, change, until) : giveUp(directory, change, until)))
	}
	return jobs
}

/** Removes a change that was never committed. If it has been committed meanwhile, it is applied. */
async function giveUp(directory: Directory, change: LargeChange, until: number): Promise<boolean> {
	if (directory.now() - timeOfId(change.operation) < abandonedAfter) return false
	return (await abandon(directory, change)) || apply(directory, change, until)
}
