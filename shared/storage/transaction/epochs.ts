import type { Directory, Epoch } from '../rows/directory.ts'
import { epochEndRow, epochEntryRow, epochLaneRow, epochPart, epochPointerRow, feedRow } from '../rows/schema.ts'
import { insert, merge, type Operation, remove } from '../table/batch.ts'
import { attempts, tableUnavailable } from '../table/retry.ts'
import type { Row } from '../table/tables.ts'

// The feed is divided into epochs, so that its order needs no clocks. Each change requires that its epoch is open. Closing
// an epoch is one transaction, and afterwards no entry can be added to it: not by a writer that stalled for hours, and not
// by a late copy. So readers tell the entries of closed epochs, and no others.
//
// Entries `c|` of the time before epochs are those of epoch 0. `FeedStage` says when epoch 0 may be closed.

/** The key of the entry of an operation in an epoch. */
export const entryKey = (epoch: number, operation: string): string =>
	epoch === 0 ? feedRow.key(operation) : epochEntryRow.key(epochPart(epoch), operation)

/** An operation that fails if the epoch is closed. */
export const requireOpen = ({ number, lanes }: Epoch, random: () => number): Operation =>
	merge(epochLaneRow.key(epochPart(number), String(Math.floor(random() * lanes) % lanes)), {})

/** What the row `e|!` says; undefined if there is none. */
export async function readEpoch(directory: Directory): Promise<Epoch | undefined> {
	const { table, elapsed, epochs } = directory
	const begun = elapsed()
	const row = await table.get(epochPointerRow.key())
	epochs.latency = elapsed() - begun
	return row && remember(directory, epochOf(row))
}

export const epochOf = (row: Row): Epoch => ({
	number: epochPointerRow.open.of(row),
	lanes: epochPointerRow.lanes.of(row),
	first: epochPointerRow.first.of(row),
})

/** The epoch for the next change: the one that the process knows, or else the one that is open. */
export const currentEpoch = async (directory: Directory): Promise<Epoch> =>
	directory.epochs.open ?? (await epochAfter(directory, -1))

/**
 * The open epoch, which is newer than the epoch `closed`. Writers that meet the same closing share one read. A read that
 * began before the closing is repeated.
 */
export async function epochAfter(directory: Directory, closed: number): Promise<Epoch> {
	const { epochs } = directory
	for (let attempt = 1; attempt <= attempts.conflict; attempt++) {
		if (epochs.open !== undefined && epochs.open.number > closed) return epochs.open
		epochs.reading ??= readOrBegin(directory).finally(() => {
			epochs.reading = undefined
		})
		const epoch = await epochs.reading
		if (epoch.number > closed) return epoch
	}
	throw tableUnavailable(new RangeError('an epoch is closed and no other is open'))
}

/** Reads the open epoch. If there is none, begins the first one. Closes epoch 0 if the feed is one of epochs by now. */
async function readOrBegin(directory: Directory): Promise<Epoch> {
	const firstNumber = directory.feed === 'epochs' ? 1 : 0
	for (let attempt = 1; attempt <= attempts.outage; attempt++) {
		const epoch = await readEpoch(directory)
		if (epoch !== undefined && epoch.number >= firstNumber) return epoch
		// If another process does so first, this fails at the row that exists.
		if (epoch === undefined) await directory.table.transaction(beginning(firstNumber))
		else await closeEpoch(directory, epoch)
	}
	throw tableUnavailable(new RangeError('no epoch could be begun'))
}

const beginning = (number: number): readonly Operation[] => [
	insert(epochPointerRow.key(), epochPointerRow.properties({ open: number, lanes: 1, first: 0 })),
	insert(epochLaneRow.key(epochPart(number), '0'), {}),
]

/** An epoch that is newer than what the process knew. */
function remember({ epochs }: Directory, epoch: Epoch): Epoch {
	if (epochs.open === undefined || epoch.number > epochs.open.number) {
		epochs.open = epoch
		epochs.commits = 0
	}
	return epoch
}

/** How often, in milliseconds, a process writes down when an epoch was over. */
const endsEvery = 60_000

/**
 * Closes an epoch and opens the next one, with as many lanes. Several processes may try: one does it.
 *
 * @returns the next epoch; undefined if another process closed this one, or if no answer tells
 */
export async function closeEpoch(directory: Directory, epoch: Epoch): Promise<Epoch | undefined> {
	const { table, elapsed, epochs } = directory
	const next = epoch.number + 1
	const lanes = Array.from({ length: epoch.lanes }, (_, lane) => String(lane))
	epochs.triedAt = elapsed()
	const isEndWritten = epochs.triedAt - epochs.endedAt >= endsEvery
	// All lanes go together. Otherwise an entry of a later change could be in an earlier epoch.
	const outcome = await table.transaction([
		...lanes.map((lane) => remove(epochLaneRow.key(epochPart(epoch.number), lane))),
		...lanes.map((lane) => insert(epochLaneRow.key(epochPart(next), lane), {})),
		merge(epochPointerRow.key(), epochPointerRow.properties({ open: next })),
		...(isEndWritten ? [insert(epochEndRow.key(epochPart(epoch.number)), {})] : []),
	])
	if (outcome.kind !== 'done') return undefined
	if (isEndWritten) epochs.endedAt = epochs.triedAt
	return remember(directory, { ...epoch, number: next })
}

/** Whether a reader in this process may close an epoch: at most once a second, and not while storage is slow. */
export function mayClose({ elapsed, epochs }: Directory): boolean {
	return elapsed() - epochs.triedAt >= Math.max(1000, 4 * epochs.latency)
}

/** Whether an epoch has an entry; that of a withdrawn change counts. An epoch without entries stays open. */
export async function hasEntries({ table }: Directory, { number }: Epoch): Promise<boolean> {
	const range = { from: entryKey(number, ''), to: entryKey(number, '~'), select: ['RowKey'] }
	return (await table.first(range, 1)).length > 0
}

const commitsInEpoch = 1000

/**
 * Counts a change of this process. After 1,000 of them it closes the epoch behind the request, so that an epoch can be
 * sorted in memory also if the feed is never read.
 */
export function countCommit(directory: Directory, epoch: Epoch): void {
	const { epochs } = directory
	if (epochs.open?.number !== epoch.number || epoch.number === 0) return
	epochs.commits++
	if (epochs.commits % commitsInEpoch === 0) void closeEpoch(directory, epoch).catch(() => {})
}
