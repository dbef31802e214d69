import type { Row } from '../table/tables.ts'
import { textOf } from './entity.ts'

/** Whether a group is in the middle of a change of many members. */
export const isUnsettled = (header: Row): boolean => textOf(header, 'pend') !== ''
