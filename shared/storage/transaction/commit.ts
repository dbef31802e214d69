import type { ResourceType } from '../../scim/resource-type.ts'
import { type Directory, timestamp } from '../rows/directory.ts'
import { feedRow } from '../rows/schema.ts'
import { insert, type Operation, type Properties } from '../table/batch.ts'
import { attempts, tableUnavailable } from '../table/retry.ts'
import type { Outcome } from '../table/tables.ts'

/** An entry in the feed of changes: what happened to which resource, and to which of its attributes or members. */
export type FeedEntry = {
	readonly kind: 'create' | 'update' | 'members' | 'unlink' | 'delete'
	readonly type: Pick<ResourceType, 'name'>
	readonly id: string
	readonly changed?: readonly string[]
}

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

/** A transaction holds 100 operations and the first one is the feed entry. */
export const maxOperations = 99

/**
 * A transaction without an answer is sent again within this many milliseconds. The service may still do a copy up to half
 * a minute later; the feed waits for that.
 */
const resendWithin = 15_000

/**
 * Commits a change in one transaction. Its first operation inserts the feed entry, which proves that the change was done:
 * - If no answer came, the entry is looked up.
 * - If the transaction is sent again although an earlier copy was done, the insert of the entry is what fails. So a
 *   request never meets a uniqueness conflict with itself.
 *
 * @throws ScimError 503 if the service stays away; then the change may still be done a little later
 */
export async function commit(directory: Directory, change: Change): Promise<CommitOutcome> {
	const { table, pause, now } = directory
	const { operation, entry, operations } = change
	const marker = insert(feedRow.key(operation), feedProperties(directory, entry))
	const begun = now()
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction([marker, ...operations])
		if (outcome.kind === 'done') return outcome
		if (outcome.kind === 'exists' && outcome.index === 0) return { kind: 'done' }
		if (outcome.kind !== 'unknown') {
			const isRefused = attempt === 1 || (await withdraw(directory, operation))
			return isRefused ? { ...outcome, index: outcome.index - 1 } : { kind: 'done' }
		}
		if ((await table.get(feedRow.key(operation))) !== undefined) return { kind: 'done' }
		if (attempt === attempts.outage || now() - begun > resendWithin) throw tableUnavailable(outcome.cause)
		await pause(attempt)
	}
}

/**
 * Takes the place of a change's feed entry after a refusal. An earlier copy of the transaction that was never answered
 * can then no longer be done, whatever the client does next.
 *
 * @returns false if an earlier copy was done already
 */
async function withdraw(directory: Directory, operation: string): Promise<boolean> {
	const key = feedRow.key(operation)
	const outcome = await commitStep(directory, [insert(key, feedRow.properties({ kind: withdrawn }))])
	if (outcome.kind === 'done') return true
	const entry = await directory.table.get(key)
	return entry !== undefined && feedRow.kind.of(entry) === withdrawn
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

const feedProperties = (directory: Directory, { kind, type, id, changed = [] }: FeedEntry): Properties =>
	feedRow.properties({
		kind,
		resourceType: type.name,
		id,
		changed: changed.join(' '),
		at: timestamp(directory),
		...actorValues(directory),
	})

function actorValues({ history, actor: { credential, requestId, client } = {} }: Directory) {
	return history === 'off' ? {} : { credential: credential?.id, label: credential?.label, requestId, client }
}
