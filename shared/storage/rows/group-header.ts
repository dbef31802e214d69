import type { Row } from '../table/tables.ts'
import { groupRow } from './schema.ts'

/** Whether a large change of the group is committed and not yet applied. `row` is the group's own row. */
export const hasPendingChange = (row: Row): boolean => groupRow.pendingChange.of(row) !== ''
