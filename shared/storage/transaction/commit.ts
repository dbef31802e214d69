import { Fault } from '../../fault.ts'
import { laterThan, timeOfId } from '../../scim/id.ts'
import type { ResourceId } from '../../scim/resource.ts'
import type { ResourceType } from '../../scim/resource-type.ts'
import type { JsonObject } from '../../scim/value.ts'
import { type Directory, type Epoch, timestamp } from '../rows/directory.ts'
import { feedRow } from '../rows/schema.ts'
import { insert, type Operation, type Properties } from '../table/batch.ts'
import { attempts, tableUnavailable, tooContended } from '../table/retry.ts'
import type { Outcome } from '../table/tables.ts'
import { countCommit, currentEpoch, entryKey, epochAfter, readEpoch, requireOpen } from './epochs.ts'

/** An entry in the feed of changes: what happened to which resource, and to which of its attributes or members. */
export type FeedEntry = {
	readonly kind: 'create' | 'update' | 'members' | 'unlink' | 'delete'
	readonly type: Pick<ResourceType, 'name'>
	readonly id: string
	readonly changed?: readonly string[]
	/** Of a deletion: by what the application that reads the feed may know the resource. */
	readonly identity?: DeletedIdentity
	/** What the change replaces or removes, as JSON can hold it. Only a ledger with the history `full` keeps it. */
	readonly before?: JsonObject
	/** The members that a new group has from the beginning, if they are few. */
	readonly firstMembers?: readonly string[]
	/** The large change whose members come or go. */
	readonly large?: string
	/** How many members the large change adds to a group that was there before, and how many it removes. */
	readonly addedMembers?: number
	readonly removedMembers?: number
	/** Whether an active user is inactive afterwards. */
	readonly isDeactivation?: boolean
}

/** The `userName` or `displayName` of a resource that is deleted, and its `externalId`. */
export type DeletedIdentity = { readonly name?: string; readonly externalId?: string }

/** One attempt to change the directory. `operation` is an id of its own, which becomes the version of what it writes. */
export type Change = {
	readonly operation: string
	readonly entry: FeedEntry
	readonly operations: readonly Operation[]
}

/** How a change ended; `index` is that of the failing one among its operations. */
export type CommitOutcome = Exclude<Outcome, { kind: 'unknown' }>

export type Failure = Exclude<CommitOutcome, { kind: 'done' }>

/** The operation that made a transaction fail. */
export function failedOperation({ kind, index }: Failure, operations: readonly Operation[]): Operation {
	const operation = operations[index]
	if (operation === undefined)
		throw new RangeError(`a transaction of ${operations.length} ended with ${kind} at ${index}`)
	return operation
}

/**
 * How many operations a change may have. A transaction holds 100, and the first one is the feed entry. With epochs, the
 * second one requires that the epoch is open.
 */
export const maxOperations = ({ feed }: Pick<Directory, 'feed'>): number => (feed === 'operations' ? 99 : 98)

/**
 * The id of a new operation. With epochs it is later than the version that the change reads and replaces, whatever the
 * clocks say. So the entries of one resource in one epoch are in the order of their ids.
 */
export function newOperation({ ids, feed }: Directory, replaced?: string): ResourceId {
	const operation = ids('Operation')
	return replaced === undefined || feed === 'operations' ? operation : laterThan(operation, replaced)
}

/** A transaction without an answer is sent again within this many milliseconds. */
const resendWithin = 15_000

/**
 * Commits a change in one transaction. Its first operation inserts the feed entry, which proves that the change was done:
 * - If no answer came, the entry is looked up.
 * - If the transaction is sent again although an earlier copy was done, the insert of the entry is what fails. So a
 *   request never meets a uniqueness conflict with itself.
 *
 * With epochs, the next operation requires that the epoch is open. If it is closed, the same change is made in the epoch
 * that is open then: no copy that was sent before can be done any more.
 *
 * @throws ScimError 503 if the service stays away; then the change may still be done a little later
 */
export async function commit(directory: Directory, change: Change): Promise<CommitOutcome> {
	if (directory.feed === 'operations') {
		// Version 0.1.0 shows the time of the operation, and may answer the next request of the same reader.
		const time = new Date(timeOfId(change.operation)).toISOString()
		const entry = insert(feedRow.key(change.operation), feedProperties(directory, change.entry, time))
		return openOutcome(await commitAt(directory, change, { entry, guard: [] }))
	}
	const time = timestamp(directory)
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		const epoch = await currentEpoch(directory)
		const entry = insert(entryKey(epoch.number, change.operation), feedProperties(directory, change.entry, time))
		const guard = [requireOpen(epoch, directory.random)]
		const outcome = await commitAt(directory, change, { entry, guard, epoch })
		if (outcome.kind === 'done') countCommit(directory, epoch)
		if (outcome.kind !== 'closed') return outcome
	}
	throw tooContended()
}

/** Where the entry of a change goes, and what requires that its epoch is open. */
type EntryPlace = { readonly entry: Operation; readonly guard: readonly Operation[]; readonly epoch?: Epoch }

