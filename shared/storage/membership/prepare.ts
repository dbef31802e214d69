import { ScimError } from '../../scim/error.ts'
import type { Member } from '../../scim/resource.ts'
import type { Directory } from '../rows/directory.ts'
import { jsonOf, jsonProperties } from '../rows/entity.ts'
import {
	anchorKey,
	gateKey,
	type Intent,
	intentKey,
	latestChangeKey,
	noteKey,
	partKey,
	partPrefix,
	preparedKey,
} from '../rows/keys.ts'
import { insert, merge, type Operation, remove, upsert } from '../table/batch.ts'
import { within } from '../table/key-range.ts'
import { chunked, inParallel, packed } from '../table/parallel.ts'
import type { Row, Table } from '../table/tables.ts'
import { failedOperation, settled } from '../transaction/commit.ts'
import { removeRows } from '../transaction/remove-rows.ts'
import type { MembershipChange } from './operations.ts'
import { touchedMember, unknownMember } from './operations.ts'

// A change of more members than one transaction holds is written down, then committed, then applied. What is written
// down counts for nothing until one transaction commits it, together with whatever else the request changes; from then
// on it counts for every reader, whether or not it has been applied. Nobody else can change the members in between: the
// commit closes the group's gate, and the last step of the application opens it.

/**
 * Ten parts are less than a transaction holds, even where each is one member with a display at its longest; and so is what
 * applies a part.
 */
const partSize = { count: 1000, bytes: 100_000 }
const partsAtOnce = 10
/** A member takes two operations, and one is the fence. */
const notesAtOnce = 49
const width = 8

/**
 * Writes down what a change is to do, and for each user to be added a note that it may. A user is known to exist by then
 * and cannot be deleted without the preparation being noticed.
 *
 * @returns false where somebody has stopped the preparation
 * @throws ScimError 400 `invalidValue` for a member that is no user; then nothing is left
 */
export async function prepare(directory: Directory, intent: Intent, change: MembershipChange): Promise<boolean> {
	const parts = chunked(partsOf(change), partsAtOnce).map((some, index) =>
		some.map((part, at) => insert(partKey(intent, index * partsAtOnce + at), jsonProperties(JSON.stringify(part)))),
	)
	const notes = chunked(change.add, notesAtOnce).map((members) =>
		members.flatMap(({ value }) => [
			merge(anchorKey(value), { t: 'u' }),
			insert(noteKey(value, intent.operation), { g: intent.groupId }),
		]),
	)
	const [first = [], ...rest] = parts
	try {
		await settled(directory, [insert(preparedKey(intent), {}), ...first])
		// The parts tell which notes there may be, so they come first: whoever stops the preparation finds every note.
		return (await prepareSteps(directory, intent, rest)) && (await prepareSteps(directory, intent, notes))
	} catch (error) {
		await abandonIfPossible(directory, intent)
		throw error
	}
}

async function prepareSteps(
	directory: Directory,
	intent: Intent,
	steps: readonly (readonly Operation[])[],
): Promise<boolean> {
	const done = await inParallel(steps, (step) => prepareStep(directory, intent, step), width)
	return done.every((isDone) => isDone)
}

async function prepareStep(directory: Directory, intent: Intent, step: readonly Operation[]): Promise<boolean> {
	const operations = [merge(preparedKey(intent), {}), ...step]
	const outcome = await settled(directory, operations)
	// Nobody else writes under this operation: what exists is from an earlier attempt of ours.
	if (outcome.kind === 'done' || outcome.kind === 'exists') return true
	const unknown = touchedMember(failedOperation(outcome, operations))
	if (unknown !== undefined) throw unknownMember(unknown)
	return false
}

/** What commits a prepared change, in one transaction with the group's row, whose `pend` becomes the operation. */
export const opening = (intent: Intent): readonly Operation[] => [
	remove(preparedKey(intent)),
	insert(intentKey(intent), {}),
	upsert(latestChangeKey(intent.groupId), { op: intent.operation, open: true }),
]

/**
 * Tells who reads the members of a change that is made at once: of the name and members together, of whom few. Its
 * operation is told by the group's row as well.
 */
export const tellLatest = ({ groupId, operation }: Intent): Operation =>
	upsert(latestChangeKey(groupId), { op: operation, open: false })

/** The same for a group that exists already: members can be changed in no other way until the gate is there again. */
export const closingGate = (intent: Intent): readonly Operation[] => [
	remove(gateKey(intent.groupId)),
	...opening(intent),
]

const partsOf = ({ add, remove: removed }: MembershipChange): readonly MembershipChange[] => [
	...packed(add, partSize).map((some) => ({ add: some, remove: [] })),
	...packed(removed, partSize).map((some) => ({ add: [], remove: some })),
]

/** What a part of a change is to do. */
export const changeIn = (part: Row): MembershipChange => JSON.parse(jsonOf(part))

/** The parts of a change that are not yet applied, page by page. */
export const partPages = (table: Table, intent: Intent): AsyncGenerator<readonly Row[]> =>
	table.pages(within(partPrefix(intent)))

/** What of a committed change may not be in the rows yet. */
export type OpenChange = {
	readonly add: ReadonlyMap<string, Member>
	readonly remove: ReadonlySet<string>
}

/** Reads it. Rows that are read after this are at least as new. */
export async function openChange(table: Table, intent: Intent): Promise<OpenChange> {
	const add = new Map<string, Member>()
	const removed = new Set<string>()
	for await (const parts of partPages(table, intent)) {
		for (const part of parts) {
			const change = changeIn(part)
			for (const member of change.add) add.set(member.value, member)
			for (const id of change.remove) removed.add(id)
		}
	}
	return { add, remove: removed }
}

/**
 * Stops the preparation of a change, which cannot be committed from then on, and removes what it has written.
 *
 * @returns false where it is committed already and has to be applied
 */
export async function abandon(directory: Directory, intent: Intent): Promise<boolean> {
	const { table } = directory
	const outcome = await settled(directory, [remove(preparedKey(intent))])
	if (outcome.kind !== 'done' && (await table.get(intentKey(intent))) !== undefined) return false
	for await (const parts of partPages(table, intent)) {
		for (const part of parts) {
			await removeRows(
				directory,
				changeIn(part).add.map(({ value }) => noteKey(value, intent.operation)),
			)
			await removeRows(directory, [part.RowKey])
		}
	}
	return true
}

/** The same where something else has gone wrong already: what cannot be removed now is found later. */
export async function abandonIfPossible(directory: Directory, intent: Intent): Promise<void> {
	try {
		await abandon(directory, intent)
	} catch (error) {
		if (!(error instanceof ScimError)) throw error
	}
}
