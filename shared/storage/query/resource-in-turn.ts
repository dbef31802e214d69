import type { ResourceType } from '../../scim/resource-type.ts'
import { nextTurn } from '../../turn.ts'
import { declaredSizedResourceOf, isCompressed } from '../rows/entity.ts'
import type { Row } from '../table/tables.ts'
import type { SizedResource } from './order.ts'

/** The resource that a row holds. Compressed JSON is unpacked in a turn of its own: a mebibyte takes milliseconds. */
export async function resourceInTurn(type: ResourceType, row: Row): Promise<SizedResource> {
	if (isCompressed(row)) await nextTurn()
	return declaredSizedResourceOf(type, row)
}
