import type { ResourceType } from '../../scim/resource-type.ts'
import type { Directory } from '../rows/directory.ts'
import { feedKey } from '../rows/keys.ts'
import { insert, type Operation } from '../table/batch.ts'
import { attempts, tableUnavailable } from '../table/retry.ts'
import type { Outcome } from '../table/tables.ts'

/** An entry in the feed of changes: what happened to which resource, and to which of its attributes or members. */
export type FeedEntry = {
	readonly kind: 'create' | 'update' | 'members' | 'unlink' | 'delete'
	readonly type: ResourceType
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
export type Committed = Exclude<Outcome, { kind: 'unknown' }>

export type Failure = Exclude<Committed, { kind: 'done' }>

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
 * For so many milliseconds a transaction without an answer is sent again. It may be half a minute longer under way; the
 * feed waits for that.
 */
const resendFor = 15_000

/**
 * Commits a change in one transaction. The feed entry is its first operation and tells that the change was done: it is
 * looked up where no answer came, and where the transaction is sent again and an earlier copy was done after all, it is
 * what fails, so that nobody hears of a uniqueness conflict with themselves.
 *
 * @throws ScimError 503 where the service stays away; then the change may still be done a little later
 */
export async function commit(directory: Directory, change: Change): Promise<Committed> {
	const { table, pause, now } = directory
	const { operation, entry, operations } = change
	const marker = insert(feedKey(operation), feedProperties(entry))
	const begun = now()
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction([marker, ...operations])
		if (outcome.kind === 'done') return outcome
		if (outcome.kind === 'exists' && outcome.index === 0) return { kind: 'done' }
		if (outcome.kind !== 'unknown') {
			const isRefused = attempt === 1 || (await withdraw(directory, operation))
			return isRefused ? { ...outcome, index: outcome.index - 1 } : { kind: 'done' }
		}
		if ((await table.get(feedKey(operation))) !== undefined) return { kind: 'done' }
		if (attempt === attempts.outage || now() - begun > resendFor) throw tableUnavailable(outcome.cause)
		await pause(attempt)
	}
}

/**
 * Takes the place of a change's feed entry: an earlier copy of its transaction, which was never answered, can then not be
 * done any more, whatever the refusal of the last one makes its client do next.
 *
 * @returns false where one was done already
 */
async function withdraw(directory: Directory, operation: string): Promise<boolean> {
	const outcome = await settled(directory, [insert(feedKey(operation), { k: withdrawn })])
	return outcome.kind === 'done' || (await directory.table.get(feedKey(operation)))?.k === withdrawn
}

/** The kind of an entry of the feed that tells of nothing. */
export const withdrawn = 'withdrawn'

/**
 * Sends a step that has no entry in the feed until there is an answer. Where it was done by an attempt that was not
 * answered, the next one fails, and so would a copy that comes late: the step has to be one that cannot be done twice.
 *
 * @throws ScimError 503 where the service stays away
 */
export async function settled({ table, pause }: Directory, operations: readonly Operation[]): Promise<Committed> {
	for (let attempt = 1; ; attempt++) {
		const outcome = await table.transaction(operations)
		if (outcome.kind !== 'unknown') return outcome
		if (attempt === attempts.outage) throw tableUnavailable(outcome.cause)
		await pause(attempt)
	}
}

const feedProperties = ({ kind, type, id, changed = [] }: FeedEntry) => ({
	k: kind,
	rt: type.name,
	id,
	chg: changed.join(' '),
})
