import { unavailable } from '../scim/error.ts'
import { timeOfId } from '../scim/id.ts'
import type { TypeName } from '../scim/resource-type.ts'
import { allowedOf, leastAllowed } from './guard.ts'
import { firstMemberRows, guardedFrom } from './guard-members.ts'
import type { Hold, LossCount, OwnLoss } from './losses.ts'
import { totalOf } from './rows/count-histogram.ts'
import { countsOf } from './rows/counts.ts'
import type { Directory } from './rows/directory.ts'
import { lastPartOf, lossKeys, lossRow } from './rows/schema.ts'
import { insert, type Operation } from './table/batch.ts'
import { removeRows } from './transaction/remove-rows.ts'

// The guard of a tenant with the setting `hold` refuses deletions once very many people or groups were deleted within an
// hour. Each deletion that counts writes a row `d|` in its own transaction. A process counts these rows at most once in ten
// seconds, and adds its own deletions since then. So several processes together may go beyond the limit by what the others
// delete in ten seconds. A deactivation is never refused: a leaver loses access at once.
//
// Only the table knows what other processes delete, so the count is a storage request. It runs beside the first reads of the
// deletion. How many there are at all is read once 50 are lost, because so many may always be lost.

/** A deletion that the guard counts. */
export type CountedLoss = {
	/** Belong into the transaction of the deletion. */
	readonly operations: readonly Operation[]
	/** Says how the deletion ended. A deletion whose end is not known is counted until the next count of the rows. */
	end(outcome: 'deleted' | 'kept' | 'unknown'): void
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** How long a process goes on from its last count, in milliseconds. */
const countEvery = 10_000

const retryAfterSeconds = 300

/**
 * Counts a deletion before it is made. What is younger than a day does not count, and nothing does while an administrator
 * allows deletions.
 *
 * @throws ScimError 503 if the guard holds deletions back
 */
export async function countLoss(directory: Directory, type: TypeName, id: string): Promise<CountedLoss | undefined> {
	const { hold, losses, elapsed, ids } = directory
	if (hold === undefined || !isCounted(directory, id)) return undefined
	const count = await recentCount(directory)
	const limit = limitOf(hold, type)
	const isNear = limit === undefined && lostBy(directory, count, type) >= leastAllowed
	const allowed = isNear ? await allowedBy(directory, count, type) : (limit ?? leastAllowed)
	// Nothing waits from here on, so that deletions at the same time are counted one after another.
	const lost = lostBy(directory, count, type)
	if (lost >= allowed) throw held(hold, type, { lost, allowed })
	const operation = ids('Operation')
	const loss: OwnLoss = { type }
	losses.own.set(operation, loss)
	return {
		operations: [insert(lossRow.key(operation), lossRow.properties({ resourceType: type }))],
		end(outcome) {
			if (outcome === 'kept') losses.own.delete(operation)
			else loss.endedAt = elapsed()
		},
	}
}

/** Begins the count that `countLoss` will need. The deletion meanwhile reads what it deletes. */
export function countAhead(directory: Directory, id: string): void {
	// `countLoss` meets the same failure, and answers it.
	if (isCounted(directory, id)) recentCount(directory).catch(() => {})
}

const isCounted = ({ hold, now }: Directory, id: string): boolean =>
	hold !== undefined && now() >= hold.allowedUntil && now() - timeOfId(id) >= day

/**
 * Refuses a request that takes more than half of the members of a large group. It reads at most twice as many members as
 * the request removes. A group that is younger than a day is not guarded.
 *
 * @param removed ids of users; those of users who are not members do not count
 * @throws ScimError 503 if the guard holds the change back
 */
export async function requireFewRemoved(
	{ hold, now, table }: Directory,
	groupId: string,
	removed: readonly string[],
): Promise<void> {
	if (hold === undefined || now() < hold.allowedUntil || now() - timeOfId(groupId) < day) return
	const ids = new Set(removed)
	const least = guardedFrom(hold.limits)
	if (2 * ids.size <= least) return
	const rows = await firstMemberRows(table, groupId, 2 * ids.size)
	// If there are twice as many members, or more, the request takes half of them at most.
	if (rows.length < least || rows.length === 2 * ids.size) return
	const taken = rows.filter(({ RowKey }) => ids.has(lastPartOf(RowKey))).length
	if (2 * taken <= rows.length) return
	throw unavailable(
		`The guard of this tenant holds the change back: it takes ${taken} of the ${rows.length} members of the group, which is more than half. If that is wanted: ${commandOf(hold)}. If not, correct the group or the scope in the identity provider.`,
		retryAfterSeconds,
	)
}

const commandOf = ({ tenant }: Hold): string => `rollcall guard allow ${tenant} --for 2h`

const words = { User: 'people', Group: 'groups' } as const satisfies Record<TypeName, string>

const held = (hold: Hold, type: TypeName, { lost, allowed }: { readonly lost: number; readonly allowed: number }) =>
	unavailable(
		`The guard of this tenant holds deletions back: ${lost} ${words[type]} were deleted within an hour, and ${allowed} are allowed. If more are to be deleted: ${commandOf(hold)}. If not, correct the scope in the identity provider.`,
		retryAfterSeconds,
	)

/** A count that is at most ten seconds old. Requests that need a new one share it. */
function recentCount(directory: Directory): Promise<LossCount> {
	const { losses, elapsed } = directory
	if (losses.counted !== undefined && elapsed() - losses.counted.beganAt < countEvery) {
		return Promise.resolve(losses.counted)
	}
	losses.counting ??= countRows(directory).finally(() => {
		losses.counting = undefined
	})
	return losses.counting
}

async function countRows({ table, now, elapsed, losses }: Directory): Promise<LossCount> {
	const beganAt = elapsed()
	const lost: Record<TypeName, number> = { User: 0, Group: 0 }
	const known = new Set<string>()
	for await (const rows of table.pages({ from: lossKeyAt(now() - hour), to: lossKeys.to })) {
		for (const row of rows) {
			known.add(lastPartOf(row.RowKey))
			lost[lossRow.resourceType.of(row) === 'Group' ? 'Group' : 'User']++
		}
	}
	for (const [operation, { endedAt }] of losses.own) {
		if (known.has(operation) || (endedAt !== undefined && endedAt < beganAt)) losses.own.delete(operation)
	}
	losses.counted = { beganAt, lost, allowed: new Map() }
	return losses.counted
}

/** What the rows say, and the deletions of this process that they may not hold yet. */
const lostBy = ({ losses }: Directory, { lost }: LossCount, type: TypeName): number =>
	lost[type] + [...losses.own.values()].filter((each) => each.type === type).length

const limitOf = ({ limits: { people, groups } }: Hold, type: TypeName): number | undefined =>
	type === 'User' ? people : groups

/** How many people or groups may be lost by how many there are. Deletions that need it share one read. */
function allowedBy(directory: Directory, count: LossCount, type: TypeName): Promise<number> {
	const known = count.allowed.get(type) ?? readAllowed(directory, count, type)
	count.allowed.set(type, known)
	return known
}

async function readAllowed(directory: Directory, count: LossCount, type: TypeName): Promise<number> {
	const lost = lostBy(directory, count, type)
	try {
		return allowedOf(totalOf(await countsOf(directory.table, { name: type })) + lost)
	} catch (error) {
		count.allowed.delete(type)
		throw error
	}
}

/** The beginning of the keys of deletions that began at a time, in milliseconds since 1970. */
const lossKeyAt = (time: number): string => lossRow.key(Math.max(time, 0).toString(16).padStart(12, '0'))

/** How long rows of deletions stay, in milliseconds: an hour, and an hour by which clocks may differ. */
const keepFor = 2 * hour

/**
 * Removes the rows of deletions that no process counts any more.
 *
 * @param until milliseconds since 1970 at which to stop
 */
export async function trimLosses(directory: Directory, until: number): Promise<void> {
	const { table, now } = directory
	for await (const rows of table.pages({ from: lossKeys.from, to: lossKeyAt(now() - keepFor) })) {
		if (now() >= until) return
		await removeRows(
			directory,
			rows.map(({ RowKey }) => RowKey),
		)
	}
}
