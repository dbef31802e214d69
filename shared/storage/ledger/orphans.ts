import { timeOfId } from '../../scim/id.ts'
import { isTrimHour } from '../refusals.ts'
import type { Directory } from '../rows/directory.ts'
import { feedRow, historyRow, orphanPointerRow } from '../rows/schema.ts'
import { upsert } from '../table/batch.ts'
import { after } from '../table/key-range.ts'
import { rowsAt } from '../table/rows-at.ts'
import type { Row } from '../table/tables.ts'
import { commitStep } from '../transaction/commit.ts'
import { readEpoch } from '../transaction/epochs.ts'
import { removeRows } from '../transaction/remove-rows.ts'
import { ledgerEntryIn, placeIn } from './entry.ts'
import { feedRowsAfter, isWithdrawn } from './feed-rows.ts'

// Version 0.1.0 removes old entries of the feed and knows nothing of the rows `h|` and `l|` beside them. After a time with
// that version, such rows have no entry that would take them with it. The sweep looks for them once a night.

const day = 24 * 60 * 60_000

/** A sweep reads no more pages of up to 1,000 rows; the next one goes on. */
const pagesAtMost = 200

const ranges = [
	{ from: 'h|0', to: 'h|~' },
	{ from: 'l|0', to: 'l|~' },
] as const

/**
 * Removes histories and kept members of entries that are gone, once their time is over.
 *
 * @param until milliseconds since 1970 at which to stop
 */
export async function removeOrphans(directory: Directory, until: number): Promise<void> {
	const { table, now } = directory
	if (!isTrimHour(now())) return
	const pointer = await table.get(orphanPointerRow.key())
	const position = pointer === undefined ? '' : orphanPointerRow.position.of(pointer)
	const judge = await newJudge(directory)
	let pages = 0
	for (const range of ranges) {
		const from = position >= range.from ? after(position) : range.from
		if (from >= range.to) continue
		for await (const rows of table.pages({ ...range, from, select: ['RowKey', historyRow.kind.stored] })) {
			await removeRows(directory, await judge(rows))
			if (++pages < pagesAtMost && now() < until) continue
			return moveTo(directory, rows.at(-1)?.RowKey ?? '')
		}
	}
	if (position !== '') await moveTo(directory, '')
}

async function moveTo(directory: Directory, position: string): Promise<void> {
	await commitStep(directory, [upsert(orphanPointerRow.key(), orphanPointerRow.properties({ position }))])
}

/** Answers the keys of the rows that no entry takes with it. */
type OrphanJudge = (rows: readonly Row[]) => Promise<readonly string[]>

async function newJudge(directory: Directory): Promise<OrphanJudge> {
	const first = directory.feed === 'operations' ? 0 : ((await readEpoch(directory))?.first ?? 0)
	let lists: Promise<ReadonlySet<string>> | undefined
	return async (rows) => {
		const isHistory = ({ RowKey }: Row) => RowKey.startsWith('h|')
		const histories = rows.filter((row) => isHistory(row) && historyRow.kind.of(row) !== 'erased')
		const kept = rows.filter((row) => !isHistory(row) && isPast(directory, operationOf(row), day))
		if (kept.length > 0) lists ??= listsOfOldEntries(directory)
		const known = await lists
		return [
			...(await orphanHistories(directory, histories, first)),
			...kept.filter((row) => !known?.has(operationOf(row))).map(({ RowKey }) => RowKey),
		]
	}
}

/** Whether an operation is older than the feed is kept, and a margin. */
const isPast = ({ now, keepFeedFor }: Directory, operation: string, margin = 0): boolean =>
	timeOfId(operation) < now() - keepFeedFor - margin

/** The change that a row `l|` belongs to. */
const operationOf = ({ RowKey }: Row): string => RowKey.split('|')[1] ?? ''

/** Entries of epochs go with their epoch. Of older entries one may have stayed, which readers of the feed need. */
async function orphanHistories(directory: Directory, rows: readonly Row[], first: number): Promise<readonly string[]> {
	const placed = rows.map(({ RowKey }) => ({ RowKey, ...placeIn(RowKey), number: epochIn(RowKey) }))
	const gone = placed.filter(({ number }) => number < first)
	const unsure = placed.filter(({ number, operation }) => first === 0 && number === 0 && isPast(directory, operation))
	const keys = [...new Set(unsure.map(({ operation }) => feedRow.key(operation)))]
	const entries = await rowsAt(directory.table, keys)
	return [...gone, ...unsure.filter(({ operation }) => !entries.has(feedRow.key(operation)))].map(
		({ RowKey }) => RowKey,
	)
}

const epochIn = (key: string): number => Number.parseInt(placeIn(key).epoch, 16)

/** Under which operations the oldest entries keep members. A row `l|` does not tell its entry. */
async function listsOfOldEntries(directory: Directory): Promise<ReadonlySet<string>> {
	const found = new Set<string>()
	for await (const rows of feedRowsAfter(directory, '', { isFinalOnly: false })) {
		for (const row of rows.filter((each) => !isWithdrawn(each))) {
			const { lists, operation } = ledgerEntryIn(row)
			if (!isPast(directory, operation)) return found
			if (lists !== undefined) found.add(lists)
		}
	}
	return found
}
