import { nextTurn } from '../../turn.ts'
import { isCompressed, sizedResourceOf } from '../rows/entity.ts'
import type { Row } from '../table/tables.ts'
import type { SizedResource } from './order.ts'

/** The resource that a row holds. Compressed JSON is unpacked in a turn of its own: a mebibyte takes milliseconds. */
export async function resourceInTurn(row: Row): Promise<SizedResource> {
	if (isCompressed(row)) await nextTurn()
	return sizedResourceOf(row)
}
