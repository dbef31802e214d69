import { timeOfId } from '../scim/id.ts'
import { userType } from '../scim/resource-type.ts'
import { halvedGroups, type MemberTallies, tallied, tallyMembers } from './guard-members.ts'
import { feedKeyAt, feedRowsAfter, isWithdrawn } from './ledger/feed-rows.ts'
import type { GuardLimits } from './losses.ts'
import { totalOf } from './rows/count-histogram.ts'
import { countsReadOnly } from './rows/counts.ts'
import type { Directory } from './rows/directory.ts'
import { feedRow, guardPointerRow, lastPartOf } from './rows/schema.ts'
import { upsert } from './table/batch.ts'
import type { Row } from './table/tables.ts'
import { commitStep } from './transaction/commit.ts'

/** What a tenant has lost in the last hour. People and groups that were younger than a day are left out. */
export type Losses = {
	readonly deletedPeople: number
	readonly deletedGroups: number
	/** Each person counts once. A person who was activated again within the hour does not count. */
	readonly deactivatedPeople: number
}

/** The losses of the last hour, how many people and groups may be lost, and whether one number is larger than allowed. */
export type GuardReport = Losses & {
	readonly allowedPeople: number
	readonly allowedGroups: number
	/** The ids of groups of which one request took more than half of the members: the first 20, if there are any. */
	readonly halvedGroups?: readonly string[]
	readonly isBeyond: boolean
	/** Whether further deletions of people or groups are held back. */
	readonly isHolding?: true
}

const hour = 60 * 60_000
const day = 24 * hour

/** The least number that is allowed if no setting says otherwise, and the part of what there was an hour ago. */
export const leastAllowed = 50
const allowedPart = 0.1

/**
 * Counts the losses of the last hour by the entries of the feed, and writes nothing.
 *
 * @throws ScimError 503 if the service stays away
 */
export async function guardReport(directory: Directory, limits: GuardLimits): Promise<GuardReport> {
	const { losses, tallies } = await lossesSince(directory, Number.POSITIVE_INFINITY)
	return judged(directory, { losses, halved: await halvedGroups(directory, tallies, limits) }, limits)
}

/**
 * The report of a tenant that has lost more than is allowed; undefined for any other. The next count begins where the
 * last hour began.
 *
 * @param until milliseconds since 1970 at which to stop
 * @throws ScimError 503 if the service stays away
 */
export async function checkLosses(
	directory: Directory,
	limits: GuardLimits,
	until: number,
): Promise<GuardReport | undefined> {
	const { losses, tallies, passed } = await lossesSince(directory, until)
	if (passed !== undefined) {
		await commitStep(directory, [upsert(guardPointerRow.key(), guardPointerRow.properties({ position: passed }))])
	}
	const halved = await halvedGroups(directory, tallies, limits)
	if (Object.values(losses).every((count) => count === 0) && halved.length === 0) return undefined
	const report = await judged(directory, { losses, halved }, limits)
	return report.isBeyond ? report : undefined
}

async function judged(
	directory: Directory,
	{ losses, halved }: { readonly losses: Losses; readonly halved: readonly string[] },
	limits: GuardLimits,
): Promise<GuardReport> {
	const { table } = directory
	const { deletedPeople, deletedGroups, deactivatedPeople } = losses
	const left = async (name: 'User' | 'Group') => totalOf(await countsReadOnly(table, { name }))
	const allowedPeople = limits.people ?? allowedOf((await left('User')) + deletedPeople)
	const allowedGroups = limits.groups ?? allowedOf((await left('Group')) + deletedGroups)
	// Under `hold` the next deletion is refused, so that the numbers do not grow any more.
	const isFull = (lost: number, allowed: number) => limits.isHeld === true && lost > 0 && lost >= allowed
	const isHolding = isFull(deletedPeople, allowedPeople) || isFull(deletedGroups, allowedGroups)
	const isBeyond =
		Math.max(deletedPeople, deactivatedPeople) > allowedPeople ||
		deletedGroups > allowedGroups ||
		halved.length > 0 ||
		isHolding
	return {
		...{ ...losses, allowedPeople, allowedGroups, isBeyond },
		...(halved.length > 0 && { halvedGroups: halved.slice(0, namedAtMost) }),
		...(isHolding && { isHolding }),
	}
}

/** A line of the log has no more ids. */
const namedAtMost = 20

/** How many people or groups may be lost if there were so many an hour ago, and no setting says otherwise. */
export const allowedOf = (total: number): number => Math.max(leastAllowed, Math.floor(total * allowedPart))

type CountedLosses = {
	readonly losses: Losses
	/** What the last hour did to the members of groups. */
	readonly tallies: MemberTallies
	/** The last entry before those of the last hour; undefined if it is known already. */
	readonly passed: string | undefined
}

async function lossesSince(directory: Directory, until: number): Promise<CountedLosses> {
	const since = directory.now() - hour
	const ids = { deletedPeople: new Set<string>(), deletedGroups: new Set<string>(), deactivated: new Set<string>() }
	const tallies: MemberTallies = new Map()
	let passed: string | undefined
	let isInHour = false
	for await (const rows of feedRowsAfter(directory, await startOf(directory, since), { isFinalOnly: false, select })) {
		for (const row of rows) {
			const time = timeOf(row)
			isInHour ||= time >= since
			if (!isInHour) passed = row.RowKey
			if (time < since || isWithdrawn(row)) continue
			count(ids, row, time)
			tallyMembers(tallies, row, time)
		}
		if (directory.now() >= until) break
	}
	const { deletedPeople, deletedGroups, deactivated } = ids
	const losses = {
		deletedPeople: deletedPeople.size,
		deletedGroups: deletedGroups.size,
		deactivatedPeople: deactivated.size,
	}
	return { losses, tallies, passed }
}

/** Before this entry of the feed, none is of the time since then. Entries of epochs do not tell their time by their keys. */
async function startOf({ table, feed }: Directory, since: number): Promise<string> {
	const byClock = feedKeyAt(since)
	if (feed === 'operations') return byClock
	const row = await table.get(guardPointerRow.key())
	if (row === undefined) return byClock
	const known = guardPointerRow.position.of(row)
	if (known < byClock) return byClock
	return known
}

/** An entry also has what it has replaced, and that may be long. */
const select = ['RowKey'].concat([...tallied, feedRow.at, feedRow.isDeactivation].map(({ stored }) => stored))

function timeOf(row: Row): number {
	const at = feedRow.at.of(row)
	return at === undefined ? timeOfId(lastPartOf(row.RowKey)) : Date.parse(at)
}

type CountedIds = Readonly<Record<'deletedPeople' | 'deletedGroups' | 'deactivated', Set<string>>>

function count({ deletedPeople, deletedGroups, deactivated }: CountedIds, row: Row, time: number): void {
	const id = feedRow.id.of(row)
	if (time - timeOfId(id) < day) return
	const isPerson = feedRow.resourceType.of(row) === userType.name
	if (feedRow.kind.of(row) === 'delete') (isPerson ? deletedPeople : deletedGroups).add(id)
	else if (feedRow.isDeactivation.of(row)) deactivated.add(id)
	else if (isPerson && (feedRow.changed.of(row) ?? '').split(' ').includes('active')) deactivated.delete(id)
}