type EpochOutcome = CommitOutcome | { readonly kind: 'closed' }

function openOutcome(outcome: EpochOutcome): CommitOutcome {
	if (outcome.kind === 'closed') throw new RangeError('a feed without epochs cannot be closed')
	return outcome
}

/** Sends a change again and again to one place, until an answer comes. `closed`: it was not done, and cannot be there. */
async function commitAt(directory: Directory, { operations }: Change, place: EntryPlace): Promise<EpochOutcome> {
	const { table, pause, now } = directory
	const { entry, guard } = place
	const begun = now()
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction([entry, ...guard, ...operations])
		if (outcome.kind === 'done') return outcome
		if (outcome.kind === 'exists' && outcome.index === 0) return { kind: 'done' }
		if (outcome.kind !== 'unknown') {
			const isUnanswered = attempt > 1
			if (outcome.index > 0 && outcome.index <= guard.length) return endIn(directory, place, isUnanswered)
			const isRefused = !isUnanswered || (await withdraw(directory, place))
			return isRefused ? { ...outcome, index: outcome.index - 1 - guard.length } : { kind: 'done' }
		}
		if ((await table.get(entry.key)) !== undefined) return { kind: 'done' }
		if (attempt === attempts.outage || now() - begun > resendWithin) throw tableUnavailable(outcome.cause)
		await pause(attempt)
	}
}

/** How a change ended in an epoch that is closed: its entry tells, and cannot be added any more. */
async function endIn(
	directory: Directory,
	{ entry, epoch }: EntryPlace,
	isUnanswered: boolean,
): Promise<{ readonly kind: 'done' | 'closed' }> {
	if ((await directory.table.get(entry.key)) !== undefined) return { kind: 'done' }
	const closed = epoch?.number ?? 0
	if (isUnanswered) await requireKept(directory, closed)
	await epochAfter(directory, closed)
	return { kind: 'closed' }
}

/**
 * Requires that an entry which is missing was never there. It is read after the entry, because entries are removed after
 * the row says so.
 *
 * @throws ScimError 503 if entries of the epoch may have been removed
 */
async function requireKept(directory: Directory, epoch: number): Promise<void> {
	const open = await readEpoch(directory)
	if (open === undefined || open.first > epoch) {
		throw tableUnavailable(new Fault('the entry of a change without an answer may have been removed'))
	}
}

/**
 * Takes the place of a change's feed entry after a refusal. An earlier copy of the transaction that was never answered
 * can then no longer be done, whatever the client does next. In an epoch that is closed it cannot be done anyway, and
 * nothing is added to such an epoch.
 *
 * @returns false if an earlier copy was done already
 */
async function withdraw(directory: Directory, { entry: { key }, guard, epoch }: EntryPlace): Promise<boolean> {
	const outcome = await commitStep(directory, [insert(key, feedRow.properties({ kind: withdrawn })), ...guard])
	if (outcome.kind === 'done') return true
	const entry = await directory.table.get(key)
	if (entry !== undefined) return feedRow.kind.of(entry) === withdrawn
	if (epoch === undefined) return false
	await requireKept(directory, epoch.number)
	return true
}

/** The kind of an entry of the feed whose change was not done. Readers of the feed pass over it. */
export const withdrawn = 'withdrawn'

/**
 * Sends a step that has no entry in the feed until an answer comes. If an attempt without an answer was done, the next one
 * fails, and so does a late copy: a step must be one that cannot be done twice.
 *
 * @throws ScimError 503 if the service stays away
 */
export async function commitStep(
	{ table, pause }: Directory,
	operations: readonly Operation[],
): Promise<CommitOutcome> {
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction(operations)
		if (outcome.kind !== 'unknown') return outcome
		if (attempt === attempts.outage) throw tableUnavailable(outcome.cause)
		await pause(attempt)
	}
}

const feedProperties = (directory: Directory, entry: FeedEntry, at: string): Properties =>
	feedRow.properties({
		kind: entry.kind,
		resourceType: entry.type.name,
		id: entry.id,
		changed: (entry.changed ?? []).join(' '),
		...entry.identity,
		at,
		...(entry.isDeactivation && { isDeactivation: true }),
		...(entry.addedMembers && { addedMembers: entry.addedMembers }),
		...(entry.removedMembers && { removedMembers: entry.removedMembers }),
		...(directory.history !== 'off' && namesOf(directory, entry)),
		...(directory.history === 'full' && valuesOf(entry)),
	})

const namesOf = (
	{ actor: { credential, requestId, client } = {} }: Directory,
	{ firstMembers = [] }: FeedEntry,
): Parameters<typeof feedRow.properties>[0] => ({
	credential: credential?.id,
	label: credential?.label,
	requestId,
	client,
	firstMembers: firstMembers.length === 0 ? undefined : firstMembers.join(' '),
})

const valuesOf = ({ before, large }: FeedEntry): Parameters<typeof feedRow.properties>[0] => ({
	before: before === undefined || Object.keys(before).length === 0 ? undefined : JSON.stringify(before),
	large,
})
