import { ScimError } from '../scim/error.ts'
import { timeOfId } from '../scim/id.ts'
import { resourceTypes } from '../scim/resource-type.ts'
import { rollForward } from './membership/apply.ts'
import { abandon } from './membership/prepare.ts'
import { finishGroupDeletion, finishUserDeletion } from './resource/delete.ts'
import { foldAll } from './rows/counts.ts'
import type { Directory } from './rows/directory.ts'
import { feedBefore, type Intent, jobs } from './rows/keys.ts'
import { chunked } from './table/parallel.ts'
import { type DirectoryOptions, directoryOf } from './table-store.ts'
import { removeRows } from './transaction/remove-rows.ts'

export type SweepOptions = DirectoryOptions & {
	/** Milliseconds since 1970 at which to stop; what is left is for the next time. */
	readonly until?: number
}

/** What a sweep has done. `failures` are those of single jobs, which the next sweep tries again. */
export type Swept = {
	readonly finished: number
	readonly feedEntriesRemoved: number
	readonly failures: readonly ScimError[]
}

/** Longer than any request can take that may still be preparing a change. */
const abandonedAfter = 15 * 60_000

/**
 * Tidies up one tenant's directory: finishes what requests have committed and not lived to finish, removes what they
 * have prepared and not committed, folds the counts, and removes old entries of the feed. Nothing else of it
 * is visible to a client. It may run at any time, beside requests and beside itself.
 *
 * @throws ScimError 503 where the service stays away
 * @example await sweep({ tables, tenant, ids, now: Date.now, random: Math.random, until: Date.now() + 240_000 })
 */
export async function sweep({ until = Number.POSITIVE_INFINITY, ...options }: SweepOptions): Promise<Swept> {
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
	for (const type of resourceTypes) await foldAll(directory.table, type)
	return { finished, feedEntriesRemoved: await trimFeed(directory, until), failures }
}

/** Answers whether it has finished what it was for. */
type Job = () => Promise<boolean>

async function jobsIn(directory: Directory, until: number): Promise<readonly Job[]> {
	const work: Job[] = []
	const intents = new Map<string, Intent & { readonly states: Set<string> }>()
	for await (const rows of directory.table.pages({ ...jobs, select: ['RowKey'] })) {
		for (const { RowKey } of rows) {
			const [, kind = '', id = '', operation = ''] = RowKey.split('|')
			if (kind === 'dg') work.push(() => finishGroupDeletion(directory, id, until))
			else if (kind === 'du') work.push(() => finishUserDeletion(directory, id, until))
			else {
				const intent = intents.get(operation) ?? { groupId: id, operation, states: new Set() }
				intents.set(operation, intent)
				intent.states.add(kind)
			}
		}
	}
	for (const { states, ...intent } of intents.values()) {
		work.push(() => (states.has('gm') ? rollForward(directory, intent, until) : giveUp(directory, intent, until)))
	}
	return work
}

/** Removes a change that was never committed; one that has been committed meanwhile is applied. */
async function giveUp(directory: Directory, intent: Intent, until: number): Promise<boolean> {
	if (directory.now() - timeOfId(intent.operation) < abandonedAfter) return false
	return (await abandon(directory, intent)) || rollForward(directory, intent, until)
}

/**
 * Removes old entries one after another, but for the newest of them: readers of the feed know that they have missed none
 * as long as the entry that they have come to is there.
 */
async function trimFeed(directory: Directory, until: number): Promise<number> {
	const { table, now, keepFeedFor } = directory
	let removed = 0
	let newest: readonly string[] = []
	for await (const rows of table.pages(feedBefore(now() - keepFeedFor))) {
		const keys = [...newest, ...rows.map(({ RowKey }) => RowKey)]
		newest = keys.splice(-1)
		for (const some of chunked(keys, 100)) {
			if (now() >= until) return removed
			await removeRows(directory, some)
			removed += some.length
		}
	}
	return removed
}
