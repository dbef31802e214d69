import { isLatestChange, lastPartOf, latestChangeRow } from '../rows/schema.ts'
import { type Operation, upsert } from '../table/batch.ts'
import type { Row } from '../table/tables.ts'

/** The latest large change of a group, or change of its attributes and members together. */
export type LatestChange = { readonly operation: string; readonly isPending: boolean }

/**
 * Names the latest change in the row that sorts before the members. The group's own row names it too: a reader who finds
 * different ones reads again.
 */
export const nameLatestChange = (groupId: string, { operation, isPending }: LatestChange): Operation =>
	upsert(latestChangeRow.key(groupId), latestChangeRow.properties({ operation, isPending }))

export const isLatestChangeRow = ({ RowKey }: Row): boolean => isLatestChange(lastPartOf(RowKey))

/** The latest change that a row names, if it is the row for that. */
export function latestChangeIn(row: Row | undefined): LatestChange | undefined {
	if (row === undefined || !isLatestChangeRow(row)) return undefined
	return { operation: latestChangeRow.operation.of(row), isPending: latestChangeRow.isPending.of(row) }
}
